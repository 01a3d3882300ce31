/* SPDX-License-Identifier: Apache-2.0 */
/* MIG as a mechanism: what it can, what there is, and what a holder needs. Steps: mig_step.c. */
#include "mechanism/mig.h"

#include "base/error.h"
#include "base/text.h"
#include "driver/nodes.h"
#include "driver/nvml_mig.h"
#include "mechanism/bind.h"

#include <errno.h>
#include <stdio.h>

/* "7 of 1g.10gb, 3 of 2g.20gb, ..., 1 of 7g.80gb", as far as it fits. */
static void limits_text(const struct mig_geometry *geometry, char *ret_text, size_t size)
{
	AUTO_BUF text = { 0 };

	for (unsigned i = 0; i < geometry->n_profiles; i++)
		buf_addf(&text, "%s%u of %s", i ? ", " : "", geometry->profile[i].max,
			geometry->profile[i].name);
	if (text_copy(ret_text, size, buf_text(&text)) < 0)
		memcpy(ret_text + size - sizeof("..."), "...", sizeof("..."));
}

static void mig_probe(struct nvml_gpu *nvml, const struct gpu_facts *facts,
	const struct gpu_seen *seen, struct capability *ret_capability)
{
	struct error why = ERROR_NONE;
	char *text = ret_capability->text;
	size_t size = sizeof(ret_capability->text);

	ret_capability->answer = CAPABILITY_AFTER;
	if (!facts->has_mig) {
		ret_capability->answer = CAPABILITY_NO;
		snprintf(text, size, "%s has no MIG", facts->product);
	} else if (!seen->mig_on && seen->mig_pending) {
		snprintf(text, size, "a reset of the GPU: MIG mode is pending");
	} else if (!seen->mig_on) {
		snprintf(text, size, "MIG mode is turned on, for which the GPU must be idle%s",
			facts->mode_needs_reset ? " and is reset" : "");
	} else if (facts->geometry.n_profiles == 0) {
		struct mig_geometry unused;

		ret_capability->answer = CAPABILITY_NO;
		if (nvml_mig_geometry(nvml, facts->memory_bytes, &unused, &why) < 0)
			text_copy(text, size, why.text);
		else
			snprintf(text, size, "the driver did not tell its MIG profiles");
	} else {
		ret_capability->answer = CAPABILITY_YES;
		limits_text(&facts->geometry, text, size);
	}
}

static bool is_used(const struct gpu_seen *seen, uint32_t gi, uint32_t ci)
{
	for (unsigned i = 0; i < seen->n_processes; i++) {
		const struct gpu_process *p = &seen->process[i];

		/* one that is told with its GPU instance only may use any of it */
		if (p->gi == gi && (p->ci == ci || p->ci == UINT32_MAX))
			return true;
	}
	return false;
}

static int mig_observe(struct nvml_gpu *nvml, const struct gpu_facts *facts, struct gpu_seen *seen,
	struct error *err)
{
	int r, n;

	if (!facts->has_mig)
		return 0;
	r = nvml_mig_mode(nvml, &seen->mig_on, &seen->mig_pending, err);
	if (r < 0 || !seen->mig_on)
		return r;
	n = nvml_mig_instances(nvml, &facts->geometry, seen->instance, err);
	if (n < 0)
		return n;
	seen->n_instances = (uint32_t)n;
	r = nvml_gpu_processes(nvml, seen, err);
	for (unsigned i = 0; i < seen->n_instances && r == 0; i++) {
		struct mig_instance *instance = &seen->instance[i];

		for (unsigned c = 0; c < instance->n_ci; c++)
			instance->ci[c].has_users = is_used(seen, instance->gi, instance->ci[c].id);
	}
	return r;
}

static int mig_bind(const struct gpu *gpu, const struct mig_instance *instance,
	const struct mig_ci *ci, struct binding *binding, struct error *err)
{
	char name[SHARE_NAME_MAX];
	int r;

	if (!ci->uuid[0])
		return error_set(err, -EIO, "the driver tells no MIG device for %s",
			share_name(gpu, instance, ci, name));
	r = bind_device(binding, ci->uuid, err);
	if (r < 0)
		return r;
	return nodes_add(binding, gpu, instance, ci, err);
}

static int mig_usage(struct nvml_gpu *nvml, uint32_t gi, uint32_t ci, uint64_t *ret_memory_bytes)
{
	return nvml_gpu_used(nvml, gi, ci, ret_memory_bytes, NULL);
}

const struct mechanism_ops mechanism_mig = {
	.mechanism = MECHANISM_MIG,
	.probe = mig_probe,
	.observe = mig_observe,
	.do_step = mig_do_step,
	.bind = mig_bind,
	.usage = mig_usage,
	.memory = ENFORCED_BY_HARDWARE,
	.compute = ENFORCED_BY_HARDWARE,
	.faults = ENFORCED_BY_HARDWARE,
};
