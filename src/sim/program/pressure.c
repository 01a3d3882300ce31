/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/program/pressure.h"

#include "abi/nvml.h"
#include "base/error.h"
#include "base/size.h"
#include "base/text.h"
#include "sim/node/process.h"
#include "sim/program/populate.h"
#include "sim/program/program.h"

#include <errno.h>
#include <stdio.h>

#define HOLDER_BYTES (64ull << 20)
#define ALL_FREE     UINT64_MAX

static bool is_word(const char *spec, const char *word)
{
	size_t n = strlen(word);

	return text_starts(spec, word) && (spec[n] == '\0' || spec[n] == ':');
}

bool pressure_is_meant(const char *spec)
{
	return is_word(spec, "memory") || is_word(spec, "holder");
}

/* What is free on a GPU, or on the instance that a MIG device is a part of. */
static uint64_t free_memory(struct node *node, unsigned index, const char *uuid)
{
	struct gpu *gpu = &node->gpus[index];
	uint64_t room = (uint64_t)(gpu->product.memory_mib - gpu->product.reserved_mib) << 20;
	const struct gpu_state *now;
	uint32_t in = NVML_NO_INSTANCE;
	char text[UUID_TEXT_MAX];

	node_lock(node);
	process_reap(gpu);
	now = gpu_now(gpu);
	for (unsigned gi = 0; gi < GPU_INSTANCES; gi++)
		for (unsigned ci = 0; now->instances[gi].serial && ci < PRODUCT_COMPUTE; ci++) {
			const struct compute_instance *compute = &now->instances[gi].compute[ci];

			if (!compute->serial ||
				!text_eq(identity_uuid_text("MIG", compute->uuid, text), uuid))
				continue;
			in = gi;
			room = (uint64_t)gpu->product.profiles[now->instances[gi].profile]
				       .memory_mib
			       << 20;
		}
	room -= process_memory(now, in);
	node_unlock(node);
	return room;
}

static int read_key(const char *key, const char *value, char device[64],
	struct machine_process *wanted, struct error *err)
{
	uint64_t busy;

	if (text_eq(key, "device") && value)
		return text_copy(device, 64, value);
	if (text_eq(key, "size") && value) {
		if (text_eq(value, "free"))
			wanted->memory = ALL_FREE;
		else if (parse_size(value, &wanted->memory) < 0)
			return error_set(err, -EINVAL, "'%s' is not an amount of memory", value);
		return 0;
	}
	if (text_eq(key, "busy") && value) {
		if (parse_u64(value, &busy) < 0 || busy > 100)
			return error_set(err, -EINVAL, "'%s' is not a percentage", value);
		wanted->busy = (uint32_t)busy;
		return 0;
	}
	return error_set(err, -EINVAL, "'%s' is not a key here (keys: device=, size=, busy=)", key);
}

int pressure_start(struct node *node, const char *spec, pid_t *ret_pid, struct error *err)
{
	struct machine_process wanted = { .memory = is_word(spec, "memory") ? ALL_FREE
									    : HOLDER_BYTES };
	char text[200], device[64] = "0", uuid[UUID_TEXT_MAX], *rest, *key;
	int r = text_copy(text, sizeof(text), spec);

	if (r < 0)
		return error_set(err, r, "'%.20s...' is too long", spec);
	rest = text;
	text_copy(wanted.name, sizeof(wanted.name), strsep(&rest, ":"));
	while (r == 0 && (key = strsep(&rest, ","))) {
		char *value = strchr(key, '=');

		if (value)
			*value++ = '\0';
		r = read_key(key, value, device, &wanted, err);
	}
	if (r == 0)
		r = where_device(node, device, &wanted.gpu, uuid, err);
	if (r == 0 && wanted.memory == ALL_FREE)
		wanted.memory = free_memory(node, wanted.gpu, uuid);
	return r == 0 ? populate_process(node, &wanted, uuid, false, ret_pid, err) : r;
}
