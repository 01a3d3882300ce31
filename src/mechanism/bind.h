/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What bindings of all mechanisms on NVIDIA's GPUs have in common. */

#include "model/binding.h"

struct error;

/* Adds a device, by its uuid, to those that CUDA will see (CUDA_VISIBLE_DEVICES). */
int bind_device(struct binding *binding, const char *uuid, struct error *err);
/* Adds the variables of `lines`, "NAME=value" by lines. -E2BIG, -EINVAL. */
int bind_environment(struct binding *binding, const char *lines, struct error *err);
