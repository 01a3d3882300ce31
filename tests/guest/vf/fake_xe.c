// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A kernel module that stands in for what Intel's xe shows of SR-IOV in sysfs (kernel 7.0's
 * Documentation/ABI/testing/sysfs-driver-intel-xe-sriov): a driver named "xe" with sriov_admin/pf
 * and sriov_admin/vf1, vf2 ... A module of the kernel's, hence its licence.
 *
 *   - profile/exec_quantum_ms, preempt_timeout_us: of pf and VFs, any number, VFs on or off.
 *   - profile/sched_priority: "[low] normal high", written for pf only.
 *   - profile/vram_quota: of VFs, in bytes; ENOSPC when the board has not that much left.
 *   - tile0/physical_vram_size_bytes is the board's memory.
 *   - Turning VFs on shares the memory fairly among them, unless any was given by hand; turning
 *     them off takes all of it back.
 *   - What the kernel's own table of errors leaves to drivers: it turns on "most" VFs at most
 * without an error, and refuses with the errno "refuse_with" (module parameters, 0: neither).
 *   - The driver makes no use of the VFs by itself: they are bound to vfio-pci, or to nothing.
 */
#include <linux/kobject.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/slab.h>
#include <linux/sysfs.h>

#define MEMORY	  (12ULL << 30)
#define OF_THE_PF (1ULL << 30)
#define GRAIN	  (2ULL << 20)

enum { MAX_VFS = 63 };

static const char *const priorities[] = { "low", "normal", "high" };

/* The physical function (number 0) or a VF, with the two folders that show it. */
struct function {
	struct kobject folder, profile;
	struct board *board;
	u32 number, quantum_ms, preempt_us, priority;
	u64 quota;
	bool has_profile;
};

struct board {
	struct pci_dev *pci;
	struct kobject *admin;
	bool is_by_hand;
	struct function function[MAX_VFS + 1];
};

static DEFINE_MUTEX(lock);
static int most, refuse_with;
module_param(most, int, 0644);
module_param(refuse_with, int, 0644);

#define function_of(kobject) container_of(kobject, struct function, profile)

/* Its memory is the board's, which outlives it. */
static void release_nothing(struct kobject *kobject)
{
}

static ssize_t exec_quantum_ms_show(struct kobject *k, struct kobj_attribute *a, char *text)
{
	return sysfs_emit(text, "%u\n", function_of(k)->quantum_ms);
}

static ssize_t exec_quantum_ms_store(
	struct kobject *k, struct kobj_attribute *a, const char *text, size_t n)
{
	return kstrtou32(text, 0, &function_of(k)->quantum_ms) ?: n;
}

static ssize_t preempt_timeout_us_show(struct kobject *k, struct kobj_attribute *a, char *text)
{
	return sysfs_emit(text, "%u\n", function_of(k)->preempt_us);
}

static ssize_t preempt_timeout_us_store(
	struct kobject *k, struct kobj_attribute *a, const char *text, size_t n)
{
	return kstrtou32(text, 0, &function_of(k)->preempt_us) ?: n;
}

static ssize_t sched_priority_show(struct kobject *k, struct kobj_attribute *a, char *text)
{
	ssize_t n = 0;

	for (u32 i = 0; i < ARRAY_SIZE(priorities); i++)
		n += sysfs_emit_at(text, n, i == function_of(k)->priority ? "%s[%s]" : "%s%s",
			i ? " " : "", priorities[i]);
	return n + sysfs_emit_at(text, n, "\n");
}

static ssize_t sched_priority_store(
	struct kobject *k, struct kobj_attribute *a, const char *text, size_t n)
{
	int i = sysfs_match_string(priorities, text);

	if (function_of(k)->number)
		return -EPERM;
	if (i < 0)
		return i;
	function_of(k)->priority = i;
	return n;
}

static ssize_t vram_quota_show(struct kobject *k, struct kobj_attribute *a, char *text)
{
	return sysfs_emit(text, "%llu\n", function_of(k)->quota);
}

static int set_quota(struct function *function, u64 bytes)
{
	struct board *board = function->board;
	u64 given = 0;

	for (u32 i = 1; i <= MAX_VFS; i++)
		if (i != function->number)
			given += board->function[i].quota;
	bytes = round_up(bytes, GRAIN);
	if (bytes > MEMORY - OF_THE_PF - given)
		return -ENOSPC;
	function->quota = bytes;
	board->is_by_hand = given || bytes;
	return 0;
}

static ssize_t vram_quota_store(
	struct kobject *k, struct kobj_attribute *a, const char *text, size_t n)
{
	u64 bytes;
	int rc = kstrtou64(text, 0, &bytes);

	if (rc)
		return rc;
	mutex_lock(&lock);
	rc = set_quota(function_of(k), bytes);
	mutex_unlock(&lock);
	return rc ?: n;
}

static ssize_t stop_store(struct kobject *k, struct kobj_attribute *a, const char *text, size_t n)
{
	bool is_wanted;

	return kstrtobool(text, &is_wanted) ?: n;
}

static struct kobj_attribute quantum = __ATTR_RW(exec_quantum_ms);
static struct kobj_attribute preempt = __ATTR_RW(preempt_timeout_us);
static struct kobj_attribute priority = __ATTR_RW(sched_priority);
static struct kobj_attribute quota = __ATTR_RW(vram_quota);
static struct kobj_attribute stop = __ATTR_WO(stop);

static struct attribute *vf_profile_attrs[] = { &quantum.attr, &preempt.attr, &priority.attr,
	&quota.attr, NULL };
static umode_t vf_mode(struct kobject *k, struct attribute *attribute, int i)
{
	return attribute == &priority.attr && function_of(k)->number ? 0444 : attribute->mode;
}
static const struct attribute_group vf_profile_group = {
	.attrs = vf_profile_attrs,
	.is_visible = vf_mode,
};
static const struct attribute_group *vf_profile_groups[] = { &vf_profile_group, NULL };
static struct attribute *pf_profile_attrs[] = { &quantum.attr, &preempt.attr, &priority.attr,
	NULL };
ATTRIBUTE_GROUPS(pf_profile);
static struct attribute *vf_folder_attrs[] = { &stop.attr, NULL };
ATTRIBUTE_GROUPS(vf_folder);

static const struct kobj_type pf_folder_type = {
	.release = release_nothing,
	.sysfs_ops = &kobj_sysfs_ops,
};
static const struct kobj_type vf_folder_type = {
	.release = release_nothing,
	.sysfs_ops = &kobj_sysfs_ops,
	.default_groups = vf_folder_groups,
};
static const struct kobj_type pf_profile_type = {
	.release = release_nothing,
	.sysfs_ops = &kobj_sysfs_ops,
	.default_groups = pf_profile_groups,
};
static const struct kobj_type vf_profile_type = {
	.release = release_nothing,
	.sysfs_ops = &kobj_sysfs_ops,
	.default_groups = vf_profile_groups,
};

static int show_function(struct board *board, u32 number)
{
	struct function *function = &board->function[number];
	int rc;

	function->board = board;
	function->number = number;
	rc = number ? kobject_init_and_add(
			      &function->folder, &vf_folder_type, board->admin, "vf%u", number)
		    : kobject_init_and_add(&function->folder, &pf_folder_type, board->admin, "pf");
	if (rc)
		return rc;
	rc = kobject_init_and_add(&function->profile, number ? &vf_profile_type : &pf_profile_type,
		&function->folder, "profile");
	function->has_profile = rc == 0;
	return rc;
}

static void hide_functions(struct board *board)
{
	for (u32 i = 0; i <= MAX_VFS; i++) {
		struct function *function = &board->function[i];

		if (function->has_profile)
			kobject_put(&function->profile);
		if (function->board)
			kobject_put(&function->folder);
	}
	kobject_put(board->admin);
}

/* "device" of each VF that is on. */
static void link_vfs(struct board *board, bool is_on)
{
	struct pci_dev *vf = NULL;

	while ((vf = pci_get_device(PCI_ANY_ID, PCI_ANY_ID, vf))) {
		u32 number;

		if (!vf->is_virtfn || vf->physfn != board->pci)
			continue;
		number = pci_iov_vf_id(vf) + 1;
		if (!is_on)
			sysfs_remove_link(&board->function[number].folder, "device");
		else if (sysfs_create_link(
				 &board->function[number].folder, &vf->dev.kobj, "device"))
			pci_warn(vf, "no link to it\n");
	}
}

static void share_fairly(struct board *board, u32 n_vfs)
{
	u64 each = div_u64(MEMORY - OF_THE_PF, n_vfs);

	for (u32 i = 1; i <= n_vfs; i++)
		board->function[i].quota = round_down(each, GRAIN);
}

static void forget_quotas(struct board *board)
{
	board->is_by_hand = false;
	for (u32 i = 1; i <= MAX_VFS; i++)
		board->function[i].quota = 0;
}

static int configure_sriov(struct pci_dev *pci, int n_vfs)
{
	struct board *board = pci_get_drvdata(pci);
	int rc;

	if (refuse_with)
		return -refuse_with;
	if (!n_vfs) {
		link_vfs(board, false);
		pci_disable_sriov(pci);
		mutex_lock(&lock);
		forget_quotas(board);
		mutex_unlock(&lock);
		return 0;
	}
	if (most && n_vfs > most)
		n_vfs = most;
	mutex_lock(&lock);
	if (!board->is_by_hand)
		share_fairly(board, n_vfs);
	mutex_unlock(&lock);
	rc = pci_enable_sriov(pci, n_vfs);
	if (rc) {
		mutex_lock(&lock);
		forget_quotas(board);
		mutex_unlock(&lock);
		return rc;
	}
	link_vfs(board, true);
	return n_vfs;
}

static int probe(struct pci_dev *pci, const struct pci_device_id *id)
{
	struct board *board;
	int rc = pci->is_virtfn ? -ENODEV : pci_enable_device(pci);

	if (rc)
		return rc;
	board = kzalloc(sizeof(*board), GFP_KERNEL);
	if (!board)
		return -ENOMEM;
	board->pci = pci;
	board->admin = kobject_create_and_add("sriov_admin", &pci->dev.kobj);
	rc = board->admin ? 0 : -ENOMEM;
	for (u32 i = 0; i <= min(pci_sriov_get_totalvfs(pci), (int)MAX_VFS) && !rc; i++)
		rc = show_function(board, i);
	if (rc) {
		hide_functions(board);
		kfree(board);
		return rc;
	}
	pci_set_drvdata(pci, board);
	return 0;
}

static void remove(struct pci_dev *pci)
{
	struct board *board = pci_get_drvdata(pci);

	if (pci_num_vf(pci))
		configure_sriov(pci, 0);
	hide_functions(board);
	pci_disable_device(pci);
	kfree(board);
}

static ssize_t physical_vram_size_bytes_show(
	struct device *device, struct device_attribute *a, char *text)
{
	return sysfs_emit(text, "%#llx\n", MEMORY);
}
static DEVICE_ATTR_RO(physical_vram_size_bytes);
static struct attribute *tile_attrs[] = { &dev_attr_physical_vram_size_bytes.attr, NULL };
static const struct attribute_group tile_group = { .name = "tile0", .attrs = tile_attrs };
static const struct attribute_group *board_groups[] = { &tile_group, NULL };

static const struct pci_device_id ids[] = { { PCI_DEVICE(0x8086, 0xe20b) }, {} };
MODULE_DEVICE_TABLE(pci, ids);
static struct pci_driver xe = {
	.name = "xe",
	.id_table = ids,
	.probe = probe,
	.remove = remove,
	.sriov_configure = configure_sriov,
	.dev_groups = board_groups,
};
module_pci_driver(xe);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Stand-in for the SR-IOV sysfs files of Intel's xe, for tests");
