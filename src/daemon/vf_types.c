/* SPDX-License-Identifier: Apache-2.0 */
/* The types of vGPU that VFs told when they were on, kept for when they are off. */
#include "base/cleanup.h"
#include "base/log.h"
#include "base/text.h"
#include "daemon/ledger.h"
#include "daemon/vfs.h"

#include <stdlib.h>

static void recall(const char *text, unsigned gpu, struct vf_facts *facts)
{
	struct vf_facts *before = must_alloc(1, sizeof(*before));
	json_t *json = json_loads(text, 0, NULL);

	if (!json || vf_types_from_json(json, before) < 0)
		log_error("which types of vGPU GPU %u has cannot be read; it is dropped", gpu);
	else
		vf_types_keep(facts, before);
	json_decref(json);
	free(before);
}

void vfs_keep_types(struct daemon *daemon, unsigned gpu)
{
	struct gpu_facts *facts = &daemon->gpus[gpu].facts;
	AUTO_FREE char *key = NULL, *before = NULL, *now = NULL;
	json_t *json;

	if (!facts->vf.types_from_vfs)
		return;
	key = must_asprintf("vf-types/%s", facts->uuid);
	before = store_get(daemon->ledger, key);
	if (before)
		recall(before, gpu, &facts->vf);
	if (facts->vf.n_types == 0)
		return;
	json = vf_types_to_json(&facts->vf);
	now = json_dumps(json, JSON_COMPACT);
	json_decref(json);
	if (!before || !text_eq(before, now))
		store_put(daemon->ledger, key, now);
}
