/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `mode-changes: on-demand`: a request that only a GPU in MIG mode could serve has the mode turned
 * on, on one managed GPU that nobody uses, once. It waits for that as for any change; then it is
 * placed like any other.
 */
#include "base/error.h"
#include "daemon/executor.h"
#include "daemon/gpus.h"
#include "daemon/leases.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

struct mode_change {
	struct daemon *daemon;
	unsigned gpu;
};

static void on_changed(void *context, const struct txn_result *result)
{
	struct mode_change *change = context;

	if (result->code < 0)
		event_add(change->daemon, "lease-retry", (int)change->gpu, 0,
			"MIG mode could not be turned on for a request: %s", result->text);
	leases_pump(change->daemon);
	free(change);
}

/* On its way to MIG mode, or there with its profiles still to be told. */
static bool is_coming(const struct daemon *daemon, unsigned gpu)
{
	const struct gpu_runtime *runtime = &daemon->runtime[gpu];
	const struct gpu *g = &daemon->gpus[gpu];

	if (!g->seen.mig_on)
		return false;
	return runtime->txn ? !runtime->truth.mig_on
			    : runtime->is_looking && g->facts.geometry.n_profiles == 0;
}

static bool is_idle(const struct daemon *daemon, unsigned gpu)
{
	const struct gpu *g = &daemon->gpus[gpu];

	return g->managed && !g->drained && g->health == GPU_HEALTHY && g->facts.has_mig &&
	       !g->facts.mode_needs_reset && !g->seen.mig_on && !g->seen.mig_pending &&
	       !g->whole_lease && g->seen.n_processes == 0 && !gpu_is_busy(daemon, gpu);
}

/* Would it be placed on this GPU, were that in MIG mode? */
static bool would_do(struct daemon *daemon, unsigned gpu, const struct request *request)
{
	struct gpu_seen *seen = &daemon->gpus[gpu].seen;
	struct placement placement;
	struct error err;
	int r;

	seen->mig_on = seen->mig_pending = true;
	r = place(daemon->gpus, daemon->n_gpus, request, ~(1u << gpu), &placement, &err);
	seen->mig_on = seen->mig_pending = false;
	return r == 0;
}

static void turn_on(struct daemon *daemon, unsigned gpu)
{
	const struct step step = { .kind = STEP_MODE_ON, .gpu = gpu };
	struct mode_change *change = must_alloc(1, sizeof(*change));

	*change = (struct mode_change){ daemon, gpu };
	event_add(
		daemon, "gpu-mode", (int)gpu, 0, "GPU %u is put into MIG mode for a request", gpu);
	txn_start(daemon, "MIG mode for a request", &step, 1, NULL, on_changed, change);
}

int lease_change_mode(struct lease *lease, uint32_t avoid, uint32_t *ret_busy, struct error *err)
{
	struct daemon *daemon = lease->daemon;
	const struct request *request = &lease->request;
	int gpu = -1;

	if (!daemon->config.may_change_mode || request->n_gpus > 1)
		return 0;
	for (unsigned i = 0; i < daemon->n_gpus && gpu < 0; i++)
		if (is_coming(daemon, i))
			gpu = (int)i;
	for (unsigned i = 0; i < daemon->n_gpus && gpu < 0 && !lease->changed_mode; i++)
		if (is_idle(daemon, i) && would_do(daemon, i, request))
			gpu = (int)i;
	if (gpu < 0)
		return 0;
	*ret_busy |= 1u << gpu;
	if (!is_coming(daemon, (unsigned)gpu) && !(avoid & 1u << gpu)) {
		lease->changed_mode = true;
		turn_on(daemon, (unsigned)gpu);
	}
	error_set(err, -EBUSY, "GPU %d is put into MIG mode", gpu);
	return PLACE_E_NO_ROOM;
}
