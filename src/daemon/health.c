/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GPU health: the regular look at events (XID, ECC), at whether the driver still answers, and at
 * use without a lease.
 *
 *	HEALTHY --hardware XID, double-bit ECC--> SICK --quiet for QUIET_LOOKS intervals--> HEALTHY
 *	HEALTHY --"GPU is lost", or no answer twice--> LOST --it answers again--> HEALTHY
 *	any     --could not be put back--> BROKEN --carve manage--> HEALTHY
 */
#include "base/io.h"
#include "daemon/gpus.h"
#include "daemon/leases.h"
#include "daemon/mps.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <systemd/sd-event.h>

enum { QUIET_LOOKS = 5 };

/*
 * XIDs that a faulting program causes on a sound GPU: 13 graphics exception, 31 MMU fault, 43
 * channel stopped, 45 preemptive clean-up, 68 video exception, 69 class error, 109 context switch
 * time-out (NVIDIA's XID catalogue; the same ones that other health checks pass over).
 */
static bool is_programs_fault(uint64_t xid)
{
	static const uint64_t codes[] = { 13, 31, 43, 45, 68, 69, 109 };

	for (unsigned i = 0; i < ARRAY_SIZE(codes); i++)
		if (codes[i] == xid)
			return true;
	return false;
}

static void take_event(struct daemon *daemon, unsigned gpu, const struct work_event *event)
{
	char why[160];

	if (event->kind == WORK_EVENT_XID)
		snprintf(why, sizeof(why), "the driver reported XID %" PRIu64, event->code);
	else
		snprintf(why, sizeof(why),
			"the driver reported an uncorrectable memory (ECC) error");
	if (event->kind == WORK_EVENT_XID && is_programs_fault(event->code)) {
		event_add(daemon, "gpu-xid", (int)gpu, 0,
			"GPU %u: %s (a program's fault, the GPU is sound)", gpu, why);
		return;
	}
	event_add(daemon, "gpu-xid", (int)gpu, 0, "GPU %u: %s", gpu, why);
	gpu_set_health(daemon, gpu, GPU_SICK, why);
}

static void on_events(void *context, const struct work_answer *answer)
{
	struct gpu_runtime *runtime = context;
	struct daemon *daemon = runtime->daemon;
	unsigned gpu = (unsigned)(runtime - daemon->runtime);
	uint64_t quiet_ns = QUIET_LOOKS * daemon->config.health_interval_ns;

	if (answer->result == 0 && answer->events.is_lost) {
		gpu_set_health(daemon, gpu, GPU_LOST, "the driver says that the GPU is lost");
		return;
	}
	if (answer->result < 0)
		return; /* the look that follows tells whether it is lost */
	for (unsigned i = 0; i < answer->events.n; i++)
		take_event(daemon, gpu, &answer->events.event[i]);
	if (daemon->gpus[gpu].health == GPU_SICK && now_ns() - runtime->sick_since_ns > quiet_ns)
		gpu_set_health(daemon, gpu, GPU_HEALTHY, "");
}

static int on_interval(sd_event_source *source, uint64_t usec, void *context)
{
	struct daemon *daemon = context;

	for (unsigned i = 0; i < daemon->n_gpus && !daemon->driver_let_go; i++) {
		struct gpu_runtime *runtime = &daemon->runtime[i];
		struct work_order order = { .op = WORK_EVENTS };

		/* one look at a time: a GPU that hangs must not pile up orders */
		if (runtime->txn || runtime->is_looking)
			continue;
		worker_order(runtime->worker, &order, on_events, runtime);
		gpu_look(daemon, i);
	}
	if (!daemon->driver_let_go)
		mps_look_all(daemon);
	sd_event_source_set_time_relative(source, daemon->config.health_interval_ns / 1000);
	sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
	return 0;
}

int gpus_watch(struct daemon *daemon)
{
	return sd_event_add_time_relative(daemon->loop, NULL, CLOCK_MONOTONIC,
		daemon->config.health_interval_ns / 1000, 0, on_interval, daemon);
}
