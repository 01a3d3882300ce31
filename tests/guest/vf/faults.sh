# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# A device with four VFs and no driver of its own, on machines that each have another fault.
. /claims/claims.sh

# Claims of test_vf_kernel, about the $1th device.
kernel() {
	CARVE_PF=$(pf_of "$1")
	export CARVE_PF
	shift
	for name in "$@"; do
		test_vf_kernel "$name"
	done
}

# doctor WORDS: carve doctor says that this is bad.
doctor() {
	carve doctor >/tmp/doctor || true
	cat /tmp/doctor
	grep -q "^bad .*$1" /tmp/doctor
}

doctor_finds_no_iommu() {
	doctor "there is no IOMMU"
	grep -q "how: in the BIOS: 'VT-d'" /tmp/doctor
}

doctor_names_who_shares_the_group_and_the_bridge_without_acs() {
	doctor "shares IOMMU group .*not viable"
	grep -q "how: the bridge .* has no access control (ACS)" /tmp/doctor
}

doctor_finds_no_room_for_vfs() {
	doctor "found no room on the bus for the memory of its VFs (BAR 2)"
	grep -q "should be: 4096.25Mi of memory space for them (4 VFs of 1.00Gi)" /tmp/doctor
	grep -q "how: .*pci=realloc" /tmp/doctor
}

doctor_finds_no_bus_numbers_for_vfs() {
	doctor "there are bus numbers for 0 of its 4 VFs"
	grep -q "how: .*pci=assign-busses" /tmp/doctor
}

doctor_finds_vfs_of_a_gpu_without_a_driver() {
	echo 2 >"$pci/devices/$(pf_of)/sriov_numvfs"
	echo "$(pf_of)" >"$pci/devices/$(pf_of)/driver/unbind"
	doctor "has no driver, but VFs are on"
}

doctor_tells_each_gpus_numa_node() {
	doctor "" || true
	grep -q "at NUMA node 0, with their VFs: $(pf_of 1)" /tmp/doctor
	grep -q "at NUMA node 1, with their VFs: $(pf_of 2)" /tmp/doctor
}

case $PART in
table)
	kernel 1 what_is_no_number_is_einval more_than_there_are_is_erange_and_refused_before \
		without_a_driver_is_enoent_and_said_so a_gpu_with_vfio_pci_is_enoent_and_said_so \
		another_number_is_ebusy_and_goes_through_none \
		vfs_are_turned_on_without_drivers_and_handed_to_vfio_pci
	;;
no_iommu)
	kernel 1 without_an_iommu_the_kernel_says_nothing_and_carve_does
	claim doctor_finds_no_iommu
	;;
no_acs)
	kernel 1 without_acs_all_are_in_one_group_that_is_not_viable
	echo 2 >"$pci/devices/$(pf_of)/sriov_numvfs"
	claim doctor_names_who_shares_the_group_and_the_bridge_without_acs
	;;
no_room)
	kernel 1 no_room_for_their_memory_is_enomem_and_said
	claim doctor_finds_no_room_for_vfs
	;;
no_buses)
	kernel 1 no_bus_numbers_for_them_is_enomem_and_said
	claim doctor_finds_no_bus_numbers_for_vfs
	;;
held)
	kernel 1 a_held_vf_is_named_with_its_virtual_machine_before_anything_is_written \
		a_write_that_does_not_come_back_is_left_behind_at_the_deadline
	;;
unbound)
	kernel 1 vfs_whose_gpu_has_lost_its_driver_stay_until_it_has_one
	claim doctor_finds_vfs_of_a_gpu_without_a_driver
	;;
two_nodes)
	for device in 1 2; do
		CARVE_NUMA=$((device - 1))
		export CARVE_NUMA
		kernel $device vfs_are_of_their_gpus_numa_node
	done
	claim doctor_tells_each_gpus_numa_node
	;;
esac
