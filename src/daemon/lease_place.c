/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From waiting to holding: the queue is tried in fair order, a placement becomes shares, charges
 * and steps, and when the steps are done the holder gets its binding.
 *
 * A GPU takes the steps of one transaction at a time. A request that would create on a busy GPU, or
 * take it whole while its mode is changed, waits for it, for a moment: that keeps the best choice.
 * A GPU that has been busy for longer hangs, and is passed.
 */
#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"
#include "base/log.h"
#include "daemon/api.h"
#include "daemon/executor.h"
#include "daemon/gpus.h"
#include "daemon/leases.h"
#include "daemon/ledger.h"
#include "daemon/mps.h"
#include "daemon/render.h"
#include "daemon/vfs.h"
#include "driver/cgroup.h"
#include "driver/dmem.h"
#include "mechanism/bind.h"
#include "mechanism/mechanism.h"
#include "mechanism/vf.h"
#include "model/choice.h"
#include "model/queue.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <systemd/sd-event.h>

/* A create takes a quarter of a second on real hardware; what takes this long does not answer. */
#define BUSY_TOO_LONG_NS (2 * 1000000000ULL)

enum { LEASE_TRIES = 3, REFUSALS_KEPT = 8 };

/* A dynamic share is there as long as its lease. */
static void mark_mps(struct gpu *gpu, const struct mps_share *share, uint64_t id)
{
	unsigned at = 0;

	while (at < gpu->n_mps && gpu->mps[at].number != share->number)
		at++;
	if (at == gpu->n_mps && (id == 0 || at == MPS_SHARES_MAX))
		return;
	if (at == gpu->n_mps)
		gpu->mps[gpu->n_mps++] = *share;
	gpu->mps[at].lease = id;
	gpu->mps[at].uid = share->uid;
	gpu->mps[at].must_hold = id && share->must_hold;
	gpu->mps[at].is_by_kernel = id && share->is_by_kernel;
	if (id == 0 && !gpu->mps[at].is_pinned)
		gpu->mps[at] = gpu->mps[--gpu->n_mps];
}

void lease_mark_share(const struct lease *lease, const struct lease_share *share, uint64_t id)
{
	struct gpu *gpu = &lease->daemon->gpus[share->gpu];
	int at;

	if (share->mechanism == MECHANISM_MPS) {
		mark_mps(gpu, &share->mps, id);
		return;
	}
	if (share->mechanism == MECHANISM_VF) {
		lease_vf_mark(lease, share, id);
		return;
	}
	if (share->mechanism == MECHANISM_WHOLE) {
		gpu->whole_lease = id;
		return;
	}
	at = gpu_instance_at(gpu, share->profile_id, share->start);
	for (unsigned c = 0; at >= 0 && c < gpu->seen.instance[at].n_ci; c++)
		if (gpu->seen.instance[at].ci[c].id == share->ci_id)
			gpu->seen.instance[at].ci[c].lease = id;
}

void leases_mark(struct daemon *daemon, unsigned gpu)
{
	struct lease *lease;

	list_for_each (lease, &daemon->leases, link)
		for (unsigned i = 0; i < lease->n_shares; i++)
			if (lease->share[i].gpu == gpu)
				lease_mark_share(lease, &lease->share[i], lease->id);
}

/* What a placement will be as a share. */
static struct lease_share share_of(
	const struct daemon *daemon, const struct placement *placement, uid_t uid)
{
	const struct gpu *gpu = &daemon->gpus[placement->gpu];
	const struct mig_geometry *geometry = &gpu->facts.geometry;
	const struct mig_profile *profile = &geometry->profile[placement->profile];
	struct lease_share share = { .gpu = placement->gpu, .mechanism = placement->mechanism };

	if (placement->how == PLACE_VF)
		return lease_vf_share(daemon, placement);
	if (placement->how == PLACE_MPS) {
		share.mps = placement->mps;
		share.mps.uid = uid;
		if (share.mps.number == 0)
			share.mps.number = mps_number_free(gpu);
		share.memory_bytes = share.mps.memory_bytes;
		share.compute = (float)share.mps.percent;
		share.ci_id = UINT32_MAX;
		text_copy(share.uuid, sizeof(share.uuid), gpu->facts.uuid);
		return share;
	}
	if (placement->how == PLACE_WHOLE) {
		share.memory_bytes = gpu->facts.memory_bytes;
		share.compute = 100;
		share.ci_id = UINT32_MAX;
		text_copy(share.uuid, sizeof(share.uuid), gpu->facts.uuid);
		return share;
	}
	share.profile_id = profile->id;
	share.memory_bytes = profile->memory_bytes;
	share.compute = 100.0f * (float)profile->slices / (float)geometry->n_slices;
	share.start = placement->start;
	if (placement->how == PLACE_CACHED) {
		const struct mig_instance *instance = &gpu->seen.instance[placement->instance];
		const struct mig_ci *ci = &instance->ci[placement->ci];

		share.start = instance->start;
		share.ci_id = ci->id;
		share.compute =
			100.0f * (float)profile->ci[ci->ci].slices / (float)geometry->n_slices;
		text_copy(share.uuid, sizeof(share.uuid), ci->uuid);
	}
	return share;
}

struct quota lease_amount(const struct lease *lease)
{
	struct quota amount = { 0 };

	for (unsigned i = 0; i < lease->n_shares; i++) {
		if (lease->share[i].mechanism == MECHANISM_VF)
			amount.gpus_milli += lease_vf_milli(
				&lease->daemon->gpus[lease->share[i].gpu], &lease->share[i]);
		amount.gpus_milli += (uint64_t)(lease->share[i].compute * 10.0f + 0.5f);
		amount.compute_percent += (uint64_t)(lease->share[i].compute + 0.5f);
		amount.memory_bytes += lease->share[i].memory_bytes;
	}
	return amount;
}

void lease_free_shares(struct lease *lease)
{
	for (unsigned i = 0; i < lease->n_shares_made; i++) {
		free(lease->share[i].environment);
		free(lease->share[i].partition);
	}
	free(lease->share);
	lease->share = NULL;
	lease->n_shares = lease->n_shares_made = 0;
}

void lease_return_shares(struct lease *lease)
{
	unsigned n = lease->n_shares;

	for (unsigned i = 0; i < n; i++)
		lease_mark_share(lease, &lease->share[i], 0);
	lease->n_shares = 0;
	for (unsigned i = 0; i < n; i++)
		if (lease->share[i].mechanism == MECHANISM_MPS)
			mps_lease_end(lease->daemon, &lease->share[i], lease->id);
}

void lease_drop_shares(struct lease *lease)
{
	lease_return_shares(lease);
	charge_release(&lease->share_charge);
	lease_free_shares(lease);
}

struct mps_place lease_share_place(const struct lease_share *share)
{
	if (share->mechanism == MECHANISM_MIG)
		return (struct mps_place){ share->profile_id, share->start, share->ci_id };
	return share->mechanism == MECHANISM_MPS ? share->mps.place : MPS_WHOLE_GPU;
}

static int bind_vf(const struct lease *lease, const struct lease_share *share,
	struct binding *binding, struct error *err)
{
	const struct gpu *gpu = &lease->daemon->gpus[share->gpu];
	const struct vf *vf = vf_find(gpu, share->vf.number);

	if (!vf || lease->vf_is_lost ||
		(lease->state == LEASE_ACTIVE &&
			!vfs_is_as_meant(lease->daemon, share->gpu, share->vf.number)))
		return error_set(err, -ENODEV, "its virtual function %u:vf%u is not there",
			share->gpu, share->vf.number);
	return vf_bind(gpu, vf, binding, err);
}

int lease_binding(const struct lease *lease, struct binding *ret_binding, struct error *err)
{
	*ret_binding = (struct binding){ 0 };
	for (unsigned i = 0; i < lease->n_shares; i++) {
		const struct lease_share *share = &lease->share[i];
		const struct gpu *gpu = &lease->daemon->gpus[share->gpu];
		const struct mig_instance *instance = NULL;
		const struct mig_ci *ci = NULL;
		struct mps_place place;
		int at, r;

		place = lease_share_place(share);
		if (!mps_place_is_gpu(&place)) {
			at = gpu_instance_at(gpu, place.profile_id, place.start);
			if (at < 0)
				return error_set(
					err, -ENODEV, "its share on GPU %u is gone", share->gpu);
			instance = &gpu->seen.instance[at];
			for (unsigned c = 0; c < instance->n_ci; c++)
				if (instance->ci[c].id == place.ci)
					ci = &instance->ci[c];
			if (!ci)
				return error_set(err, -ENODEV,
					"its compute instance on GPU %u is gone", share->gpu);
		}
		r = share->mechanism == MECHANISM_VF
			    ? bind_vf(lease, share, ret_binding, err)
			    : mechanism_of(share->mechanism)
				      ->bind(gpu, instance, ci, ret_binding, err);
		if (r == 0 && share->environment)
			r = bind_environment(ret_binding, share->environment, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static void take_uuids(struct lease *lease)
{
	for (unsigned i = 0; i < lease->n_shares; i++) {
		struct lease_share *share = &lease->share[i];
		const struct gpu *gpu = &lease->daemon->gpus[share->gpu];
		int at;

		struct mps_place place = lease_share_place(share);

		if (share->mechanism == MECHANISM_VF)
			lease_vf_take_address(share, gpu);
		if (mps_place_is_gpu(&place))
			continue;
		at = gpu_instance_at(gpu, place.profile_id, place.start);
		for (unsigned c = 0; at >= 0 && c < gpu->seen.instance[at].n_ci; c++)
			if (gpu->seen.instance[at].ci[c].id == place.ci)
				text_copy(share->uuid, sizeof(share->uuid),
					gpu->seen.instance[at].ci[c].uuid);
	}
}

/*
 * Where the kernel accounts for the GPU's memory, it holds the limit for all processes of the lease
 * together, whatever they leave out of their environment. Only on a cgroup of ours: another's is
 * not ours to limit.
 */
static void limit_by_kernel(struct lease *lease)
{
	struct lease_share *share = &lease->share[0];
	const char *pci = lease->daemon->gpus[share->gpu].facts.pci, *cgroup = lease->holder.cgroup;
	struct error err = ERROR_NONE;
	uint64_t capacity;

	if (share->mechanism != MECHANISM_MPS || !mps_place_is_gpu(&share->mps.place) ||
		!lease->holder.owns_cgroup ||
		dmem_capacity(cgroup_mount(), pci, &capacity, NULL) < 0)
		return;
	if (dmem_enable(cgroup_mount(), cgroup, &err) < 0 ||
		dmem_set_max(cgroup_mount(), cgroup, pci, share->memory_bytes, &err) < 0) {
		log_warning("lease L%" PRIu64 ": the kernel does not hold its memory limit: %s",
			lease->id, err.text);
		return;
	}
	share->mps.is_by_kernel = true;
	lease_mark_share(lease, share, lease->id);
}

enum { LEASE_SHARE_TEXT_MAX = SHARE_NAME_MAX + VF_NAME_MAX };

static const char *say_share(const struct lease *lease, char ret_text[LEASE_SHARE_TEXT_MAX])
{
	const struct lease_share *share = &lease->share[0];

	if (share->mechanism == MECHANISM_VF)
		return lease_vf_text(share, ret_text, LEASE_SHARE_TEXT_MAX);
	return share->mechanism == MECHANISM_MPS
		       ? mps_share_name(&lease->daemon->gpus[share->gpu], &share->mps, ret_text)
		       : share->uuid;
}

/* Shares are there: bind the holder. */
static void activate(struct lease *lease)
{
	struct daemon *daemon = lease->daemon;
	AUTO_FREE struct binding *binding = must_alloc(1, sizeof(*binding));
	struct error err = ERROR_NONE;
	char asked[REQUEST_TEXT_MAX], share[LEASE_SHARE_TEXT_MAX];
	int r;

	take_uuids(lease);
	r = lease_binding(lease, binding, &err);
	if (r == 0)
		r = holder_begin(lease, binding, &err);
	if (r < 0) {
		lease_fail(lease, r == -EPERM ? API_NOT_PERMITTED : API_DRIVER, err.text);
		return;
	}
	limit_by_kernel(lease);
	lease_set_reason(lease, NULL); /* of a try that failed before */
	lease->binding = render_binding(binding);
	lease->active_wall_ns = wall_ns();
	if (lease->request.time_ns)
		lease->ends_ns = now_ns() + lease->request.time_ns;
	lease->ends_wall_ns = lease->request.time_ns ? wall_ns() + lease->request.time_ns : 0;
	if (lease->request.time_ns)
		lease_arm(lease, lease->request.time_ns);
	else
		lease->timer = sd_event_source_disable_unref(lease->timer);
	event_add(daemon, "lease-active", (int)lease->share[0].gpu, lease->id,
		"L%" PRIu64 " (%s) holds %s on GPU %u", lease->id,
		request_text(&lease->request, asked), say_share(lease, share), lease->share[0].gpu);
	lease_set_state(lease, LEASE_ACTIVE);
}

/* It cannot be made ready there: it is tried again, elsewhere if that can be. */
static void preparing_failed(struct lease *lease, int gpu, const char *why)
{
	struct daemon *daemon = lease->daemon;

	lease_drop_shares(lease);
	lease->tries++;
	if (gpu >= 0)
		lease->avoid |= 1u << gpu;
	if (lease->is_unwanted) {
		lease_let_go(lease);
		return;
	}
	event_add(daemon, "lease-retry", gpu, lease->id, "L%" PRIu64 ": %s", lease->id, why);
	if (lease->tries >= LEASE_TRIES) {
		lease_fail(lease, API_DRIVER, why);
		return;
	}
	lease_set_reason(lease, why);
	lease_set_state(lease, LEASE_QUEUED);
	lease_arm_wait(lease);
}

/* The hardware is as it should be; an MPS share has its server to wait for. */
static void steps_done(struct lease *lease)
{
	if (lease->share[0].mechanism == MECHANISM_MPS)
		mps_lease_begin(lease);
	else
		activate(lease);
}

struct prepared {
	struct daemon *daemon;
	uint64_t lease;
};

static void on_prepared(void *context, const struct txn_result *result)
{
	struct prepared *prepared = context;
	struct daemon *daemon = prepared->daemon;
	struct lease *lease = lease_by_id(daemon, prepared->lease);

	free(prepared);
	if (lease && result->code < 0)
		preparing_failed(lease, result->gpu, result->text);
	else if (lease && lease->is_unwanted)
		lease_let_go(lease);
	else if (lease)
		steps_done(lease);
	leases_pump(daemon);
}

void lease_mps_ready(struct lease *lease, int code, const char *why)
{
	struct daemon *daemon = lease->daemon;

	if (code < 0)
		preparing_failed(lease, (int)lease->share[0].gpu, why);
	else if (lease->is_unwanted)
		lease_let_go(lease);
	else
		activate(lease);
	leases_pump(daemon);
}

/* Puts a placement into force; the lease may be active, or over, when this returns. */
static void prepare(struct lease *lease, const struct placement *placements)
{
	struct daemon *daemon = lease->daemon;
	AUTO_FREE struct step *steps =
		must_alloc(lease->n_shares * PLAN_PLACEMENT_MAX, sizeof(*steps));
	struct prepared *prepared;
	unsigned n = 0;
	char what[48];

	for (unsigned i = 0; i < lease->n_shares; i++)
		if (placements[i].how == PLACE_CREATE || placements[i].how == PLACE_MPS ||
			placements[i].how == PLACE_VF)
			n += plan_placement(daemon->gpus, &placements[i], steps + n);
	for (unsigned i = 0; i < lease->n_shares; i++)
		lease_mark_share(lease, &lease->share[i], lease->id);
	holder_plan(lease);
	lease->has_steps = n > 0 || lease->share[0].mechanism == MECHANISM_MPS;
	lease_set_state(lease, LEASE_PLACED);
	if (n == 0) {
		steps_done(lease);
		return;
	}
	prepared = must_alloc(1, sizeof(*prepared));
	*prepared = (struct prepared){ daemon, lease->id };
	snprintf(what, sizeof(what), "lease L%" PRIu64, lease->id);
	txn_start(daemon, what, steps, n, NULL, on_prepared, prepared);
}

/* One process can use one MIG instance only: several would be paid for and not used. */
static int check_one_process(
	const struct lease *lease, const struct placement *placements, struct error *err)
{
	if (lease->request.n_gpus < 2 || placements[0].how == PLACE_WHOLE ||
		(lease->holder.kind != HOLDER_RUN && lease->holder.kind != HOLDER_PID))
		return 0;
	error_set(err, -EINVAL,
		"CUDA uses one MIG instance per process, so %u of them for one command would lie "
		"idle: ask for one larger share, for whole GPUs (--mechanism whole), or hold them "
		"by name for several processes (carve lease --name N)",
		lease->request.n_gpus);
	return API_NEVER;
}

/* GPUs that a create would have to wait for: busy; of these, those that hang are not waited for. */
static uint32_t busy_gpus(const struct daemon *daemon, bool hanging)
{
	uint64_t now = now_ns();
	uint32_t mask = 0;

	for (unsigned i = 0; i < daemon->n_gpus; i++)
		if (gpu_is_busy(daemon, i) &&
			(!hanging || now - daemon->runtime[i].busy_since_ns > BUSY_TOO_LONG_NS))
			mask |= 1u << i;
	return mask;
}

int lease_try(struct lease *lease, uint32_t avoid, uint32_t *ret_busy, struct error *err)
{
	struct daemon *daemon = lease->daemon;
	unsigned n = lease->request.n_gpus;
	AUTO_FREE struct placement *placements = must_alloc(n, sizeof(*placements));
	uint32_t busy = busy_gpus(daemon, false);
	uint32_t passed = avoid | busy_gpus(daemon, true) | vfs_owing(daemon);
	struct quota amount;
	int r;

	*ret_busy = 0;
	if (daemon->driver_let_go) {
		error_set(err, -EAGAIN,
			"the driver is drained for maintenance (carve undrain --driver takes it up "
			"again)");
		return PLACE_E_NO_ROOM;
	}
	avoid = passed | lease->avoid;
	r = place(daemon->gpus, daemon->n_gpus, &lease->request, avoid, placements, err);
	if (r == PLACE_E_NO_ROOM && lease->avoid) {
		/* where its steps failed before is its last choice, but better than none */
		avoid = passed;
		r = place(daemon->gpus, daemon->n_gpus, &lease->request, avoid, placements, err);
	}
	if (r == PLACE_E_NO_ROOM)
		*ret_busy |= mps_stop_idle(daemon, ~avoid);
	if (r == PLACE_E_NEVER)
		return lease_change_mode(lease, passed, ret_busy, err) ?: API_NEVER;
	if (r != 0)
		return PLACE_E_NO_ROOM;
	r = check_one_process(lease, placements, err);
	if (r != 0)
		return r;
	for (unsigned i = 0; i < n; i++)
		if (placements[i].how != PLACE_CACHED && (busy & 1u << placements[i].gpu))
			*ret_busy |= 1u << placements[i].gpu;
	if (*ret_busy) {
		error_set(err, -EBUSY, "GPU %u is being changed at this moment",
			(unsigned)__builtin_ctz(*ret_busy));
		return PLACE_E_NO_ROOM;
	}
	free(lease->choice);
	lease->choice = choice_text(daemon->gpus, daemon->n_gpus, &lease->request, placements);
	free(lease->why);
	lease->why = NULL;
	if (lease->request.explain)
		lease->why = place_explain(daemon->gpus, daemon->n_gpus, &lease->request, avoid);
	lease->share = must_alloc(n, sizeof(*lease->share));
	lease->n_shares = lease->n_shares_made = n;
	for (unsigned i = 0; i < n; i++)
		lease->share[i] = share_of(daemon, &placements[i], lease->tenant->uid);
	amount = lease_amount(lease);
	if (charge_take(&lease->share_charge, lease->tenant, &amount, err) != 0) {
		lease_drop_shares(lease);
		return API_QUOTA;
	}
	prepare(lease, placements);
	return 0;
}

static void wait_for(struct lease *lease, unsigned position, const char *what)
{
	lease->position = position;
	if (text_eq(lease->waits_for, what))
		return;
	free(lease->waits_for);
	lease->waits_for = must_strdup(what);
}

/* The waiting requests in the order in which they are tried; returns how many. */
static unsigned queue_of(struct daemon *daemon, struct waiting *waiting)
{
	struct lease *lease;
	unsigned n = 0;

	list_for_each (lease, &daemon->leases, link)
		if (lease->state == LEASE_QUEUED)
			waiting[n++] = (struct waiting){ lease->id, &lease->request,
				lease->tenant->uid, lease->waiting_since_ns,
				lease->tenant->held.gpus_milli * 1000 };
	queue_sort(waiting, n);
	return n;
}

/*
 * Requests that found no room in this round. Room only gets less until daemon->room_number says
 * otherwise, so who asks for the same need not be tried: of hundreds that wait, most ask for one of
 * a few things.
 */
struct refusals {
	struct refusal {
		struct request request;
		uint64_t room_number;
		uint32_t avoid;
		struct error why;
	} kept[REFUSALS_KEPT];
	unsigned n;
};

static const struct refusal *refusal_find(const struct refusals *refusals,
	const struct request *request, uint64_t room_number, uint32_t avoid)
{
	for (unsigned i = 0; i < refusals->n && i < REFUSALS_KEPT; i++)
		if (refusals->kept[i].avoid == avoid &&
			refusals->kept[i].room_number == room_number &&
			request_is_alike(&refusals->kept[i].request, request))
			return &refusals->kept[i];
	return NULL;
}

/* As lease_try, but does not try what is known to be in vain. */
static int try_waiting(struct lease *lease, uint32_t avoid, struct refusals *refusals,
	uint32_t *ret_busy, struct error *err)
{
	uint64_t room_number = lease->daemon->room_number;
	uint32_t all = avoid | lease->avoid;
	const struct refusal *known = refusal_find(refusals, &lease->request, room_number, all);
	int r = PLACE_E_NO_ROOM;

	*ret_busy = 0;
	if (lease->tried_number == room_number && lease->tried_avoid == all)
		error_set(err, -ENOSPC, "%s", lease->waits_for);
	else if (known)
		*err = known->why;
	else
		r = lease_try(lease, avoid, ret_busy, err);
	if (r != PLACE_E_NO_ROOM || *ret_busy)
		return r;
	lease->tried_number = room_number;
	lease->tried_avoid = all;
	if (!known)
		refusals->kept[refusals->n++ % REFUSALS_KEPT] =
			(struct refusal){ lease->request, room_number, all, *err };
	return r;
}

void queue_try(struct daemon *daemon)
{
	AUTO_FREE struct waiting *waiting = must_alloc(daemon->n_queued, sizeof(*waiting));
	AUTO_FREE struct refusals *refusals = must_alloc(1, sizeof(*refusals));
	unsigned n = queue_of(daemon, waiting), position = 0;
	uint32_t kept = 0, kept_for_one = 0;

	for (unsigned i = 0; i < n; i++) {
		struct lease *lease = lease_by_id(daemon, waiting[i].id);
		struct error err = ERROR_NONE;
		uint32_t busy;
		int r;

		if (!lease || lease->state != LEASE_QUEUED)
			continue;
		r = try_waiting(lease, kept, refusals, &busy, &err);
		if (r == 0)
			continue;
		if (r == API_QUOTA || r == PLACE_E_NO_ROOM) {
			wait_for(lease, ++position, err.text);
			kept |= busy;
			if (!kept_for_one && r != API_QUOTA)
				kept_for_one = queue_keep_for(
					&waiting[i], daemon->gpus, daemon->n_gpus, now_ns());
			kept |= kept_for_one;
			continue;
		}
		lease_fail(lease, r, err.text);
	}
}

static int on_pump(sd_event_source *source, void *context)
{
	queue_try(context);
	return 0;
}

void queue_pump(struct daemon *daemon)
{
	if (!daemon->is_restored || daemon->n_queued == 0)
		return;
	if (daemon->pump)
		sd_event_source_set_enabled(daemon->pump, SD_EVENT_ONESHOT);
	else if (sd_event_add_defer(daemon->loop, &daemon->pump, on_pump, daemon) < 0)
		log_error("the queue cannot be put on the loop");
}

void leases_pump(struct daemon *daemon)
{
	daemon->room_number++;
	queue_pump(daemon);
}
