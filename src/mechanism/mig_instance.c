/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making and taking away one GPU instance with its compute instances.
 *
 *	CREATE	GPU instance at its place, read back; then the compute instances in their order.
 *		Fails: the compute instances made here are destroyed, last first, then the GPU
 *		instance.
 *	DESTROY	compute instances, last first; then the GPU instance.
 *		Fails: the compute instances destroyed here are made again, in their places.
 *
 * An instance is known by its profile and place. Where it stands already with a part of the compute
 * instances (a step that was cut off), only the rest is made.
 */
#include "mechanism/mig.h"

#include "base/error.h"
#include "driver/nodes.h"
#include "driver/nvml_mig.h"

#include <errno.h>
#include <time.h>

/* A driver that refuses to take back what it just made is asked again: monitors come and go. */
enum { UNDO_TRIES = 4 };
static const struct timespec undo_pause = { .tv_nsec = 50000000 };

static int failed_twice(struct error *err, const struct error *what, const struct error *why)
{
	return error_set(err, -ENOTRECOVERABLE, "%s; and it could not be put back: %s", what->text,
		why->text);
}

/* 1 and the instance's id if it is there, 0 if not. */
static int find(struct nvml_gpu *nvml, const struct gpu_facts *facts, const struct step *step,
	uint32_t *ret_gi, struct error *err)
{
	struct mig_instance list[MIG_INSTANCES_MAX];
	int n = nvml_mig_instances(nvml, &facts->geometry, list, err);

	for (int i = 0; i < n; i++) {
		if (list[i].start == step->start &&
			facts->geometry.profile[list[i].profile].id == step->profile_id) {
			*ret_gi = list[i].gi;
			return 1;
		}
	}
	return n < 0 ? n : 0;
}

/* Compute slices of a compute instance profile of the step's; 0 if it is not known. */
static uint32_t slices_of(const struct gpu_facts *facts, const struct step *step, uint32_t ci_id)
{
	int p = mig_profile_find_id(&facts->geometry, step->profile_id);

	for (unsigned i = 0; p >= 0 && i < facts->geometry.profile[p].n_ci; i++) {
		if (facts->geometry.profile[p].ci[i].id == ci_id)
			return facts->geometry.profile[p].ci[i].slices;
	}
	return 0;
}

static int undo_destroy(struct nvml_gpu *nvml, uint32_t gi, int ci, struct error *err)
{
	int r = 0;

	for (unsigned i = 0; i < UNDO_TRIES; i++) {
		if (i > 0)
			nanosleep(&undo_pause, NULL);
		r = ci < 0 ? nvml_mig_destroy(nvml, gi, err)
			   : nvml_mig_compute_destroy(nvml, gi, (uint32_t)ci, err);
		if (r == 0 || r == -ENOENT)
			return 0;
	}
	return r;
}

static int undo_create(
	struct nvml_gpu *nvml, uint32_t gi, const struct mig_compute *compute, struct error *err)
{
	uint32_t ci;
	int r = 0;

	for (unsigned i = 0; i < UNDO_TRIES; i++) {
		if (i > 0)
			nanosleep(&undo_pause, NULL);
		r = nvml_mig_compute_create(nvml, gi, compute->profile_id, compute, &ci, err);
		if (r == 0)
			return 0;
	}
	return r;
}

/* Takes compute instances `first` and later away, last first. Returns `code`, whose sentence is in
 * *err, or -ENOTRECOVERABLE. */
static int unmake(struct nvml_gpu *nvml, uint32_t gi, unsigned first, int code, struct error *err)
{
	struct error what = err ? *err : ERROR_NONE;
	struct error why = ERROR_NONE;
	struct mig_compute compute[MIG_CIS_MAX];
	int n = -1;

	for (unsigned i = 0; i < UNDO_TRIES && n < 0; i++)
		n = nvml_mig_computes(nvml, gi, compute, &why);
	if (n < 0)
		return n == -ENOENT ? code : failed_twice(err, &what, &why);
	for (int i = n - 1; i >= (int)first; i--) {
		if (undo_destroy(nvml, gi, (int)compute[i].id, &why) < 0)
			return failed_twice(err, &what, &why);
	}
	/* one that the driver had made, but not told, was among them */
	return code == -ENOTRECOVERABLE ? -EIO : code;
}

/* A compute instance of that profile; where this product has another id for as many slices (the
 * driver tells only once the GPU instance stands), of that. */
static int make_compute(struct nvml_gpu *nvml, const struct gpu_facts *facts,
	const struct step *step, uint32_t gi, uint32_t ci_id, struct error *err)
{
	uint32_t slices = slices_of(facts, step, ci_id), other, ci;
	int r = nvml_mig_compute_create(nvml, gi, ci_id, NULL, &ci, err);

	if ((r == -ENOTSUP || r == -EINVAL) && slices &&
		nvml_mig_compute_profile(nvml, gi, slices, &other, NULL) == 0 && other != ci_id)
		r = nvml_mig_compute_create(nvml, gi, other, NULL, &ci, err);
	return r;
}

/* Makes those of the step's compute instances that are not there yet. */
static int make_computes(struct nvml_gpu *nvml, const struct gpu_facts *facts,
	const struct step *step, uint32_t gi, struct error *err)
{
	struct mig_compute compute[MIG_CIS_MAX];
	int r = 0, n = nvml_mig_computes(nvml, gi, compute, err);

	if (n < 0)
		return n;
	for (int i = 0; i < n; i++) {
		if (i < (int)step->n_ci &&
			(compute[i].profile_id == step->ci_id[i] ||
				(compute[i].size &&
					compute[i].size == slices_of(facts, step, step->ci_id[i]))))
			continue;
		return error_set(err, -ENOSPC,
			"the place of %s is taken by an instance with other compute instances",
			step->name);
	}
	for (unsigned i = (unsigned)n; i < step->n_ci && r == 0; i++)
		r = make_compute(nvml, facts, step, gi, step->ci_id[i], err);
	return r < 0 ? unmake(nvml, gi, (unsigned)n, r, err) : 0;
}

/* Takes a GPU instance without compute instances away again. */
static int remove_new(struct nvml_gpu *nvml, uint32_t gi, int code, struct error *err)
{
	struct error what = err ? *err : ERROR_NONE;
	struct error why = ERROR_NONE;

	return undo_destroy(nvml, gi, -1, &why) < 0 ? failed_twice(err, &what, &why) : code;
}

static int make_instance(
	struct nvml_gpu *nvml, const struct step *step, uint32_t *ret_gi, struct error *err)
{
	uint32_t gi, start, size;
	int r = nvml_mig_create(nvml, step->profile_id, step->start, step->size, &gi, err);

	if (r < 0)
		return r;
	r = nvml_mig_place(nvml, gi, &start, &size, err);
	if (r == 0 && (start != step->start || size != step->size))
		r = error_set(err, -EIO,
			"the driver put the instance at slots %u+%u, not at %u+%u (drivers before "
			"R470 "
			"cannot be told a place)",
			start, size, step->start, step->size);
	if (r < 0)
		return remove_new(nvml, gi, r, err);
	*ret_gi = gi;
	return 0;
}

int mig_create(struct nvml_gpu *nvml, const struct gpu_facts *facts, const struct step *step,
	struct error *err)
{
	uint32_t gi = 0;
	int was_there = find(nvml, facts, step, &gi, err);
	int r;

	if (was_there < 0)
		return was_there;
	if (!was_there) {
		r = make_instance(nvml, step, &gi, err);
		if (r < 0)
			return error_prefix(err, r, "%s", step->name);
	}
	r = make_computes(nvml, facts, step, gi, err);
	if (r < 0 && r != -ENOTRECOVERABLE && !was_there)
		r = remove_new(nvml, gi, r, err);
	if (r < 0)
		return error_prefix(err, r, "%s", step->name);
	nodes_make(facts->minor, gi, step->n_ci);
	return 0;
}

/* Makes the compute instances from `first` on again. Returns `code` or -ENOTRECOVERABLE. */
static int restore(struct nvml_gpu *nvml, uint32_t gi, const struct mig_compute *compute, int first,
	int n, int code, struct error *err)
{
	struct error what = err ? *err : ERROR_NONE;
	struct error why = ERROR_NONE;

	for (int i = first; i < n; i++) {
		if (undo_create(nvml, gi, &compute[i], &why) < 0)
			return failed_twice(err, &what, &why);
	}
	return code;
}

static int destroy_all(struct nvml_gpu *nvml, uint32_t gi, struct error *err)
{
	struct mig_compute compute[MIG_CIS_MAX];
	int r = 0, n = nvml_mig_computes(nvml, gi, compute, err);
	int left = n;

	if (n < 0)
		return n;
	while (left > 0 && (r == 0 || r == -ENOENT)) {
		r = nvml_mig_compute_destroy(nvml, gi, compute[left - 1].id, err);
		if (r == 0 || r == -ENOENT)
			left--;
	}
	if (r == 0 || r == -ENOENT)
		r = nvml_mig_destroy(nvml, gi, err);
	if (r == 0 || r == -ENOENT)
		return 0;
	r = mig_name_users(nvml, gi, r, err);
	return restore(nvml, gi, compute, left, n, r, err);
}

int mig_destroy(struct nvml_gpu *nvml, const struct gpu_facts *facts, const struct step *step,
	struct error *err)
{
	uint32_t gi;
	int r = find(nvml, facts, step, &gi, err);

	if (r <= 0)
		return r;
	/* asked first: the driver would refuse too, but after some of it was destroyed */
	r = mig_check_users(nvml, gi, step->name, err);
	if (r < 0)
		return r;
	r = destroy_all(nvml, gi, err);
	return r < 0 ? error_prefix(err, r, "%s", step->name) : 0;
}
