# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# A GPU with sixteen VFs and NVIDIA's files for vGPUs (fake_nvidia.c).
. /claims/claims.sh
. /claims/life.sh
if [ "$PART" = first ]; then
	insmod /stand-ins/fake_nvidia.ko
else
	# The driver was updated meanwhile.
	insmod /stand-ins/fake_nvidia.ko is_later=1
	echo 595.71.05 >/tmp/version
	mount --bind /tmp/version /sys/module/fake_nvidia/version
fi
pf=$(pf_of)

the_stand_in_is_as_the_driver_that_people_report_of() {
	equal "$(driver_of "$pf")" nvidia
	sriov-manage -e ALL
	equal "$(cat $devices/"$pf"/sriov_numvfs)" 16
	says "Operation not permitted" sh -c "echo 0 >$devices/$pf/sriov_numvfs"
	vf=$devices/$pf/virtfn
	equal "$(link_of "${vf}0")" "${pf%.0}.4"
	equal "$(driver_of "$(vf_of "$pf" 3)")" nvidia
	says "No such device or address" cat "${vf}0/nvidia/placement_id"
	says "cannot open it: No such device" qemu-system-x86_64 -once -device "vfio-pci,host=$(vf_of "$pf" 0)"
	echo 1427 >"${vf}0/nvidia/current_vgpu_type"
	says "Input/output error" sh -c "echo 1425 >${vf}1/nvidia/current_vgpu_type"
	equal "$(sed 1d "${vf}1/nvidia/creatable_vgpu_types")" "1427  : NVIDIA H200X-70C"
	echo 1427 >"${vf}1/nvidia/current_vgpu_type"
	equal "$(cat "${vf}1/nvidia/placement_id")" 8
	equal "$(cat "${vf}2/nvidia/creatable_vgpu_types")" "ID    : vGPU Name"
	hold web1 "$(vf_of "$pf" 0)"
	says "busy" sh -c "echo 0 >${vf}0/nvidia/current_vgpu_type"
	let_go web1
	echo 0 >"${vf}0/nvidia/current_vgpu_type"
	sleep 100 </dev/nvidia0 &
	client=$!
	says "unbindLock" sriov-manage -d ALL
	kill $client
	wait_for sriov-manage -d "$pf"
	equal "$(cat $devices/"$pf"/sriov_numvfs)" 0
}

knows_types() {
	[ "$(json '.gpu.vf.types | length' show 0)" = "$1" ]
}

# Without NVML nothing but VFs that are on tells the types of vGPU.
types_are_known_once_vfs_have_told_them() {
	STATE=/tmp/early
	start
	carve manage 0
	knows_types 0
	says "sriov-manage -e $pf" carve lease --vm --name early --profile H200X-35C
	sriov-manage -e "$pf"
	wait_for knows_types 5
	sriov-manage -d "$pf"
	stop
	start
	knows_types 5
	carve lease --vm --name early --profile H200X-35C
	equal "$(cat "$devices/$pf/virtfn0/nvidia/current_vgpu_type")" 1425
	stop KILL
	start
	knows_types 5
	carve release early
	wait_for count_is 0
	wait_for rests
	stop
}

if [ "$PART" = first ]; then
	claim the_stand_in_is_as_the_driver_that_people_report_of
	for name in nvidias_vfs_come_by_its_own_program_all_or_none \
		vgpus_are_made_and_one_that_does_not_fit_is_refused_with_what_does \
		a_refusal_among_several_vgpus_leaves_none_of_them \
		a_vgpu_that_is_open_is_never_touched \
		a_client_of_the_driver_keeps_the_count_as_it_is_and_is_named; do
		CARVE_PF=$pf test_vf_kernel $name
	done
	claim types_are_known_once_vfs_have_told_them
fi

# In the first boot somebody turns VFs on by a unit of his own, in the second Carve does.
n_idle=0
prepare() {
	sriov-manage -e ALL
}
if [ "$PART" = first ]; then
	prepare
	n_idle=16
fi

kind="nvidia 16 16 16" n_types=5 n=16 want="--profile H200X-35C" driver=nvidia held="10de:2335 class 030200" n_pinned=16
layout='version: carve/v1
layouts:
  guests:
  - gpus: [0]
    vf: [{type: "NVIDIA H200X-35C", count: 2}]
'

is_bare() {
	[ ! -e "$devices/$pf/virtfn$1" ] ||
		[ "$(cat "$devices/$pf/virtfn$1/nvidia/current_vgpu_type")" = 0 ]
}

live
