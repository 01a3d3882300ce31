#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Every header compiles alone, as the first and only include of a file: headers.sh ROOT COMPILER...
set -eu
root=$1
shift
failed=
for header in $(cd "$root" && find src include -name '*.h' | sort); do
	if ! "$@" -std=gnu17 -D_GNU_SOURCE -Wall -Wextra -Wno-unused-parameter -Werror -fsyntax-only \
		-I"$root/src" -I"$root/include" -include "$root/$header" -x c /dev/null; then
		echo "$header does not compile alone"
		failed=yes
	fi
done
if [ -n "$failed" ]; then
	echo "not ok every_header_compiles_alone"
	exit 1
fi
echo "ok every_header_compiles_alone"
