/* SPDX-License-Identifier: Apache-2.0 */
/* The table of mechanisms, and what stands in for the ops that one has not. */
#include "mechanism/mechanism.h"

#include "base/error.h"

#include <errno.h>
#include <stdio.h>

/* ---- a mechanism that this version of Carve can only speak of ---- */

static void time_probe(struct nvml_gpu *nvml, const struct gpu_facts *facts,
	const struct gpu_seen *seen, struct capability *ret_capability)
{
	ret_capability->answer = CAPABILITY_NO;
	snprintf(ret_capability->text, sizeof(ret_capability->text),
		"this version of Carve shares no GPU by time yet");
}

static const struct mechanism_ops mechanism_time = { .mechanism = MECHANISM_TIME,
	.probe = time_probe };

static const struct mechanism_ops *const table[MECHANISM_N] = {
	&mechanism_mig,
	&mechanism_mps,
	&mechanism_vf,
	&mechanism_time,
	&mechanism_whole,
};

/* ---- the overlay: not supported ---- */

static void no_probe(struct nvml_gpu *nvml, const struct gpu_facts *facts,
	const struct gpu_seen *seen, struct capability *ret_capability)
{
	*ret_capability = (struct capability){ .answer = CAPABILITY_NO, .text = "not supported" };
}

static int no_observe(struct nvml_gpu *nvml, const struct gpu_facts *facts, struct gpu_seen *seen,
	struct error *err)
{
	return 0;
}

static int no_step(struct nvml_gpu *nvml, const struct gpu_facts *facts, const struct step *step,
	struct error *err)
{
	return error_set(err, -ENOTSUP, "this mechanism has no steps");
}

static int no_bind(const struct gpu *gpu, const struct mig_instance *instance,
	const struct mig_ci *ci, struct binding *binding, struct error *err)
{
	return error_set(err, -ENOTSUP, "this version of Carve makes no such shares");
}

static int no_usage(struct nvml_gpu *nvml, uint32_t gi, uint32_t ci, uint64_t *ret_memory_bytes)
{
	return -ENOTSUP;
}

const struct mechanism_ops *mechanism_of(enum mechanism mechanism)
{
	static struct mechanism_ops complete[MECHANISM_N];

	if ((unsigned)mechanism >= MECHANISM_N)
		return NULL;
	if (!complete[mechanism].probe) {
		struct mechanism_ops *ops = &complete[mechanism];

		*ops = *table[mechanism];
		ops->observe = ops->observe ?: no_observe;
		ops->do_step = ops->do_step ?: no_step;
		ops->bind = ops->bind ?: no_bind;
		ops->usage = ops->usage ?: no_usage;
		ops->probe = ops->probe ?: no_probe;
	}
	return &complete[mechanism];
}
