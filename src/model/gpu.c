/* SPDX-License-Identifier: Apache-2.0 */
#include "model/gpu.h"

#include "base/error.h"
#include "base/text.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { UUID_PREFIX_MIN = 8 };

const char *const mechanism_names[MECHANISM_N] = { "mig", "mps", "vf", "time", "whole" };
const char *const enforcer_names[] = { "nobody", "scheduler", "shim", "mps", "kernel", "hardware" };
const char *const gpu_health_names[] = { "healthy", "sick", "lost", "broken" };

int mechanism_find(const char *name)
{
	for (int i = 0; i < MECHANISM_N; i++) {
		if (text_eq(mechanism_names[i], name))
			return i;
	}
	return -1;
}

/* "00000000:65:00.0", "0000:65:00.0" and "65:00.0" are one address. */
bool gpu_is_same_pci(const char *a, const char *b)
{
	const char *domain[2] = { a, b }, *rest[2];
	size_t n[2];

	for (int i = 0; i < 2; i++) {
		const char *colon = strchr(domain[i], ':');

		if (!colon)
			return false;
		if (!strchr(colon + 1, ':')) {
			rest[i] = domain[i];
			n[i] = 0;
			continue;
		}
		while (*domain[i] == '0')
			domain[i]++;
		n[i] = (size_t)(colon - domain[i]);
		rest[i] = colon + 1;
	}
	return n[0] == n[1] && strncasecmp(domain[0], domain[1], n[0]) == 0 &&
	       strcasecmp(rest[0], rest[1]) == 0;
}

static int no_gpu(const struct gpu *gpus, unsigned n, const char *name, struct error *err)
{
	if (n == 0)
		return error_set(err, -ENODEV, "no GPU '%s': this node has none", name);
	if (n == 1)
		return error_set(err, -ENODEV, "no GPU '%s' on this node (it has GPU 0, %s, %s)",
			name, gpus[0].facts.uuid, gpus[0].facts.pci);
	return error_set(
		err, -ENODEV, "no GPU '%s' on this node (it has GPUs 0 to %u)", name, n - 1);
}

void gpu_facts_copy(struct gpu_facts *to, const struct gpu_facts *from)
{
	memcpy(to, from,
		offsetof(struct gpu_facts, vf.type) + from->vf.n_types * sizeof(from->vf.type[0]));
}

void gpu_seen_copy(struct gpu_seen *to, const struct gpu_seen *from)
{
	memcpy(to, from,
		offsetof(struct gpu_seen, instance) +
			from->n_instances * sizeof(from->instance[0]));
	to->n_processes = from->n_processes;
	memcpy(to->process, from->process, from->n_processes * sizeof(from->process[0]));
	memcpy(&to->vfs, &from->vfs,
		offsetof(struct vfs_seen, vf) + from->vfs.n * sizeof(from->vfs.vf[0]));
}

int gpu_find(const struct gpu *gpus, unsigned n, const char *name, unsigned *ret_index,
	struct error *err)
{
	size_t length = strlen(name);
	unsigned found = n;
	uint32_t index;

	if (parse_u32(name, &index) == 0 && index < n) {
		*ret_index = index;
		return 0;
	}
	for (unsigned i = 0; i < n; i++) {
		const struct gpu_facts *facts = &gpus[i].facts;

		if (strcasecmp(facts->uuid, name) == 0 || gpu_is_same_pci(facts->pci, name)) {
			*ret_index = i;
			return 0;
		}
		if (length < UUID_PREFIX_MIN || strncasecmp(facts->uuid, name, length) != 0)
			continue;
		if (found < n)
			return error_set(err, -EINVAL,
				"GPU '%s' may be GPU %u (%s) or GPU %u (%s): write more of the "
				"uuid",
				name, found, gpus[found].facts.uuid, i, facts->uuid);
		found = i;
	}
	if (found == n)
		return no_gpu(gpus, n, name, err);
	*ret_index = found;
	return 0;
}
