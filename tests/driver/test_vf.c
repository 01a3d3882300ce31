/* SPDX-License-Identifier: Apache-2.0 */
/* VFs of every vendor as their drivers show them, in trees of plain files. */
#include "test.h"

#include "base/error.h"
#include "driver/pci_facts.h"
#include "driver/vf.h"
#include "driver/vf_kind.h"
#include "model/plan.h"
#include "tree.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define GPU  "0000:03:00.0"
#define PCI  "/sys/bus/pci/devices/"
#define HERE PCI GPU

static struct gpu_facts facts;
static struct gpu_seen seen;
static struct capability capability;

static const char *vf_pci(unsigned number)
{
	static char text[40];

	snprintf(text, sizeof(text), "0000:03:%02x.%x", (number + 1) / 8, (number + 1) % 8);
	return text;
}

static const char *in_vf(unsigned number, const char *file)
{
	static char text[4][200];
	static unsigned turn;

	turn = (turn + 1) % 4;
	snprintf(text[turn], sizeof(text[turn]), PCI "%s/%s", vf_pci(number), file);
	return text[turn];
}

static void put_driver(const char *directory, const char *driver)
{
	char path[200], target[80];

	snprintf(path, sizeof(path), "%s/driver", directory);
	snprintf(target, sizeof(target), "../../../bus/pci/drivers/%s", driver);
	tree_link(path, target);
}

/* A GPU with n VFs on, each in an IOMMU group of its own. */
static void make(const char *vendor, const char *driver, unsigned n)
{
	tree_new();
	tree_put(HERE "/vendor", vendor);
	tree_put(HERE "/device", "0xe20b\n");
	tree_put(HERE "/class", "0x030000\n");
	tree_put(HERE "/numa_node", "1\n");
	tree_put(HERE "/sriov_totalvfs", "16\n");
	tree_put(HERE "/sriov_drivers_autoprobe", "1\n");
	tree_put(HERE "/sriov_numvfs", "0\n");
	if (driver[0])
		put_driver(HERE, driver);
	for (unsigned i = 0; i < n; i++) {
		char link[80], target[80];

		tree_put(in_vf(i, "vendor"), vendor);
		snprintf(link, sizeof(link), HERE "/virtfn%u", i);
		snprintf(target, sizeof(target), "../%s", vf_pci(i));
		tree_link(link, target);
		snprintf(target, sizeof(target), "../../../kernel/iommu_groups/%u", 20 + i);
		tree_link(in_vf(i, "iommu_group"), target);
		snprintf(link, sizeof(link), "/sys/kernel/iommu_groups/%u/devices/%s", 20 + i,
			vf_pci(i));
		tree_link(link, "../../../../devices");
	}
}

static void look(void)
{
	struct error err = ERROR_NONE;

	CHECK_SAY(pci_facts(GPU, &facts, &err) == 0, "%s", err.text);
	vf_facts_read(GPU, NULL, &facts, &capability);
	memset(&seen, 0, sizeof(seen));
	CHECK_SAY(vf_look(GPU, NULL, &facts, &seen, &err) == 0, "%s", err.text);
}

static int set(unsigned number, struct vf_setup setup, struct error *err)
{
	struct step step = { .kind = STEP_VF_SET, .vf = { .vfs = 1ull << number, .setup = setup } };

	return vf_do_step(GPU, NULL, &facts, &step, err);
}

/* ---- which kind ---- */

TEST(kinds_are_known_by_their_drivers)
{
	static const struct {
		const char *vendor, *driver;
		enum vf_kind kind;
		enum capability_answer answer;
		const char *says;
	} row[] = {
		{ "0x8086\n", "xe", VF_KIND_XE, CAPABILITY_YES, "by xe" },
		{ "0x8086\n", "i915", VF_KIND_I915, CAPABILITY_YES, "max_vfs=16" },
		{ "0x1002\n", "gim", VF_KIND_GIM, CAPABILITY_AFTER, "vf_num" },
		{ "0x10de\n", "nvidia", VF_KIND_NVIDIA, CAPABILITY_YES, "vGPUs" },
		{ "0x10de\n", "pci-pf-stub", VF_KIND_GENERIC, CAPABILITY_YES, "by pci-pf-stub" },
		{ "0x1d0f\n", "anything", VF_KIND_GENERIC, CAPABILITY_YES, "16" },
		{ "0x1002\n", "", VF_KIND_GENERIC, CAPABILITY_NO, "has no driver" },
		{ "0x8086\n", "vfio-pci", VF_KIND_GENERIC, CAPABILITY_NO, "vfio-pci" },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(row); i++) {
		make(row[i].vendor, row[i].driver, 0);
		look();
		CHECK_EQ(facts.vf.kind, row[i].kind);
		CHECK_EQ(facts.vf.total, 16);
		CHECK_EQ(capability.answer, row[i].answer);
		CHECK_SAY(strstr(capability.text, row[i].says), "%s", capability.text);
	}
}

TEST(a_gpu_without_vfs_has_none)
{
	make("0x8086\n", "xe", 0);
	unlink(tree_path(HERE "/sriov_totalvfs"));
	look();
	CHECK_EQ(facts.vf.kind, VF_KIND_NONE);
	CHECK_EQ(capability.answer, CAPABILITY_NO);
	tree_put(HERE "/sriov_totalvfs", "0\n");
	look();
	CHECK_EQ(capability.answer, CAPABILITY_NO);
	CHECK_SAY(strstr(capability.text, "allows no"), "%s", capability.text);
}

TEST(gpus_without_a_library_are_known_from_the_bus)
{
	static const uint16_t nvme[] = { 0x0108 };
	char pci[4][PCI_ADDRESS_MAX];

	make("0x8086\n", "xe", 2);
	look();
	CHECK(facts.is_pci_only);
	CHECK_TEXT(facts.uuid, "PCI-" GPU);
	CHECK_TEXT(facts.product, "Intel 8086:e20b");
	CHECK_EQ(facts.numa, 1);
	CHECK_EQ(facts.memory_bytes, 0);
	tree_put(HERE "/tile0/physical_vram_size_bytes", "8000000000\n");
	tree_put(HERE "/tile1/physical_vram_size_bytes", "8000000000\n");
	look();
	CHECK_EQ(facts.memory_bytes, 16000000000);
	tree_put(PCI "0000:05:00.0/vendor", "0x1b36\n");
	tree_put(PCI "0000:05:00.0/class", "0x010802\n");
	tree_put(PCI "0000:05:00.0/sriov_totalvfs", "8\n");
	CHECK_EQ(pci_find_pfs(NULL, 0, false, pci, 4), 1);
	CHECK_TEXT(pci[0], GPU);
	CHECK_EQ(pci_find_pfs(nvme, 1, false, pci, 4), 2);
	CHECK_TEXT(pci[1], "0000:05:00.0");
	make("0x10de\n", "nvidia", 0);
	CHECK_EQ(pci_find_pfs(NULL, 0, true, pci, 4), 0);
	CHECK_EQ(pci_find_pfs(NULL, 0, false, pci, 4), 1);
}

/* ---- what is ---- */

TEST(vfs_are_told_by_number_with_driver_and_group)
{
	make("0x8086\n", "xe", 12);
	put_driver(PCI "0000:03:00.3", "vfio-pci");
	look();
	CHECK_EQ(seen.vfs.count, 12);
	CHECK_EQ(seen.vfs.n, 12);
	for (unsigned i = 0; i < 12; i++) {
		CHECK_EQ(seen.vfs.vf[i].number, i);
		CHECK_TEXT(seen.vfs.vf[i].pci, vf_pci(i));
		CHECK_EQ(seen.vfs.vf[i].group, 20 + i);
		CHECK(seen.vfs.vf[i].is_viable);
		CHECK_EQ(seen.vfs.vf[i].setup.is_for_vm, i == 2);
	}
}

TEST(a_group_with_a_driver_of_the_host_is_not_viable)
{
	make("0x8086\n", "xe", 1);
	tree_put(PCI "0000:00:1c.0/class", "0x060400\n");
	put_driver(PCI "0000:00:1c.0", "shpchp");
	tree_link("/sys/kernel/iommu_groups/20/devices/0000:00:1c.0", "x");
	look();
	CHECK(seen.vfs.vf[0].is_viable);
	tree_link("/sys/kernel/iommu_groups/20/devices/" GPU, "x");
	look();
	CHECK(!seen.vfs.vf[0].is_viable);
}

TEST(other_tools_claims_are_read)
{
	make("0x8086\n", "xe", 3);
	tree_put("/etc/libvirt/qemu/web1.xml",
		"<domain><devices><hostdev mode='subsystem' type='pci' managed='yes'>\n"
		"<driver name='vfio'/><source>\n"
		"<address domain='0x0000' bus='0x03' slot='0x00' function='0x2'/>\n"
		"</source><address type='pci' domain='0x0000' bus='0x03' slot='0x00' "
		"function='0x1'/></hostdev></devices></domain>\n");
	tree_put("/etc/driverctl.d/pci-0000:03:00.3", "vfio-pci\n");
	look();
	CHECK_TEXT(seen.vfs.vf[0].owner, "");
	CHECK_TEXT(seen.vfs.vf[1].owner, "libvirt domain web1");
	CHECK_TEXT(seen.vfs.vf[2].owner, "driverctl");
}

TEST(claims_are_read_while_virtual_functions_are_off)
{
	make("0x8086\n", "xe", 0);
	tree_put(PCI GPU "/sriov_offset", "1\n");
	tree_put(PCI GPU "/sriov_stride", "1\n");
	tree_put("/etc/driverctl.d/pci-0000:03:00.3", "vfio-pci\n");
	look();
	CHECK_EQ(seen.vfs.claimed, 1 << 2);
}

TEST(whoever_has_a_vf_open_is_found_with_its_virtual_machine)
{
	struct error err = ERROR_NONE;
	int ready[2], never[2];
	char byte;
	pid_t pid;

	make("0x8086\n", "xe", 2);
	tree_put("/dev/vfio/21", "");
	CHECK_EQ(pipe(ready), 0);
	CHECK_EQ(pipe(never), 0);
	pid = fork();
	if (pid == 0) {
		dup2(open(tree_path("/dev/vfio/21"), O_RDONLY), 9);
		dup2(ready[1], 8);
		dup2(never[0], 7);
		execl("/bin/sh", "qemu-system-x86_64", "-c",
			"echo >&8; exec 8>&-; read x <&7; true", "-name",
			"guest=web1,debug-threads=on", NULL);
		_exit(127);
	}
	CHECK_EQ(read(ready[0], &byte, 1), 1);
	look();
	CHECK_EQ(seen.vfs.vf[0].user, 0);
	CHECK_EQ(seen.vfs.vf[1].user, pid);
	CHECK_TEXT(seen.vfs.vf[1].vm, "web1");
	CHECK_EQ(vf_check_held(&seen.vfs, 1, GPU, &err), 0);
	CHECK_EQ(vf_check_held(&seen.vfs, 2, GPU, &err), -EBUSY);
	CHECK_SAY(strstr(err.text, "'web1'"), "%s", err.text);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* ---- xe ---- */

static void put_xe(unsigned number, const char *quota, const char *quantum)
{
	char path[120];

	snprintf(path, sizeof(path), HERE "/sriov_admin/vf%u/profile/vram_quota", number + 1);
	tree_put(path, quota);
	snprintf(path, sizeof(path), HERE "/sriov_admin/vf%u/profile/exec_quantum_ms", number + 1);
	tree_put(path, quantum);
	snprintf(path, sizeof(path), HERE "/sriov_admin/vf%u/profile/preempt_timeout_us",
		number + 1);
	tree_put(path, "0");
}

TEST(xe_counts_its_vfs_from_one)
{
	make("0x8086\n", "xe", 2);
	put_driver(PCI "0000:03:00.2", "vfio-pci");
	put_xe(0, "1000000000\n", "10\n");
	put_xe(1, "2000000000\n", "20\n");
	look();
	CHECK(facts.vf.has_quota && facts.vf.has_schedule);
	CHECK(vf_setup_is_free(&seen.vfs.vf[0].setup));
	CHECK_EQ(seen.vfs.vf[1].setup.memory_bytes, 2000000000);
	CHECK_EQ(seen.vfs.vf[1].setup.quantum_ms, 20);
}

TEST(xe_quotas_that_the_driver_made_are_its_own)
{
	make("0x8086\n", "xe", 2);
	put_driver(PCI "0000:03:00.2", "vfio-pci");
	put_xe(0, "2000000000\n", "0\n");
	put_xe(1, "2000000000\n", "0\n");
	look();
	CHECK_EQ(seen.vfs.vf[1].setup.memory_bytes, 0);
	/* it would have given more, where there is more */
	tree_put(HERE "/tile0/physical_vram_size_bytes", "12000000000\n");
	look();
	CHECK_EQ(seen.vfs.vf[1].setup.memory_bytes, 2000000000);
}

TEST(xe_quota_is_written_only_where_memory_is_asked_for)
{
	struct vf_setup setup = { .is_for_vm = true };
	struct error err = ERROR_NONE;

	make("0x8086\n", "xe", 2);
	put_driver(PCI "0000:03:00.2", "vfio-pci");
	put_xe(0, "2000000000\n", "0");
	put_xe(1, "2000000000\n", "0");
	look();
	CHECK_SAY(set(1, setup, &err) == 0, "%s", err.text);
	CHECK_TEXT(tree_get(HERE "/sriov_admin/vf2/profile/vram_quota"), "2000000000");
	setup.memory_bytes = 3000000000;
	CHECK_SAY(set(1, setup, &err) == 0, "%s", err.text);
	CHECK_TEXT(tree_get(HERE "/sriov_admin/vf2/profile/vram_quota"), "3000000000");
	CHECK_TEXT(tree_get(HERE "/sriov_admin/vf1/profile/vram_quota"), "2000000000");
}

TEST(xe_before_sriov_admin_has_debugfs)
{
	make("0x8086\n", "xe", 1);
	look();
	CHECK(!facts.vf.has_quota && !facts.vf.has_schedule);
	tree_put("/sys/kernel/debug/dri/" GPU "/gt0/vf1/lmem_quota", "5\n");
	tree_put("/sys/kernel/debug/dri/" GPU "/gt0/vf1/exec_quantum_ms", "5\n");
	look();
	CHECK(facts.vf.has_quota && facts.vf.has_schedule);
}

/* ---- mediated devices ---- */

TEST(mediated_devices_are_types_and_setups)
{
	const char *uuid = "0f0e0d0c-1111-8222-9333-444455556666";
	char file[120];

	make("0x10de\n", "nvidia", 2);
	for (unsigned i = 0; i < 2; i++) {
		tree_put(in_vf(i, "mdev_supported_types/nvidia-474/name"), "NVIDIA A40-4Q\n");
		tree_put(in_vf(i, "mdev_supported_types/nvidia-474/available_instances"),
			i ? "0\n" : "1\n");
	}
	snprintf(file, sizeof(file), "%s/mdev_type", uuid);
	tree_link(in_vf(1, file), "../mdev_supported_types/nvidia-474");
	snprintf(file, sizeof(file), "%s/iommu_group", uuid);
	tree_link(in_vf(1, file), "../../../../kernel/iommu_groups/77");
	look();
	CHECK_EQ(facts.vf.kind, VF_KIND_NVIDIA_MDEV);
	CHECK_EQ(facts.vf.n_types, 1);
	CHECK_TEXT(facts.vf.type[0].name, "NVIDIA A40-4Q");
	CHECK_EQ(facts.vf.type[0].memory_bytes, 4ll << 30);
	CHECK(vf_setup_is_free(&seen.vfs.vf[0].setup));
	CHECK_EQ(seen.vfs.vf[1].setup.type, 474);
	CHECK_EQ(seen.vfs.vf[1].group, 77);
	CHECK(vfs_may_create(&seen.vfs, facts.vf.type[0].id));
}

/* ---- what cannot be ---- */

TEST(a_count_that_cannot_be_is_refused)
{
	struct step step = { .kind = STEP_VF_COUNT, .vf = { .count = 17 } };
	struct error err = ERROR_NONE;

	make("0x1002\n", "gim", 0);
	look();
	CHECK_EQ(vf_do_step(GPU, NULL, &facts, &step, &err), -ERANGE);
	CHECK_SAY(strstr(err.text, "16"), "%s", err.text);
	step.vf.count = 4;
	CHECK_EQ(vf_do_step(GPU, NULL, &facts, &step, &err), -ENOTSUP);
	CHECK_SAY(strstr(err.text, "vf_num=4"), "%s", err.text);
	make("0x1002\n", "vfio-pci", 0);
	look();
	CHECK_EQ(vf_do_step(GPU, NULL, &facts, &step, &err), -ENODEV);
	CHECK_SAY(strstr(err.text, "vfio-pci"), "%s", err.text);
	CHECK_TEXT(tree_get(HERE "/sriov_numvfs"), "0");
}

TEST(fewer_than_asked_for_is_an_error)
{
	struct step step = { .kind = STEP_VF_COUNT, .vf = { .count = 4 } };
	struct error err = ERROR_NONE;

	/* the write is taken, and nothing comes of it */
	make("0x1002\n", "pci-pf-stub", 0);
	look();
	CHECK_EQ(vf_do_step(GPU, NULL, &facts, &step, &err), -EIO);
	CHECK_SAY(strstr(err.text, "4 virtual functions"), "%s", err.text);
	CHECK_SAY(strstr(err.text, "0 are on"), "%s", err.text);
	CHECK_TEXT(tree_get(HERE "/sriov_drivers_autoprobe"), "0");
}

TEST(a_vf_that_vfio_does_not_take_is_put_back)
{
	struct vf_setup setup = { .is_for_vm = true };
	struct error err = ERROR_NONE;

	make("0x1002\n", "pci-pf-stub", 1);
	tree_put(in_vf(0, "driver_override"), "");
	tree_put("/sys/bus/pci/drivers_probe", "");
	look();
	CHECK_EQ(set(0, setup, &err), -ENODEV);
	CHECK_SAY(strstr(err.text, "modprobe vfio-pci"), "%s", err.text);
	unlink(tree_path(in_vf(0, "iommu_group")));
	CHECK_EQ(set(0, setup, &err), -ENOTSUP);
	CHECK_SAY(strstr(err.text, "no IOMMU"), "%s", err.text);
	CHECK_TEXT(tree_get(in_vf(0, "driver_override")), "");
}

/* ---- what errnos mean ---- */

TEST(each_errno_of_the_kernel_is_explained)
{
	static const struct {
		enum vf_deed deed;
		int code, result;
		const char *says;
	} row[] = {
		{ VF_TURN_ON, -EINVAL, -ERANGE, "no number" },
		{ VF_TURN_ON, -ERANGE, -ERANGE, "sriov_totalvfs" },
		{ VF_TURN_ON, -ENOENT, -ENODEV, "pci-pf-stub" },
		{ VF_TURN_ON, -EBUSY, -EBUSY, "turn them off first" },
		{ VF_TURN_ON, -ENOMEM, -ENOMEM, "pci=realloc" },
		{ VF_TURN_ON, -ENOSPC, -ENOSPC, "fewer" },
		{ VF_TURN_ON, -EIO, -EIO, "InitialVFs" },
		{ VF_TURN_ON, -EACCES, -EPERM, "root" },
		{ VF_TURN_OFF, -ENOENT, -ENODEV, "bind its driver again" },
		{ VF_TURN_OFF, -EPERM, -EPERM, "sriov-manage" },
		{ VF_BIND, -EINVAL, -ENOTSUP, "IOMMU" },
		{ VF_SET_TYPE, -EIO, -ENOSPC, "no room" },
		{ VF_SET_TYPE, -EEXIST, -EBUSY, "vGPU already" },
		{ VF_FREE_TYPE, -EBUSY, -EBUSY, "virtual machine" },
		{ VF_SET_PART, -EOPNOTSUPP, -ENOTSUP, "no such part" },
		{ VF_SET_PART, -EROFS, -EPERM, "read-only" },
		{ VF_UNBIND, -EXDEV, -EXDEV, "dmesg" },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(row); i++) {
		struct error err = ERROR_NONE;

		CHECK_EQ(vf_say_why(row[i].deed, row[i].code, GPU, NULL, &err), row[i].result);
		CHECK_SAY(strstr(err.text, row[i].says), "%s", err.text);
		CHECK_SAY(strstr(err.text, GPU), "%s", err.text);
		CHECK_SAY(strstr(err.text, strerrorname_np(-row[i].code)), "%s", err.text);
	}
}

TEST_MAIN()
