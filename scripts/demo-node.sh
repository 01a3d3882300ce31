#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The demo's part on the simulated node; started by demo.sh through `carve-sim run`, which sets
# CARVE_RUN_DIR and puts the simulated driver on the library path.
set -eu

# shellcheck source=scripts/tell.sh
. scripts/tell.sh

log=$CARVE_RUN_DIR/demo.log
daemon='' jobs=''

# However the demo ends, nothing of it stays.
clean_up() {
	# shellcheck disable=SC2086 # a list of process ids
	[ -z "$jobs$daemon" ] || kill $jobs $daemon 2>/dev/null || true
	wait
}
trap clean_up EXIT

# has_leases STATE N: so many leases are in that state.
has_leases() {
	[ "$(carve list leases --json | grep -c "\"state\": *\"$1\"")" -eq "$2" ]
}
is_free() {
	[ -z "$(carve list leases --ids)" ]
}

# give_up SENTENCE: what carved and the jobs said, and the end.
give_up() {
	echo "$1" >&2
	cat "$log" >&2
	exit 1
}

say_fence() {
	if carve list leases --json | grep -q '"fenced": *false'; then
		say "The jobs are not fenced here: as this user, or on this kernel, carved may not" \
			"make cgroups or attach device filters (carve doctor says which)."
	else
		say "Each job is fenced: the kernel lets it open its own share and no other GPU."
	fi
}

title "A simulated node with eight H100 GPUs"
say "Only the driver is simulated; carved and carve are the real programs."
show_behind "$log" carved --config data/carved.yaml
daemon=$!
wait_for_socket "$daemon" "$log"

title "What each GPU can do, by each way of sharing it"
show carve list gpus

title "A layout says what should be there; applying it changes only what must change"
show cat data/examples/day.yaml
show carve apply data/examples/day.yaml

title "Three jobs at once, in shares of different sizes"
for request in "--memory 10G" "--memory 30G --compute 40%" "--gpus 2"; do
	# shellcheck disable=SC2086 # options and their values are words
	show_behind "$log" carve run $request -- carve-sim hold --time 3s
	jobs="$jobs $!"
done
wait_until 20 has_leases active 3 || give_up "The three jobs did not get their shares:"
show carve list
say_fence

title "The jobs end, and with them their leases: nothing has to be given back"
for job in $jobs; do
	wait "$job" || give_up "A job failed:"
done
jobs=''
wait_until 10 is_free || give_up "Something is still held:"
show carve list
say "Everything is free again. What the layout pinned stays for the next jobs."
