# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# The life of virtual machines' leases with carved, the same for all kinds of VFs. A device's own
# claims set before: $pf, $n (VFs that are on when they are), $want (what a lease asks for), $held
# (what a virtual machine sees), $driver (of a VF that is handed over), $n_idle (VFs that are on without Carve),
# $n_types (of vGPU), is_bare (a VF has no setup), prepare (what is done at each boot before carved starts).
devices=$pci/devices

count() {
	cat $devices/"$pf"/sriov_numvfs
}

count_is() {
	[ "$(count)" = "$1" ]
}

state_of() {
	json .lease.state show "$1"
}

states_are() {
	[ "$(json '[.leases[].state] | unique | join(" ")' list leases)" = "$1" ]
}

vf_of_lease() {
	json '.lease.got[0].pci' show "$1"
}

vf_shares() {
	json '[.shares[] | select(.mechanism == "vf")] | length' list shares
}

# is_user NUMBER PID: a VF is seen to be open.
is_user() {
	[ "$(json '.share.vf.user.pid' show "0:vf$1")" = "$2" ]
}

# Nothing leased, and as many on as when Carve was started, or $1.
nothing_is_left() {
	equal "$(json '.leases | length' list leases)" 0
	equal "$(vf_shares)" 0
	wait_for count_is "${1:-$n_idle}"
	wait_for rests
}

a_gpu_that_is_not_managed_is_only_looked_at() {
	equal "$(json '.gpus | length' list gpus)" 1
	equal "$(json '.gpus[0].vf | "\(.kind) \(.total) \(.hardware_total) \(.on)"' list gpus)" "$kind"
	# shellcheck disable=SC2086
	says "not managed" carve lease --vm --name web1 $want
	equal "$(count)" "$n_idle"
	carve manage 0
}

a_lease_turns_vfs_on_and_its_vf_opens_with_what_the_binding_says() {
	# shellcheck disable=SC2086
	carve lease --vm --name web1 $want
	equal "$(count)" "$n"
	vf=$(vf_of_lease web1)
	equal "$vf" "$(vf_of "$pf" 0)"
	equal "$(driver_of "$vf")" "$driver"
	carve show web1 --json >/tmp/web1.json
	equal "$(jq -r .lease.binding.vf.group /tmp/web1.json)" "$(group_of "$vf")"
	equal "$(jq -r '.lease.binding.nodes[].path' /tmp/web1.json | sort | tr '\n' ' ')" \
		"/dev/vfio/$(group_of "$vf") /dev/vfio/vfio "
	carve show web1 --as qemu | grep -q "^-device vfio-pci,host=$vf,"
	hold web1 "$vf"
	equal "$(cat /tmp/web1.held)" "holds $held group $(group_of "$vf") reset yes"
}

a_vf_in_use_is_shown_with_its_virtual_machine_and_never_touched() {
	pid=$(cat /tmp/web1.pid)
	wait_for is_user 0 "$pid"
	equal "$(json '.share.vf.vm' show 0:vf0)" web1
	says "virtual machine web1 (process $pid of root) has 0:vf0 open" carve release web1
	printf 'version: carve/v1\nlayouts:\n  none:\n  - gpus: [0]\n    vf: []\n' >/tmp/none.yaml
	says web1 carve apply /tmp/none.yaml
	printf '%s' "$layout" | sed "s/vfs: .*/vfs: 2/" >/tmp/other.yaml
	[ "$n" = "$n_pinned" ] || says web1 carve apply /tmp/other.yaml
	equal "$(state_of web1)" active
	equal "$(count)" "$n"
}

a_lease_outlives_the_daemon_and_ends_when_it_is_released() {
	stop KILL
	start
	equal "$(state_of web1)" active
	wait_for is_user 0 "$(cat /tmp/web1.pid)"
	let_go web1
	stop
	start
	equal "$(state_of web1)" active
	carve release web1
	wait_for is_bare 0
	nothing_is_left
}

# pause: some instant of what is under way now.
pause() {
	usleep $(($(od -An -N2 -tu2 /dev/urandom) % 700 * 1000))
}

# The daemon killed between any two writes: what it says is what there is, and all of it can go.
as_is() {
	states_are active || states_are ""
	equal "$(json '[.shares[] | select(.mechanism == "vf" and .lease != null)] | length' list shares)" \
		"$(json '.leases | length' list leases)"
	set_up=0
	number=0
	while [ -e "$devices/$pf/virtfn$number" ]; do
		is_bare $number || set_up=$((set_up + 1))
		number=$((number + 1))
	done
	equal $set_up "$(vf_shares)"
}

settled() {
	! json '.leases[].state' list leases | grep -v active
}

a_daemon_killed_between_any_two_writes_leaves_nothing_half_made() {
	for round in 1 2 3 4; do
		# shellcheck disable=SC2086
		carve lease --vm --name a $want >/tmp/a 2>&1 &
		[ $((round % 2)) = 0 ] || pause
		# shellcheck disable=SC2086
		carve lease --vm --name b $want >/tmp/b 2>&1 &
		pause
		stop KILL
		wait %1 %2 || true
		start
		wait_for settled
		as_is
		for name in a b; do
			carve release $name >/tmp/release 2>&1 &
		done
		pause
		stop KILL
		start
		wait_for settled
		as_is
		for name in $(json '.leases[].id' list leases); do
			carve release "$name" || [ "$(json '.leases | length' list leases)" = 0 ]
		done
		nothing_is_left
	done
}

is_noticed() {
	[ "$(json '.gpus[0].vf | "\(.kind) \(.total) \(.hardware_total) \(.on)"' list gpus)" = "$kind" ] &&
		[ "$(json '.gpu.vf.types | length' show 0)" = "$n_types" ]
}

# The layout is made again at the next start, to its end, whatever was done of it.
a_daemon_killed_while_it_applies_a_layout_ends_with_all_of_it_or_nothing() {
	printf '%s' "$layout" >/tmp/layout.yaml
	for round in 1 2; do
		carve apply /tmp/layout.yaml >/tmp/apply 2>&1 &
		pause
		stop KILL
		start
		wait_for settled
		as_is
		wait_for carve apply /tmp/layout.yaml
		equal "$(count)" "$n_pinned"
		equal "$(vf_shares)" 2
		carve apply /tmp/none.yaml >/tmp/apply 2>&1 &
		pause
		stop KILL
		start
		as_is
		# What puts itself right at the start may still be at it.
		wait_for carve apply /tmp/none.yaml
		nothing_is_left 0
		# What somebody else does meanwhile is noticed, with all that shows only then.
		prepare
		wait_for is_noticed
	done
}

leases_and_a_layout_are_made_for_the_next_boot() {
	printf '%s' "$layout" >/tmp/layout.yaml
	carve apply /tmp/layout.yaml
	carve plan /tmp/layout.yaml
	# shellcheck disable=SC2086
	carve lease --vm --name web1 $want
	# shellcheck disable=SC2086
	carve lease --vm --name web2 $want
	vf_of_lease web1 >/keep/web1
	vf_of_lease web2 >/keep/web2
	stop KILL
}

after_a_boot_all_is_there_again_before_the_first_answer() {
	equal "$(count)" "$n_idle"
	is_bare 0
	carved --state-dir /keep/state >>/tmp/carved.log 2>&1 &
	echo $! >/tmp/carved.pid
	wait_for carve list leases
	equal "$(count)" "$n_pinned"
	equal "$(json '[.leases[] | "\(.name) \(.state)"] | join(", ")' list leases)" "web1 active, web2 active"
	for name in web1 web2; do
		vf=$(vf_of_lease $name)
		equal "$vf" "$(cat /keep/$name)"
		equal "$(driver_of "$vf")" "$driver"
		hold $name "$vf"
		let_go $name
	done
	printf '%s' "$layout" >/tmp/layout.yaml
	carve plan /tmp/layout.yaml
	carve release web1
	carve release web2
	printf 'version: carve/v1\nlayouts:\n  none:\n  - gpus: [0]\n    vf: []\n' >/tmp/none.yaml
	carve apply /tmp/none.yaml
	nothing_is_left 0
}

prepare() {
	:
}

live() {
	mkdir -p /keep/state
	if [ "$PART" = first ]; then
		start
		claim a_gpu_that_is_not_managed_is_only_looked_at
		claim a_lease_turns_vfs_on_and_its_vf_opens_with_what_the_binding_says
		claim a_vf_in_use_is_shown_with_its_virtual_machine_and_never_touched
		claim a_lease_outlives_the_daemon_and_ends_when_it_is_released
		claim a_daemon_killed_between_any_two_writes_leaves_nothing_half_made
		claim a_daemon_killed_while_it_applies_a_layout_ends_with_all_of_it_or_nothing
		claim leases_and_a_layout_are_made_for_the_next_boot
	else
		claim after_a_boot_all_is_there_again_before_the_first_answer
	fi
	sed 's/^/# carved: /' /tmp/carved.log
}
