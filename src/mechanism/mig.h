/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The parts of the MIG mechanism. */

#include "mechanism/mechanism.h"

/* mechanism_mig.do_step. */
int mig_do_step(struct nvml_gpu *nvml, const struct gpu_facts *facts, const struct step *step,
	struct error *err);

/* Makes or takes away one instance (mig_instance.c). */
int mig_create(struct nvml_gpu *nvml, const struct gpu_facts *facts, const struct step *step,
	struct error *err);
int mig_destroy(struct nvml_gpu *nvml, const struct gpu_facts *facts, const struct step *step,
	struct error *err);

/* Adds to the sentence of an -EBUSY who is on that GPU instance (UINT32_MAX: on the GPU). Returns
 * `code`. */
int mig_name_users(struct nvml_gpu *nvml, uint32_t gi, int code, struct error *err);
/* -EBUSY with their names if processes use the instance (or GPU), else 0. */
int mig_check_users(struct nvml_gpu *nvml, uint32_t gi, const char *what, struct error *err);
