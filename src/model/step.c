/* SPDX-License-Identifier: Apache-2.0 */
#include "model/plan.h"

#include "base/error.h"
#include "base/size.h"
#include "base/text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

const char *const step_kind_names[STEP_KIND_N] = { "mode-on", "mode-off", "reset", "create",
	"destroy", "compute-mode", "add-mps", "drop-mps", "vf-count", "vf-mix", "vf-set" };
static const char *const origin_names[] = { "foreign", "pinned", "dynamic" };

struct step step_inverse(const struct step *step)
{
	static const enum step_kind inverse[STEP_KIND_N] = {
		[STEP_MODE_ON] = STEP_MODE_OFF,
		[STEP_MODE_OFF] = STEP_MODE_ON,
		[STEP_RESET] = STEP_RESET,
		[STEP_CREATE] = STEP_DESTROY,
		[STEP_DESTROY] = STEP_CREATE,
		[STEP_COMPUTE_MODE] = STEP_COMPUTE_MODE,
		[STEP_ADD_MPS] = STEP_DROP_MPS,
		[STEP_DROP_MPS] = STEP_ADD_MPS,
		[STEP_VF_COUNT] = STEP_VF_COUNT,
		[STEP_VF_MIX] = STEP_VF_MIX,
		[STEP_VF_SET] = STEP_VF_SET,
	};
	struct step back = *step;

	back.kind = inverse[step->kind];
	back.mode = step->mode_before;
	back.mode_before = step->mode;
	back.vf.count = step->vf.count_before;
	back.vf.count_before = step->vf.count;
	back.vf.is_mixed = !step->vf.is_mixed;
	back.vf.setup = step->vf.before;
	back.vf.before = step->vf.setup;
	back.vf.goes = false;
	return back;
}

bool step_is_on_hardware(const struct step *step)
{
	return step->kind != STEP_ADD_MPS && step->kind != STEP_DROP_MPS;
}

bool step_is_of_vfs(const struct step *step)
{
	return step->kind >= STEP_VF_COUNT && step->kind <= STEP_VF_SET;
}

static const char *mode_text(enum compute_mode mode)
{
	switch (mode) {
	case COMPUTE_DEFAULT:
		return "default";
	case COMPUTE_PROHIBITED:
		return "prohibited";
	case COMPUTE_EXCLUSIVE_PROCESS:
		return "exclusive process";
	default:
		return "exclusive thread";
	}
}

/* "VF 3", "VFs 0 to 5", "VFs 0 to 2, 7". */
static void say_vfs(uint64_t vfs, struct buf *text)
{
	const char *between = __builtin_popcountll(vfs) == 1 ? "VF " : "VFs ";

	for (unsigned first = 0; first < VFS_MAX; first++) {
		unsigned last = first;

		if (!(vfs >> first & 1))
			continue;
		while (last + 1 < VFS_MAX && (vfs >> (last + 1) & 1))
			last++;
		buf_addf(text, "%s%u", between, first);
		if (last > first)
			buf_addf(text, " to %u", last);
		between = ", ";
		first = last;
	}
}

static void say_vf_set(const struct step *step, struct buf *text)
{
	char memory[32];

	say_vfs(step->vf.vfs, text);
	if (vf_setup_is_free(&step->vf.setup))
		buf_addf(text, " free again");
	else if (step->vf.setup.type)
		buf_addf(text, " %s", step->name);
	else if (step->vf.setup.memory_bytes)
		buf_addf(text, " ready for virtual machines, with %s",
			size_text(step->vf.setup.memory_bytes, memory));
	else
		buf_addf(text, " ready for virtual machines");
}

static void say_vf(const struct step *step, struct buf *text)
{
	if (step->kind == STEP_VF_MIX)
		buf_addf(text, "%s vGPUs of several sizes", step->vf.is_mixed ? "allow" : "forbid");
	else if (step->kind == STEP_VF_SET) {
		buf_addf(text, "make ");
		say_vf_set(step, text);
	} else if (step->vf.count == 0)
		buf_addf(text, "turn off all %u virtual functions", step->vf.count_before);
	else
		buf_addf(text, "turn on %u virtual functions", step->vf.count);
}

const char *step_text(const struct step *step, char *ret_text, unsigned size)
{
	AUTO_BUF vf = { 0 };

	switch (step->kind) {
	case STEP_MODE_ON:
	case STEP_MODE_OFF:
		snprintf(ret_text, size, "turn MIG mode %s",
			step->kind == STEP_MODE_ON ? "on" : "off");
		break;
	case STEP_RESET:
		snprintf(ret_text, size, "reset the GPU");
		break;
	case STEP_COMPUTE_MODE:
		snprintf(ret_text, size, "set the compute mode to %s", mode_text(step->mode));
		break;
	case STEP_ADD_MPS:
	case STEP_DROP_MPS:
		snprintf(ret_text, size, "%s MPS share %s",
			step->kind == STEP_ADD_MPS ? "add" : "drop", step->name);
		break;
	case STEP_VF_COUNT:
	case STEP_VF_MIX:
	case STEP_VF_SET:
		say_vf(step, &vf);
		text_copy(ret_text, size, buf_text(&vf));
		break;
	default:
		snprintf(ret_text, size, "%s %s", step->kind == STEP_CREATE ? "create" : "destroy",
			step->name);
		if (step->n_ci == 1)
			break;
		snprintf(ret_text + strlen(ret_text), size - strlen(ret_text),
			step->n_ci ? " with %u compute instances" : " without compute instance",
			step->n_ci);
	}
	return ret_text;
}

static json_t *mps_to_json(const struct mps_share *share)
{
	return json_pack("{sI sI sI sI sI sI sb sb sb sI sI}", "number", (json_int_t)share->number,
		"profile", (json_int_t)share->place.profile_id, "start",
		(json_int_t)share->place.start, "ci", (json_int_t)share->place.ci, "memory",
		(json_int_t)share->memory_bytes, "percent", (json_int_t)share->percent, "pinned",
		share->is_pinned, "over-commit", share->over_commit, "must-hold", share->must_hold,
		"lease", (json_int_t)share->lease, "uid", (json_int_t)share->uid);
}

static json_t *vf_to_json(const struct vf_step *vf)
{
	json_t *numbers = json_array();

	for (unsigned i = 0; i < VFS_MAX; i++)
		if (vf->vfs >> i & 1)
			json_array_append_new(numbers, json_integer(i));
	return json_pack("{sI sI sb so so so}", "count", (json_int_t)vf->count, "count-before",
		(json_int_t)vf->count_before, "mixed", vf->is_mixed, "vfs", numbers, "setup",
		vf_setup_to_json(&vf->setup), "before", vf_setup_to_json(&vf->before));
}

json_t *step_to_json(const struct step *step)
{
	json_t *cis = json_array(), *json;

	for (unsigned c = 0; c < step->n_ci; c++)
		json_array_append_new(cis, json_integer(step->ci_id[c]));
	json = json_pack("{ss sI sI sI sI so ss ss}", "kind", step_kind_names[step->kind], "gpu",
		(json_int_t)step->gpu, "profile", (json_int_t)step->profile_id, "start",
		(json_int_t)step->start, "size", (json_int_t)step->size, "cis", cis, "origin",
		origin_names[step->origin], "name", step->name);
	if (step->kind == STEP_COMPUTE_MODE) {
		json_object_set_new(json, "mode", json_integer(step->mode));
		json_object_set_new(json, "mode-before", json_integer(step->mode_before));
	} else if (step_is_of_vfs(step)) {
		json_object_set_new(json, "vf", vf_to_json(&step->vf));
	} else if (!step_is_on_hardware(step)) {
		json_object_set_new(json, "mps", mps_to_json(&step->mps));
	}
	return json;
}

static int find_name(const char *const *names, unsigned n, const char *name)
{
	for (unsigned i = 0; i < n; i++) {
		if (text_eq(names[i], name))
			return (int)i;
	}
	return -EINVAL;
}

static int take_u32(json_int_t value, json_int_t max, uint32_t *ret_value)
{
	if (value < 0 || value > max)
		return -EINVAL;
	*ret_value = (uint32_t)value;
	return 0;
}

static int mps_from_json(const json_t *json, struct mps_share *ret_share)
{
	json_int_t number, profile, start, ci, memory, percent, lease, uid;
	int is_pinned, over_commit, must_hold;

	if (json_unpack((json_t *)json, "{sI sI sI sI sI sI sb sb sb sI sI}", "number", &number,
		    "profile", &profile, "start", &start, "ci", &ci, "memory", &memory, "percent",
		    &percent, "pinned", &is_pinned, "over-commit", &over_commit, "must-hold",
		    &must_hold, "lease", &lease, "uid", &uid) < 0 ||
		number < 1 || memory < 1 || percent < 1 || lease < 0 ||
		take_u32(number, UINT32_MAX, &ret_share->number) < 0 ||
		take_u32(profile, UINT32_MAX, &ret_share->place.profile_id) < 0 ||
		take_u32(start, MIG_SLOTS_MAX, &ret_share->place.start) < 0 ||
		take_u32(ci, UINT32_MAX, &ret_share->place.ci) < 0 ||
		take_u32(percent, 100, &ret_share->percent) < 0 ||
		take_u32(uid, UINT32_MAX, &ret_share->uid) < 0)
		return -EINVAL;
	ret_share->memory_bytes = (uint64_t)memory;
	ret_share->is_pinned = is_pinned;
	ret_share->over_commit = over_commit;
	ret_share->must_hold = must_hold;
	ret_share->lease = (uint64_t)lease;
	return 0;
}

static int vf_from_json(const json_t *json, struct vf_step *ret_vf)
{
	const json_t *numbers, *setup, *before, *number;
	json_int_t count, count_before;
	int is_mixed;
	size_t i;

	if (json_unpack((json_t *)json, "{sI sI sb so so so}", "count", &count, "count-before",
		    &count_before, "mixed", &is_mixed, "vfs", &numbers, "setup", &setup, "before",
		    &before) < 0 ||
		take_u32(count, VFS_MAX, &ret_vf->count) < 0 ||
		take_u32(count_before, VFS_MAX, &ret_vf->count_before) < 0 ||
		vf_setup_from_json(setup, &ret_vf->setup) < 0 ||
		vf_setup_from_json(before, &ret_vf->before) < 0)
		return -EINVAL;
	ret_vf->is_mixed = is_mixed;
	json_array_foreach(numbers, i, number)
	{
		uint32_t n;

		if (take_u32(json_integer_value(number), VFS_MAX - 1, &n) < 0)
			return -EINVAL;
		ret_vf->vfs |= UINT64_C(1) << n;
	}
	return 0;
}

/* What only some kinds of steps have. */
static int take_kind(const json_t *json, struct step *step)
{
	json_int_t mode, before;
	uint32_t to, from;

	if (step_is_of_vfs(step))
		return vf_from_json(json_object_get(json, "vf"), &step->vf);
	if (!step_is_on_hardware(step))
		return mps_from_json(json_object_get(json, "mps"), &step->mps);
	if (step->kind != STEP_COMPUTE_MODE)
		return 0;
	if (json_unpack((json_t *)json, "{sI sI}", "mode", &mode, "mode-before", &before) < 0 ||
		take_u32(mode, COMPUTE_EXCLUSIVE_PROCESS, &to) < 0 ||
		take_u32(before, COMPUTE_EXCLUSIVE_PROCESS, &from) < 0)
		return -EINVAL;
	step->mode = (enum compute_mode)to;
	step->mode_before = (enum compute_mode)from;
	return 0;
}

int step_from_json(const json_t *json, struct step *ret_step)
{
	json_int_t gpu, profile, start, size;
	const char *kind, *origin, *name;
	struct step step = { 0 };
	const json_t *cis;
	int k, o;

	if (json_unpack((json_t *)json, "{ss sI sI sI sI so ss ss}", "kind", &kind, "gpu", &gpu,
		    "profile", &profile, "start", &start, "size", &size, "cis", &cis, "origin",
		    &origin, "name", &name) < 0)
		return -EINVAL;
	k = find_name(step_kind_names, STEP_KIND_N, kind);
	o = find_name(origin_names, ARRAY_SIZE(origin_names), origin);
	if (k < 0 || o < 0 || take_u32(gpu, GPUS_MAX - 1, &step.gpu) < 0 ||
		take_u32(profile, UINT32_MAX, &step.profile_id) < 0 ||
		take_u32(start, MIG_SLOTS_MAX, &step.start) < 0 ||
		take_u32(size, MIG_SLOTS_MAX, &step.size) < 0 ||
		text_copy(step.name, sizeof(step.name), name) < 0 || !json_is_array(cis) ||
		json_array_size(cis) > MIG_CIS_MAX)
		return -EINVAL;
	for (; step.n_ci < json_array_size(cis); step.n_ci++) {
		const json_t *ci = json_array_get(cis, step.n_ci);

		if (!json_is_integer(ci) ||
			take_u32(json_integer_value(ci), UINT32_MAX, &step.ci_id[step.n_ci]) < 0)
			return -EINVAL;
	}
	step.kind = (enum step_kind)k;
	step.origin = (enum share_origin)o;
	if (take_kind(json, &step) < 0)
		return -EINVAL;
	*ret_step = step;
	return 0;
}

struct step step_create_of(
	const struct gpu *gpu, uint32_t profile, uint32_t start, enum share_origin origin)
{
	const struct mig_profile *p = &gpu->facts.geometry.profile[profile];
	int whole = mig_ci_find(p, p->slices);
	struct step step = {
		.kind = STEP_CREATE,
		.gpu = gpu->index,
		.profile_id = p->id,
		.start = start,
		.size = p->size,
		.origin = origin,
	};

	snprintf(step.name, sizeof(step.name), "%s@%u", p->name, start);
	if (whole >= 0)
		step.ci_id[step.n_ci++] = p->ci[whole].id;
	return step;
}

struct step step_add_mps_of(const struct gpu *gpu, const struct mps_share *share)
{
	struct step step = { .kind = STEP_ADD_MPS, .gpu = gpu->index, .mps = *share };
	char size[SIZE_TEXT_MAX];

	snprintf(step.name, sizeof(step.name), "%s and %u %%", size_text(share->memory_bytes, size),
		share->percent);
	return step;
}

struct step step_destroy_of(const struct gpu *gpu, unsigned i)
{
	const struct mig_instance *instance = &gpu->seen.instance[i];
	const struct mig_profile *p = &gpu->facts.geometry.profile[instance->profile];
	struct step step =
		step_create_of(gpu, instance->profile, instance->start, instance->origin);

	step.kind = STEP_DESTROY;
	step.n_ci = 0;
	/* The driver counts ids up: by rising id is the order of creation. */
	for (uint32_t id = 0; id < MIG_CIS_MAX; id++) {
		for (unsigned c = 0; c < instance->n_ci; c++) {
			if (instance->ci[c].id == id && instance->ci[c].ci < p->n_ci)
				step.ci_id[step.n_ci++] = p->ci[instance->ci[c].ci].id;
		}
	}
	return step;
}
