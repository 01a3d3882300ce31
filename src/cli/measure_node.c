/* SPDX-License-Identifier: Apache-2.0 */
/* Which GPU can be measured: nobody may be on it, since neither they nor the figures could bear it.
 */
#include "cli/measure.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"
#include "cli/advise.h"
#include "cli/node.h"
#include "cli/verb.h"
#include "model/advice_part.h"

#include <errno.h>

enum { NAMED_MAX = 8 };

/* Those who are on a GPU, in words. */
struct users {
	struct buf text;
	unsigned n;
};

static void users_add(struct users *users, const char *what, const char *who, const char *command)
{
	if (users->n++ >= NAMED_MAX)
		return;
	buf_addf(&users->text, "%s%s of %s", users->n > 1 ? ", " : "", what, *who ? who : "nobody");
	if (*command)
		buf_addf(&users->text, " (%.60s)", command);
}

static bool lease_is_on(const json_t *lease, unsigned gpu)
{
	const json_t *share;
	size_t i;

	json_array_foreach(json_object_get(lease, "got"), i, share)
	{
		if (json_whole(share, "gpu") == gpu)
			return true;
	}
	return false;
}

static bool is_ours(const struct measuring *measuring, const json_t *lease)
{
	char prefix[48];

	snprintf(prefix, sizeof(prefix), "measure-%d-", (int)getpid());
	return measuring && text_starts(json_text(lease, "name"), prefix);
}

static bool is_our_process(
	const struct measuring *measuring, const json_t *node, const json_t *process)
{
	long long pid = json_whole(process, "pid");

	for (size_t i = 0; measuring && i < measuring->pids.n; i++)
		if (measuring->pids.at[i] == pid)
			return true;
	return is_ours(measuring, node_lease(node, json_text(process, "lease")));
}

static void users_of(
	const json_t *node, unsigned gpu, const struct measuring *measuring, struct users *users)
{
	const json_t *lease, *process;
	size_t i;

	json_array_foreach(json_object_get(node, "leases"), i, lease)
	{
		char what[64];

		if (!lease_is_on(lease, gpu) || is_ours(measuring, lease))
			continue;
		snprintf(what, sizeof(what), "lease %.32s", json_text(lease, "id"));
		users_add(users, what, lease_user(lease), lease_command(lease));
	}
	json_array_foreach(
		json_object_get(json_array_get(json_object_get(node, "gpus"), gpu), "processes"), i,
		process)
	{
		char what[64];

		/* One of a lease is named with it; an MPS server of Carve's goes with its leases.
		 */
		if (*json_text(process, "lease") || text_eq(json_text(process, "mps"), "server") ||
			is_our_process(measuring, node, process))
			continue;
		snprintf(what, sizeof(what), "process %lld", json_whole(process, "pid"));
		users_add(users, what, json_text(process, "user"), json_text(process, "command"));
	}
}

static int say_used(unsigned gpu, const struct users *users, const char *before, struct error *err)
{
	error_set(err, -EBUSY,
		"%sGPU %u is in use by %.380s%s: a measurement would disturb them, and they it; "
		"wait until they have ended, or name another GPU (--gpu)",
		before, gpu, buf_text(&users->text), users->n > NAMED_MAX ? " and others" : "");
	return EXIT_IN_USE;
}

static int check_able(const json_t *gpu, unsigned index, struct error *err)
{
	if (!json_flag(gpu, "managed"))
		error_set(err, -ENOTSUP,
			"GPU %u is not managed, so that there are no leases on it: 'carve manage "
			"%u'",
			index, index);
	else if (json_flag(gpu, "drained"))
		error_set(
			err, -ENOTSUP, "GPU %u takes no leases: 'carve undrain %u'", index, index);
	else if (!text_eq(json_text(gpu, "health"), "healthy"))
		error_set(err, -ENOTSUP, "GPU %u is not healthy: 'carve show %u' says more", index,
			index);
	else
		return 0;
	return EXIT_FAILED;
}

static int check(const json_t *node, unsigned gpu, struct error *err)
{
	int status = check_able(json_array_get(json_object_get(node, "gpus"), gpu), gpu, err);
	struct users users = { 0 };

	if (status != 0)
		return status;
	users_of(node, gpu, NULL, &users);
	if (users.n)
		status = say_used(gpu, &users, "", err);
	buf_done(&users.text);
	return status;
}

static int find(const json_t *node, const char *name, unsigned *ret_gpu, struct error *err)
{
	AUTO_FREE struct advice_gpu *gpus = NULL;
	unsigned n;
	int r = advise_node(node, &gpus, &n, err);

	if (r == 0)
		r = advise_find(gpus, n, name, ret_gpu, err);
	return r < 0 ? EXIT_FAILED : 0;
}

int measure_choose(const json_t *node, const char *name, unsigned *ret_gpu, struct error *err)
{
	const json_t *gpus = json_object_get(node, "gpus");
	unsigned n = (unsigned)json_array_size(gpus);
	int first = 0;

	if (n == 0) {
		const char *why = json_text(node, "driver_error");

		error_set(err, -ENODEV, "this node has no GPU that could be measured%s%.300s",
			*why ? ": " : "", *why ? why : " ('carve doctor' says what is missing)");
		return EXIT_FAILED;
	}
	if (json_flag(node, "simulated")) {
		error_set(err, -ENOTSUP,
			"a simulated GPU is no evidence: nothing computes on it; measure on a node "
			"with a real one");
		return EXIT_FAILED;
	}
	if (name && *name) {
		int status = find(node, name, ret_gpu, err);

		return status == 0 ? check(node, *ret_gpu, err) : status;
	}
	/* Of several that cannot be measured, one that is in use says the most. */
	for (unsigned i = 0; i < n; i++) {
		struct error why = ERROR_NONE;
		int status = check(node, i, &why);

		if (status == 0) {
			*err = ERROR_NONE;
			*ret_gpu = i;
			return 0;
		}
		if (first != EXIT_IN_USE && (!first || status == EXIT_IN_USE)) {
			*err = why;
			first = status;
		}
	}
	return first;
}

int measure_check_alone(const struct measuring *measuring, const json_t *node, struct error *err)
{
	struct users users = { 0 };
	int status = 0;

	users_of(node, measuring->gpu, measuring, &users);
	if (users.n)
		status = say_used(measuring->gpu, &users, "nothing is stored: by now ", err);
	buf_done(&users.text);
	return status;
}

/* How many instances of each profile fit as the GPU is: what is pinned stays. */
static int look_at_profiles(
	const json_t *node, unsigned index, struct plan_ask *ask, struct error *err)
{
	AUTO_FREE struct advice_gpu *gpus = NULL;
	const struct mig_geometry *geometry;
	unsigned n;
	int r = advise_node(node, &gpus, &n, err);

	if (r < 0)
		return r;
	geometry = &gpus[index].gpu.facts.geometry;
	for (unsigned i = 0; i < geometry->n_profiles; i++) {
		struct plan_profile *profile = &ask->profile[ask->n_profiles++];
		struct advice_need need;
		struct advice_share share = { 0 };

		advice_need_init(&need);
		text_copy(need.request.profile, sizeof(need.request.profile),
			geometry->profile[i].name);
		advice_share_of(ADVICE_MIG, &need, &gpus[index], &share);
		text_copy(profile->name, sizeof(profile->name), geometry->profile[i].name);
		profile->max = share.fit;
		profile->percent = share.percent;
	}
	return 0;
}

int measure_look(const json_t *node, unsigned index, struct plan_ask *ask, struct error *err)
{
	const json_t *gpu = json_array_get(json_object_get(node, "gpus"), index), *item;
	const json_t *mps = json_object_get(gpu, "mps");
	size_t i;

	ask->mig_on = json_flag(json_object_get(gpu, "mig"), "on");
	/* A server of Carve's goes, and gives the mode back, when the whole GPU is leased. */
	ask->is_exclusive = text_eq(json_text(mps, "compute_mode"), "exclusive-process") &&
			    json_array_size(json_object_get(mps, "servers")) == 0;
	ask->no_mps = "Carve knows no MPS here";
	json_array_foreach(json_object_get(gpu, "capabilities"), i, item)
	{
		if (text_eq(json_text(item, "mechanism"), "mig") &&
			text_eq(json_text(item, "answer"), "no"))
			ask->no_mig = json_text(item, "text");
		if (text_eq(json_text(item, "mechanism"), "mps"))
			ask->no_mps = text_eq(json_text(item, "answer"), "yes")
					      ? NULL
					      : json_text(item, "text");
	}
	return look_at_profiles(node, index, ask, err);
}
