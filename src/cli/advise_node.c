/* SPDX-License-Identifier: Apache-2.0 */
/* The node's GPUs as the model has them, from what carved tells of them. */
#include "cli/advise.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"
#include "cli/node.h"
#include "model/product.h"

#include <errno.h>
#include <stdlib.h>

static uint64_t lease_number(const json_t *object)
{
	const char *id = json_text(object, "lease");
	uint64_t number;

	return *id == 'L' && parse_u64(id + 1, &number) == 0 ? number : 0;
}

static enum share_origin origin_of(const json_t *object)
{
	const char *origin = json_text(object, "origin");

	if (text_eq(origin, "pinned"))
		return SHARE_PINNED;
	return text_eq(origin, "dynamic") ? SHARE_DYNAMIC : SHARE_FOREIGN;
}

static enum mig_media media_of(const char *name)
{
	static const char *const endings[MIG_MEDIA_N] = { "", "+me", "+me.all", "-me", "+gfx" };
	const char *ending = name + strcspn(name, "+-");

	for (unsigned i = 0; i < MIG_MEDIA_N; i++)
		if (text_eq(ending, endings[i]))
			return (enum mig_media)i;
	return MIG_MEDIA_PLAIN;
}

/* The driver's ids are not told; that they differ is enough. */
static void read_geometry(const json_t *mig, struct gpu *gpu)
{
	struct mig_geometry *geometry = &gpu->facts.geometry;
	const json_t *profile, *start;
	size_t i, s;

	json_array_foreach(json_object_get(mig, "profiles"), i, profile)
	{
		struct mig_profile *to = &geometry->profile[geometry->n_profiles];

		if (geometry->n_profiles == MIG_PROFILES_MAX)
			break;
		*to = (struct mig_profile){
			.id = (uint32_t)i,
			.enum_id = (uint32_t)i,
			.slices = (uint32_t)json_whole(profile, "slices"),
			.size = (uint32_t)json_whole(profile, "size"),
			.max = (uint32_t)json_whole(profile, "max"),
			.memory_bytes = (uint64_t)json_whole(profile, "memory"),
			.sm = (uint32_t)json_whole(profile, "sm"),
			.media = media_of(json_text(profile, "name")),
			.n_ci = 1,
		};
		to->ci[0] = (struct mig_ci_profile){ .slices = to->slices, .max = 1 };
		json_array_foreach(json_object_get(profile, "starts"), s, start) to->starts |=
			1u << (json_integer_value(start) & 15);
		geometry->n_profiles++;
	}
	if (geometry->n_profiles &&
		mig_geometry_finish(geometry, gpu->facts.memory_bytes, NULL) < 0)
		geometry->n_profiles = 0;
}

static void read_instance(const json_t *node, const json_t *instance, struct gpu *gpu)
{
	int profile = mig_profile_find(&gpu->facts.geometry, json_text(instance, "profile"));
	struct mig_instance *to = &gpu->seen.instance[gpu->seen.n_instances];
	const json_t *name;
	size_t i;

	if (profile < 0 || gpu->seen.n_instances == MIG_INSTANCES_MAX)
		return;
	*to = (struct mig_instance){
		.gi = (uint32_t)json_whole(instance, "gi"),
		.profile = (uint32_t)profile,
		.start = (uint32_t)json_whole(instance, "start"),
		.origin = origin_of(instance),
	};
	json_array_foreach(json_object_get(instance, "shares"), i, name)
	{
		const json_t *share = node_share(node, json_string_value(name));

		if (to->n_ci == MIG_CIS_MAX)
			break;
		to->ci[to->n_ci++] = (struct mig_ci){
			.id = (uint32_t)i,
			.lease = lease_number(share),
			.has_users = json_flag(share, "has_users"),
		};
	}
	gpu->seen.n_instances++;
}

/* Whose lease it is; of no lease nobody's. */
static uint32_t tenant_of(const json_t *node, const json_t *share)
{
	const json_t *lease = node_lease(node, json_text(share, "lease"));

	return lease ? (uint32_t)json_whole(json_object_get(lease, "tenant"), "uid") : UINT32_MAX;
}

static void read_mps(const json_t *node, const json_t *share, struct gpu *gpu)
{
	if (gpu->n_mps == MPS_SHARES_MAX || !json_is_null(json_object_get(share, "place")))
		return;
	gpu->mps[gpu->n_mps] = (struct mps_share){
		.number = gpu->n_mps + 1,
		.place = MPS_WHOLE_GPU,
		.memory_bytes = (uint64_t)json_whole(share, "memory"),
		.percent = (uint32_t)json_number(share, "compute"),
		.is_pinned = origin_of(share) == SHARE_PINNED,
		.lease = lease_number(share),
		.uid = tenant_of(node, share),
	};
	gpu->n_mps++;
}

static void read_servers(const json_t *mps, struct gpu *gpu)
{
	const json_t *server;
	size_t i;

	gpu->may_time_slice = json_flag(mps, "time_sliced");
	json_array_foreach(json_object_get(mps, "servers"), i, server)
	{
		if (gpu->n_mps_servers == MPS_SERVERS_MAX ||
			!json_is_null(json_object_get(server, "place")))
			continue;
		gpu->mps_server[gpu->n_mps_servers++] = (struct mps_server){
			.place = MPS_WHOLE_GPU,
			.uid = (uint32_t)json_whole(json_object_get(server, "tenant"), "uid"),
			.state = text_eq(json_text(server, "state"), "faulty") ? MPS_FAULTY
									       : MPS_READY,
		};
	}
}

static void read_type(const json_t *type, struct gpu *gpu)
{
	struct vf_facts *vf = &gpu->facts.vf;
	struct vf_type *to = &vf->type[vf->n_types];
	int profile = mig_profile_find(&gpu->facts.geometry, json_text(type, "mig"));

	if (vf->n_types == VF_TYPES_MAX)
		return;
	*to = (struct vf_type){
		.id = (uint32_t)json_whole(type, "id"),
		.memory_bytes = (uint64_t)json_whole(type, "memory"),
		.max_per_gpu = (uint32_t)json_whole(type, "max"),
		.profile_id = profile < 0 ? UINT32_MAX : gpu->facts.geometry.profile[profile].id,
	};
	if (profile >= 0 && gpu->facts.geometry.profile[profile].max)
		to->max_per_instance =
			(to->max_per_gpu + gpu->facts.geometry.profile[profile].max - 1) /
			gpu->facts.geometry.profile[profile].max;
	text_copy(to->name, sizeof(to->name), json_text(type, "name"));
	vf->n_types++;
}

static void read_vfs(const json_t *node, const json_t *json, struct gpu *gpu)
{
	struct vfs_seen *seen = &gpu->seen.vfs;
	const json_t *item;
	size_t i;

	for (unsigned k = 0; k < VF_KIND_N; k++)
		if (text_eq(vf_kind_names[k], json_text(json, "kind")))
			gpu->facts.vf.kind = (enum vf_kind)k;
	gpu->facts.vf.total = (uint32_t)json_whole(json, "total");
	gpu->facts.vf.hardware_total = (uint32_t)json_whole(json, "hardware_total");
	gpu->facts.vf.may_mix = json_flag(json, "may_mix");
	gpu->facts.vf.has_quota = gpu->facts.vf.kind == VF_KIND_XE;
	seen->count = (uint32_t)json_whole(json, "on");
	seen->is_mixed = json_flag(json, "mixed");
	json_array_foreach(json_object_get(json, "types"), i, item) read_type(item, gpu);
	json_array_foreach(json_object_get(json, "vfs"), i, item)
	{
		struct vf *vf = &seen->vf[seen->n];
		const json_t *share = node_share(node, json_text(item, "share"));
		int type = vf_type_find(&gpu->facts.vf, json_text(share, "profile"));

		if (seen->n == VFS_MAX)
			break;
		seen->n++;
		*vf = (struct vf){ .number = (uint32_t)json_whole(item, "number"), .group = -1 };
		text_copy(vf->driver, sizeof(vf->driver), json_text(item, "driver"));
		vf->is_viable = true;
		vf->group = (int32_t)i;
		vf->setup.type = share && type >= 0 ? gpu->facts.vf.type[type].id : 0;
		vf->setup.memory_bytes =
			share && type < 0 ? (uint64_t)json_whole(share, "memory") : 0;
		vf->setup.is_for_vm = share != NULL;
		vf->lease = lease_number(share);
		vf->origin = (uint8_t)origin_of(share);
	}
}

static void read_processes(const json_t *json, struct gpu *gpu)
{
	const json_t *process;
	size_t i;

	json_array_foreach(json_object_get(json, "processes"), i, process)
	{
		if (gpu->seen.n_processes == GPU_PROCESSES_MAX || lease_number(process))
			continue;
		gpu->seen.process[gpu->seen.n_processes++] = (struct gpu_process){
			.pid = (int32_t)json_whole(process, "pid"),
			.is_mps = *json_text(process, "mps") != '\0',
		};
		gpu->whole_in_use |= !gpu->seen.mig_on;
	}
}

static void read_capabilities(const json_t *json, struct gpu *gpu)
{
	static const char *const answers[] = { "no", "yes", "after" };
	const json_t *item;
	size_t i;

	json_array_foreach(json_object_get(json, "capabilities"), i, item)
	{
		int mechanism = mechanism_find(json_text(item, "mechanism"));

		for (unsigned a = 0; a < ARRAY_SIZE(answers) && mechanism >= 0; a++)
			if (text_eq(answers[a], json_text(item, "answer")))
				gpu->capability[mechanism].answer = (enum capability_answer)a;
		if (mechanism >= 0)
			text_copy(gpu->capability[mechanism].text,
				sizeof(gpu->capability[mechanism].text), json_text(item, "text"));
	}
}

/* What carved does not tell is the product's; of an unknown one it is what most have. */
static void add_product(struct advice_gpu *to)
{
	struct gpu_facts *facts = &to->gpu.facts;
	bool can_mps = to->gpu.capability[MECHANISM_MPS].answer != CAPABILITY_NO;

	to->product = product_of(facts->product);
	if (to->product) {
		facts->cc_major = to->product->cc_major;
		facts->cc_minor = to->product->cc_minor;
		facts->sm = to->product->sm;
		facts->mode_needs_reset = to->product->mig == PRODUCT_MIG_RESETS;
	} else if (can_mps) {
		facts->cc_major = 7;
	}
}

static void read_gpu(const json_t *node, const json_t *json, struct advice_gpu *to)
{
	const json_t *mig = json_object_get(json, "mig"), *item;
	struct gpu *gpu = &to->gpu;
	size_t i;

	to->is_here = true;
	gpu->index = (uint32_t)json_whole(json, "index");
	text_copy(gpu->facts.uuid, sizeof(gpu->facts.uuid), json_text(json, "uuid"));
	text_copy(gpu->facts.pci, sizeof(gpu->facts.pci), json_text(json, "pci"));
	text_copy(gpu->facts.product, sizeof(gpu->facts.product), json_text(json, "product"));
	gpu->facts.memory_bytes = (uint64_t)json_whole(json, "memory");
	gpu->facts.has_mig = json_flag(mig, "capable");
	gpu->seen.mig_on = json_flag(mig, "on");
	gpu->seen.mig_pending = json_flag(mig, "pending");
	gpu->managed = json_flag(json, "managed");
	gpu->drained = json_flag(json, "drained");
	gpu->health = text_eq(json_text(json, "health"), "healthy") ? GPU_HEALTHY : GPU_SICK;
	gpu->whole_allowed = !gpu->seen.mig_on;
	gpu->whole_lease = lease_number(json);
	read_capabilities(json, gpu);
	add_product(to);
	read_geometry(mig, gpu);
	/* Where the driver tells no profiles while the mode is off, the product's stand in. */
	if (gpu->facts.has_mig && gpu->facts.geometry.n_profiles == 0 && to->product) {
		AUTO_FREE struct gpu *known = must_alloc(1, sizeof(*known));

		product_gpu(to->product, known);
		gpu->facts.geometry = known->facts.geometry;
	}
	json_array_foreach(json_object_get(json, "instances"), i, item)
		read_instance(node, item, gpu);
	json_array_foreach(json_object_get(node, "shares"), i,
		item) if (json_whole(item, "gpu") == gpu->index &&
			  text_eq(json_text(item, "mechanism"), "mps")) read_mps(node, item, gpu);
	read_servers(json_object_get(json, "mps"), gpu);
	read_vfs(node, json_object_get(json, "vf"), gpu);
	read_processes(json, gpu);
}

int advise_node(
	const json_t *node, struct advice_gpu **ret_gpus, unsigned *ret_n, struct error *err)
{
	const json_t *gpus = json_object_get(node, "gpus"), *json;
	unsigned n = (unsigned)json_array_size(gpus);
	struct advice_gpu *list;
	size_t i;

	if (n == 0)
		return error_set(err, -ENODEV,
			"this node has no GPU: name a product, for example 'carve advise --gpu "
			"h100-80gb' ('--gpu list' prints all)");
	n = n < GPUS_MAX ? n : GPUS_MAX;
	list = must_alloc(n, sizeof(*list));
	json_array_foreach(gpus, i, json) if (i < n) read_gpu(node, json, &list[i]);
	*ret_gpus = list;
	*ret_n = n;
	return 0;
}

int advise_find(const struct advice_gpu *gpus, unsigned n, const char *name, unsigned *ret_g,
	struct error *err)
{
	AUTO_FREE struct gpu *plain = must_alloc(n, sizeof(*plain));

	for (unsigned i = 0; i < n; i++)
		plain[i] = gpus[i].gpu;
	return gpu_find(plain, n, name, ret_g, err);
}

static void add_lease(const json_t *node, const char *id, struct buf *text)
{
	const json_t *lease = node_lease(node, id);
	const char *command = lease ? lease_command(lease) : "";

	buf_add(text, id);
	if (lease)
		buf_addf(text, " of %s%s%s%s", lease_user(lease), *command ? " (" : "", command,
			*command ? ")" : "");
}

/* The process with that pid, on whichever GPU. */
static const json_t *find_process(const json_t *node, long long pid)
{
	const json_t *gpu, *process;
	size_t i, j;

	json_array_foreach(json_object_get(node, "gpus"), i, gpu)
	{
		json_array_foreach(json_object_get(gpu, "processes"), j, process)
		{
			if (json_whole(process, "pid") == pid)
				return process;
		}
	}
	return NULL;
}

static void add_process(const json_t *node, const char *word, struct buf *text)
{
	const json_t *process = find_process(node, atoll(word + strlen("process ")));
	const char *command = json_text(process, "command"),
		   *service = json_text(process, "service");

	buf_add(text, word);
	if (*json_text(process, "user"))
		buf_addf(text, " of %s", json_text(process, "user"));
	if (*command || *service)
		buf_addf(text, " (%s%s%s)", command, *command && *service ? ", " : "", service);
}

void advise_name(const json_t *node, struct advice *advice)
{
	for (unsigned i = 0; i < ADVICE_OPTIONS_N; i++) {
		struct advice_item *item = &advice->item[i];
		AUTO_BUF text = { 0 };

		for (const char *at = item->whom; *at;) {
			size_t n = strcspn(at, ",");
			AUTO_FREE char *word = must_asprintf("%.*s", (int)n, at);

			buf_add(&text, text.length ? ", " : "");
			if (text_starts(word, "process "))
				add_process(node, word, &text);
			else
				add_lease(node, word, &text);
			at += n + strspn(at + n, ", ");
		}
		text_copy(item->whom, sizeof(item->whom), buf_text(&text));
		text_clean(item->whom);
	}
}
