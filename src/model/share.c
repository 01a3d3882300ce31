/* SPDX-License-Identifier: Apache-2.0 */
/* The names of shares, and finding them again. */
#include "base/error.h"
#include "base/text.h"
#include "model/gpu.h"

#include <errno.h>
#include <stdio.h>
#include <strings.h>

const char *share_name(const struct gpu *gpu, const struct mig_instance *instance,
	const struct mig_ci *ci, char ret_text[SHARE_NAME_MAX])
{
	const struct mig_profile *profile;

	if (instance->profile >= gpu->facts.geometry.n_profiles) {
		snprintf(ret_text, SHARE_NAME_MAX, "%u:gi%u", gpu->index, instance->gi);
		return ret_text;
	}
	profile = &gpu->facts.geometry.profile[instance->profile];
	if (ci && ci->ci < profile->n_ci && profile->ci[ci->ci].slices != profile->slices)
		snprintf(ret_text, SHARE_NAME_MAX, "%u:%uc.%s@%u.%u", gpu->index,
			profile->ci[ci->ci].slices, profile->name, instance->start, ci->id);
	else
		snprintf(ret_text, SHARE_NAME_MAX, "%u:%s@%u", gpu->index, profile->name,
			instance->start);
	return ret_text;
}

/* 0 if the name is that of the instance or of one of its compute instances. */
static int find_in_instance(
	const struct gpu *gpu, const struct mig_instance *instance, const char *name, int *ret_ci)
{
	char text[SHARE_NAME_MAX];
	bool is_instance = strcasecmp(share_name(gpu, instance, NULL, text), name) == 0;

	for (unsigned c = 0; c < instance->n_ci; c++) {
		const struct mig_ci *ci = &instance->ci[c];

		if ((ci->uuid[0] && strcasecmp(ci->uuid, name) == 0) ||
			strcasecmp(share_name(gpu, instance, ci, text), name) == 0) {
			*ret_ci = (int)c;
			return 0;
		}
	}
	if (!is_instance)
		return -ENODEV;
	*ret_ci = -1;
	return 0;
}

/* Says which shares there are where the name was looked for. */
static int no_share(const struct gpu *gpus, unsigned n, const char *name, struct error *err)
{
	char prefix[SHARE_NAME_MAX], text[SHARE_NAME_MAX];
	const char *colon = strchr(name, ':');
	AUTO_BUF there = { 0 };
	unsigned g;

	if (!colon || text_starts(name, "MIG-") || (size_t)(colon - name) >= sizeof(prefix))
		return error_set(
			err, -ENODEV, "no share '%s' on this node (see `carve list shares`)", name);
	snprintf(prefix, sizeof(prefix), "%.*s", (int)(colon - name), name);
	if (gpu_find(gpus, n, prefix, &g, NULL) < 0)
		return error_set(err, -ENODEV, "no share '%s': there is no GPU %s", name, prefix);
	for (unsigned i = 0; i < gpus[g].seen.n_instances; i++)
		buf_addf(&there, "%s%s", i ? ", " : "",
			share_name(&gpus[g], &gpus[g].seen.instance[i], NULL, text));
	for (unsigned i = 0; i < gpus[g].n_mps; i++)
		buf_addf(&there, "%s%s", there.length ? ", " : "",
			mps_share_name(&gpus[g], &gpus[g].mps[i], text));
	for (uint32_t i = 0; i < gpus[g].seen.vfs.n; i++)
		if (!vf_is_free(&gpus[g].seen.vfs.vf[i]))
			buf_addf(&there, "%s%s", there.length ? ", " : "",
				vf_share_name(&gpus[g], &gpus[g].seen.vfs.vf[i], text));
	if (there.length == 0 && vf_any_on(&gpus[g]))
		return error_set(err, -ENODEV,
			"no share '%s': GPU %u has virtual functions 0 to %u, all free", name, g,
			gpus[g].seen.vfs.n - 1);
	if (there.length == 0)
		return error_set(err, -ENODEV, "no share '%s': GPU %u has %s", name, g,
			gpus[g].seen.mig_on ? "no instance" : "MIG mode off");
	return error_set(err, -ENODEV, "no share '%s': GPU %u has %s", name, g, buf_text(&there));
}

/* ":mpsN" at the end of the name: N; 0 where it is not there. */
static uint32_t mps_number(const char *name)
{
	const char *colon = strrchr(name, ':');
	uint32_t number;

	if (!colon || strncasecmp(colon, ":mps", 4) != 0 || parse_u32(colon + 4, &number) < 0)
		return 0;
	return number;
}

bool share_is_mps_name(const char *name)
{
	return mps_number(name) != 0;
}

int share_find_mps(const struct gpu *gpus, unsigned n, const char *name, unsigned *ret_gpu,
	unsigned *ret_share, struct error *err)
{
	uint32_t number = mps_number(name);
	char text[SHARE_NAME_MAX];

	for (unsigned g = 0; g < n; g++) {
		for (unsigned i = 0; i < gpus[g].n_mps; i++) {
			const struct mps_share *share = &gpus[g].mps[i];

			if (share->number != number ||
				strcasecmp(mps_share_name(&gpus[g], share, text), name) != 0)
				continue;
			*ret_gpu = g;
			*ret_share = i;
			return 0;
		}
	}
	return no_share(gpus, n, name, err);
}

bool share_is_vf_name(const char *name)
{
	const char *colon = strrchr(name, ':');
	uint32_t number;

	return colon && strncasecmp(colon, ":vf", 3) == 0 && parse_u32(colon + 3, &number) == 0;
}

bool share_is_vf(const struct gpu *gpus, unsigned n, const char *name)
{
	unsigned gpu, vf;

	return share_is_vf_name(name) || share_find_vf(gpus, n, name, &gpu, &vf, NULL) == 0;
}

int share_find_vf(const struct gpu *gpus, unsigned n, const char *name, unsigned *ret_gpu,
	unsigned *ret_vf, struct error *err)
{
	char text[SHARE_NAME_MAX];

	for (unsigned g = 0; g < n; g++) {
		for (uint32_t i = 0; i < gpus[g].seen.vfs.n; i++) {
			const struct vf *vf = &gpus[g].seen.vfs.vf[i];

			if (strcasecmp(vf_share_name(&gpus[g], vf, text), name) != 0 &&
				!gpu_is_same_pci(vf->pci, name))
				continue;
			*ret_gpu = g;
			*ret_vf = i;
			return 0;
		}
	}
	return no_share(gpus, n, name, err);
}

int share_find(const struct gpu *gpus, unsigned n, const char *name, unsigned *ret_gpu,
	unsigned *ret_instance, int *ret_ci, struct error *err)
{
	for (unsigned g = 0; g < n; g++) {
		for (unsigned i = 0; i < gpus[g].seen.n_instances; i++) {
			int ci;

			if (find_in_instance(&gpus[g], &gpus[g].seen.instance[i], name, &ci) < 0)
				continue;
			*ret_gpu = g;
			*ret_instance = i;
			*ret_ci = ci;
			return 0;
		}
	}
	return no_share(gpus, n, name, err);
}
