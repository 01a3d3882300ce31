/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Steps of VFs: what is the same for all kinds. Each begins with a look at what it changes, reads
 * back what it wrote, and puts back what it did where that does not show what was wanted.
 */
#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"
#include "driver/sysfs_write.h"
#include "driver/vf_kind.h"
#include "model/plan.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- their count ---- */

static int turn(const struct vf_pf *pf, uint32_t n, struct error *err)
{
	int r = vf_ops(pf->facts->vf.kind)->count(pf, n, err);
	uint32_t now = vf_count(pf->pci);

	/* Asked to come back from something else it may have done it all the same */
	if (r < 0 && (r == -ETIMEDOUT || now != n))
		return r;
	if (now == n)
		return 0;
	return error_set(err, -EIO,
		"%u virtual functions of %s were asked for, %u are on: 'dmesg' has the driver's "
		"words",
		n, pf->pci, now);
}

static int check_count(const struct vf_pf *pf, uint32_t n, struct error *err)
{
	const struct vf_facts *facts = &pf->facts->vf;

	if (!vf_ops(facts->kind)->count)
		return error_set(err, -ENOTSUP, "%s has no virtual functions", pf->pci);
	if (n > facts->total)
		return error_set(err, -ERANGE,
			"%s can have %u virtual functions at most (sriov_totalvfs), not %u",
			pf->pci, facts->total, n);
	if (facts->all_or_none && n != 0 && n != facts->total)
		return error_set(err, -ERANGE,
			"NVIDIA's sriov-manage turns on all %u virtual functions of %s or none, "
			"not %u",
			facts->total, pf->pci, n);
	return 0;
}

/* That nobody has one of them open. One that is free cannot be. */
static int check_held(const struct vf_pf *pf, const struct vfs_seen *vfs, struct error *err)
{
	AUTO_FREE struct vfs_seen *taken = must_alloc(1, sizeof(*taken));

	for (uint32_t i = 0; i < vfs->n; i++) {
		struct vf *vf = &taken->vf[taken->n];

		if (vf_setup_is_free(&vfs->vf[i].setup))
			continue;
		*vf = vfs->vf[i];
		if (vf->group < 0)
			vf->group = vf_group(vf->pci);
		taken->n++;
	}
	vf_find_users(taken);
	return vf_check_held(taken, UINT64_MAX, pf->pci, err);
}

static int do_count(const struct vf_pf *pf, uint32_t n, struct gpu_seen *seen, struct error *err)
{
	uint32_t before = vf_count(pf->pci);
	int r = check_count(pf, n, err);

	if (r < 0 || before == n)
		return r;
	if (before) {
		vf_look_some(pf, UINT64_MAX, seen);
		r = check_held(pf, &seen->vfs, err);
	}
	if (r < 0)
		return r;
	/* the kernel knows no way from one number to another */
	if (before)
		r = turn(pf, 0, err);
	if (r < 0 || n == 0)
		return r;
	r = turn(pf, n, err);
	/* What the kernel is still at cannot be put back */
	if (r == 0 || r == -ETIMEDOUT)
		return r;
	if (vf_count(pf->pci) != 0 && turn(pf, 0, NULL) < 0)
		return error_prefix(err, -ENOTRECOVERABLE, "those that came on did not go again");
	if (before && turn(pf, before, NULL) < 0)
		return error_prefix(err, -ENOTRECOVERABLE,
			"the %u virtual functions that were on before did not come back", before);
	return r;
}

/* ---- their setups ---- */

static struct vf *find(struct vfs_seen *vfs, unsigned number)
{
	for (uint32_t i = 0; i < vfs->n; i++)
		if (vfs->vf[i].number == number)
			return &vfs->vf[i];
	return NULL;
}

static uint64_t bit(unsigned number)
{
	return UINT64_C(1) << number;
}

static int check_set(const struct vf_pf *pf, struct vfs_seen *vfs, uint64_t mask, struct error *err)
{
	if (!vf_ops(pf->facts->vf.kind)->set)
		return error_set(err, -ENOTSUP, "%s has no virtual functions", pf->pci);
	for (unsigned i = 0; i < VFS_MAX; i++)
		if ((mask & bit(i)) && !find(vfs, i))
			return error_set(err, -ENODEV,
				"%s has no virtual function %u: %u are on, counted from 0", pf->pci,
				i, vfs->count);
	return 0;
}

/* What a child does for a step of setups. It speaks to no library. */
struct setting {
	struct vf_pf pf;
	struct gpu_seen *was;
	const struct vf_setup *setup;
	uint64_t vfs;
};

/* Back to what they were, the last one first. */
static int put_back(const struct setting *setting, uint64_t done)
{
	const struct vf_pf *pf = &setting->pf;
	struct gpu_seen *now = must_alloc(1, sizeof(*now));
	int r = 0;

	vf_look_some(pf, done, now);
	for (unsigned i = VFS_MAX; i-- > 0 && r == 0;) {
		const struct vf *vf = done & bit(i) ? find(&now->vfs, i) : NULL;

		if (done & bit(i))
			r = vf ? vf_ops(pf->facts->vf.kind)
					    ->set(pf, vf, &find(&setting->was->vfs, i)->setup, NULL)
			       : -ENODEV;
	}
	free(now);
	return r;
}

static int set_all(const void *context, struct buf *output, struct error *err)
{
	const struct setting *setting = context;
	const struct vf_pf *pf = &setting->pf;
	uint64_t done = 0;
	int r = 0;

	vf_dirs_keep();
	for (unsigned i = 0; i < VFS_MAX && r == 0; i++) {
		if (!(setting->vfs & bit(i)))
			continue;
		r = vf_ops(pf->facts->vf.kind)
			    ->set(pf, find(&setting->was->vfs, i), setting->setup, err);
		done |= r == 0 ? bit(i) : 0;
	}
	if (r < 0 && r != -ENOTRECOVERABLE && put_back(setting, done) < 0)
		return error_prefix(err, -ENOTRECOVERABLE, "others could not be put back");
	return r;
}

static int put_all_back(const void *context, struct buf *output, struct error *err)
{
	const struct setting *setting = context;

	return put_back(setting, setting->vfs);
}

/* That they are what was meant, or were put back to just what they were. */
static int check_all(
	const struct vf_pf *pf, const struct setting *setting, bool are_back, struct error *err)
{
	const struct vf_kind_ops *ops = vf_ops(pf->facts->vf.kind);
	int r = 0;

	for (unsigned i = 0; i < VFS_MAX && r == 0 && ops->check; i++) {
		const struct vf *was = setting->vfs & bit(i) ? find(&setting->was->vfs, i) : NULL;

		if (was)
			r = ops->check(pf, was, are_back ? &was->setup : setting->setup, err);
	}
	return r;
}

static int set_and_check(const struct vf_pf *pf, const struct setting *setting, struct error *err)
{
	AUTO_FREE char *what = must_asprintf("virtual functions of %s are set up", pf->pci);
	int r = sysfs_run(pf->pci, what, set_all, setting, VF_DEADLINE_NS, NULL, err);

	/* what a child that is late does, ours or an earlier one, is not known */
	if (r == -ETIMEDOUT || r == -EALREADY)
		return error_prefix(
			err, -ETIMEDOUT, "cannot set up virtual functions of %s", pf->pci);
	if (r == 0) {
		r = check_all(pf, setting, false, err);
		if (r == 0)
			return 0;
		if (sysfs_run(pf->pci, what, put_all_back, setting, VF_DEADLINE_NS, NULL, NULL) < 0)
			return error_prefix(err, -ENOTRECOVERABLE, "it could not be put back");
	}
	if (r != -ENOTRECOVERABLE && check_all(pf, setting, true, NULL) < 0)
		return error_prefix(err, -ENOTRECOVERABLE, "others could not be put back");
	return r;
}

/* Leaves those of the step that are something else; the mask of them. */
static uint64_t keep_others(struct vfs_seen *vfs, const struct vf_step *step)
{
	uint64_t others = 0;
	uint32_t n = 0;

	for (uint32_t i = 0; i < vfs->n; i++) {
		const struct vf *vf = &vfs->vf[i];

		if (!(step->vfs & bit(vf->number)) || vf_setup_is(&vf->setup, &step->setup))
			continue;
		others |= bit(vf->number);
		vfs->vf[n++] = *vf;
	}
	vfs->n = n;
	return others;
}

static int do_set(const struct vf_pf *pf, const struct vf_step *step, struct gpu_seen *seen,
	struct error *err)
{
	struct setting setting = { { pf->pci, NULL, pf->facts }, seen, &step->setup, 0 };
	int r;

	vf_look_some(pf, step->vfs, seen);
	r = check_set(pf, &seen->vfs, step->vfs, err);
	if (r < 0)
		return r;
	setting.vfs = keep_others(&seen->vfs, step);
	r = check_held(pf, &seen->vfs, err);
	return r < 0 || !setting.vfs ? r : set_and_check(pf, &setting, err);
}

static int do_mix(const struct vf_pf *pf, bool is_mixed, struct gpu_seen *seen, struct error *err)
{
	if (!vf_ops(pf->facts->vf.kind)->mix)
		return error_set(
			err, -ENOTSUP, "the virtual functions of %s have no sizes to mix", pf->pci);
	vf_look_some(pf, 0, seen);
	return seen->vfs.is_mixed == is_mixed ? 0
					      : vf_ops(pf->facts->vf.kind)->mix(pf, is_mixed, err);
}

int vf_do_step(const char *pci, struct nvml_gpu *nvml, const struct gpu_facts *facts,
	const struct step *step, struct error *err)
{
	const struct vf_pf pf = { pci, nvml, facts };
	struct gpu_seen *seen = must_alloc(1, sizeof(*seen));
	int r;

	if (step->kind == STEP_VF_COUNT)
		r = do_count(&pf, step->vf.count, seen, err);
	else if (step->kind == STEP_VF_SET)
		r = do_set(&pf, &step->vf, seen, err);
	else
		r = do_mix(&pf, step->vf.is_mixed, seen, err);
	free(seen);
	return r;
}
