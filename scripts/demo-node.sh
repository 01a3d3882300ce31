#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The demo's part on the simulated node; started by demo.sh through `carve-sim run`, which sets
# CARVE_RUN_DIR and puts the simulated driver on the library path.
set -eu

# shellcheck source=scripts/tell.sh
. scripts/tell.sh

# n_leases STATE: how many leases are in that state.
n_leases() {
	carve list leases --json | grep -o "\"state\": *\"$1\"" | wc -l
}
has_leases() {
	[ "$(n_leases "$1")" -eq "$2" ]
}
is_free() {
	! carve list leases --json | grep -q '"id"'
}

title "A simulated node: eight H100 GPUs"
say "The driver is simulated; carved and carve are the ordinary programs and do not know it."
log=$CARVE_RUN_DIR/demo.log
show_behind "$log" carved --config data/carved.yaml
daemon=$!
trap 'kill "$daemon" 2>/dev/null && wait "$daemon" || true' EXIT
wait_for_socket "$daemon" "$log"

title "What each GPU can do"
show carve list gpus

title "A layout: what should be there"
show cat data/examples/day.yaml
title "What would be done for it, and then doing it"
show carve plan data/examples/day.yaml || [ $? -eq 2 ]
show carve apply data/examples/day.yaml

title "Three jobs at once, in shares of different sizes"
jobs=
for request in "--memory 10G" "--memory 30G --compute 40%" "--gpus 2"; do
	# shellcheck disable=SC2086 # options and their values are words
	show_behind "$log" carve run $request -- carve-sim hold --time 4s
	jobs="$jobs $!"
done
wait_until 20 has_leases active 3 || {
	echo "the three jobs did not get their shares:" >&2
	cat "$log" >&2
	exit 1
}
show carve list

title "Nobody gives anything back: a lease ends with its job"
for job in $jobs; do
	wait "$job"
done
wait_until 10 is_free || {
	echo "something is still held:" >&2
	carve list >&2
	exit 1
}
show carve list
say "Everything is free again; the pinned instances of the layout stay for the next jobs."
