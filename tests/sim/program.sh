#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# carve-sim as people use it: what it says, how it exits, what it leaves behind.
# shellcheck source=tests/sim/claims.sh
. "$(dirname "$0")/claims.sh"

exits 0 "$sim" run h200 --fast -- true && exits 7 "$sim" run h200 --fast -- sh -c 'exit 7' &&
	exits 127 "$sim" run h200 --fast -- "$work/nothing" &&
	exits 143 "$sim" run h200 --fast -- sh -c 'kill -TERM $$'
claim run_exits_as_its_command

# shellcheck disable=SC2016 # expanded by the inner shell
exits 0 "$sim" run h200 --fast -- sh -c 'echo "$CARVE_SIM_NODE" >'"$work/dir"'
	[ -e "$CARVE_SYSTEM_ROOT/dev/nvidia0" ] && [ -d "$CARVE_RUN_DIR" ] &&
	[ -d "$CARVE_STATE_DIR" ] && [ "$CARVE_SIMULATED" = 1 ] &&
	command -v nvidia-smi | grep -q "^$CARVE_SIM_NODE/" &&
	grep -q " nvidia-caps$" "$CARVE_SYSTEM_ROOT/proc/devices"' &&
	[ ! -e "$(cat "$work/dir")" ]
claim the_command_finds_its_node_and_nothing_stays

"$sim" run h200 --fast -- sh -c 'trap "exit 5" TERM; echo $$ >'"$work/pid"'; while :; do sleep 0.05; done' &
runner=$!
while [ ! -s "$work/pid" ] && kill -0 "$runner" 2>/dev/null; do sleep 0.02; done
kill -TERM "$runner"
wait "$runner"
[ "$?" -eq 5 ]
claim signals_are_passed_on

all_can_be_made() {
	for name in dgx-a100-40 dgx-a100-80 dgx-h100 h200 a30x2 rtx-pro-6000 h100-l40s; do
		exits 0 "$sim" machines || return
		says "$name" || return
		exits 0 "$sim" run "$name" --fast -- true || return
	done
}
all_can_be_made
claim all_machines_can_be_made

exits 64 "$sim" && exits 64 "$sim" frobnicate && exits 64 "$sim" run && exits 64 "$sim" run h200 &&
	exits 64 "$sim" run h200 --create soon -- true && exits 64 "$sim" xid &&
	exits 64 "$sim" hold --memory much && exits 64 "$sim" nvidia-smi -L
claim usage_errors_exit_64

all_have_help() {
	for verb in machines run create exec destroy state inject xid ecc lose recover reset hold; do
		exits 0 "$sim" "$verb" --help || return
		says "Usage: carve-sim $verb" || return
	done
}
all_have_help
claim every_verb_has_help

good='version: carve-sim/v1
gpus:
- product: H100-80
  pci: ["1b:00.0"]
  mig: on
  instances: [3g.40gb@4, {profile: 3g.40gb, start: 0, compute: [1c, 2c]}]
  processes:
  - {name: python3 train.py, memory: 10G, instance: 1, busy: 50}'
# refuses EDIT PLACE SENTENCE
refuses() {
	printf '%s\n' "$good" | sed "$1" >"$work/bad.yaml"
	exits 1 "$sim" run "$work/bad.yaml" --fast -- true && says "bad.yaml:$2: " && says "$3"
}
refuses 's/H100-80/H101/' 3:12 "no product 'H101' is known" &&
	refuses 's/40gb@4/40gb@2/' 6:15 "3g.40gb never starts at slot 2" &&
	refuses 's/mig: on/mig: maybe/' 5:8 "neither on nor off" &&
	refuses 's/gpus:/gpu:/' 2:1 "'gpu' is not a key here" &&
	refuses 's/memory: 10G/memory: lots/' 8:38 "not an amount of memory" &&
	refuses 's/instance: 1/instance: 2/' 8:53 "2 instances" &&
	refuses 's/1c, 2c/1c, 4c/' 6:69 "3g.40gb has no compute instance '4c'" &&
	refuses 's/\["1b:00.0"\]/["zz"]/' 4:10 "not a PCI address"
claim errors_in_machine_files_say_where_and_what

refuses 's/sim.v1/sim-v2/' 1:10 "version: carve-sim/v1" && refuses '1a cuda: new' 2:7 "not a version" &&
	refuses '1a permission: me' 2:13 "neither root nor anyone" && refuses '1a driver: [1]' 2:10 "one plain value" &&
	refuses '1a description: {a: b}' 2:15 "one plain value" && refuses '4a\  numa: [x]' 5:10 "not a number" &&
	refuses '4a\  numa: []' 3:3 "one number is wanted for each" &&
	refuses 's/mig: on/persistence: often/' 5:16 "neither on nor off" &&
	refuses 's/mig: on/mig: off/' 6:15 "'mig: on' beside it" && refuses 's/b@4/b@x/' 6:15 "'x' is not a slot" &&
	refuses 's/3g.40gb@4/9g.1gb/' 6:15 "no profile '9g.1gb'" && refuses 's/start: 0/start: 2/' 6:52 "never starts" &&
	refuses 's/start: 0/begin: 0/' 6:45 "'begin' is not a key" &&
	refuses 's/profile: 3g.40gb, //' 6:27 "an instance wants a profile" &&
	refuses 's/busy: 50/busy: 101/' 8:62 "from 0 to 100" && refuses 's/busy: 50/type: x/' 8:62 "none of compute" &&
	refuses 's/busy: 50/pid: 5/' 8:56 "'pid' is not a key" && refuses 's/, instance: 1//' 8:6 "uses an instance" &&
	refuses 's/name: python3 train.py/name: [a]/' 8:13 "one plain value" &&
	refuses 's/"1b:00.0"/"1b:00.0", "1b:00.0"/' 4:21 "this PCI address already" &&
	refuses 's/"1b:00.0"//' 3:3 "the addresses of these GPUs are wanted" &&
	refuses 's/  processes:/  processes: none/;8d' 7:14 "a list is wanted" &&
	refuses 's/gpus:/gpus: [/' 3:1 "did not find"
claim every_key_of_a_machine_file_is_checked

printf '%s\n' "$good" >"$work/good.yaml"
# shellcheck disable=SC2016
exits 0 "$sim" run "$work/good.yaml" --fast -- sh -c '
	carve-sim state --json >'"$work/state"'
	carve-sim state | grep "^  process" | { read -r _ pid _; tr "\0" " " </proc/"$pid"/cmdline; }' &&
	says "python3 train.py hold" && grep -q '"profile": "1c.3g.40gb"' "$work/state" &&
	grep -q '"busy": 50' "$work/state"
claim a_machine_may_have_instances_and_processes

# shellcheck disable=SC2016
exits 0 "$sim" run "$work/good.yaml" --fast -- sh -c '
	carve-sim hold --memory 1G -- carve-sim state' && says "process" &&
	exits 1 "$sim" run "$work/good.yaml" --fast -- carve-sim hold --memory 60G &&
	says "out of memory" &&
	exits 1 env CUDA_VISIBLE_DEVICES=MIG-0 "$sim" run h200 --fast -- carve-sim hold &&
	says "no CUDA-capable device is detected"
claim hold_uses_a_device_as_cuda_would

# shellcheck disable=SC2016
exits 1 "$sim" run a30x2 --fast -- sh -c '
	rm "$CARVE_SYSTEM_ROOT/dev/nvidia0"; carve-sim hold --device 0' &&
	says "cannot open" && exits 0 "$sim" run a30x2 --fast -- sh -c '
	rm "$CARVE_SYSTEM_ROOT/dev/nvidia0"; carve-sim hold -- true'
claim hold_is_kept_out_by_its_nodes

# shellcheck disable=SC2016
exits 0 "$sim" run a30x2 --fast -- sh -c 'nvidia-smi --gpu-reset -i 1 && nvidia-smi -r -i 0000:17:00.0' &&
	says "successfully reset" && exits 255 "$sim" run a30x2 --fast -- sh -c '
	carve-sim hold --device 0 -- nvidia-smi --gpu-reset -i 0' && says "in use by another process"
claim nvidia_smi_resets_and_no_more

if [ "$(id -u)" -eq 0 ] && command -v setpriv >/dev/null; then
	chmod 711 "$work"
	as_nobody="setpriv --reuid 65534 --regid 65534 --clear-groups"
	# shellcheck disable=SC2016,SC2086
	exits 0 "$sim" run h200 --fast -- $as_nobody sh -c 'carve-sim hold -- carve-sim state' &&
		says process && exits 1 "$sim" run h200 --fast -- $as_nobody sh -c '
		carve-sim inject nvmlInit >/dev/null && nvidia-smi --gpu-reset -i 0 >/dev/null || exit 1' &&
		exits 0 env TMPDIR="/tmp" XDG_RUNTIME_DIR= $as_nobody "$sim" run h200 --fast -- true
	claim other_users_may_look_and_use_but_not_change
else
	echo "skip other_users_may_look_and_use_but_not_change: only root can become another user"
fi

exits 0 "$sim" create a30x2 --dir "$work/node" && exits 1 "$sim" create a30x2 --dir "$work/node" &&
	says "already" && exits 0 "$sim" state --dir "$work/node" && says "NVIDIA A30" &&
	exits 0 "$sim" destroy --dir "$work/node" && [ ! -e "$work/node" ] &&
	exits 1 "$sim" destroy --dir "$work" && says "no simulated node" && [ -d "$work" ]
claim nodes_stay_until_destroyed

node=test-$$
# shellcheck disable=SC2016
exits 0 "$sim" create "$node" a30x2 && exits 1 "$sim" create "$node" a30x2 && says already &&
	exits 0 "$sim" exec "$node" -- carve-sim state && says "NVIDIA A30" &&
	exits 3 "$sim" exec --no-namespace "$node" -- sh -c 'exit 3' && exits 64 "$sim" exec "$node" &&
	exits 64 "$sim" create "$node" && exits 0 "$sim" destroy "$node" &&
	exits 1 "$sim" destroy "$node" && says "no simulated node" && exits 1 "$sim" exec "$node" -- true &&
	exits 1 "$sim" create ../x a30x2 && says "not a name"
claim nodes_have_names

exit $failed
