/* SPDX-License-Identifier: Apache-2.0 */
/* What the doctor finds on a host of virtual machines, well and ill in one respect at a time. */
#include "doctor/doctor.h"
#include "tree.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "test.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const checks_of_vms[] = { "vms", "iommu", "groups", "sriov", "space",
	"pf-driver", "vgpu", "licence", "guest", "boot" };

/* A node as `tree`, and what the doctor says of it. */
static struct doctor *look_at(const struct tree *tree)
{
	struct doctor *doctor = doctor_new();

	tree_write(tree);
	doctor_look(doctor, 4000);
	return doctor;
}

static struct doctor *look_again(void)
{
	struct doctor *doctor = doctor_new();

	doctor_look(doctor, 4000);
	return doctor;
}

static void leave(struct doctor *doctor)
{
	doctor_free(doctor);
	tree_remove();
}

static bool is_of_vms(const char *check)
{
	for (unsigned i = 0; i < ARRAY_SIZE(checks_of_vms); i++) {
		if (text_eq(checks_of_vms[i], check))
			return true;
	}
	return false;
}

/* How many findings of a check, or of all that are about virtual machines, are as grave as that. */
static unsigned count(const struct doctor *doctor, const char *check, enum doctor_verdict least)
{
	unsigned n, found = 0;
	const struct doctor_finding *list = doctor_findings(doctor, &n);

	for (unsigned i = 0; i < n; i++)
		found += list[i].verdict >= least &&
			 (check ? text_eq(list[i].check, check) : is_of_vms(list[i].check));
	return found;
}

static const struct doctor_finding *find(
	const struct doctor *doctor, const char *check, const char *what)
{
	unsigned n;
	const struct doctor_finding *list = doctor_findings(doctor, &n);

	for (unsigned i = 0; i < n; i++) {
		if (text_eq(list[i].check, check) && strstr(list[i].what, what))
			return &list[i];
	}
	return NULL;
}

/* There is such a finding, its way out says `how`, and nothing else is complained of. */
#define CHECK_ONLY(doctor, check, what_, verdict_, how_)                                           \
	do {                                                                                       \
		const struct doctor_finding *found_ = find((doctor), (check), (what_));            \
		CHECK_SAY(found_, "no finding '%s' of %s", (what_), (check));                      \
		if (found_) {                                                                      \
			CHECK_EQ(found_->verdict, (verdict_));                                     \
			CHECK_SAY(found_->how &&strstr(found_->how, (how_)), "how: %s",            \
				found_->how ?: "(none)");                                          \
		}                                                                                  \
		CHECK_EQ(count((doctor), NULL, DOCTOR_UNSEEN), 1);                                 \
		if (test_failures)                                                                 \
			doctor_print((doctor), stderr, false);                                     \
	} while (0)

TEST(well_host_of_virtual_machines_is_not_complained_of)
{
	struct tree tree = tree_well();
	struct doctor *doctor = look_at(&tree);

	CHECK_EQ(count(doctor, NULL, DOCTOR_UNSEEN), 0);
	CHECK(find(doctor, "iommu", "is on"));
	CHECK(find(doctor, "groups", "4 VFs of GPU 0000:41:00.0 (L40S) are each in"));
	CHECK(find(doctor, "sriov", "can have 32 VFs, and has 4"));
	CHECK(find(doctor, "space", "32 VFs have 8Gi of memory space on the bus, 256Mi each"));
	CHECK(find(doctor, "guest", "at NUMA node 0"));
	CHECK(find(doctor, "vgpu", "makes VFs"));
	if (test_failures)
		doctor_print(doctor, stderr, false);
	leave(doctor);
}

TEST(virtual_functions_are_not_taken_for_gpus)
{
	struct tree tree = tree_well();
	struct doctor *doctor = look_at(&tree);

	CHECK(find(doctor, "bus", "GPU 0000:41:00.0, driver nvidia"));
	CHECK_EQ(count(doctor, "bus", DOCTOR_OK), 1);
	leave(doctor);
}

TEST(node_without_gpu_and_monitor_hears_nothing_of_virtual_machines)
{
	struct tree tree = tree_well();
	struct doctor *doctor;

	tree.device = 0x1eb8; /* a T4: its VFs are none that this is about */
	tree.has_capability = tree.has_monitor = tree.has_manager = false;
	tree.total = -1;
	tree.vfs = 0;
	doctor = look_at(&tree);
	CHECK_EQ(count(doctor, NULL, DOCTOR_OK), 0);
	leave(doctor);
	tree.has_monitor = true;
	doctor = look_at(&tree);
	CHECK(find(doctor, "vms", "no GPU that can have virtual functions"));
	leave(doctor);
}

TEST(nothing_is_grave_where_nobody_runs_virtual_machines)
{
	struct tree tree = tree_well();
	struct doctor *doctor;

	tree.has_monitor = tree.has_manager = tree.has_iommu = false;
	tree.vfs = 0;
	doctor = look_at(&tree);
	CHECK(find(doctor, "vms", "nothing here runs virtual machines"));
	CHECK(find(doctor, "iommu", "the IOMMU is off"));
	CHECK_EQ(count(doctor, NULL, DOCTOR_UNSEEN), 0);
	leave(doctor);
}

TEST(class_of_the_configuration_counts_as_gpu)
{
	struct tree tree = tree_well();
	struct doctor *doctor;

	tree.vendor = 0x1b36;
	tree.device = 0x0010;
	tree.class = 0x010802;
	tree.driver = "nvme";
	tree.has_monitor = tree.has_manager = false;
	doctor = look_at(&tree);
	CHECK_EQ(count(doctor, NULL, DOCTOR_OK), 0);
	doctor_free(doctor);
	tree_put("/etc/carve/carved.yaml", "vf:\n  classes: [\"0108\"]\n");
	doctor = look_again();
	CHECK(find(doctor, "sriov", "GPU 0000:41:00.0 (1b36:0010) can have 32 VFs, and has 4"));
	CHECK_EQ(count(doctor, NULL, DOCTOR_UNSEEN), 0);
	leave(doctor);
}

TEST(iommu_that_the_kernel_leaves_off_is_told_with_the_option)
{
	struct tree tree = tree_well();
	struct doctor *doctor;

	tree.has_iommu = false;
	tree.command_line = "root=/dev/sda1 intel_iommu=off\n";
	doctor = look_at(&tree);
	CHECK_ONLY(doctor, "iommu", "'intel_iommu=off'", DOCTOR_BAD, "intel_iommu=on iommu=pt");
	leave(doctor);
	tree.command_line = "root=/dev/sda1\n";
	doctor = look_at(&tree);
	CHECK_ONLY(doctor, "iommu", "no option on its command line", DOCTOR_BAD, "intel_iommu=on");
	leave(doctor);
}

TEST(iommu_that_the_firmware_does_not_tell_of_is_turned_on_in_the_bios)
{
	struct tree tree = tree_well();
	struct doctor *doctor;

	tree.has_iommu = tree.has_table = false;
	doctor = look_at(&tree);
	CHECK_ONLY(doctor, "iommu", "the firmware tells of none", DOCTOR_BAD, "VT-d");
	leave(doctor);
}

TEST(amds_iommu_has_its_own_option)
{
	struct tree tree = tree_well();
	struct doctor *doctor;

	tree.has_iommu = tree.has_table = false;
	tree_write(&tree);
	tree_put("/sys/firmware/acpi/tables/IVRS", "IVRS");
	doctor = look_again();
	CHECK_ONLY(doctor, "iommu", "the IOMMU is off", DOCTOR_BAD, "amd_iommu=on");
	leave(doctor);
}

TEST(override_of_access_control_is_told_as_a_loss_of_isolation)
{
	struct tree tree = tree_well();
	struct doctor *doctor;

	tree.command_line = "root=/dev/sda1 pcie_acs_override=downstream,multifunction\n";
	doctor = look_at(&tree);
	CHECK_ONLY(doctor, "iommu", "pcie_acs_override", DOCTOR_WARN, "take it off");
	CHECK(strstr(find(doctor, "iommu", "pcie_acs_override")->wanted, "takes isolation away"));
	leave(doctor);
}

TEST(shared_group_is_told_with_its_members_and_the_bridge_without_access_control)
{
	struct tree tree = tree_well();
	const struct doctor_finding *found;
	struct doctor *doctor;

	tree.has_acs = false;
	doctor = look_at(&tree);
	CHECK_ONLY(doctor, "groups", "shares IOMMU group 1", DOCTOR_BAD, "bridge " ROOT_PORT);
	found = find(doctor, "groups", "not viable");
	CHECK(found && strstr(found->what, GPU " (class 0302, driver nvidia)"));
	CHECK(found && strstr(found->what, ROOT_PORT " (class 0604, driver pcieport)"));
	leave(doctor);
	/* and before there are VFs */
	tree.vfs = 0;
	doctor = look_at(&tree);
	CHECK_ONLY(doctor, "groups", "its VFs would be in that group too", DOCTOR_BAD,
		"bridge " ROOT_PORT);
	leave(doctor);
}

TEST(other_functions_of_the_gpus_slot_do_not_count_before_there_are_vfs)
{
	struct tree tree = tree_well();
	struct doctor *doctor;

	tree.vfs = 0;
	tree_write(&tree);
	tree_put("/sys/devices/pci0000:40/" ROOT_PORT "/0000:41:00.1/class", "0x040300\n");
	tree_link("/sys/kernel/iommu_groups/2/devices/0000:41:00.1",
		"/sys/devices/pci0000:40/" ROOT_PORT "/0000:41:00.1");
	doctor = look_again();
	CHECK(find(doctor, "groups", "in an IOMMU group of its own"));
	CHECK_EQ(count(doctor, NULL, DOCTOR_UNSEEN), 0);
	leave(doctor);
}

TEST(missing_memory_space_is_told_with_what_is_needed_and_what_there_is)
{
	struct tree tree = tree_well();
	const struct doctor_finding *found;
	struct doctor *doctor;

	tree.vfs = 0;
	tree.bars_have_no_place = true;
	tree.window_bytes = UINT64_C(512) << 20;
	doctor = look_at(&tree);
	CHECK_ONLY(doctor, "space", "no room on the bus", DOCTOR_BAD, "pci=realloc");
	found = find(doctor, "space", "no room on the bus");
	CHECK(found && strstr(found->how, "Above 4G Decoding"));
	CHECK(found && strstr(found->wanted, "8Gi of memory space for them (32 VFs of 256Mi)"));
	CHECK(found && strstr(found->wanted, "bridge " ROOT_PORT " above has 512Mi free"));
	leave(doctor);
}

TEST(size_of_bars_without_room_is_found_in_the_kernels_log)
{
	static const char *const said[] = {
		"6,339,2034324,-;pci " GPU ": VF BAR 0 [mem 0x00000000-0x1ffffffff 64bit pref]: "
		"contains BAR 0 for 32 VFs\n SUBSYSTEM=pci\n",
		"6,339,2034324,-;pci " GPU ": VF(n) BAR0 space: [mem 0x00000000-0x1ffffffff 64bit "
		"pref] (contains BAR0 for 32 VFs)\n",
	};
	struct tree tree = tree_well();
	struct doctor *doctor;

	tree.vfs = 0;
	tree.bar_bytes = 0;
	for (unsigned i = 0; i < ARRAY_SIZE(said); i++) {
		tree_write(&tree);
		tree_put("/dev/kmsg", said[i]);
		doctor = look_again();
		CHECK_ONLY(doctor, "space", "no room on the bus", DOCTOR_BAD, "pci=realloc");
		CHECK(strstr(find(doctor, "space", "no room")->wanted,
			"8Gi of memory space for them (32 VFs of 256Mi)"));
		leave(doctor);
	}
}

TEST(memory_space_that_is_missing_is_that_of_all_bars)
{
	struct tree tree = tree_well();
	const struct doctor_finding *found;
	struct doctor *doctor;

	tree.vfs = 0;
	tree.bar_bytes = 0;
	tree.other_bar_bytes = 64 << 10;
	tree_write(&tree);
	tree_put("/dev/kmsg",
		"6,339,2034324,-;pci " GPU ": VF BAR 0 [mem 0x00000000-0x1ffffffff 64bit pref]: "
		"contains BAR 0 for 32 VFs\n");
	doctor = look_again();
	found = find(doctor, "space", "no room on the bus for the memory of its VFs (BAR 0)");
	CHECK(found && strstr(found->wanted, "(32 VFs of 256.06Mi)"));
	leave(doctor);
	/* a part of it is no answer */
	tree_write(&tree);
	tree_put("/dev/kmsg", "6,339,2034324,-;something else\n");
	doctor = look_again();
	found = find(doctor, "space", "no room on the bus for the memory of its VFs (BAR 0)");
	CHECK(found && strstr(found->wanted, "only the kernel's log still tells"));
	leave(doctor);
}

TEST(missing_bus_numbers_are_told_with_how_many_vfs_there_is_room_for)
{
	struct tree tree = tree_well();
	struct doctor *doctor;

	tree.vfs = 0;
	tree.offset = 240;
	doctor = look_at(&tree);
	CHECK_ONLY(doctor, "space", "bus numbers for 16 of its 32 VFs", DOCTOR_BAD,
		"pci=assign-busses");
	leave(doctor);
}

TEST(hidden_capability_of_a_known_product_is_the_firmwares)
{
	struct tree tree = tree_well();
	struct doctor *doctor;

	tree.device = 0x2330;
	tree.has_capability = false;
	tree.total = -1;
	tree.vfs = 0;
	doctor = look_at(&tree);
	CHECK_ONLY(doctor, "sriov", "(H100 SXM5 80GB) shows no SR-IOV capability", DOCTOR_BAD,
		"'SR-IOV'");
	leave(doctor);
}

TEST(workstation_board_in_display_mode_is_told)
{
	struct tree tree = tree_well();
	struct doctor *doctor;

	tree.device = 0x2230;
	tree.class = 0x030000;
	tree.has_capability = false;
	tree.total = -1;
	tree.vfs = 0;
	doctor = look_at(&tree);
	CHECK_ONLY(doctor, "sriov", "(RTX A6000) has no VFs: the board is in display mode",
		DOCTOR_BAD, "displaymodeselector");
	leave(doctor);
}

TEST(fewer_vfs_than_the_hardware_has_are_the_drivers_doing)
{
	struct tree tree = tree_well();
	struct doctor *doctor;

	tree.vendor = 0x8086;
	tree.device = 0xe223;
	tree.driver = "xe";
	tree.total = 7;
	tree.vfs = 0;
	doctor = look_at(&tree);
	CHECK_ONLY(doctor, "sriov", "can have 7 VFs now", DOCTOR_WARN, "xe.max_vfs");
	CHECK(strstr(find(doctor, "sriov", "can have 7")->wanted, "32, as the hardware has"));
	leave(doctor);
	tree.total = 0;
	doctor = look_at(&tree);
	CHECK_ONLY(doctor, "sriov", "can have no VF now", DOCTOR_BAD, "xe.max_vfs");
	leave(doctor);
}

TEST(gpu_that_is_bound_to_vfio_pci_makes_no_vfs)
{
	struct tree tree = tree_well();
	struct doctor *doctor;

	tree.driver = "vfio-pci";
	tree.vfs = 0;
	doctor = look_at(&tree);
	CHECK_ONLY(doctor, "pf-driver", "itself is bound to vfio-pci", DOCTOR_BAD,
		"drivers/vfio-pci/unbind");
	leave(doctor);
}

TEST(gpu_without_driver_and_i915_without_guc_are_told)
{
	struct tree tree = tree_well();
	struct doctor *doctor;

	tree.vendor = 0x8086;
	tree.device = 0x56c0;
	tree.driver = NULL;
	doctor = look_at(&tree);
	CHECK_ONLY(doctor, "pf-driver", "cannot be turned off until it has one", DOCTOR_BAD,
		"pci-pf-stub");
	leave(doctor);
	tree.driver = "i915";
	tree_write(&tree);
	tree_put("/sys/module/i915/parameters/enable_guc", "0\n");
	doctor = look_again();
	CHECK_ONLY(doctor, "pf-driver", "enable_guc=0", DOCTOR_BAD, "enable_guc=3");
	leave(doctor);
}

TEST(amds_driver_is_read_and_explained)
{
	struct tree tree = tree_well();
	struct doctor *doctor;

	tree.vendor = 0x1002;
	tree.device = 0x74a1;
	tree.class = 0x120000;
	tree.driver = "gim";
	doctor = look_at(&tree);
	CHECK_EQ(count(doctor, NULL, DOCTOR_UNSEEN), 0);
	CHECK(strstr(find(doctor, "pf-driver", "GIM makes its VFs")->how, "gim vf_num"));
	leave(doctor);
	tree.driver = "amdgpu";
	tree.vfs = 0;
	doctor = look_at(&tree);
	CHECK_EQ(find(doctor, "pf-driver", "amdgpu, which makes no VFs")->verdict, DOCTOR_BAD);
	leave(doctor);
}

TEST(missing_vgpu_manager_is_told_with_the_packages)
{
	struct tree tree = tree_well();
	struct doctor *doctor;

	tree.has_manager = false;
	doctor = look_at(&tree);
	CHECK_ONLY(doctor, "vgpu", "no sriov-manage", DOCTOR_BAD, "vgpu-kvm.run");
	leave(doctor);
}

TEST(client_that_keeps_sriov_manage_from_the_gpu_is_named)
{
	struct tree tree = tree_well();
	AUTO_FREE char *node = NULL;
	struct doctor *doctor;
	char who[32];
	int fd;

	tree.vfs = 0;
	tree_write(&tree);
	node = must_asprintf("%s/dev/nvidia0", tree_root());
	fd = open(node, O_RDONLY | O_CLOEXEC);
	doctor = look_again();
	snprintf(who, sizeof(who), "by %d (", (int)getpid());
	CHECK_ONLY(doctor, "vgpu", who, DOCTOR_WARN, "");
	CHECK(strstr(find(doctor, "vgpu", who)->wanted, "Cannot obtain unbindLock"));
	doctor_free(doctor);
	close(fd);
	doctor = look_again();
	CHECK_EQ(count(doctor, NULL, DOCTOR_UNSEEN), 0);
	leave(doctor);
}

TEST(unknown_numa_node_is_told_where_there_are_several)
{
	struct tree tree = tree_well();
	struct doctor *doctor;

	tree.numa = -1;
	doctor = look_at(&tree);
	CHECK_ONLY(doctor, "guest", "does not tell the NUMA node", DOCTOR_WARN, "_PXM");
	leave(doctor);
}

TEST(guests_of_vfs_with_big_bars_get_their_settings)
{
	struct tree tree = tree_well();
	const struct doctor_finding *found;
	struct doctor *doctor;

	tree.bar_bytes = UINT64_C(64) << 30;
	tree.window_bytes = UINT64_C(4) << 40;
	doctor = look_at(&tree);
	CHECK_EQ(count(doctor, NULL, DOCTOR_UNSEEN), 0);
	found = find(doctor, "guest", "64Gi of BARs");
	CHECK(found && strstr(found->how, "pref64-reserve=64G"));
	CHECK(found && strstr(found->how, "X-PciMmio64Mb,string=131072"));
	CHECK(found && strstr(found->how, "pci-hole64-size=128G"));
	leave(doctor);
}

TEST(other_tools_that_make_or_take_vfs_at_boot_are_told)
{
	struct tree tree = tree_well();
	struct doctor *doctor;

	tree_write(&tree);
	tree_put("/etc/driverctl.d/pci-0000:41:00.5", "vfio-pci\n");
	tree_put("/etc/driverctl.d/pci-0000:99:00.0", "vfio-pci\n");
	tree_put("/etc/mdevctl.d/0000:41:00.6/aa618089-8b16-4d01-a136-25a0f3c73123", "{}\n");
	tree_put("/etc/systemd/system/vgpu.service",
		"ExecStart=/usr/lib/nvidia/sriov-manage -e ALL\n");
	tree_put("/etc/libvirt/qemu/web1.xml",
		"<domain><devices><hostdev mode='subsystem' type='pci'><source>"
		"<address domain='0x0000' bus='0x41' slot='0x00' function='0x7'/></source>"
		"<address type='pci' domain='0x0000' bus='0x07' slot='0x00' function='0x0'/>"
		"</hostdev></devices></domain>\n");
	doctor = look_again();
	CHECK_EQ(count(doctor, "boot", DOCTOR_WARN), 4);
	CHECK(find(doctor, "boot", "driverctl (/etc/driverctl.d/pci-0000:41:00.5)"));
	CHECK(find(doctor, "boot", "mdevctl (/etc/mdevctl.d/0000:41:00.6)"));
	CHECK(find(doctor, "boot", "vgpu.service) turns VFs on"));
	CHECK(find(doctor, "boot", "web1.xml) has 0000:41:00.7 for itself"));
	leave(doctor);
}

TEST_MAIN()
