/* SPDX-License-Identifier: Apache-2.0 */
/*
 * MPS as a mechanism: what a GPU can do by it, its compute mode, and what a holder needs of the
 * driver. Servers are started and spoken to by workers of their own (mps_work.h).
 */
#include "driver/mps.h"

#include "base/error.h"
#include "base/text.h"
#include "driver/nodes.h"
#include "driver/nvml.h"
#include "mechanism/bind.h"
#include "mechanism/mechanism.h"

#include <errno.h>
#include <stdio.h>

/* Compute capabilities from which on MPS, and MPS with limits, is there (NVIDIA's guide of MPS). */
enum { FIRST_MAJOR = 3, FIRST_MINOR = 5, VOLTA_MAJOR = 7 };

static bool is_too_old(const struct gpu_facts *facts)
{
	return facts->cc_major > 0 &&
	       (facts->cc_major < FIRST_MAJOR ||
		       (facts->cc_major == FIRST_MAJOR && facts->cc_minor < FIRST_MINOR));
}

static void mps_probe(struct nvml_gpu *nvml, const struct gpu_facts *facts,
	const struct gpu_seen *seen, struct capability *ret_capability)
{
	char driver[32] = "", *text = ret_capability->text;
	struct mps_program program;
	struct error err = ERROR_NONE;
	size_t size = sizeof(ret_capability->text);

	ret_capability->answer = CAPABILITY_NO;
	if (is_too_old(facts)) {
		snprintf(text, size,
			"MPS takes compute capability 3.5 or later; this GPU has %u.%u",
			facts->cc_major, facts->cc_minor);
		return;
	}
	if (nvml_versions(driver, NULL, &err) < 0 || mps_find(driver, &program, &err) < 0) {
		text_copy(text, size, err.text);
		return;
	}
	if (seen->compute_mode == COMPUTE_PROHIBITED) {
		ret_capability->answer = CAPABILITY_AFTER;
		snprintf(text, size,
			"the compute mode is no longer \"prohibited\": nvidia-smi -i %s -c 0",
			facts->pci);
		return;
	}
	ret_capability->answer = CAPABILITY_YES;
	if (facts->cc_major < VOLTA_MAJOR)
		snprintf(text, size, "16 clients, without limits (before Volta)");
	else
		snprintf(text, size, "48 clients, memory limits, %s%s",
			program.has_v3 ? "namespaces, " : "",
			program.has_static ? "static SM partitions"
					   : "no static SM partitions (R590 on)");
}

static int mps_observe(struct nvml_gpu *nvml, const struct gpu_facts *facts, struct gpu_seen *seen,
	struct error *err)
{
	int r = nvml_gpu_compute_mode(nvml, &seen->compute_mode, err);

	/* a board without such modes lets everybody in */
	return r == -ENOTSUP || r == -EPERM ? 0 : r;
}

static int mps_do_step(struct nvml_gpu *nvml, const struct gpu_facts *facts,
	const struct step *step, struct error *err)
{
	uint8_t mode;
	int r = nvml_gpu_set_compute_mode(nvml, (uint8_t)step->mode, err);

	if (r == 0)
		r = nvml_gpu_compute_mode(nvml, &mode, err);
	if (r == 0 && mode != step->mode)
		r = error_set(err, -EIO,
			"the driver says that the compute mode of GPU %s is set, but it is not",
			facts->pci);
	return r;
}

/* Its clients open the GPU as any program does; the server's variables come from the server. */
static int mps_bind(const struct gpu *gpu, const struct mig_instance *instance,
	const struct mig_ci *ci, struct binding *binding, struct error *err)
{
	int r = bind_device(binding, ci ? ci->uuid : gpu->facts.uuid, err);

	return r < 0 ? r : nodes_add(binding, gpu, instance, ci, err);
}

const struct mechanism_ops mechanism_mps = {
	.mechanism = MECHANISM_MPS,
	.probe = mps_probe,
	.observe = mps_observe,
	.do_step = mps_do_step,
	.bind = mps_bind,
	.memory = ENFORCED_BY_MPS,
	.compute = ENFORCED_BY_MPS,
	.faults = ENFORCED_BY_NOBODY,
};
