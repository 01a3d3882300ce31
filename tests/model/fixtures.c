/* SPDX-License-Identifier: Apache-2.0 */
#include "fixtures.h"

#include "base/error.h"
#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* As nvidia-smi mig -lgip and -lgipp print them; sizes and starts in slots, memory in MiB. */
struct row {
	uint32_t id, enum_id, slices, size, starts, max, mib, sm, ce, dec;
	enum mig_media media;
};

#define STARTS_EVERY 0x7f /* 0-6 */
#define SEVEN_SLICES(mib1, mib1x2, mib3, mib7, sm1, sm1x2, sm2, sm3, sm4, sm7, ce7)                \
	{ 19, 0, 1, 1, STARTS_EVERY, 7, mib1, sm1, 1, 1, MIG_MEDIA_PLAIN },                        \
		{ 20, 7, 1, 1, STARTS_EVERY, 1, mib1, sm1, 1, 1, MIG_MEDIA_ME },                   \
		{ 15, 9, 1, 2, 0x55, 4, mib1x2, sm1x2, 1, 1, MIG_MEDIA_PLAIN },                    \
		{ 14, 1, 2, 2, 0x15, 3, mib1x2, sm2, 2, 2, MIG_MEDIA_PLAIN },                      \
		{ 9, 2, 3, 4, 0x11, 2, mib3, sm3, 3, 3, MIG_MEDIA_PLAIN },                         \
		{ 5, 3, 4, 4, 0x01, 1, mib3, sm4, 4, 4, MIG_MEDIA_PLAIN },                         \
	{                                                                                          \
		0, 4, 7, 8, 0x01, 1, mib7, sm7, ce7, 7, MIG_MEDIA_PLAIN                            \
	}

static const struct row rows_a100_40[] = {
	SEVEN_SLICES(4864, 9856, 19968, 40192, 14, 14, 28, 42, 56, 98, 7),
	{ 0 },
};
static const struct row rows_h100_80[] = {
	SEVEN_SLICES(9984, 20096, 40448, 81152, 16, 26, 32, 60, 64, 132, 8),
	{ 0 },
};
static const struct row rows_h200[] = {
	SEVEN_SLICES(16384, 33024, 71168, 143104, 16, 26, 32, 60, 64, 132, 8),
	{ 0 },
};
static const struct row rows_a30[] = {
	{ 14, 0, 1, 1, 0xf, 4, 5952, 14, 1, 0, MIG_MEDIA_PLAIN },
	{ 21, 7, 1, 1, 0xf, 1, 5952, 14, 1, 1, MIG_MEDIA_ME },
	{ 5, 1, 2, 2, 0x5, 2, 11968, 28, 2, 2, MIG_MEDIA_PLAIN },
	{ 6, 8, 2, 2, 0x5, 1, 11968, 28, 2, 2, MIG_MEDIA_ME },
	{ 0, 3, 4, 4, 0x1, 1, 24000, 56, 4, 4, MIG_MEDIA_PLAIN },
	{ 0 },
};
static const struct row rows_rtx_pro_6000[] = {
	{ 14, 0, 1, 3, 0x249, 4, 24192, 46, 1, 1, MIG_MEDIA_PLAIN },
	{ 21, 7, 1, 3, 0x249, 1, 24192, 46, 1, 1, MIG_MEDIA_ME },
	{ 47, 10, 1, 3, 0x249, 4, 24192, 46, 1, 1, MIG_MEDIA_GFX },
	{ 65, 15, 1, 3, 0x249, 1, 24192, 46, 1, 4, MIG_MEDIA_ALL },
	{ 67, 13, 1, 3, 0x249, 4, 24192, 46, 1, 0, MIG_MEDIA_NONE },
	{ 5, 1, 2, 6, 0x41, 2, 48512, 94, 2, 2, MIG_MEDIA_PLAIN },
	{ 35, 11, 2, 6, 0x41, 2, 48512, 94, 2, 2, MIG_MEDIA_GFX },
	{ 64, 16, 2, 6, 0x41, 1, 48512, 94, 2, 4, MIG_MEDIA_ALL },
	{ 66, 14, 2, 6, 0x41, 2, 48512, 94, 2, 0, MIG_MEDIA_NONE },
	{ 0, 3, 4, 12, 0x1, 1, 97408, 188, 4, 4, MIG_MEDIA_PLAIN },
	{ 32, 12, 4, 12, 0x1, 1, 97408, 188, 4, 4, MIG_MEDIA_GFX },
	{ 0 },
};

static const struct product {
	const char *name;
	uint64_t mib;
	uint32_t pci_device;
	bool mode_needs_reset;
	uint32_t cc_major, cc_minor, sm;
	const struct row *rows;
} products[FIXTURE_N] = {
	[FIXTURE_A100_40] = { "NVIDIA A100-SXM4-40GB", 40960, 0x20b010de, true, 8, 0, 108,
		rows_a100_40 },
	[FIXTURE_H100_80] = { "NVIDIA H100 80GB HBM3", 81559, 0x233010de, false, 9, 0, 132,
		rows_h100_80 },
	[FIXTURE_H200] = { "NVIDIA H200", 143771, 0x233510de, false, 9, 0, 132, rows_h200 },
	[FIXTURE_A30] = { "NVIDIA A30", 24576, 0x20b710de, true, 8, 0, 56, rows_a30 },
	[FIXTURE_RTX_PRO_6000] = { "NVIDIA RTX PRO 6000 Blackwell Server Edition", 97887,
		0x2bb510de, false, 12, 0, 188, rows_rtx_pro_6000 },
	[FIXTURE_L40S] = { "NVIDIA L40S", 46068, 0x26b910de, false, 8, 9, 142, NULL },
};

uint64_t fixture_memory(enum fixture product)
{
	return products[product].mib << 20;
}

/* Compute instance profiles: 1, 2, 3, 4 and 7 slices are NVML's 0 to 4, where they fit. */
static void add_ci_profiles(struct mig_profile *profile)
{
	static const uint32_t slices[] = { 1, 2, 3, 4, 7 };

	if (profile->enum_id == 9) { /* 1g with double memory: its own profile, 1_SLICE_REV1 */
		profile->ci[0] = (struct mig_ci_profile){ 7, 7, 1, 1 };
		profile->n_ci = 1;
		return;
	}
	for (uint32_t i = 0; i < ARRAY_SIZE(slices); i++) {
		if (slices[i] > profile->slices || (slices[i] == 3 && profile->slices == 4))
			continue;
		profile->ci[profile->n_ci++] =
			(struct mig_ci_profile){ i, i, slices[i], profile->slices / slices[i] };
	}
}

static void must_finish(struct mig_geometry *geometry, uint64_t total_bytes)
{
	struct error err = ERROR_NONE;

	if (mig_geometry_finish(geometry, total_bytes, &err) == 0)
		return;
	fprintf(stderr, "fixture: %s\n", err.text);
	abort();
}

void fixture_geometry(enum fixture product, struct mig_geometry *ret_geometry)
{
	static struct mig_geometry finished[FIXTURE_N];
	struct mig_geometry *geometry = &finished[product];

	if (geometry->n_profiles == 0 && products[product].rows) {
		for (const struct row *row = products[product].rows; row->slices; row++) {
			struct mig_profile *profile = &geometry->profile[geometry->n_profiles++];

			*profile = (struct mig_profile){
				.id = row->id,
				.enum_id = row->enum_id,
				.slices = row->slices,
				.size = row->size,
				.starts = row->starts,
				.max = row->max,
				.memory_bytes = (uint64_t)row->mib << 20,
				.sm = row->sm,
				.copy_engines = row->ce,
				.decoders = row->dec,
				.media = row->media,
			};
			add_ci_profiles(profile);
		}
		must_finish(geometry, fixture_memory(product));
	}
	*ret_geometry = *geometry;
}

void fixture_keep_profiles(struct mig_geometry *geometry, uint64_t total_bytes, const char *names)
{
	unsigned n = 0;

	for (unsigned i = 0; i < geometry->n_profiles; i++) {
		const char *name = geometry->profile[i].name, *at = strstr(names, name);
		size_t length = strlen(name);

		while (at && ((at != names && at[-1] != ',') || (at[length] && at[length] != ',')))
			at = strstr(at + 1, name);
		if (at)
			geometry->profile[n++] = geometry->profile[i];
	}
	geometry->n_profiles = n;
	must_finish(geometry, total_bytes);
}

void fixture_gpu(struct gpu *gpu, unsigned index, enum fixture product)
{
	const struct product *p = &products[product];

	memset(gpu, 0, sizeof(*gpu));
	gpu->index = index;
	gpu->managed = true;
	gpu->facts.minor = index;
	gpu->facts.memory_bytes = fixture_memory(product);
	gpu->facts.pci_device = p->pci_device;
	gpu->facts.cc_major = p->cc_major;
	gpu->facts.cc_minor = p->cc_minor;
	gpu->facts.sm = p->sm;
	gpu->facts.numa = -1;
	gpu->facts.has_mig = p->rows != NULL;
	gpu->facts.mode_needs_reset = p->mode_needs_reset;
	snprintf(gpu->facts.uuid, sizeof(gpu->facts.uuid), "GPU-%08x-0000-5000-8000-0000000000%02x",
		index, index);
	snprintf(gpu->facts.pci, sizeof(gpu->facts.pci), "0000:%02x:00.0", 0x10 + index);
	text_copy(gpu->facts.product, sizeof(gpu->facts.product), p->name);
	fixture_geometry(product, &gpu->facts.geometry);
	gpu->seen.mig_on = gpu->seen.mig_pending = gpu->facts.has_mig;
	gpu->whole_allowed = !gpu->seen.mig_on;
}

struct gpu *fixture_gpus(unsigned n, enum fixture product)
{
	struct gpu *gpus = must_alloc(n, sizeof(*gpus));

	for (unsigned i = 0; i < n; i++)
		fixture_gpu(&gpus[i], i, product);
	return gpus;
}

void fixture_mig_off(struct gpu *gpu)
{
	gpu->seen.n_instances = 0;
	gpu->seen.mig_on = gpu->seen.mig_pending = false;
	gpu->whole_allowed = true;
}

struct mig_instance *fixture_add_cis(struct gpu *gpu, const char *profile, unsigned start,
	enum share_origin origin, const unsigned *slices)
{
	const struct mig_geometry *geometry = &gpu->facts.geometry;
	struct mig_instance *instance = &gpu->seen.instance[gpu->seen.n_instances];
	int p = mig_profile_find(geometry, profile);

	if (p < 0 || gpu->seen.n_instances == MIG_INSTANCES_MAX) {
		fprintf(stderr, "fixture: no %s on GPU %u\n", profile, gpu->index);
		abort();
	}
	gpu->seen.n_instances++;
	*instance = (struct mig_instance){
		.gi = mig_place_id(geometry, (uint32_t)p, start),
		.profile = (uint32_t)p,
		.start = start,
		.origin = origin,
	};
	for (; *slices; slices++) {
		struct mig_ci *ci = &instance->ci[instance->n_ci];

		ci->id = instance->n_ci++;
		while (geometry->profile[p].ci[ci->ci].slices != *slices)
			ci->ci++;
		snprintf(ci->uuid, sizeof(ci->uuid), "MIG-%08x-0000-5000-8000-00000000%02x%02x",
			gpu->index, instance->gi, ci->id);
	}
	return instance;
}

struct mig_instance *fixture_add(struct gpu *gpu, const char *profile, unsigned start,
	enum share_origin origin, uint64_t lease)
{
	int p = mig_profile_find(&gpu->facts.geometry, profile);
	unsigned slices = p < 0 ? 0 : gpu->facts.geometry.profile[p].slices;
	struct mig_instance *instance =
		fixture_add_cis(gpu, profile, start, origin, (unsigned[]){ slices, 0 });

	instance->ci[0].lease = lease;
	return instance;
}

struct mps_share *fixture_add_mps(struct gpu *gpu, const struct mig_instance *instance,
	uint64_t gigabytes, uint32_t percent, uint64_t lease)
{
	struct mps_share *share = &gpu->mps[gpu->n_mps];

	*share = (struct mps_share){
		.number = mps_number_free(gpu),
		.place = instance ? mps_place_of(gpu, instance, &instance->ci[0]) : MPS_WHOLE_GPU,
		.memory_bytes = gigabytes * 1000000000,
		.percent = percent,
		.is_pinned = lease == 0,
		.lease = lease,
		.uid = lease ? 1000 : 0,
	};
	gpu->n_mps++;
	return share;
}

struct mps_server *fixture_add_server(
	struct gpu *gpu, const struct mig_instance *instance, uint32_t uid, enum mps_state state)
{
	struct mps_server *server = &gpu->mps_server[gpu->n_mps_servers++];

	*server = (struct mps_server){
		.place = instance ? mps_place_of(gpu, instance, &instance->ci[0]) : MPS_WHOLE_GPU,
		.uid = uid,
		.state = state,
	};
	return server;
}

static void add_type(
	struct gpu *gpu, uint32_t id, const char *name, uint32_t gib, uint32_t max, const char *mig)
{
	struct vf_type *type = &gpu->facts.vf.type[gpu->facts.vf.n_types++];
	int p = mig ? mig_profile_find(&gpu->facts.geometry, mig) : -1;

	*type = (struct vf_type){
		.id = id,
		.memory_bytes = (uint64_t)gib << 30,
		.max_per_gpu = max,
		.max_per_instance = p >= 0,
		.profile_id = p >= 0 ? gpu->facts.geometry.profile[p].id : UINT32_MAX,
	};
	text_copy(type->name, sizeof(type->name), name);
}

static void add_types(struct gpu *gpu)
{
	add_type(gpu, 3050, "NVIDIA H200X-1-9C", 9, 14, "1g.18gb");
	gpu->facts.vf.type[0].max_per_instance = 2;
	add_type(gpu, 1424, "NVIDIA H200X-17C", 17, 8, NULL);
	add_type(gpu, 3036, "NVIDIA H200X-1-18C", 18, 7, "1g.18gb");
	add_type(gpu, 1425, "NVIDIA H200X-35C", 35, 4, NULL);
	add_type(gpu, 1426, "NVIDIA H200X-35Q", 35, 4, NULL);
	add_type(gpu, 3038, "NVIDIA H200X-1-35C", 35, 4, "1g.35gb");
	add_type(gpu, 3039, "NVIDIA H200X-2-35C", 35, 3, "2g.35gb");
	add_type(gpu, 1427, "NVIDIA H200X-70C", 70, 2, NULL);
	add_type(gpu, 3040, "NVIDIA H200X-3-71C", 71, 2, "3g.71gb");
	add_type(gpu, 1428, "NVIDIA H200X-141C", 141, 1, NULL);
}

void fixture_vfs_on(struct gpu *gpu, unsigned on, enum share_origin origin)
{
	struct vfs_seen *vfs = &gpu->seen.vfs;

	memset(vfs, 0, sizeof(*vfs));
	vfs->count = vfs->n = on;
	vfs->origin = (uint8_t)origin;
	for (unsigned i = 0; i < on; i++) {
		struct vf *vf = &vfs->vf[i];

		*vf = (struct vf){
			.number = i,
			.group = (int32_t)(100 + i),
			.is_viable = true,
			.placement = UINT32_MAX,
			.gi = UINT32_MAX,
		};
		snprintf(vf->pci, sizeof(vf->pci), "0000:%02x:%02x.%u", (0x10 + gpu->index) & 0xff,
			(i + 4) / 8 & 0x1f, (i + 4) % 8);
	}
}

void fixture_vfs(struct gpu *gpu, enum vf_kind kind, unsigned total, unsigned on)
{
	gpu->capability[MECHANISM_VF].answer = CAPABILITY_YES;
	gpu->facts.vf.kind = kind;
	gpu->facts.vf.total = total;
	gpu->facts.vf.has_quota = kind == VF_KIND_XE;
	gpu->facts.vf.all_or_none = gpu->facts.vf.may_mix = kind == VF_KIND_NVIDIA;
	gpu->vf_may_enable = true;
	if (kind == VF_KIND_NVIDIA)
		add_types(gpu);
	fixture_vfs_on(gpu, on, SHARE_FOREIGN);
}

struct vf *fixture_vf(struct gpu *gpu, unsigned number, const char *type, enum share_origin origin,
	uint64_t lease)
{
	struct vf *vf = &gpu->seen.vfs.vf[number];
	int t = type ? vf_type_find(&gpu->facts.vf, type) : -1;

	if (number >= gpu->seen.vfs.n || (type && t < 0)) {
		fprintf(stderr, "fixture: no VF %u or type %s\n", number, type ?: "");
		abort();
	}
	vf->setup = (struct vf_setup){ .is_for_vm = true,
		.type = t >= 0 ? gpu->facts.vf.type[t].id : 0 };
	vf->origin = (uint8_t)origin;
	vf->lease = lease;
	return vf;
}

void fixture_remove(struct gpu *gpu, unsigned i)
{
	struct gpu_seen *seen = &gpu->seen;

	memmove(&seen->instance[i], &seen->instance[i + 1],
		(seen->n_instances - i - 1) * sizeof(seen->instance[0]));
	seen->n_instances--;
}

uint64_t fixture_random(uint64_t *seed)
{
	uint64_t z = *seed += 0x9e3779b97f4a7c15ULL;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return z ^ z >> 31;
}

unsigned fixture_below(uint64_t *seed, unsigned n)
{
	return (unsigned)(fixture_random(seed) >> 11) % n;
}
