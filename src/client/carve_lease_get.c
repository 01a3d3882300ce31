/* SPDX-License-Identifier: Apache-2.0 */
/* What a lease says: read from the object as carved last gave it. */
#include "carve/carve.h"
#include "client/carve_private.h"
#include "client/json.h"

#include <errno.h>

const char *carve_lease_id(const struct carve_lease *lease)
{
	return json_text(lease->json, "id");
}

const char *carve_lease_state(const struct carve_lease *lease)
{
	return json_text(lease->json, "state");
}

const char *carve_lease_why_over(const struct carve_lease *lease)
{
	return json_text(lease->json, "reason");
}

unsigned carve_lease_queue_position(const struct carve_lease *lease)
{
	long long position = json_whole(lease->json, "queue_position");

	return position > 0 ? (unsigned)position : 0;
}

int carve_lease_is_fenced(const struct carve_lease *lease)
{
	return json_flag(lease->json, "fenced");
}

const char *carve_lease_json(struct carve_lease *lease)
{
	if (!lease->dump)
		lease->dump = json_dumps(lease->json, JSON_COMPACT);
	return lease->dump ?: "";
}

static json_t *bound(const struct carve_lease *lease, const char *key)
{
	return json_object_get(json_object_get(lease->json, "binding"), key);
}

unsigned carve_lease_n_env(const struct carve_lease *lease)
{
	return (unsigned)json_object_size(bound(lease, "env"));
}

/* The i-th variable's iterator, NULL beyond the last. */
static void *env_at(const struct carve_lease *lease, unsigned i)
{
	void *at = json_object_iter(bound(lease, "env"));

	while (at && i-- > 0)
		at = json_object_iter_next(bound(lease, "env"), at);
	return at;
}

const char *carve_lease_env_name(const struct carve_lease *lease, unsigned i)
{
	void *at = env_at(lease, i);

	return at ? json_object_iter_key(at) : "";
}

const char *carve_lease_env_value(const struct carve_lease *lease, unsigned i)
{
	void *at = env_at(lease, i);

	return (at ? json_string_value(json_object_iter_value(at)) : NULL) ?: "";
}

unsigned carve_lease_n_nodes(const struct carve_lease *lease)
{
	return (unsigned)json_array_size(bound(lease, "nodes"));
}

int carve_lease_node(const struct carve_lease *lease, unsigned i, const char **ret_path,
	unsigned *ret_major, unsigned *ret_minor)
{
	const json_t *node = json_array_get(bound(lease, "nodes"), i);

	if (!node)
		return -EINVAL;
	*ret_path = json_text(node, "path");
	*ret_major = (unsigned)json_whole(node, "major");
	*ret_minor = (unsigned)json_whole(node, "minor");
	return 0;
}

const char *carve_lease_vf(const struct carve_lease *lease)
{
	return json_text(bound(lease, "vf"), "pci");
}

unsigned carve_lease_n_shares(const struct carve_lease *lease)
{
	return (unsigned)json_array_size(json_object_get(lease->json, "got"));
}

int carve_lease_share(const struct carve_lease *lease, unsigned i, const char **ret_name,
	unsigned long long *ret_memory, double *ret_compute)
{
	const json_t *share = json_array_get(json_object_get(lease->json, "got"), i);

	if (!share)
		return -EINVAL;
	*ret_name = json_text(share, "share");
	*ret_memory = (unsigned long long)json_whole(share, "memory");
	*ret_compute = json_number(share, "compute");
	return 0;
}
