#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The manual pages: man.sh CARVE PAGE...
set -u
carve=$1
shift
command -v groff >/dev/null || { echo "skip pages_render_without_a_warning: no groff"; exit 0; }

failed=0
# claim NAME: by what the command before it returned.
claim() {
	if [ "$2" -eq 0 ]; then
		echo "ok $1"
	else
		echo "not ok $1"
		failed=1
	fi
}

warnings=$(for page in "$@"; do groff -man -ww -Tutf8 -z -rLL=100n "$page" 2>&1; done)
echo "$warnings"
[ -z "$warnings" ]
claim pages_render_without_a_warning $?

text=$(for page in "$@"; do groff -man -Tascii -P-cbou "$page"; done)
missing=$(for verb in $("$carve" help | sed -n 's/^  \([a-z]*\)  *[^ ].*/\1/p'); do
	echo "$text" | grep -q "^ *carve $verb" || echo "$verb"
done)
echo "$missing"
[ -z "$missing" ]
claim every_verb_has_its_part_of_the_page $?

named=$(for page in "$@"; do basename "$page"; done)
dangling=$(echo "$text" | grep -oE '\<carve(d|-layout|-sim|d\.yaml)?\([1-9]\)' | tr '()' '. ' | sort -u |
	while read -r page; do echo "$named" | grep -qxF "$page" || echo "$page"; done)
echo "$dangling"
[ -z "$dangling" ]
claim every_page_that_is_named_is_there $?
exit $failed
