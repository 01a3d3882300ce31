/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/vfs.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "base/text.h"
#include "daemon/gpus.h"
#include "daemon/ledger.h"

#include <errno.h>
#include <stdlib.h>

static char *store_key(const struct daemon *daemon, unsigned gpu)
{
	return must_asprintf("vf/%s", daemon->gpus[gpu].facts.uuid);
}

static bool is_this_board(const struct gpu *gpu, const struct vf_intent *intent)
{
	return text_eq(intent->pci, gpu->facts.pci) &&
	       (!intent->serial[0] || !gpu->facts.serial[0] ||
		       text_eq(intent->serial, gpu->facts.serial));
}

void vfs_recall(struct daemon *daemon, unsigned gpu)
{
	struct gpu_runtime *runtime = &daemon->runtime[gpu];
	AUTO_FREE char *key = store_key(daemon, gpu);
	AUTO_FREE char *text = store_get(daemon->ledger, key);
	struct vf_intent *intent;
	json_t *json;

	free(runtime->vf_intent);
	runtime->vf_intent = NULL;
	if (!text)
		return;
	intent = must_alloc(1, sizeof(*intent));
	json = json_loads(text, 0, NULL);
	if (!json || vf_intent_from_json(json, intent) < 0) {
		log_error("what the VFs of GPU %u are to be cannot be read; it is dropped", gpu);
		free(intent);
	} else if (!is_this_board(&daemon->gpus[gpu], intent)) {
		event_add(daemon, "vf-restore-failed", (int)gpu, 0,
			"GPU %u: what its VFs are to be was written down for a board at %s with "
			"serial number %s: it is left alone",
			gpu, intent->pci, intent->serial[0] ? intent->serial : "(none)");
		free(intent);
	} else {
		runtime->vf_intent = intent;
	}
	json_decref(json);
}

static int entry_of(const struct vf_intent *intent, uint32_t number)
{
	for (uint32_t i = 0; intent && i < intent->n; i++)
		if (intent->vf[i].number == number)
			return (int)i;
	return -1;
}

/* By the type's name, where it was known: its id is another with another driver. The rest of a
 * setup may be changed while it is used, and is not what tells one VF from another. */
static bool is_as_meant(
	const struct gpu *gpu, const struct vf_intent *intent, int at, const struct vf *vf)
{
	const struct vf_setup *meant = &intent->vf[at].setup;
	int t = vf->setup.type ? vf_type_find_id(&gpu->facts.vf, vf->setup.type) : -1;

	if (vf_setup_is_free(&vf->setup) || vf->setup.is_for_vm != meant->is_for_vm ||
		vf->setup.memory_bytes != meant->memory_bytes)
		return false;
	if (t < 0 || !intent->vf[at].type[0])
		return vf->setup.type == meant->type;
	return text_eq(gpu->facts.vf.type[t].name, intent->vf[at].type);
}

bool vfs_is_as_meant(const struct daemon *daemon, unsigned gpu, uint32_t number)
{
	const struct vf_intent *intent = daemon->runtime[gpu].vf_intent;
	const struct vf *vf = vf_find(&daemon->gpus[gpu], number);
	int at = entry_of(intent, number);

	return vf && at >= 0 && is_as_meant(&daemon->gpus[gpu], intent, at, vf);
}

void vfs_show(struct daemon *daemon, unsigned gpu)
{
	const struct vf_intent *intent = daemon->runtime[gpu].vf_intent;
	struct gpu *view = &daemon->gpus[gpu];
	struct vfs_seen *vfs = &view->seen.vfs;

	view->vf_may_enable = daemon->config.vf.may_enable;
	vfs->origin =
		intent && intent->count == vfs->count ? intent->origin : (uint8_t)SHARE_FOREIGN;
	for (uint32_t i = 0; i < vfs->n; i++) {
		int at = entry_of(intent, vfs->vf[i].number);

		vfs->vf[i].lease = 0;
		vfs->vf[i].origin = at >= 0 && is_as_meant(view, intent, at, &vfs->vf[i])
					    ? intent->vf[at].origin
					    : (uint8_t)SHARE_FOREIGN;
	}
}

/* The intent, to be changed; a new one says what is there by others. */
static struct vf_intent *intent_of(struct daemon *daemon, unsigned gpu)
{
	struct gpu_runtime *runtime = &daemon->runtime[gpu];
	const struct gpu_facts *facts = &daemon->gpus[gpu].facts;

	if (!runtime->vf_intent) {
		runtime->vf_intent = must_alloc(1, sizeof(*runtime->vf_intent));
		runtime->vf_intent->origin = SHARE_FOREIGN;
		runtime->vf_intent->count = runtime->truth.vfs.count;
		runtime->vf_intent->is_mixed = runtime->truth.vfs.is_mixed;
	}
	text_copy(runtime->vf_intent->pci, sizeof(runtime->vf_intent->pci), facts->pci);
	text_copy(runtime->vf_intent->serial, sizeof(runtime->vf_intent->serial), facts->serial);
	return runtime->vf_intent;
}

static void drop_entry(struct vf_intent *intent, uint32_t number)
{
	int at = entry_of(intent, number);

	if (at >= 0)
		intent->vf[at] = intent->vf[--intent->n];
}

static void put_entry(struct vf_intent *intent, const struct vf_facts *facts, uint32_t number,
	const struct vf_setup *setup, enum share_origin origin)
{
	int t = setup->type ? vf_type_find_id(facts, setup->type) : -1;
	int at = entry_of(intent, number);

	if (at < 0 && intent->n == VFS_MAX)
		return;
	if (at < 0)
		at = (int)intent->n++;
	intent->vf[at].number = number;
	intent->vf[at].origin = (uint8_t)origin;
	intent->vf[at].setup = *setup;
	intent->vf[at].profile_id = t >= 0 ? facts->type[t].profile_id : UINT32_MAX;
	text_copy(intent->vf[at].type, sizeof(intent->vf[at].type),
		t >= 0 ? facts->type[t].name : "");
}

void vfs_record(struct daemon *daemon, unsigned gpu, const struct step *step)
{
	struct vf_intent *intent = intent_of(daemon, gpu);

	if (step->kind == STEP_VF_COUNT) {
		/* VFs that are made again are to be what they were, be it later */
		if (step->vf.count != intent->count) {
			intent->is_mixed = false;
			intent->n = 0;
		}
		intent->count = step->vf.count;
		intent->origin = (uint8_t)step->origin;
	} else if (step->kind == STEP_VF_MIX) {
		intent->is_mixed = step->vf.is_mixed;
	}
	for (uint32_t i = 0; i < VFS_MAX && step->kind == STEP_VF_SET; i++) {
		if (!(step->vf.vfs >> i & 1))
			continue;
		if (vf_setup_is_free(&step->vf.setup) || step->origin == SHARE_FOREIGN)
			drop_entry(intent, i);
		else
			put_entry(intent, &daemon->gpus[gpu].facts.vf, i, &step->vf.setup,
				step->origin);
	}
}

/* VFs that somebody else turned on are wanted as long as one of them is ours. */
static bool is_empty(const struct vf_intent *intent)
{
	return intent->n == 0 && (intent->count == 0 || intent->origin == SHARE_FOREIGN);
}

void vfs_keep(struct daemon *daemon, unsigned gpu)
{
	struct gpu_runtime *runtime = &daemon->runtime[gpu];
	AUTO_FREE char *key = store_key(daemon, gpu);
	AUTO_FREE char *text = NULL;
	json_t *json;

	if (runtime->vf_intent && is_empty(runtime->vf_intent)) {
		free(runtime->vf_intent);
		runtime->vf_intent = NULL;
	}
	if (runtime->vf_intent) {
		json = vf_intent_to_json(runtime->vf_intent);
		text = json_dumps(json, JSON_COMPACT);
		json_decref(json);
	}
	store_put(daemon->ledger, key, text);
}

void vfs_forget(struct daemon *daemon, unsigned gpu)
{
	struct gpu_runtime *runtime = &daemon->runtime[gpu];

	if (!runtime->vf_intent)
		return;
	free(runtime->vf_intent);
	runtime->vf_intent = NULL;
	vfs_keep(daemon, gpu);
}

int vfs_adopt(struct daemon *daemon, unsigned gpu, unsigned at, struct error *err)
{
	const struct gpu *view = &daemon->gpus[gpu];
	const struct vf *vf = &view->seen.vfs.vf[at];
	char name[SHARE_NAME_MAX];

	vf_share_name(view, vf, name);
	if (vf_setup_is_free(&vf->setup))
		return error_set(err, -ENOENT, "%s is free: there is nothing to take over", name);
	if (vf->owner[0])
		return error_set(err, -EEXIST,
			"%s belongs to %s: take it out of there first, so that it has one owner",
			name, vf->owner);
	if (daemon->runtime[gpu].txn)
		return error_set(
			err, -EBUSY, "GPU %u is being changed: try again in a moment", gpu);
	if (vf->origin == SHARE_PINNED)
		return 0;
	if (vf->origin == SHARE_DYNAMIC)
		return error_set(err, -EEXIST, "%s is Carve's already, made for a lease", name);
	put_entry(intent_of(daemon, gpu), &view->facts.vf, vf->number, &vf->setup, SHARE_PINNED);
	vfs_keep(daemon, gpu);
	return 0;
}

void vfs_pin(struct daemon *daemon, unsigned gpu, int vf, enum share_origin origin)
{
	struct vf_intent *intent = daemon->runtime[gpu].vf_intent;
	int at = vf >= 0 ? entry_of(intent, (uint32_t)vf) : -1;

	/* VFs of others that a layout wants are Carve's from then on */
	if (!intent && origin != SHARE_FOREIGN)
		intent = intent_of(daemon, gpu);
	if (!intent)
		return;
	if (vf == REPIN_COUNT)
		intent->origin = (uint8_t)origin;
	else if (at >= 0)
		intent->vf[at].origin = (uint8_t)origin;
	vfs_keep(daemon, gpu);
}
