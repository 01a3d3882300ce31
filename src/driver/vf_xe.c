/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Intel's xe. It divides the GPU's memory evenly among the VFs that are turned on, unless a quota
 * was set by hand, after which it divides none (of any VF). So quotas are written only where memory
 * was asked for. The even division leaves nothing over, so what the free VFs have of it is taken
 *from them where a quota would not fit otherwise.
 *
 *	kernels from 6.19	PF/sriov_admin/vfN/profile/{exec_quantum_ms,preempt_timeout_us}
 *	from 7.0		and vram_quota there
 *	before			/sys/kernel/debug/dri/PF/..., per tile and GT: tile0 stands for all
 *
 * xe counts its VFs from 1: the kernel's virtfn0 is its vf1.
 *
 * A VF's parts count as its setup while it is handed out. The even division shows as quotas, too:
 * where all are alike and as large as they can be, they are taken for the driver's own.
 */
#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"
#include "driver/root.h"
#include "driver/sysfs_write.h"
#include "driver/vf_kind.h"

#include <stdio.h>

enum part { PART_MEMORY, PART_QUANTUM, PART_PREEMPT, PART_N };

/* Of VF %u, counted from 1, below the GPU's directory in /sys, or in debugfs; the newest first. */
static const char *const in_sysfs[PART_N] = {
	[PART_MEMORY] = "sriov_admin/vf%u/profile/vram_quota",
	[PART_QUANTUM] = "sriov_admin/vf%u/profile/exec_quantum_ms",
	[PART_PREEMPT] = "sriov_admin/vf%u/profile/preempt_timeout_us",
};
static const char *const in_debugfs[PART_N][3] = {
	[PART_MEMORY] = { "sriov/vf%u/tile0/vram_quota", "gt0/vf%u/lmem_quota" },
	[PART_QUANTUM] = { "sriov/vf%u/tile0/gt0/exec_quantum_ms", "gt0/vf%u/exec_quantum_ms" },
	[PART_PREEMPT] = { "sriov/vf%u/tile0/gt0/preempt_timeout_us",
		"gt0/vf%u/preempt_timeout_us" },
};

static bool exists(const char *path)
{
	AUTO_FREE char *whole = must_asprintf("%s%s", root_path(), path);

	return access(whole, F_OK) == 0;
}

/* The file below the system root; the caller frees; NULL: this driver has none. */
static char *find_part(const char *pci, enum part part, uint32_t number)
{
	char name[80];

	snprintf(name, sizeof(name), in_sysfs[part], number + 1);
	if (vf_has(pci, name))
		return must_asprintf("/sys/bus/pci/devices/%s/%s", pci, name);
	for (const char *const *other = in_debugfs[part]; *other; other++) {
		AUTO_FREE char *path = NULL;

		snprintf(name, sizeof(name), *other, number + 1);
		path = must_asprintf("/sys/kernel/debug/dri/%s/%s", pci, name);
		if (exists(path))
			return TAKE_PTR(path);
	}
	return NULL;
}

/* 0 where there is no such file, or its tiles differ (EUCLEAN). */
static uint64_t read_part(const char *pci, enum part part, uint32_t number)
{
	AUTO_FREE char *path = find_part(pci, part, number);
	AUTO_FREE char *text = NULL;

	if (!path || root_read(path, &text) < 0)
		return 0;
	return strtoull(text, NULL, 10);
}

static bool has_part(const char *pci, enum part part)
{
	AUTO_FREE char *path = find_part(pci, part, 0);

	return path != NULL;
}

static int write_part(const struct vf_pf *pf, const struct vf *vf, enum part part, uint64_t value,
	struct error *err)
{
	AUTO_FREE char *path = find_part(pf->pci, part, vf->number);
	AUTO_FREE char *text = must_asprintf("%llu", (unsigned long long)value);
	int r = path ? sysfs_write(pf->pci, path, text, VF_DEADLINE_NS, err) : -ENOENT;

	if (r < 0)
		return vf_say_why(VF_SET_PART, r, vf->pci, path, err);
	/* Memory comes in blocks: at least that much */
	if (read_part(pf->pci, part, vf->number) < value)
		return error_set(err, -EIO, "xe took %s for %s of %s, and it is %llu", text, path,
			vf->pci, (unsigned long long)read_part(pf->pci, part, vf->number));
	return 0;
}

/* ---- the contract ---- */

static bool is(const struct vf_pf *pf)
{
	return text_eq(pf->facts->vf.pf_driver, "xe");
}

static void facts(const struct vf_pf *pf, struct vf_facts *facts, struct capability *ret_capability)
{
	facts->has_quota = has_part(pf->pci, PART_MEMORY);
	facts->has_schedule = has_part(pf->pci, PART_QUANTUM);
	snprintf(ret_capability->text, sizeof(ret_capability->text),
		"up to %u virtual functions, by xe%s%s", facts->total,
		facts->has_quota ? ", with memory for each" : "",
		facts->has_schedule ? ", with time for each" : "");
}

/* As the driver divides by itself: all alike, and one more would have no room. */
static bool is_even(const struct vf_pf *pf, const struct vfs_seen *vfs, const uint64_t *quota)
{
	uint64_t total = pf->facts->memory_bytes;

	for (uint32_t i = 1; i < vfs->n; i++)
		if (quota[i] != quota[0])
			return false;
	return total == 0 || quota[0] * (vfs->n + 1) > total;
}

static void look(const struct vf_pf *pf, struct gpu_seen *seen)
{
	struct vfs_seen *vfs = &seen->vfs;
	uint64_t quota[VFS_MAX] = { 0 };
	bool even;

	vf_generic.look(pf, seen);
	for (uint32_t i = 0; i < vfs->n && pf->facts->vf.has_quota; i++)
		quota[i] = read_part(pf->pci, PART_MEMORY, vfs->vf[i].number);
	even = is_even(pf, vfs, quota);
	for (uint32_t i = 0; i < vfs->n; i++) {
		struct vf *vf = &vfs->vf[i];

		if (!vf->setup.is_for_vm)
			continue;
		vf->setup.memory_bytes = even ? 0 : quota[i];
		if (!pf->facts->vf.has_schedule)
			continue;
		vf->setup.quantum_ms = (uint32_t)read_part(pf->pci, PART_QUANTUM, vf->number);
		vf->setup.preempt_us = (uint32_t)read_part(pf->pci, PART_PREEMPT, vf->number);
	}
}

static int count(const struct vf_pf *pf, uint32_t n, struct error *err)
{
	return vf_generic.count(pf, n, err);
}

/* Takes from free VFs what the driver gave to them by itself; true if there was any. */
static bool take_from_free(const struct vf_pf *pf, const struct vf *vf)
{
	uint32_t n = vf_count(pf->pci);
	bool is_any = false;

	for (uint32_t i = 0; i < n; i++) {
		struct vf other = { .number = i };

		if (i == vf->number || vf_address(pf->pci, i, other.pci) < 0)
			continue;
		pci_driver(other.pci, other.driver, sizeof(other.driver));
		if (!other.driver[0] && read_part(pf->pci, PART_MEMORY, i))
			is_any |= write_part(pf, &other, PART_MEMORY, 0, NULL) == 0;
	}
	return is_any;
}

static int write_memory(
	const struct vf_pf *pf, const struct vf *vf, uint64_t bytes, struct error *err)
{
	int r = write_part(pf, vf, PART_MEMORY, bytes, err);

	if (r == -ENOSPC && bytes <= pf->facts->memory_bytes && take_from_free(pf, vf))
		r = write_part(pf, vf, PART_MEMORY, bytes, err);
	return r;
}

/* Values that stay as they are are not written: the driver would take them for set by hand. */
static int write_parts(const struct vf_pf *pf, const struct vf *vf, const struct vf_setup *from,
	const struct vf_setup *to, struct error *err)
{
	int r = 0;

	if (to->memory_bytes != from->memory_bytes)
		r = write_memory(pf, vf, to->memory_bytes, err);
	if (r == 0 && to->quantum_ms != from->quantum_ms)
		r = write_part(pf, vf, PART_QUANTUM, to->quantum_ms, err);
	if (r == 0 && to->preempt_us != from->preempt_us)
		r = write_part(pf, vf, PART_PREEMPT, to->preempt_us, err);
	return r;
}

static int set(const struct vf_pf *pf, const struct vf *vf, const struct vf_setup *setup,
	struct error *err)
{
	int r;

	if (setup->memory_bytes && !pf->facts->vf.has_quota)
		return error_set(err, -ENOTSUP,
			"xe gives no memory to each virtual function of %s: the GPU has none of "
			"its own, or the kernel is older than 7.0 and debugfs is not mounted",
			pf->pci);
	if (setup->is_for_vm && !setup->memory_bytes && !vf->setup.memory_bytes &&
		pf->facts->vf.has_quota && read_part(pf->pci, PART_MEMORY, vf->number) == 0)
		return error_set(err, -ENOSPC,
			"%s has no memory: xe divides none since another virtual function was "
			"given its own; say how much",
			vf->pci);
	/* parts are given before anybody can open it, and taken when nobody can any more */
	r = setup->is_for_vm ? write_parts(pf, vf, &vf->setup, setup, err)
			     : vf_generic.set(pf, vf, setup, err);
	if (r == 0)
		r = setup->is_for_vm ? vf_generic.set(pf, vf, setup, err)
				     : write_parts(pf, vf, &vf->setup, setup, err);
	if (r == 0 || r == -ETIMEDOUT || r == -ENOTRECOVERABLE)
		return r;
	if (write_parts(pf, vf, setup, &vf->setup, NULL) < 0 ||
		vf_generic.set(pf, vf, &vf->setup, NULL) < 0)
		return error_prefix(err, -ENOTRECOVERABLE, "it could not be put back");
	return r;
}

const struct vf_kind_ops vf_xe = {
	.is = is,
	.facts = facts,
	.look = look,
	.looks_at_all = true,
	.count = count,
	.set = set,
};
