/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Leases that are watched (`carve profile`): while one is active, the worker of its GPU is asked
 * every tenth of a second what the job used since the last time. Never more than one question of a
 * lease waits, so that the worker's other orders are held up by one look at most; what is not
 * answered in time is a gap in the figures, and counted as such.
 *
 * The figures are written to the ledger now and then: a carved that is killed loses the last
 * seconds, and the next one goes on with what was written.
 */
#include "base/error.h"
#include "base/io.h"
#include "base/log.h"
#include "daemon/gpus.h"
#include "daemon/leases.h"

#include <inttypes.h>
#include <systemd/sd-event.h>

/* Between two times that the figures are written down. */
#define RECORD_NS 2000000000ULL

struct lease_watch {
	struct usage usage;
	sd_event_source *timer; /* NULL: not begun, or over */
	bool is_asked;		/* an answer is awaited */
	uint64_t recorded_ns;
};

/* A lease that is asked about may be gone when the answer comes. */
struct question {
	struct daemon *daemon;
	uint64_t lease;
};

void lease_watch_want(struct lease *lease, const json_t *figures)
{
	lease->watch = must_alloc(1, sizeof(*lease->watch));
	if (figures && usage_from_json(figures, &lease->watch->usage) < 0)
		log_warning("what lease L%" PRIu64 " used before is not known any more", lease->id);
}

json_t *lease_watch_json(const struct lease *lease)
{
	return lease->watch ? usage_to_json(&lease->watch->usage) : json_null();
}

static void on_sample(void *context, const struct work_answer *answer)
{
	struct question *question = context;
	struct lease *lease = lease_by_id(question->daemon, question->lease);
	uint64_t now = now_ns();

	free(question);
	if (!lease || !lease->watch)
		return;
	lease->watch->is_asked = false;
	if (answer->result < 0)
		usage_fail(&lease->watch->usage, answer->text);
	else
		usage_add(&lease->watch->usage, &answer->sample, now);
	if (lease->state != LEASE_ACTIVE || now - lease->watch->recorded_ns < RECORD_NS)
		return;
	lease->watch->recorded_ns = now;
	lease_record(lease);
}

static void on_ended(void *context, const struct work_answer *answer)
{
}

/* Where it is, and whether it has that for itself. False if it is not there. */
static bool find_place(struct lease *lease, struct work_watch *ret_watch)
{
	const struct lease_share *share = &lease->share[0];
	const struct gpu *gpu = &lease->daemon->gpus[share->gpu];
	struct mps_place place = lease_share_place(share);
	int at;

	*ret_watch = (struct work_watch){ .id = lease->id,
		.gi = UINT32_MAX,
		.ci = UINT32_MAX,
		.is_shared = share->mechanism == MECHANISM_MPS };
	if (share->mechanism == MECHANISM_WHOLE || mps_place_is_gpu(&place))
		return true;
	at = gpu_instance_at(gpu, place.profile_id, place.start);
	if (at < 0)
		return false;
	ret_watch->gi = gpu->seen.instance[at].gi;
	ret_watch->ci = share->mechanism == MECHANISM_MPS ? place.ci : share->ci_id;
	/* compute instances beside it use the same memory, and the same counters */
	ret_watch->is_shared |= gpu->seen.instance[at].n_ci > 1;
	return true;
}

static void ask(struct lease *lease)
{
	struct daemon *daemon = lease->daemon;
	struct work_order order = { .op = WORK_WATCH };
	struct question *question;

	if (!find_place(lease, &order.watch)) {
		usage_fail(&lease->watch->usage, "its share is not there");
		return;
	}
	if (order.watch.is_shared && !lease->holder.cgroup) {
		usage_fail(&lease->watch->usage,
			"others use the share too, and without a cgroup of its own the job's "
			"processes cannot be told from theirs");
		return;
	}
	if (order.watch.is_shared)
		order.watch.n_pids = holder_pids(&lease->holder, order.watch.pid, WORK_PIDS_MAX);
	question = must_alloc(1, sizeof(*question));
	*question = (struct question){ daemon, lease->id };
	lease->watch->is_asked = true;
	worker_order(daemon->runtime[lease->share[0].gpu].worker, &order, on_sample, question);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *context)
{
	struct lease *lease = context;

	sd_event_source_set_time_relative(source, USAGE_PERIOD_NS / 1000);
	sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
	if (!lease->watch->is_asked)
		ask(lease);
	return 0;
}

void lease_watch_begin(struct lease *lease)
{
	struct lease_watch *watch = lease->watch;

	if (!watch || watch->timer || lease->n_shares != 1)
		return;
	watch->recorded_ns = now_ns();
	/* a carved that is killed before it writes figures down leaves a gap from here on */
	if (!watch->usage.last_ns)
		watch->usage.last_ns = watch->recorded_ns;
	if (sd_event_add_time_relative(lease->daemon->loop, &watch->timer, CLOCK_MONOTONIC, 0, 1000,
		    on_timer, lease) < 0)
		log_error("lease L%" PRIu64 " cannot be watched", lease->id);
}

void lease_watch_end(struct lease *lease)
{
	const struct lease_watch *watch = lease->watch;
	struct work_order order = { .op = WORK_WATCH, .watch = { .id = lease->id, .ends = true } };
	struct worker *worker;

	if (!watch || !watch->timer)
		return;
	lease->watch->timer = sd_event_source_disable_unref(lease->watch->timer);
	worker = lease->daemon->runtime[lease->share[0].gpu].worker;
	if (worker_is_running(worker))
		worker_order(worker, &order, on_ended, NULL);
}

void lease_watch_free(struct lease *lease)
{
	if (lease->watch)
		sd_event_source_disable_unref(lease->watch->timer);
	free(lease->watch);
	lease->watch = NULL;
}
