#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Prints the machine files given as a table of C strings.
echo 'static const struct machine_text machine_texts[] = {'
for file; do
	printf '{ "%s",\n' "$(basename "$file" .yaml)"
	sed 's/\\/\\\\/g; s/"/\\"/g; s/^/"/; s/$/\\n"/' "$file"
	echo '},'
done
echo '};'
