/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/program/devices.h"

#include "abi/nvml.h"
#include "base/error.h"
#include "base/text.h"
#include "sim/node/identity.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define NO_DEVICE "CUDA: no CUDA-capable device is detected"

static int open_node(const struct node *node, int flags, struct error *err, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

static int open_node(const struct node *node, int flags, struct error *err, const char *format, ...)
{
	const char *root = getenv("CARVE_SYSTEM_ROOT");
	char name[64], path[600];
	va_list args;

	va_start(args, format);
	vsnprintf(name, sizeof(name), format, args);
	va_end(args);
	if (root && *root)
		snprintf(path, sizeof(path), "%s/dev/%s", root, name);
	else
		snprintf(path, sizeof(path), "%s/root/dev/%s", node->dir, name);
	/* The descriptor is kept: a program holds its devices as long as it runs. */
	if (open(path, flags) >= 0 || errno == ENXIO || errno == ENODEV)
		return 0;
	return error_set(err, -errno, NO_DEVICE " (cannot open %s: %m)", path);
}

static int open_nodes(const struct node *node, const struct device *device, struct error *err)
{
	int r = open_node(node, O_RDWR, err, "nvidiactl");

	if (r == 0)
		r = open_node(node, O_RDWR, err, "nvidia-uvm");
	if (r == 0)
		r = open_node(node, O_RDWR, err, "nvidia%u", device->gpu);
	if (r == 0 && device->gi != NVML_NO_INSTANCE)
		r = open_node(node, O_RDONLY, err, "nvidia-caps/nvidia-cap%u",
			identity_instance_minor(device->gpu, device->gi));
	if (r == 0 && device->gi != NVML_NO_INSTANCE)
		r = open_node(node, O_RDONLY, err, "nvidia-caps/nvidia-cap%u",
			identity_compute_minor(device->gpu, device->gi, device->ci));
	return r;
}

static bool is_named(const struct node *node, const struct device *device, const uint8_t uuid[16],
	const char *name)
{
	char text[UUID_TEXT_MAX];
	uint32_t index;

	if (!name)
		return true;
	if (parse_u32(name, &index) == 0)
		return device->gpu == index;
	if (text_starts(name, "GPU-"))
		return text_starts(node->gpus[device->gpu].uuid, name);
	return uuid && text_eq(identity_uuid_text("MIG", uuid, text), name);
}

/* The devices of one GPU, in CUDA's order; under the lock. */
static unsigned list_gpu(const struct node *node, unsigned index, const char *name,
	struct device found[PRODUCT_COMPUTE])
{
	const struct gpu *gpu = &node->gpus[index];
	const struct gpu_state *now = gpu_now(gpu);
	unsigned n = 0;

	if (!now->mig_current) {
		struct device whole = {
			.gpu = index, .gi = NVML_NO_INSTANCE, .ci = NVML_NO_INSTANCE
		};

		snprintf(whole.name, sizeof(whole.name), "GPU %u: %s", index, gpu->product.name);
		if (is_named(node, &whole, NULL, name))
			found[n++] = whole;
		return n;
	}
	for (unsigned gi = 0; gi < GPU_INSTANCES; gi++) {
		const struct gpu_instance *instance = &now->instances[gi];

		for (unsigned ci = 0; instance->serial && ci < PRODUCT_COMPUTE; ci++) {
			const struct compute_instance *compute = &instance->compute[ci];
			struct device mig = { .gpu = index, .gi = gi, .ci = ci };
			char profile[PROFILE_TEXT_MAX];

			snprintf(mig.name, sizeof(mig.name), "GPU %u instance %u.%u: MIG %s", index,
				gi, ci,
				identity_profile_text(&gpu->product.profiles[instance->profile],
					compute->kind, profile));
			if (compute->serial && n < PRODUCT_COMPUTE &&
				is_named(node, &mig, compute->uuid, name))
				found[n++] = mig;
		}
	}
	return n;
}

int device_open(struct node *node, const char *name, struct device *ret_device, struct error *err)
{
	const char *visible = getenv("CUDA_VISIBLE_DEVICES");
	struct device found[PRODUCT_COMPUTE];
	char first[64];
	int r = error_set(err, -ENODEV, NO_DEVICE "%s%s", name ?: visible ? ": there is no " : "",
		name ?: visible ?: "");

	if (!name && visible) {
		snprintf(first, sizeof(first), "%.*s", (int)strcspn(visible, ","), visible);
		name = first;
	}
	for (unsigned gpu = 0; gpu < node->n_gpus && r < 0; gpu++) {
		unsigned n;

		node_lock(node);
		n = list_gpu(node, gpu, name, found);
		node_unlock(node);
		for (unsigned i = 0; i < n && r < 0; i++) {
			r = open_nodes(node, &found[i], err);
			if (r == 0)
				*ret_device = found[i];
		}
	}
	return r;
}
