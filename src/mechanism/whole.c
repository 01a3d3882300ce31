/* SPDX-License-Identifier: Apache-2.0 */
/* A whole GPU as one share: all of it, or nothing. */
#include "mechanism/mechanism.h"

#include "base/error.h"
#include "base/size.h"
#include "driver/nodes.h"
#include "driver/nvml.h"
#include "mechanism/bind.h"

#include <errno.h>
#include <stdio.h>

static void whole_probe(struct nvml_gpu *nvml, const struct gpu_facts *facts,
	const struct gpu_seen *seen, struct capability *ret_capability)
{
	char size[SIZE_TEXT_MAX];

	ret_capability->answer = seen->mig_on ? CAPABILITY_AFTER : CAPABILITY_YES;
	if (seen->mig_on)
		snprintf(ret_capability->text, sizeof(ret_capability->text),
			"MIG mode is turned off; the largest instance is nearly all of it");
	else
		snprintf(ret_capability->text, sizeof(ret_capability->text), "one holder, %s",
			size_text(facts->memory_bytes, size));
}

/* In MIG mode the GPU is no share; its processes are its instances' (mechanism_mig). */
static int whole_observe(struct nvml_gpu *nvml, const struct gpu_facts *facts,
	struct gpu_seen *seen, struct error *err)
{
	return seen->mig_on ? 0 : nvml_gpu_processes(nvml, seen, err);
}

static int whole_bind(const struct gpu *gpu, const struct mig_instance *instance,
	const struct mig_ci *ci, struct binding *binding, struct error *err)
{
	int r = bind_device(binding, gpu->facts.uuid, err);

	return r < 0 ? r : nodes_add(binding, gpu, NULL, NULL, err);
}

static int whole_usage(struct nvml_gpu *nvml, uint32_t gi, uint32_t ci, uint64_t *ret_memory_bytes)
{
	return nvml_gpu_used(nvml, UINT32_MAX, UINT32_MAX, ret_memory_bytes, NULL);
}

const struct mechanism_ops mechanism_whole = {
	.mechanism = MECHANISM_WHOLE,
	.probe = whole_probe,
	.observe = whole_observe,
	.bind = whole_bind,
	.usage = whole_usage,
	.memory = ENFORCED_BY_HARDWARE,
	.compute = ENFORCED_BY_HARDWARE,
	.faults = ENFORCED_BY_HARDWARE,
};
