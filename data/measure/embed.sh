#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Prints the PTX files given as C strings: compute.ptx as compute_ptx.
for file; do
	printf 'static const char %s_ptx[] =\n' "$(basename "$file" .ptx)"
	sed 's/\\/\\\\/g; s/"/\\"/g; s/^/"/; s/$/\\n"/' "$file"
	echo ';'
done
