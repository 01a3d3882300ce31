/* SPDX-License-Identifier: Apache-2.0 */
/* A GPU that no library knows, through the worker: a tree of plain files as Intel's xe shows it. */
#include "test.h"

#include "../driver/tree.h"
#include "base/error.h"
#include "mechanism/child.h"
#include "mechanism/vf.h"

#define GPU  "0000:03:00.0"
#define HERE "/sys/bus/pci/devices/" GPU
#define VF   "/sys/bus/pci/devices/0000:03:00.1"

static void make(void)
{
	tree_new();
	tree_put(HERE "/vendor", "0x8086\n");
	tree_put(HERE "/device", "0xe20b\n");
	tree_put(HERE "/class", "0x030000\n");
	tree_put(HERE "/numa_node", "1\n");
	tree_put(HERE "/sriov_totalvfs", "12\n");
	tree_link(HERE "/driver", "../../../bus/pci/drivers/xe");
	tree_put(HERE "/tile0/physical_vram_size_bytes", "12000000000\n");
	tree_put(HERE "/sriov_admin/vf1/profile/vram_quota", "2000000000");
	tree_link(HERE "/virtfn0", "../0000:03:00.1");
	tree_put(VF "/vendor", "0x8086\n");
	tree_put(VF "/device", "0xe20b\n");
	tree_put(VF "/resource", "0x0000004000000000 0x00000040ffffffff 0x000000000014220c\n"
				 "0x00000000a0000000 0x00000000a00fffff 0x0000000000040200\n");
	tree_link(VF "/driver", "../../../bus/pci/drivers/vfio-pci");
	tree_link(VF "/iommu_group", "../../../kernel/iommu_groups/21");
	tree_put("/dev/vfio/vfio", "");
	tree_put("/dev/vfio/21", "");
}

TEST(node_worker_lists_gpus_that_no_library_knows)
{
	struct work_order list = { .op = WORK_LIST };
	struct child child;

	make();
	tree_put("/sys/bus/pci/devices/0000:05:00.0/vendor", "0x1b36\n");
	tree_put("/sys/bus/pci/devices/0000:05:00.0/class", "0x010802\n");
	tree_put("/sys/bus/pci/devices/0000:05:00.0/sriov_totalvfs", "8\n");
	child = start("-");
	order(&child, &list);
	CHECK_SAY(await(&child, 20000) == 0, "%s", answer.text);
	CHECK(answer.list.n >= 1);
	CHECK_TEXT(answer.list.pci[answer.list.n - 1], GPU);
	list.classes = (struct work_classes){ .n = 1, .class = { 0x0108 } };
	order(&child, &list);
	CHECK_EQ(await(&child, 20000), 0);
	CHECK_TEXT(answer.list.pci[answer.list.n - 1], "0000:05:00.0");
	stop(&child);
}

TEST(its_facts_come_from_the_bus_and_its_vfs_are_all_it_shares)
{
	struct step mode = { .kind = STEP_MODE_ON };
	struct child child;

	make();
	child = start(GPU);
	CHECK_SAY(ask(&child, WORK_FACTS) == 0, "%s", answer.text);
	CHECK(answer.facts.facts.is_pci_only);
	CHECK_TEXT(answer.facts.facts.uuid, "PCI-" GPU);
	CHECK_EQ(answer.facts.facts.memory_bytes, 12000000000);
	CHECK_EQ(answer.facts.facts.vf.kind, VF_KIND_XE);
	CHECK_EQ(answer.facts.capability[MECHANISM_VF].answer, CAPABILITY_YES);
	CHECK_EQ(answer.facts.capability[MECHANISM_MIG].answer, CAPABILITY_NO);
	for (int m = 0; m < MECHANISM_N; m++)
		CHECK(answer.facts.capability[m].text[0]);
	CHECK_EQ(ask(&child, WORK_OBSERVE), 0);
	CHECK_EQ(answer.seen.vfs.count, 1);
	CHECK_EQ(answer.seen.n_processes, 0);
	CHECK_EQ(ask(&child, WORK_USERS), 0);
	CHECK_EQ(answer.n_users, 0);
	CHECK_EQ(ask(&child, WORK_EVENTS), 0);
	CHECK_EQ(answer.events.n, 0);
	CHECK_EQ(ask_do(&child, mode), -ENOTSUP);
	stop(&child);
}

TEST(its_vf_is_set_bound_and_held)
{
	struct work_order users = { .op = WORK_USERS, .gi = UINT32_MAX, .ci = UINT32_MAX };
	struct binding *binding = must_alloc(1, sizeof(*binding));
	struct gpu *gpu = must_alloc(1, sizeof(*gpu));
	struct step set = { .kind = STEP_VF_SET, .vf = { .vfs = 1 } };
	struct error err = ERROR_NONE;
	struct child child;
	int fd;

	make();
	child = start(GPU);
	CHECK_EQ(ask(&child, WORK_FACTS), 0);
	gpu->facts = answer.facts.facts;
	set.vf.setup.is_for_vm = true;
	set.vf.setup.memory_bytes = 4000000000;
	CHECK_SAY(ask_do(&child, set) == 0, "%s", answer.text);
	gpu->seen = answer.seen;
	CHECK_EQ(gpu->seen.vfs.vf[0].setup.memory_bytes, 4000000000);
	CHECK_SAY(vf_bind(gpu, vf_find(gpu, 0), binding, &err) == 0, "%s", err.text);
	CHECK_TEXT(binding->vf.driver, "vfio-pci");
	CHECK(!binding->vf.is_vendor_vfio);
	CHECK_EQ(binding->vf.memory_bytes, 4000000000);
	CHECK_EQ(binding->vf.mmio_bytes, 4ll << 30);
	CHECK_EQ(binding->vf.numa, 1);
	CHECK_EQ(binding->n_nodes, 2);
	CHECK_TEXT(binding->node[1].path, "/dev/vfio/21");
	fd = root_openat("/dev/vfio/21", 0);
	order(&child, &users);
	CHECK_EQ(await(&child, 20000), 0);
	CHECK_EQ(answer.n_users, 1);
	set.vf.setup.memory_bytes = 5000000000;
	CHECK_EQ(ask_do(&child, set), -EBUSY);
	close(fd);
	CHECK_EQ(ask_do(&child, set), 0);
	free(binding);
	free(gpu);
	stop(&child);
}

TEST(a_vf_that_no_machine_can_have_is_not_bound)
{
	struct gpu *gpu = must_alloc(1, sizeof(*gpu));
	struct binding *binding = must_alloc(1, sizeof(*binding));
	struct vf vf = { .pci = "0000:03:00.1", .group = -1 };
	struct error err = ERROR_NONE;

	CHECK_EQ(vf_bind(gpu, &vf, binding, &err), -ENOTSUP);
	CHECK_SAY(strstr(err.text, "intel_iommu=on"), "%s", err.text);
	vf.group = 3;
	CHECK_EQ(vf_bind(gpu, &vf, binding, &err), -EBUSY);
	CHECK_SAY(strstr(err.text, "ACS"), "%s", err.text);
	CHECK(!binding->has_vf);
	free(binding);
	free(gpu);
}

TEST_MAIN()
