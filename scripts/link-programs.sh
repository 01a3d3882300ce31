#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Links the programs of a build directory where people look for them: link-programs.sh BUILD FOLDER
set -eu
build=$(cd "$1" && pwd)
for program in carve carved carve-sim; do
	path=$(find "$build/src" -type f -name "$program" -perm -u+x)
	[ -z "$path" ] || ln -srf "$path" "$2/$program"
done
