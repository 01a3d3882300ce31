#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Loads, processes in the way, and machines that are recorded.
# shellcheck disable=SC2016 # expanded by the inner shells
# shellcheck source=tests/sim/claims.sh
. "$(dirname "$0")/claims.sh"

# ---- loads ----

load='version: carve-sim/load-v1
seed: 42
for: 1h
processes:
- name: train
  device: "1"
  start: 1s..9s
  repeat: 2
  phases:
  - {for: 60s, memory: 2G..4G, busy: 10..20}
  - {for: 60s..120s, memory: 20G, busy: 90}
- {name: infer, repeat: forever, phases: [{for: 700s, memory: 1G, busy: 5}]}'
printf '%s\n' "$load" >"$work/load.yaml"

exits 0 "$sim" load --print "$work/load.yaml" && cp "$work/out" "$work/first" &&
	exits 0 "$sim" load --print "$work/load.yaml" && cmp "$work/out" "$work/first" &&
	exits 0 "$sim" load --print --seed 42 - <"$work/load.yaml" && cmp "$work/out" "$work/first" &&
	exits 0 "$sim" load --print --seed 43 "$work/load.yaml" && ! cmp -s "$work/out" "$work/first" &&
	[ "$(grep -c "train changes memory 20G busy 90" "$work/first")" -eq 2 ] &&
	[ "$(grep -c "infer starts" "$work/first")" -eq 6 ] && [ "$(tail -n 1 "$work/first")" = "3600.000s 1 infer ends" ]
claim a_load_is_the_same_for_the_same_seed

# What the node shows after each step; the answer to a step is a line "at ...".
exits 0 "$sim" run a30x2 --fast -- sh -euc '
	mkfifo "$0/steps" "$0/answers"
	carve-sim load --step "$0/load.yaml" <"$0/steps" >"$0/answers" & player=$!
	exec 3>"$0/steps" 4<"$0/answers"
	answered() { while read -r line <&4; do case $line in at*) return ;; esac; done; false; }
	shows() { carve-sim state --json | jq -ec "[.gpus[].processes[] | [.memory, .busy]] == $1" || carve-sim state; }
	answered
	shows "[[1000000000, 5]]"
	echo 30s >&3; answered
	carve-sim state --json | jq -e ".gpus[1].processes[0] | .busy >= 10 and .busy <= 20 and .memory >= 2e9"
	echo 40s >&3; answered
	shows "[[1000000000, 5], [20000000000, 90]]"
	echo 40min >&3; answered
	shows "[[1000000000, 5]]"
	exec 3>&-
	wait $player
	shows "[]"' "$work"
claim time_may_be_stepped

printf '%s\n' "$load" | sed 's/memory: 20G/memory: 30G/; s/60s/1ms/; s/1s..9s/0s/; s/for: 1h/for: 50ms/' >"$work/big.yaml"
exits 0 "$sim" run a30x2 --fast -- carve-sim load "$work/big.yaml" && says "0 ends early: out of memory" &&
	says "0.050s 1 infer ends"
claim who_asks_for_more_than_there_is_ends

exits 0 "$sim" run a30x2 --fast -- sh -euc '
	carve-sim load "$0" & load=$!
	until carve-sim state | grep -q process; do sleep 0.05; done
	kill -9 $load
	while carve-sim state | grep -q process; do sleep 0.05; done' "$work/load.yaml"
claim its_processes_end_with_the_load

# refuses EDIT PLACE SENTENCE
refuses() {
	printf '%s\n' "$load" | sed "$1" >"$work/bad.yaml"
	exits 1 "$sim" load --print "$work/bad.yaml" && says "bad.yaml:$2: " && says "$3"
}
refuses 's/load-v1/load-v2/' 1:10 "version: carve-sim/load-v1" && refuses 's/seed: 42/seed: x/' 2:7 "not a number" &&
	refuses 's/for: 1h/for: long/' 3:6 "'long' is not a time" &&
	refuses '/^for/d' 11:25 "wants an end of the whole" && refuses 's/1s..9s/9s..1s/' 7:10 "the greater one" &&
	refuses 's/10..20/10..200/' 10:38 "not a percentage" && refuses 's/memory: 20G/memory: a lot/' 11:30 "not an amount" &&
	refuses 's/  device/  devise/' 6:3 "'devise' is not a key" && refuses 's/phases: \[/x: [/' 12:34 "'x' is not a key" &&
	exits 1 "$sim" run a30x2 --fast -- sh -c 'sed "s/device: .*/device: 7/" "$0" | carve-sim load -' "$work/load.yaml" &&
	says "no GPU '7'"
claim errors_in_loads_say_where_and_what

# ---- processes in the way ----

cat >"$work/mig.yaml" <<'Y'
version: carve-sim/v1
driver: 550.90.07
cuda: "12.4"
gpus:
- product: H100-80
  pci: ["1b:00.0", "43:00.0"]
  numa: [0, 1]
  mig: on
  persistence: on
  instances: [{profile: 3g.40gb, start: 0, compute: [1c, 2c]}, 1g.10gb+me@4, {profile: 1g.10gb, start: 6, compute: []}]
  processes:
  - {name: python3, memory: 10G, instance: 1}
- product: T4
  pci: ["0001:af:00.0"]
  numa: 1
  processes:
  - {name: Xorg, memory: 1G, busy: 30, type: graphics}
Y
exits 0 "$sim" run "$work/mig.yaml" --fast -- sh -euc '
	carve-sim inject memory:device=0.1.1,busy=7 holder:device=1.1
	carve-sim state --json | jq -e "[.gpus[0:2][].processes[] | [.memory, .gpu_instance, .compute_instance, .busy]] |
		contains([[42412802048, 1, 1, 7], [67108864, 1, 0, 0]])"
	! carve-sim hold --device "$(carve-sim state --json | jq -r ".gpus[0].gpu_instances[0].compute_instances[0].uuid")"' &&
	says "out of memory" && exits 1 "$sim" run a30x2 --fast -- carve-sim inject holder:device=0.1 &&
	says "GPU 0 has no instance 1" && exits 1 "$sim" run a30x2 --fast -- carve-sim inject memory:sice=1G &&
	says "'sice' is not a key" && exits 0 "$sim" run a30x2 --fast -- sh -c '
	carve-sim inject memory:device=1,size=20G | { read -r _ pid; carve-sim state; kill "$pid"; }' && says "20G"
claim processes_may_be_put_in_the_way

# ---- recording ----

# What is said of a node, without what is its own: pids, UUIDs and its name.
same='del(.dir, .machine, .device_nodes, .live_files) | del(.gpus[].uuid, .gpus[].processes[].pid) |
	del(.gpus[].gpu_instances[].compute_instances[].uuid) | .gpus[].processes[].busy |= 0'
is_recorded_as_it_is() {
	exits 0 "$sim" run "$1" --fast -- sh -euc 'carve-sim record "$0/recorded.yaml"
		carve-sim state --json | jq "$1" >"$0/state"' "$work" "$same" &&
		exits 0 "$sim" run "$work/recorded.yaml" --fast -- sh -euc 'carve-sim record >"$0/again"
		carve-sim state --json | jq "$1" >"$0/state.again"' "$work" "$same" &&
		cmp "$work/recorded.yaml" "$work/again" && diff "$work/state" "$work/state.again"
}
all_are_recorded() {
	for machine in dgx-a100-40 dgx-a100-80 dgx-h100 h200 a30x2 rtx-pro-6000 h100-l40s "$work/mig.yaml"; do
		is_recorded_as_it_is "$machine" || return
	done
}
if command -v jq >/dev/null; then
	all_are_recorded
	claim a_recorded_machine_is_the_machine
else
	echo "skip a_recorded_machine_is_the_machine: no jq here"
fi

exits 1 "$sim" record && says "no driver here"
claim where_there_is_no_driver_there_is_nothing_to_record

exit $failed
