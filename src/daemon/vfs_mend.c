/* SPDX-License-Identifier: Apache-2.0 */
/*
 * VFs that are not as they are to be: after a reboot, a driver that was loaded anew or a reset of
 * the GPU they are made again, all as before or none; when no lease and no layout needs them, they
 * go. What fails is tried again, later each time.
 */
#include "base/error.h"
#include "base/io.h"
#include "base/log.h"
#include "base/text.h"
#include "daemon/executor.h"
#include "daemon/gpus.h"
#include "daemon/leases.h"
#include "daemon/vfs.h"

#include <errno.h>
#include <stdio.h>
#include <systemd/sd-event.h>

#define AGAIN_NS     (1000000000ULL)
#define AGAIN_MAX_NS (60 * AGAIN_NS)
/* At the start others have the driver for a while (a persistence daemon, a first look by a
 * monitor): what starts virtual machines waits that long for them to end. */
#define START_NS (30 * 1000000000ULL)

/* Of one transaction on one GPU; `restore` is NULL where nobody waits for it. */
struct mending {
	struct daemon *daemon;
	unsigned gpu;
	bool is_restoring;
	struct restore *restore;
	sd_event_source *again;
};

struct restore {
	struct daemon *daemon;
	void (*done)(struct daemon *daemon);
	unsigned n_open;
	uint64_t until_ns;
	uint32_t went_on; /* GPUs whose VFs had to be on before it was known what they are to be */
};

/* It is not there, or free: what somebody else has set otherwise is his. */
static bool is_missing(const struct daemon *daemon, unsigned gpu, uint32_t number)
{
	const struct vf *vf = vf_find(&daemon->gpus[gpu], number);

	return !vf || vf_setup_is_free(&vf->setup);
}

static bool is_owing(const struct daemon *daemon, unsigned gpu)
{
	const struct vf_intent *intent = daemon->runtime[gpu].vf_intent;
	const struct vfs_seen *vfs = &daemon->gpus[gpu].seen.vfs;

	if (!intent || daemon->runtime[gpu].txn)
		return false;
	if (intent->count && vfs->count == 0)
		return true;
	for (uint32_t i = 0; i < intent->n; i++)
		if (is_missing(daemon, gpu, intent->vf[i].number))
			return true;
	return false;
}

uint32_t vfs_owing(const struct daemon *daemon)
{
	uint32_t mask = 0;

	for (unsigned i = 0; i < daemon->n_gpus; i++)
		if (is_owing(daemon, i))
			mask |= 1u << i;
	return mask;
}

const char *vfs_why(const struct daemon *daemon, unsigned gpu)
{
	const char *why = daemon->runtime[gpu].vf_why;

	return *why ? why : NULL;
}

static void failed(struct daemon *daemon, unsigned gpu, bool was_restoring, const char *why)
{
	struct gpu_runtime *runtime = &daemon->runtime[gpu];
	uint64_t wait = AGAIN_NS << (runtime->vf_failures < 6 ? runtime->vf_failures : 6);

	runtime->vf_failures++;
	runtime->vf_again_ns = now_ns() + (wait < AGAIN_MAX_NS ? wait : AGAIN_MAX_NS);
	/* the same every minute would be noise */
	if (!text_eq(runtime->vf_why, why))
		event_add(daemon, was_restoring ? "vf-restore-failed" : "vf-off-failed", (int)gpu,
			0, "GPU %u: its virtual functions could not be %s: %s", gpu,
			was_restoring ? "made again" : "turned off", why);
	text_copy(runtime->vf_why, sizeof(runtime->vf_why), why);
	if (was_restoring)
		leases_check_shares(daemon, gpu);
}

static void succeeded(struct daemon *daemon, unsigned gpu, bool was_restoring)
{
	struct gpu_runtime *runtime = &daemon->runtime[gpu];

	runtime->vf_failures = 0;
	runtime->vf_again_ns = 0;
	runtime->vf_why[0] = '\0';
	if (was_restoring)
		event_add(daemon, "vf-restored", (int)gpu, 0,
			"GPU %u: its virtual functions were made again", gpu);
	leases_check_shares(daemon, gpu);
}

static void one_restored(struct restore *restore)
{
	if (--restore->n_open > 0)
		return;
	restore->done(restore->daemon);
	free(restore);
}

static bool make_again(struct daemon *daemon, unsigned gpu, struct restore *restore);

static int on_again(sd_event_source *source, uint64_t usec, void *context)
{
	struct mending *mending = context;

	if (!make_again(mending->daemon, mending->gpu, mending->restore))
		one_restored(mending->restore);
	sd_event_source_disable_unref(mending->again);
	free(mending);
	return 0;
}

/* Who was in the way may be gone in a moment. True: the start waits for another try. */
static bool try_again(struct mending *mending, int code)
{
	const struct restore *restore = mending->restore;
	uint64_t at_ns = mending->daemon->runtime[mending->gpu].vf_again_ns;

	return restore && code == -EBUSY && at_ns < restore->until_ns &&
	       sd_event_add_time(mending->daemon->loop, &mending->again, CLOCK_MONOTONIC,
		       at_ns / 1000, 1000, on_again, mending) >= 0;
}

/* The facts have been told by now: they were asked for before this look. */
static void on_facts_told(void *context, const struct work_answer *answer)
{
	struct mending *mending = context;
	struct daemon *daemon = mending->daemon;

	if (!make_again(daemon, mending->gpu, mending->restore)) {
		leases_check_shares(daemon, mending->gpu);
		one_restored(mending->restore);
	}
	free(mending);
}

/* True if that was the first part at the start: some types are known only now that VFs are on.
 * Later the look that tells them goes on with it. */
static bool goes_on(struct mending *mending)
{
	struct daemon *daemon = mending->daemon;
	struct restore *restore = mending->restore;
	const struct work_order order = { .op = WORK_OBSERVE };

	if (!restore || !is_owing(daemon, mending->gpu) || restore->went_on >> mending->gpu & 1)
		return false;
	restore->went_on |= 1u << mending->gpu;
	worker_order(daemon->runtime[mending->gpu].worker, &order, on_facts_told, mending);
	return true;
}

static void on_mended(void *context, const struct txn_result *result)
{
	struct mending *mending = context;
	struct daemon *daemon = mending->daemon;

	if (result->code == 0 && goes_on(mending))
		return;
	if (result->code < 0)
		failed(daemon, mending->gpu, mending->is_restoring, result->text);
	else if (!mending->is_restoring || !is_owing(daemon, mending->gpu))
		succeeded(daemon, mending->gpu, mending->is_restoring);
	else
		leases_check_shares(daemon, mending->gpu);
	if (try_again(mending, result->code))
		return;
	if (mending->restore)
		one_restored(mending->restore);
	else
		leases_pump(daemon);
	free(mending);
}

static void start(struct daemon *daemon, unsigned gpu, const struct step *steps, unsigned n,
	bool is_restoring, struct restore *restore)
{
	struct mending *mending = must_alloc(1, sizeof(*mending));

	*mending = (struct mending){ daemon, gpu, is_restoring, restore, NULL };
	txn_start(daemon, is_restoring ? "VFs made again" : "VFs nobody needs", steps, n, NULL,
		on_mended, mending);
}

/* Those of leases that ended unseen are not made again. */
static void drop_unwanted(struct daemon *daemon, unsigned gpu)
{
	struct vf_intent *intent = daemon->runtime[gpu].vf_intent;
	uint32_t before = intent->n;

	for (uint32_t i = intent->n; i-- > 0;)
		if (intent->vf[i].origin == SHARE_DYNAMIC &&
			is_missing(daemon, gpu, intent->vf[i].number) &&
			!lease_of_vf(daemon, gpu, intent->vf[i].number))
			intent->vf[i] = intent->vf[--intent->n];
	if (intent->n == 0 && intent->origin == SHARE_DYNAMIC &&
		daemon->gpus[gpu].seen.vfs.count == 0)
		intent->count = 0;
	if (intent->n != before || intent->count == 0)
		vfs_keep(daemon, gpu);
}

/* True: a transaction was started that makes them. */
static bool make_again(struct daemon *daemon, unsigned gpu, struct restore *restore)
{
	struct error err = ERROR_NONE;
	struct plan plan = { 0 };
	bool is_started = false;
	int r;

	drop_unwanted(daemon, gpu);
	if (!is_owing(daemon, gpu))
		return false;
	r = plan_vf_intent(&daemon->gpus[gpu], daemon->runtime[gpu].vf_intent, &plan, &err);
	if (r == 0 && plan.needs_reset && daemon->gpus[gpu].seen.n_processes)
		r = error_set(
			&err, -EBUSY, "MIG mode takes a reset of GPU %u, which is in use", gpu);
	/* those that can be come first; of the others is told when they alone are left */
	if (r == 0 && plan.n_steps == 0 && plan.n_blockers)
		r = error_set(&err, -EBUSY, "%s", plan.blocker[0].what);
	if (r < 0) {
		failed(daemon, gpu, true, err.text);
	} else if (plan.n_steps) {
		start(daemon, gpu, plan.step, plan.n_steps, true, restore);
		is_started = true;
	}
	plan_done(&plan);
	return is_started;
}

/* Those that were set up for a lease that is no more: the numbers of all that are set alike. */
static uint64_t left_over(const struct gpu *gpu, struct vf_setup *ret_setup)
{
	uint64_t mask = 0;

	for (uint32_t i = 0; i < gpu->seen.vfs.n; i++) {
		const struct vf *vf = &gpu->seen.vfs.vf[i];

		if (vf->origin != SHARE_DYNAMIC || vf->lease || vf->user ||
			vf_setup_is_free(&vf->setup) ||
			(mask && !vf_setup_is(&vf->setup, ret_setup)))
			continue;
		*ret_setup = vf->setup;
		mask |= UINT64_C(1) << vf->number;
	}
	return mask;
}

static bool vfs_are_idle(const struct gpu *gpu)
{
	for (uint32_t i = 0; i < gpu->seen.vfs.n; i++) {
		const struct vf *vf = &gpu->seen.vfs.vf[i];

		if (!vf_setup_is_free(&vf->setup) || vf->user || vf->lease || vf->owner[0])
			return false;
	}
	return true;
}

static bool is_instance_idle(const struct mig_instance *instance)
{
	bool is_idle = instance->origin == SHARE_DYNAMIC;

	for (unsigned c = 0; c < instance->n_ci; c++)
		is_idle &= !instance->ci[c].lease && !instance->ci[c].has_users;
	return is_idle;
}

/* Turning VFs off takes the GPU's instances with them: they go first, or it is not done. */
static unsigned steps_off(const struct gpu *gpu, struct step *steps)
{
	const struct vfs_seen *vfs = &gpu->seen.vfs;
	unsigned n = 0;

	if (vfs->count == 0 || vfs->origin != SHARE_DYNAMIC || !vfs_are_idle(gpu))
		return 0;
	for (unsigned i = 0; i < gpu->seen.n_instances; i++) {
		if (!is_instance_idle(&gpu->seen.instance[i]))
			return 0;
		steps[n++] = step_destroy_of(gpu, i);
	}
	steps[n++] = step_vf_count_of(gpu, 0, SHARE_DYNAMIC);
	return n;
}

static bool let_go(struct daemon *daemon, unsigned gpu)
{
	struct step steps[MIG_INSTANCES_MAX + 1];
	struct vf_setup setup;
	uint64_t mask = left_over(&daemon->gpus[gpu], &setup);
	unsigned n = 0;

	if (mask)
		steps[n++] = step_vf_set_of(
			&daemon->gpus[gpu], mask, &(struct vf_setup){ 0 }, SHARE_DYNAMIC);
	else
		n = steps_off(&daemon->gpus[gpu], steps);
	if (n > 0)
		start(daemon, gpu, steps, n, false, NULL);
	return n > 0;
}

static bool may_mend(const struct daemon *daemon, unsigned gpu)
{
	const struct gpu *view = &daemon->gpus[gpu];
	const struct gpu_runtime *runtime = &daemon->runtime[gpu];

	return view->managed && runtime->vf_intent && !runtime->txn && runtime->has_facts &&
	       view->health != GPU_LOST && view->health != GPU_BROKEN && !daemon->driver_let_go;
}

void vfs_mend(struct daemon *daemon, unsigned gpu)
{
	if (!daemon->is_restored || !may_mend(daemon, gpu) ||
		now_ns() < daemon->runtime[gpu].vf_again_ns)
		return;
	if (is_owing(daemon, gpu))
		make_again(daemon, gpu, NULL);
	else
		let_go(daemon, gpu);
}

void vfs_restore(struct daemon *daemon, void (*done)(struct daemon *daemon))
{
	struct restore *restore = must_alloc(1, sizeof(*restore));

	*restore = (struct restore){ daemon, done, 1, now_ns() + START_NS };
	for (unsigned i = 0; i < daemon->n_gpus; i++)
		if (may_mend(daemon, i) && is_owing(daemon, i) && make_again(daemon, i, restore))
			restore->n_open++;
	one_restored(restore);
}

static int on_soon(sd_event_source *source, uint64_t usec, void *context)
{
	struct daemon *daemon = context;

	for (unsigned i = 0; i < daemon->n_gpus; i++)
		vfs_mend(daemon, i);
	return 0;
}

void vfs_soon(struct daemon *daemon)
{
	if (!daemon->vf_soon) {
		if (sd_event_add_time_relative(daemon->loop, &daemon->vf_soon, CLOCK_MONOTONIC,
			    1000, 1000, on_soon, daemon) < 0)
			log_error("no timer for the VFs that nobody needs: the next look sees to "
				  "them");
		return;
	}
	sd_event_source_set_time_relative(daemon->vf_soon, 1000);
	sd_event_source_set_enabled(daemon->vf_soon, SD_EVENT_ONESHOT);
}

void vfs_done(struct daemon *daemon)
{
	daemon->vf_soon = sd_event_source_disable_unref(daemon->vf_soon);
	for (unsigned i = 0; i < daemon->n_gpus; i++)
		free(daemon->runtime[i].vf_intent);
}
