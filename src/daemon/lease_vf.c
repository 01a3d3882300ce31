/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Leases of virtual machines: each holds one VF, across daemons and reboots, until it is released
 * or its time is up. The virtual machine's open VFIO descriptor only marks the VF as in use, and
 * what is in use is never touched: it is looked once more before the VF is made free.
 */
#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"
#include "daemon/api.h"
#include "daemon/executor.h"
#include "daemon/gpus.h"
#include "daemon/leases.h"
#include "daemon/ledger.h"
#include "daemon/vfs.h"
#include "driver/process.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

/* Between two questions whether the virtual machine is still there. */
#define VM_AGAIN_NS (1000000000ULL)

struct lease_share lease_vf_share(const struct daemon *daemon, const struct placement *placement)
{
	const struct gpu *gpu = &daemon->gpus[placement->gpu];
	const struct vf *vf = vf_find(gpu, placement->vf);
	int t = placement->vf_setup.type ? vf_type_find_id(&gpu->facts.vf, placement->vf_setup.type)
					 : -1;
	struct lease_share share = { .gpu = placement->gpu, .mechanism = MECHANISM_VF };

	share.ci_id = UINT32_MAX;
	share.memory_bytes = vf_memory(gpu, &placement->vf_setup);
	share.vf.number = placement->vf;
	if (t >= 0)
		text_copy(share.vf.type, sizeof(share.vf.type), gpu->facts.vf.type[t].name);
	if (vf && placement->vf_count == 0)
		text_copy(share.vf.pci, sizeof(share.vf.pci), vf->pci);
	return share;
}

uint64_t lease_vf_milli(const struct gpu *gpu, const struct lease_share *share)
{
	if (share->memory_bytes && gpu->facts.memory_bytes)
		return share->memory_bytes * 1000 / gpu->facts.memory_bytes;
	return gpu->facts.vf.total ? 1000 / gpu->facts.vf.total : 0;
}

void lease_vf_mark(const struct lease *lease, const struct lease_share *share, uint64_t id)
{
	struct vfs_seen *vfs = &lease->daemon->gpus[share->gpu].seen.vfs;

	for (uint32_t i = 0; i < vfs->n; i++)
		if (vfs->vf[i].number == share->vf.number)
			vfs->vf[i].lease = id;
}

uint64_t lease_of_vf(struct daemon *daemon, unsigned gpu, uint32_t number)
{
	struct lease *lease;

	list_for_each (lease, &daemon->leases, link)
		if (lease->n_shares && lease->share[0].mechanism == MECHANISM_VF &&
			lease->share[0].gpu == gpu && lease->share[0].vf.number == number)
			return lease->id;
	return 0;
}

void lease_vf_take_address(struct lease_share *share, const struct gpu *gpu)
{
	const struct vf *vf = vf_find(gpu, share->vf.number);

	if (vf && vf->pci[0])
		text_copy(share->vf.pci, sizeof(share->vf.pci), vf->pci);
}

const char *lease_vf_text(const struct lease_share *share, char *ret_text, size_t size)
{
	snprintf(ret_text, size, "%u:vf%u%s%s%s", share->gpu, share->vf.number,
		share->vf.type[0] ? " (" : "", share->vf.type, share->vf.type[0] ? ")" : "");
	return ret_text;
}

/* "virtual machine web1 (process 123 of alice) has 0:vf3 open" */
static void say_user(const struct vf *vf, const struct lease_share *share, struct buf *text)
{
	struct process_info info;

	if (vf->vm[0])
		buf_addf(text, "virtual machine %s (process %d", vf->vm, (int)vf->user);
	else
		buf_addf(text, "process %d (", (int)vf->user);
	if (process_look(vf->user, &info) == 0)
		buf_addf(text, "%s%s", vf->vm[0] ? " of " : "of ", info.user);
	buf_addf(text, ") has %u:vf%u open", share->gpu, share->vf.number);
}

bool lease_vf_is_idle(const struct lease *lease)
{
	const struct lease_share *share = &lease->share[0];
	const struct vf *vf = share->mechanism == MECHANISM_VF
				      ? vf_find(&lease->daemon->gpus[share->gpu], share->vf.number)
				      : NULL;

	return share->mechanism == MECHANISM_VF && lease->state == LEASE_ACTIVE &&
	       (!vf || !vf->user);
}

static void say_missing(const struct lease *lease, struct buf *text)
{
	const struct lease_share *share = &lease->share[0];
	const struct gpu *gpu = &lease->daemon->gpus[share->gpu];
	const struct vf *vf = vf_find(gpu, share->vf.number);
	const char *why = vfs_why(lease->daemon, share->gpu);

	if (gpu->health == GPU_LOST)
		buf_addf(text, "its GPU %u is lost: %s", share->gpu, gpu->health_text);
	else if (vf && !vf_setup_is_free(&vf->setup))
		buf_addf(text, "somebody else has set up %u:vf%u otherwise", share->gpu,
			share->vf.number);
	else if (!lease->daemon->runtime[share->gpu].vf_intent)
		buf_addf(text,
			"its virtual function %u:vf%u is gone, and GPU %u is not the board in that "
			"slot that it was made on: release it",
			share->gpu, share->vf.number, share->gpu);
	else
		buf_addf(text, "its virtual function %u:vf%u is not there%s%s", share->gpu,
			share->vf.number, why ? ": " : ", and will be made again", why ?: "");
}

void lease_vf_seen(struct lease *lease)
{
	const struct lease_share *share = &lease->share[0];
	bool is_there = vfs_is_as_meant(lease->daemon, share->gpu, share->vf.number);
	bool was_lost = lease->vf_is_lost;
	AUTO_BUF text = { 0 };

	if (lease->state != LEASE_ACTIVE || (is_there && !was_lost))
		return;
	if (!is_there)
		say_missing(lease, &text);
	if (!is_there && was_lost && text_eq(lease->reason, buf_text(&text)))
		return;
	lease->vf_is_lost = !is_there;
	lease_set_reason(lease, is_there ? NULL : buf_text(&text));
	/* made again, it has other groups and nodes */
	json_decref(lease->binding);
	lease->binding = NULL;
	if (is_there)
		lease_vf_take_address(&lease->share[0], &lease->daemon->gpus[lease->share[0].gpu]);
	if (is_there == was_lost)
		event_add(lease->daemon, is_there ? "vf-back" : "vf-lost", (int)share->gpu,
			lease->id, "L%" PRIu64 ": %s", lease->id,
			is_there ? "its virtual function is there again" : buf_text(&text));
	lease_record(lease);
	api_lease_changed(lease);
}

/* The lease may be gone when the answer comes. */
struct vf_question {
	struct daemon *daemon;
	uint64_t lease;
	bool is_release;
	char why[64];
};

static void try_again(struct lease *lease, const char *why)
{
	unsigned n = lease->vf_failures < 5 ? lease->vf_failures : 5;

	if (why) {
		lease->vf_failures++;
		event_add(lease->daemon, "vf-free-failed", (int)lease->share[0].gpu, lease->id,
			"L%" PRIu64 ": its virtual function could not be made free: %s", lease->id,
			why);
		lease_set_reason(lease, why);
	}
	lease_arm(lease, why ? VM_AGAIN_NS << n : VM_AGAIN_NS);
}

static void on_freed(void *context, const struct txn_result *result)
{
	struct vf_question *question = context;
	struct daemon *daemon = question->daemon;
	struct lease *lease = lease_by_id(daemon, question->lease);

	free(question);
	if (!lease)
		return;
	lease->users_open = 0;
	/* broken, the GPU is in an administrator's hands: the lease is over for its tenant */
	if (result->code < 0 && !result->broken)
		try_again(lease, result->text);
	else
		lease_finish(lease, lease->has_failed ? LEASE_FAILED : LEASE_ENDED);
}

/* Nobody has it open: it is made free, unless a layout wants it as it is. */
static void make_free(struct lease *lease, struct vf_question *question)
{
	struct daemon *daemon = lease->daemon;
	const struct lease_share *share = &lease->share[0];
	const struct vf *vf = vf_find(&daemon->gpus[share->gpu], share->vf.number);
	struct step step;
	char what[48];

	if (!vf || vf->origin != SHARE_DYNAMIC || vf_setup_is_free(&vf->setup)) {
		free(question);
		lease_finish(lease, lease->has_failed ? LEASE_FAILED : LEASE_ENDED);
		return;
	}
	lease->users_open = 1; /* until it is done */
	step = step_vf_set_of(&daemon->gpus[share->gpu], UINT64_C(1) << share->vf.number,
		&(struct vf_setup){ 0 }, SHARE_DYNAMIC);
	snprintf(what, sizeof(what), "end of lease L%" PRIu64, lease->id);
	txn_start(daemon, what, &step, 1, NULL, on_freed, question);
}

static void go_on_ending(struct lease *lease, struct vf_question *question, int result)
{
	struct daemon *daemon = lease->daemon;
	const struct lease_share *share = &lease->share[0];
	const struct vf *vf = vf_find(&daemon->gpus[share->gpu], share->vf.number);
	bool is_lost = result == -ENODEV || daemon->gpus[share->gpu].health == GPU_LOST;

	if (lease->state != LEASE_RELEASING) {
		free(question);
	} else if ((result < 0 && !is_lost) || (vf && vf->user && !is_lost) ||
		   gpu_is_busy(daemon, share->gpu)) {
		free(question);
		try_again(lease, NULL);
	} else if (is_lost) {
		/* what stands there when it is back is nobody's, and goes then */
		free(question);
		lease_finish(lease, lease->has_failed ? LEASE_FAILED : LEASE_ENDED);
	} else {
		make_free(lease, question);
	}
}

static void release_or_refuse(struct lease *lease, const struct vf_question *question)
{
	const struct lease_share *share = &lease->share[0];
	const struct vf *vf = vf_find(&lease->daemon->gpus[share->gpu], share->vf.number);
	AUTO_BUF text = { 0 };

	if (!vf || !vf->user) {
		if (lease->state == LEASE_ACTIVE)
			lease_end(lease, 0, question->why);
		return;
	}
	buf_addf(&text, "lease L%" PRIu64 " is in use: ", lease->id);
	say_user(vf, share, &text);
	buf_addf(&text, ": shut it down, or take the device from it (carve detach), first");
	api_release_refused(lease, buf_text(&text));
}

static void on_looked(void *context, const struct work_answer *answer)
{
	struct vf_question *question = context;
	struct daemon *daemon = question->daemon;
	struct lease *lease = lease_by_id(daemon, question->lease);

	if (!lease || !lease->n_shares) {
		free(question);
		return;
	}
	if (answer->result == 0)
		gpu_saw(daemon, lease->share[0].gpu, &answer->seen);
	if (question->is_release) {
		release_or_refuse(lease, question);
		free(question);
		return;
	}
	lease->users_open = 0;
	go_on_ending(lease, question, answer->result);
}

static void ask(struct lease *lease, bool is_release, const char *why)
{
	struct vf_question *question = must_alloc(1, sizeof(*question));
	struct work_order order = { .op = WORK_OBSERVE };

	*question = (struct vf_question){
		.daemon = lease->daemon, .lease = lease->id, .is_release = is_release
	};
	text_copy(question->why, sizeof(question->why), why);
	worker_order(
		lease->daemon->runtime[lease->share[0].gpu].worker, &order, on_looked, question);
}

void lease_vf_release(struct lease *lease, const char *why)
{
	ask(lease, true, why);
}

void lease_vf_check(struct lease *lease)
{
	if (lease->users_open)
		return;
	lease->users_open = 1;
	ask(lease, false, "");
}

static char *store_key(uint64_t id)
{
	return must_asprintf("vm-lease/%" PRIu64, id);
}

void lease_vf_keep(const struct lease *lease, const char *body)
{
	AUTO_FREE char *key = store_key(lease->id);

	if (lease->state == LEASE_ACTIVE || lease->state == LEASE_RELEASING)
		store_put(lease->daemon->ledger, key, body);
}

/* Its number stays taken: who wrote it down must not meet another by it after a reboot. */
void lease_vf_drop(struct daemon *daemon, uint64_t id)
{
	AUTO_FREE char *key = store_key(id);
	AUTO_FREE char *last = must_asprintf("%" PRIu64, daemon->last_lease);

	store_put(daemon->ledger, "lease/last", last);
	store_put(daemon->ledger, key, NULL);
}

struct kept_leases {
	void (*each)(void *context, uint64_t id, const char *body);
	void *context;
	uint64_t last;
};

static void kept_row(void *context, const char *key, const char *value)
{
	struct kept_leases *kept = context;
	uint64_t id;

	if (parse_u64(key + strlen("vm-lease/"), &id) < 0)
		return;
	kept->last = id > kept->last ? id : kept->last;
	kept->each(kept->context, id, value);
}

uint64_t lease_vf_recall(struct daemon *daemon,
	void (*each)(void *context, uint64_t id, const char *body), void *context)
{
	struct kept_leases kept = { each, context, 0 };
	AUTO_FREE char *last = store_get(daemon->ledger, "lease/last");

	if (last)
		parse_u64(last, &kept.last);
	store_each(daemon->ledger, "vm-lease/", kept_row, &kept);
	return kept.last;
}
