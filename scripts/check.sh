#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Builds with the developer profile (warnings are errors) and runs every test: `make check`.
#
#	check.sh [--sanitize]     with clang, ASan and UBSan
#
# BUILD and CC say where and with what. The last line is "N passed, N failed, N skipped".
set -eu
cd "$(dirname "$0")/.."

sanitize=
if [ "${1-}" = --sanitize ]; then
	sanitize=yes
	shift
	BUILD=${BUILD:-build-clang}
	CC=${CC:-clang}
fi
BUILD=${BUILD:-build-check}
CC=${CC:-gcc}
export CC

scripts/install-packages.sh check

if [ ! -e "$BUILD/build.ninja" ]; then
	meson setup -Ddeveloper=true \
		${sanitize:+-Db_sanitize=address,undefined -Db_lundef=false} "$BUILD"
fi
ninja -C "$BUILD" all meson-test-prereq

exec tests/run "$BUILD" ${sanitize:+--patience 4} "$@"
