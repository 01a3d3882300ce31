# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# A GPU with seven VFs and the files of Intel's xe (fake_xe.c).
. /claims/claims.sh
. /claims/life.sh
insmod /stand-ins/fake_xe.ko
pf=$(pf_of)
admin=$devices/$pf/sriov_admin

the_stand_in_is_as_the_kernel_documents_xe() {
	equal "$(driver_of "$pf")" xe
	equal "$(cat "$admin/vf1/profile/vram_quota")" 0
	echo 0 >$devices/"$pf"/sriov_drivers_autoprobe
	echo 2 >$devices/"$pf"/sriov_numvfs
	equal "$(link_of "$admin/vf2/device")" "$(vf_of "$pf" 1)"
	equal "$(cat "$admin/vf1/profile/vram_quota")" $((11 * 512 << 20))
	says "No space left" sh -c "echo $((6 << 30)) >$admin/vf1/profile/vram_quota"
	echo 0 >$devices/"$pf"/sriov_numvfs
	equal "$(cat "$admin/vf1/profile/vram_quota")" 0
	echo $((1 << 30)) >"$admin/vf2/profile/vram_quota"
	echo 2 >$devices/"$pf"/sriov_numvfs
	equal "$(cat "$admin/vf1/profile/vram_quota")" 0
	equal "$(cat "$admin/vf2/profile/vram_quota")" $((1 << 30))
	echo 20 >"$admin/vf2/profile/exec_quantum_ms"
	echo high >"$admin/pf/profile/sched_priority"
	equal "$(cat "$admin/pf/profile/sched_priority")" "low normal [high]"
	bind "$(vf_of "$pf" 1)" vfio-pci
	hold web1 "$(vf_of "$pf" 1)"
	let_go web1
	echo 0 >$devices/"$pf"/sriov_numvfs
}

if [ "$PART" = first ]; then
	claim the_stand_in_is_as_the_kernel_documents_xe
	for name in what_the_driver_refuses_is_said \
		fewer_than_asked_for_without_an_error_is_seen_and_put_back \
		xe_divides_by_itself_as_long_as_nobody_asks_for_memory \
		a_vf_of_xes_gets_memory_and_time_under_its_own_number \
		more_memory_than_xe_has_is_refused_and_nothing_changes; do
		CARVE_PF=$pf test_vf_kernel $name
	done
fi

kind="xe 7 7 0" n_types=0 n_idle=0 n=7 want="--memory 1Gi" driver=vfio-pci held="8086:e20b class 030000" n_pinned=3
layout='version: carve/v1
layouts:
  guests:
  - gpus: [0]
    vf: [{memory: 1Gi, count: 2, quantum: 20}]
    vfs: 3
'

is_bare() {
	[ ! -e "$devices/$pf/virtfn$1/driver" ]
}

live
