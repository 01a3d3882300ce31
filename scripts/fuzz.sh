#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Throws damaged input at the parsers: fuzz.sh [SECONDS] [TARGET...]
#
# Builds every libFuzzer target (executables whose name starts with fuzz_) with clang and ASan in
# build-fuzz, and runs each for SECONDS on a copy of its corpus, tests/fuzz/corpus/NAME/. What it
# finds is written to build-fuzz/found/; put it into the corpus once it is mended, where it runs as a plain
# test.
set -eu
cd "$(dirname "$0")/.."
BUILD=${BUILD:-build-fuzz}
seconds=${1:-60}
[ $# -eq 0 ] || shift

scripts/install-packages.sh check
if [ ! -e "$BUILD/build.ninja" ]; then
	CC=clang meson setup -Dfuzzers=true -Db_sanitize=address,undefined -Db_lundef=false "$BUILD"
fi
ninja -C "$BUILD"

found=$BUILD/found
mkdir -p "$found"
n=0
for target in $(find "$BUILD" -type f -name 'fuzz_*' -perm -u+x | sort); do
	name=${target##*/fuzz_}
	case " $* " in
	"  " | *" $name "*) ;;
	*) continue ;;
	esac
	n=$((n + 1))
	echo "=== $name, $seconds s"
	grown=$BUILD/corpus/$name
	mkdir -p "$grown"
	corpus=
	[ ! -d "tests/fuzz/corpus/$name" ] || corpus=tests/fuzz/corpus/$name
	# The first folder is the one that new inputs are added to.
	"$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=0 \
		-artifact_prefix="$found/$name-" "$grown" ${corpus:+"$corpus"}
done
[ "$n" -gt 0 ] || {
	echo "no such target" >&2
	exit 1
}
echo "Nothing found by $n targets."
