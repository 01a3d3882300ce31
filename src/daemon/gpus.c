/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/gpus.h"

#include "base/error.h"
#include "base/io.h"
#include "base/log.h"
#include "daemon/executor.h"
#include "daemon/leases.h"
#include "daemon/ledger.h"
#include "daemon/mps.h"
#include "daemon/unleased.h"
#include "daemon/vfs.h"
#include "driver/process.h"

#include <errno.h>
#include <stdio.h>
#include <systemd/sd-event.h>

/* Finding the GPUs takes a worker for the node ("-"), which ends when it has told them. */
struct finding {
	struct daemon *daemon;
	void (*ready)(struct daemon *daemon);
	struct worker *node;
	unsigned n_open; /* GPUs whose facts have not been told yet */
	unsigned gpu[GPUS_MAX];
};

int gpu_instance_at(const struct gpu *gpu, uint32_t profile_id, uint32_t start)
{
	for (unsigned i = 0; i < gpu->seen.n_instances; i++) {
		const struct mig_instance *instance = &gpu->seen.instance[i];

		if (instance->start == start &&
			gpu->facts.geometry.profile[instance->profile].id == profile_id)
			return (int)i;
	}
	return -1;
}

int gpu_by_uuid(const struct daemon *daemon, const char *uuid)
{
	for (unsigned i = 0; i < daemon->n_gpus; i++)
		if (text_eq(daemon->gpus[i].facts.uuid, uuid))
			return (int)i;
	return -1;
}

static enum share_origin origin_of(
	const struct gpu_runtime *runtime, uint32_t profile_id, uint32_t start)
{
	const struct origin_mark *mark;

	vec_for_each (mark, &runtime->origins)
		if (mark->profile_id == profile_id && mark->start == start)
			return mark->origin;
	return SHARE_FOREIGN;
}

void gpu_rebuild(struct daemon *daemon, unsigned index)
{
	struct gpu *gpu = &daemon->gpus[index];
	struct gpu_runtime *runtime = &daemon->runtime[index];

	gpu_seen_copy(&gpu->seen, &runtime->truth);
	if (runtime->txn)
		txn_apply_pending(runtime->txn, index, &gpu->facts.geometry, &gpu->seen);
	for (unsigned i = 0; i < gpu->seen.n_instances; i++) {
		struct mig_instance *instance = &gpu->seen.instance[i];
		enum share_origin known = origin_of(runtime,
			gpu->facts.geometry.profile[instance->profile].id, instance->start);

		instance->origin = known;
	}
	gpu->whole_lease = 0;
	gpu->n_mps = 0;
	for (size_t i = 0; i < runtime->mps.n && gpu->n_mps < MPS_SHARES_MAX; i++)
		gpu->mps[gpu->n_mps++] = runtime->mps.at[i];
	mps_show(daemon, index);
	vfs_show(daemon, index);
	leases_mark(daemon, index);
	gpu->whole_allowed = !gpu->seen.mig_on && !gpu->seen.mig_pending && runtime->mps.n == 0;
	gpu->whole_in_use = !gpu->seen.mig_on && gpu->seen.n_processes > 0;
}

void gpu_saw(struct daemon *daemon, unsigned gpu, const struct gpu_seen *seen)
{
	gpu_seen_copy(&daemon->runtime[gpu].truth, seen);
	daemon->runtime[gpu].failed_looks = 0;
	gpu_rebuild(daemon, gpu);
}

static bool gpu_has_process(const struct gpu_seen *seen, uint32_t gi, uint32_t ci)
{
	for (unsigned i = 0; i < seen->n_processes; i++)
		if (seen->process[i].gi == gi &&
			(seen->process[i].ci == ci || seen->process[i].ci == UINT32_MAX))
			return true;
	return false;
}

void gpu_forget_dead(struct daemon *daemon, unsigned gpu)
{
	struct gpu_seen *seen = &daemon->runtime[gpu].truth;
	unsigned n = 0;
	uint64_t started;

	for (unsigned i = 0; i < seen->n_processes; i++)
		if (process_started(seen->process[i].pid, &started) == 0)
			seen->process[n++] = seen->process[i];
	seen->n_processes = n;
	for (unsigned i = 0; i < seen->n_instances; i++)
		for (unsigned c = 0; c < seen->instance[i].n_ci; c++)
			seen->instance[i].ci[c].has_users &= gpu_has_process(
				seen, seen->instance[i].gi, seen->instance[i].ci[c].id);
	gpu_rebuild(daemon, gpu);
}

static void gpu_recall(struct daemon *daemon, unsigned index);

void gpu_told_facts(struct daemon *daemon, unsigned index, const struct work_answer *answer)
{
	struct gpu *gpu = &daemon->gpus[index];
	bool is_known = text_eq(gpu->facts.uuid, answer->facts.facts.uuid);

	gpu_facts_copy(&gpu->facts, &answer->facts.facts);
	memcpy(gpu->capability, answer->facts.capability, sizeof(gpu->capability));
	vfs_keep_types(daemon, index);
	daemon->runtime[index].has_facts = true;
	if (!is_known) {
		ledger_gpu_put(daemon->ledger, gpu->facts.pci, gpu->facts.uuid);
		gpu_recall(daemon, index);
	}
	gpu_saw(daemon, index, &answer->facts.seen);
}

/* An answer that could not be had: the GPU is lost once the driver says so or twice did not answer.
 */
static void look_failed(struct daemon *daemon, unsigned gpu, const struct work_answer *answer)
{
	struct gpu_runtime *runtime = &daemon->runtime[gpu];

	runtime->failed_looks++;
	if (answer->result == -ENODEV || !runtime->has_facts || runtime->failed_looks >= 2)
		gpu_set_health(daemon, gpu, GPU_LOST, answer->text);
}

/* What somebody else removed is not ours any more, should an equal one come to stand there. */
static void forget_absent(struct daemon *daemon, unsigned gpu)
{
	const struct gpu_runtime *runtime = &daemon->runtime[gpu];

	for (size_t i = runtime->origins.n; i-- > 0;) {
		struct origin_mark mark = runtime->origins.at[i];

		if (gpu_instance_at(&daemon->gpus[gpu], mark.profile_id, mark.start) < 0)
			gpu_set_origin(daemon, gpu, mark.profile_id, mark.start, SHARE_FOREIGN);
	}
}

static void take_look(struct daemon *daemon, unsigned gpu, const struct gpu_seen *seen)
{
	const struct gpu_runtime *runtime = &daemon->runtime[gpu];
	bool vfs_came = !runtime->txn && !runtime->truth.vfs.count && seen->vfs.count;

	gpu_saw(daemon, gpu, seen);
	/* somebody else turned them on: some facts show only then, and the driver was bound anew */
	if (vfs_came)
		gpu_look_facts(daemon, gpu);
}

static void on_look(void *context, const struct work_answer *answer)
{
	struct gpu_runtime *runtime = context;
	struct daemon *daemon = runtime->daemon;
	unsigned gpu = (unsigned)(runtime - daemon->runtime);

	runtime->is_looking = false;
	if (answer->result < 0) {
		look_failed(daemon, gpu, answer);
		return;
	}
	if (answer->op == WORK_FACTS)
		gpu_told_facts(daemon, gpu, answer);
	else
		take_look(daemon, gpu, &answer->seen);
	if (daemon->gpus[gpu].health == GPU_LOST) {
		gpu_set_health(daemon, gpu, GPU_HEALTHY, "");
		unleased_update(daemon);
		gpu_look_facts(daemon, gpu);
	}
	if (!runtime->txn && daemon->is_restored) {
		forget_absent(daemon, gpu);
		leases_check_shares(daemon, gpu);
		vfs_mend(daemon, gpu);
	}
	leases_check_unleased(daemon, gpu);
	mps_note_clients(daemon, gpu);
	if (daemon->driver_let_go)
		driver_let_go(daemon);
	leases_pump(daemon);
}

static void look(struct daemon *daemon, unsigned gpu, enum work_op op)
{
	struct work_order order = { .op = op };

	/* let go of: nothing is worth taking it up again before `undrain --driver` */
	if (daemon->driver_let_go && !worker_is_running(daemon->runtime[gpu].worker))
		return;
	daemon->runtime[gpu].is_looking = true;
	worker_order(daemon->runtime[gpu].worker, &order, on_look, &daemon->runtime[gpu]);
}

void gpu_look(struct daemon *daemon, unsigned gpu)
{
	look(daemon, gpu, daemon->runtime[gpu].has_facts ? WORK_OBSERVE : WORK_FACTS);
}

void gpu_look_facts(struct daemon *daemon, unsigned gpu)
{
	look(daemon, gpu, WORK_FACTS);
}

static struct origin_mark *origin_find(
	const struct gpu_runtime *runtime, uint32_t profile_id, uint32_t start)
{
	struct origin_mark *mark;

	vec_for_each (mark, &runtime->origins)
		if (mark->profile_id == profile_id && mark->start == start)
			return mark;
	return NULL;
}

void gpu_set_origin(struct daemon *daemon, unsigned gpu, uint32_t profile_id, uint32_t start,
	enum share_origin origin)
{
	struct gpu_runtime *runtime = &daemon->runtime[gpu];
	const char *uuid = daemon->gpus[gpu].facts.uuid;
	struct origin_mark *mark = origin_find(runtime, profile_id, start);

	if (origin == SHARE_FOREIGN) {
		if (mark)
			*mark = runtime->origins.at[--runtime->origins.n];
		ledger_origin_drop(daemon->ledger, uuid, profile_id, start);
		return;
	}
	if (!mark)
		mark = vec_add(&runtime->origins);
	*mark = (struct origin_mark){ profile_id, start, origin };
	ledger_origin_put(daemon->ledger, uuid, profile_id, start, origin);
}

void gpu_set_mps(struct daemon *daemon, unsigned gpu, struct mps_share share, bool is_there)
{
	struct gpu_runtime *runtime = &daemon->runtime[gpu];
	const struct mps_share *other = mps_share_find(&daemon->gpus[gpu], share.number);
	size_t at = 0;

	if (is_there && other && !other->is_pinned)
		share.number = mps_number_free(&daemon->gpus[gpu]);
	while (at < runtime->mps.n && runtime->mps.at[at].number != share.number)
		at++;
	if (is_there && at == runtime->mps.n)
		vec_add(&runtime->mps);
	if (is_there)
		runtime->mps.at[at] = share;
	else if (at < runtime->mps.n)
		runtime->mps.at[at] = runtime->mps.at[--runtime->mps.n];
	ledger_mps_share_put(daemon->ledger, daemon->gpus[gpu].facts.uuid, &share, is_there);
	/* the next one takes a number that is free then */
	gpu_rebuild(daemon, gpu);
}

void gpu_set_former_mode(struct daemon *daemon, unsigned gpu, const enum compute_mode *mode)
{
	struct gpu_runtime *runtime = &daemon->runtime[gpu];

	/* of two changes one after the other, the first knows what it was like before MPS */
	if (mode && runtime->has_former_mode)
		return;
	runtime->has_former_mode = mode != NULL;
	if (mode)
		runtime->former_mode = *mode;
	ledger_former_mode_put(daemon->ledger, daemon->gpus[gpu].facts.uuid, mode);
}

void gpu_set_health(struct daemon *daemon, unsigned index, enum gpu_health health, const char *why)
{
	struct gpu *gpu = &daemon->gpus[index];
	enum gpu_health before = gpu->health;

	/* broken stays until an administrator has looked (carve manage) */
	if (before == GPU_BROKEN && health != GPU_BROKEN)
		return;
	gpu->health = health;
	text_copy(gpu->health_text, sizeof(gpu->health_text), why);
	if (health == GPU_SICK)
		daemon->runtime[index].sick_since_ns = now_ns();
	if (before == health)
		return;
	if (health == GPU_BROKEN)
		ledger_broken_put(daemon->ledger, gpu->facts.uuid, gpu->health_text);
	if (health == GPU_HEALTHY)
		event_add(daemon, "gpu-healthy", (int)index, 0, "GPU %u is back in service", index);
	else
		event_add(daemon,
			health == GPU_LOST   ? "gpu-lost"
			: health == GPU_SICK ? "gpu-sick"
					     : "gpu-broken",
			(int)index, 0, "GPU %u gets no new leases: %s", index, why);
	leases_gpu_changed(daemon, index);
}

void gpu_mend(struct daemon *daemon, unsigned index)
{
	if (daemon->gpus[index].health != GPU_BROKEN)
		return;
	ledger_broken_put(daemon->ledger, daemon->gpus[index].facts.uuid, NULL);
	daemon->gpus[index].health = GPU_SICK;
	gpu_set_health(daemon, index, GPU_HEALTHY, "");
}

static char *store_key(const struct daemon *daemon, unsigned gpu, const char *what)
{
	return must_asprintf("%s/%s", what, daemon->gpus[gpu].facts.uuid);
}

void gpu_set_managed(struct daemon *daemon, unsigned gpu, bool is_managed)
{
	char *key = store_key(daemon, gpu, "managed");

	struct gpu_runtime *runtime = &daemon->runtime[gpu];

	daemon->gpus[gpu].managed = is_managed;
	ledger_begin(daemon->ledger);
	while (!is_managed && runtime->origins.n > 0) {
		struct origin_mark mark = runtime->origins.at[0];

		gpu_set_origin(daemon, gpu, mark.profile_id, mark.start, SHARE_FOREIGN);
	}
	while (!is_managed && runtime->mps.n > 0) {
		gpu_set_mps(daemon, gpu, runtime->mps.at[0], false);
	}
	ledger_commit(daemon->ledger);
	if (!is_managed)
		vfs_forget(daemon, gpu);
	gpu_rebuild(daemon, gpu);
	if (!is_managed)
		mps_stop_idle(daemon, 1u << gpu);
	store_put(daemon->ledger, key, is_managed ? "yes" : "no");
	free(key);
}

void gpu_set_drained(struct daemon *daemon, unsigned gpu, bool is_drained)
{
	char *key = store_key(daemon, gpu, "drained");

	daemon->gpus[gpu].drained = is_drained;
	store_put(daemon->ledger, key, is_drained ? "yes" : NULL);
	free(key);
	if (is_drained)
		mps_stop_idle(daemon, 1u << gpu);
}

/* Managed: what was said by hand last; else what the configuration says; a simulated node all. */
static bool should_be_managed(struct daemon *daemon, unsigned gpu)
{
	char *key = store_key(daemon, gpu, "managed");
	char *said = store_get(daemon->ledger, key);
	bool is_managed = daemon->is_simulated;

	for (unsigned i = 0; i < daemon->config.n_manage; i++) {
		unsigned index;

		if (text_eq(daemon->config.manage[i], "all"))
			is_managed = true;
		else if (gpu_find(daemon->gpus, daemon->n_gpus, daemon->config.manage[i], &index,
				 NULL) == 0 &&
			 index == gpu)
			is_managed = true;
	}
	if (said)
		is_managed = text_eq(said, "yes");
	free(said);
	free(key);
	return is_managed;
}

struct recalled_gpu {
	struct daemon *daemon;
	unsigned index;
};

static void recall_origin(void *context, const char *uuid, uint32_t profile_id, uint32_t start,
	enum share_origin origin)
{
	const struct recalled_gpu *gpu = context;

	if (text_eq(gpu->daemon->gpus[gpu->index].facts.uuid, uuid))
		*vec_add(&gpu->daemon->runtime[gpu->index].origins) =
			(struct origin_mark){ profile_id, start, origin };
}

static void recall_mps_share(void *context, const char *uuid, const struct mps_share *share)
{
	const struct recalled_gpu *gpu = context;

	if (text_eq(gpu->daemon->gpus[gpu->index].facts.uuid, uuid))
		*vec_add(&gpu->daemon->runtime[gpu->index].mps) = *share;
}

/* Once its uuid is known: what is written down of a GPU. */
static void gpu_recall(struct daemon *daemon, unsigned index)
{
	struct gpu *gpu = &daemon->gpus[index];
	char *key = store_key(daemon, index, "drained");
	char *drained = store_get(daemon->ledger, key);
	char *broken = ledger_broken(daemon->ledger, gpu->facts.uuid);

	gpu->managed = should_be_managed(daemon, index);
	gpu->drained = drained != NULL;
	if (broken) {
		gpu->health = GPU_BROKEN;
		text_copy(gpu->health_text, sizeof(gpu->health_text), broken);
	}
	daemon->runtime[index].origins.n = 0;
	ledger_origins(daemon->ledger, recall_origin, &(struct recalled_gpu){ daemon, index });
	daemon->runtime[index].mps.n = 0;
	ledger_mps_shares(
		daemon->ledger, recall_mps_share, &(struct recalled_gpu){ daemon, index });
	daemon->runtime[index].has_former_mode = ledger_former_mode(
		daemon->ledger, gpu->facts.uuid, &daemon->runtime[index].former_mode);
	vfs_recall(daemon, index);
	free(broken);
	free(drained);
	free(key);
}

/* Those that do not answer are known by their place from before: their leases are kept. */
static void all_found(struct finding *finding)
{
	struct daemon *daemon = finding->daemon;

	for (unsigned i = 0; i < daemon->n_gpus; i++) {
		struct gpu *gpu = &daemon->gpus[i];
		char *uuid = ledger_gpu_uuid(daemon->ledger, gpu->facts.pci);

		if (!daemon->runtime[i].has_facts && uuid) {
			text_copy(gpu->facts.uuid, sizeof(gpu->facts.uuid), uuid);
			gpu_recall(daemon, i);
		}
		gpu_rebuild(daemon, i);
		free(uuid);
	}
	finding->ready(daemon);
	free(finding);
}

struct fact_wait {
	struct finding *finding;
	unsigned gpu;
};

static void on_facts(void *context, const struct work_answer *answer)
{
	struct fact_wait *wait = context;
	struct finding *finding = wait->finding;

	if (answer->result < 0)
		look_failed(finding->daemon, wait->gpu, answer);
	else
		gpu_told_facts(finding->daemon, wait->gpu, answer);
	free(wait);
	if (--finding->n_open == 0)
		all_found(finding);
}

static void on_list(void *context, const struct work_answer *answer)
{
	struct finding *finding = context;
	struct daemon *daemon = finding->daemon;

	if (answer->result < 0) {
		text_copy(daemon->driver_error, sizeof(daemon->driver_error), answer->text);
		log_warning("no GPU can be seen: %s", answer->text);
	} else {
		daemon->n_gpus = answer->list.n < GPUS_MAX ? answer->list.n : GPUS_MAX;
		text_copy(daemon->driver_version, sizeof(daemon->driver_version),
			answer->list.driver);
	}
	worker_let_go(finding->node);
	daemon->gpus = must_alloc(daemon->n_gpus, sizeof(*daemon->gpus));
	daemon->runtime = must_alloc(daemon->n_gpus, sizeof(*daemon->runtime));
	finding->n_open = daemon->n_gpus;
	for (unsigned i = 0; i < daemon->n_gpus; i++) {
		struct gpu_runtime *runtime = &daemon->runtime[i];

		daemon->gpus[i].index = i;
		text_copy(daemon->gpus[i].facts.pci, sizeof(daemon->gpus[i].facts.pci),
			answer->list.pci[i]);
		runtime->daemon = daemon;
		worker_new(daemon->loop, answer->list.pci[i], daemon->run_dir,
			daemon->config.driver_timeout_ns, &runtime->worker);
	}
	if (daemon->n_gpus == 0) {
		all_found(finding);
		return;
	}
	for (unsigned i = 0, n = daemon->n_gpus; i < n; i++) {
		struct fact_wait *wait = must_alloc(1, sizeof(*wait));
		struct work_order order = { .op = WORK_FACTS };

		*wait = (struct fact_wait){ finding, i };
		worker_order(daemon->runtime[i].worker, &order, on_facts, wait);
	}
}

int gpus_start(struct daemon *daemon, void (*ready)(struct daemon *daemon))
{
	struct finding *finding = must_alloc(1, sizeof(*finding));
	struct work_order order = { .op = WORK_LIST };

	finding->daemon = daemon;
	finding->ready = ready;
	order.classes.n = daemon->config.vf.n_classes;
	for (unsigned i = 0; i < daemon->config.vf.n_classes; i++)
		order.classes.class[i] = daemon->config.vf.class[i];
	worker_new(daemon->loop, "-", daemon->run_dir, daemon->config.driver_timeout_ns,
		&finding->node);
	daemon->node_worker = finding->node;
	worker_order(finding->node, &order, on_list, finding);
	return 0;
}

void gpus_done(struct daemon *daemon)
{
	worker_free(daemon->node_worker);
	vfs_done(daemon);
	for (unsigned i = 0; i < daemon->n_gpus; i++) {
		worker_free(daemon->runtime[i].worker);
		vec_done(&daemon->runtime[i].origins);
		vec_done(&daemon->runtime[i].mps);
		vec_done(&daemon->runtime[i].reported);
		vec_done(&daemon->runtime[i].clients);
	}
	free(daemon->gpus);
	free(daemon->runtime);
}
