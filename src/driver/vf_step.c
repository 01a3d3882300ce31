/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Steps of VFs: what is the same for all kinds. Each begins with a look, ends with a look, and puts
 * back what it did where the second does not show what was wanted.
 */
#include "base/error.h"
#include "base/text.h"
#include "driver/vf_kind.h"
#include "model/plan.h"

#include <stdio.h>
#include <stdlib.h>

static void look(const struct vf_pf *pf, struct gpu_seen *seen)
{
	memset(&seen->vfs, 0, sizeof(seen->vfs));
	vf_look_itself(pf, seen);
}

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

static int do_count(const struct vf_pf *pf, uint32_t n, struct gpu_seen *seen, struct error *err)
{
	uint32_t before = seen->vfs.count;
	int r = check_count(pf, n, err);

	if (r < 0 || before == n)
		return r;
	r = vf_check_held(&seen->vfs, UINT64_MAX, pf->pci, err);
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

static int check_set(const struct vf_pf *pf, struct vfs_seen *vfs, uint64_t mask, struct error *err)
{
	if (!vf_ops(pf->facts->vf.kind)->set)
		return error_set(err, -ENOTSUP, "%s has no virtual functions", pf->pci);
	for (unsigned i = 0; i < VFS_MAX; i++)
		if ((mask >> i & 1) && !find(vfs, i))
			return error_set(err, -ENODEV,
				"%s has no virtual function %u: %u are on, counted from 0", pf->pci,
				i, vfs->count);
	return 0;
}

/* Back to what they were, the last one first. */
static int put_back(const struct vf_pf *pf, struct gpu_seen *was, uint64_t done)
{
	struct gpu_seen *now = must_alloc(1, sizeof(*now));
	int r = 0;

	look(pf, now);
	for (unsigned i = VFS_MAX; i-- > 0 && r == 0;)
		if (done >> i & 1)
			r = vf_ops(pf->facts->vf.kind)
				    ->set(pf, find(&now->vfs, i), &find(&was->vfs, i)->setup, NULL);
	free(now);
	return r;
}

static int do_set(const struct vf_pf *pf, const struct vf_step *step, struct gpu_seen *seen,
	struct error *err)
{
	int r = check_set(pf, &seen->vfs, step->vfs, err);
	uint64_t done = 0, differ = 0;

	for (unsigned i = 0; i < VFS_MAX && r == 0; i++)
		if ((step->vfs >> i & 1) && !vf_setup_is(&find(&seen->vfs, i)->setup, &step->setup))
			differ |= UINT64_C(1) << i;
	if (r == 0)
		r = vf_check_held(&seen->vfs, differ, pf->pci, err);
	for (unsigned i = 0; i < VFS_MAX && r == 0; i++) {
		if (!(differ >> i & 1))
			continue;
		r = vf_ops(pf->facts->vf.kind)->set(pf, find(&seen->vfs, i), &step->setup, err);
		done |= r == 0 ? UINT64_C(1) << i : 0;
	}
	if (r < 0 && r != -ETIMEDOUT && r != -ENOTRECOVERABLE && put_back(pf, seen, done) < 0)
		return error_prefix(err, -ENOTRECOVERABLE, "others could not be put back");
	return r;
}

int vf_do_step(const char *pci, struct nvml_gpu *nvml, const struct gpu_facts *facts,
	const struct step *step, struct error *err)
{
	const struct vf_pf pf = { pci, nvml, facts };
	struct gpu_seen *seen = must_alloc(1, sizeof(*seen));
	int r = 0;

	look(&pf, seen);
	if (step->kind == STEP_VF_COUNT)
		r = do_count(&pf, step->vf.count, seen, err);
	else if (step->kind == STEP_VF_SET)
		r = do_set(&pf, &step->vf, seen, err);
	else if (!vf_ops(facts->vf.kind)->mix)
		r = error_set(
			err, -ENOTSUP, "the virtual functions of %s have no sizes to mix", pci);
	else if (seen->vfs.is_mixed != step->vf.is_mixed)
		r = vf_ops(facts->vf.kind)->mix(&pf, step->vf.is_mixed, err);
	free(seen);
	return r;
}
