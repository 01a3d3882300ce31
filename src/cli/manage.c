/* SPDX-License-Identifier: Apache-2.0 */
/* What Carve may change, and what is taken out of service: manage, unmanage, adopt, drain, reload.
 */
#include "base/error.h"
#include "base/text.h"
#include "cli/operation.h"
#include "cli/verb.h"
#include "client/http.h"
#include "client/json.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

enum { SEGMENT_MAX = 512, HTTP_ACCEPTED = 202, LOOK_AGAIN_MS = 500 };

/* POSTs to /v1/LIST/ID/VERB. */
static int post_to(struct invocation *invocation, const char *list, const char *id,
	const char *verb, const json_t *body, json_t **ret_answer, struct error *err)
{
	char segment[SEGMENT_MAX];

	if (http_segment_encode(segment, sizeof(segment), id) < 0)
		return error_set(err, -ENAMETOOLONG, "'%.40s...' is too long for a name", id);
	return client_post(
		&invocation->client, body, ret_answer, err, "/v1/%s/%s/%s", list, segment, verb);
}

/* How many of the GPU's instances somebody else made. */
static unsigned n_foreign(const json_t *gpu)
{
	const json_t *instance;
	unsigned n = 0;
	size_t i;

	json_array_foreach(json_object_get(gpu, "instances"), i, instance) n +=
		text_eq(json_text(instance, "origin"), "foreign");
	return n;
}

int verb_manage(struct invocation *invocation, struct error *err)
{
	for (unsigned i = 0; i < invocation->n_args; i++) {
		AUTO_JSON *answer = NULL;
		const json_t *gpu;
		unsigned n;
		int r = post_to(
			invocation, "gpus", invocation->args[i], "manage", NULL, &answer, err);

		if (r != 0)
			return status_of(invocation, r);
		gpu = json_object_get(answer, "gpu");
		n = n_foreign(gpu);
		printf("GPU %lld is managed: Carve may change its instances.\n",
			json_whole(gpu, "index"));
		if (n > 0)
			printf("%u instance%s there already and stay%s foreign until adopted "
			       "(carve adopt SHARE).\n",
				n, n == 1 ? " was" : "s were", n == 1 ? "s" : "");
	}
	return EXIT_DONE;
}

static int unmanage_one(
	struct invocation *invocation, const char *id, const json_t *body, struct error *err)
{
	AUTO_JSON *answer = NULL;
	const json_t *operation;
	int r = post_to(invocation, "gpus", id, "unmanage", body, &answer, err);

	if (r != 0)
		return r;
	operation = json_object_get(answer, "operation");
	if (operation)
		r = operation_follow(invocation, operation, err);
	if (r == 0)
		printf("GPU %s is no longer managed%s.\n", id,
			operation ? ", and as it was before" : "");
	return r;
}

int verb_unmanage(struct invocation *invocation, struct error *err)
{
	AUTO_JSON *body = json_pack(
		"{sbsb}", "keep", said(invocation, "keep"), "reset", said(invocation, "reset"));

	for (unsigned i = 0; i < invocation->n_args; i++) {
		int r = unmanage_one(invocation, invocation->args[i], body, err);

		if (r != 0)
			return status_of(invocation, r);
	}
	return EXIT_DONE;
}

int verb_adopt(struct invocation *invocation, struct error *err)
{
	for (unsigned i = 0; i < invocation->n_args; i++) {
		int r = post_to(
			invocation, "shares", invocation->args[i], "adopt", NULL, NULL, err);

		if (r != 0)
			return status_of(invocation, r);
		printf("%s is Carve's now, and pinned.\n", invocation->args[i]);
	}
	return EXIT_DONE;
}

/* Says what is waited for, when it is not what was said last. */
static void say_wait(const char *waits_for, char **told)
{
	if (text_eq(waits_for, *told))
		return;
	free(*told);
	*told = must_strdup(waits_for);
	text_clean(*told);
	printf("No new leases; waiting for %s.\n", **told ? *told : "what is under way");
	fflush(stdout);
}

/* Asks for the drain again and again until nothing is left to wait for: *ret_is_empty. */
static int drain_until_empty(struct invocation *invocation, const char *path, bool *ret_is_empty,
	json_t **ret_answer, struct error *err)
{
	char *told = NULL;
	int r;

	for (;;) {
		AUTO_JSON *answer = NULL;
		int status = 0;
		struct call call = {
			.method = "POST", .path = path, .may_repeat = true, .ret_status = &status
		};

		r = client_call(&invocation->client, &call, &answer, err);
		if (r != 0)
			break;
		*ret_is_empty = status != HTTP_ACCEPTED;
		if (!*ret_is_empty)
			say_wait(json_text(answer, "waits_for"), &told);
		if (*ret_is_empty || said(invocation, "no-wait")) {
			*ret_answer = json_incref(answer);
			break;
		}
		poll(NULL, 0, LOOK_AGAIN_MS);
	}
	free(told);
	return r;
}

static int drain_gpu(struct invocation *invocation, const char *id, struct error *err)
{
	char segment[SEGMENT_MAX], path[SEGMENT_MAX + 32];
	AUTO_JSON *answer = NULL;
	bool is_empty = false;
	int r;

	if (http_segment_encode(segment, sizeof(segment), id) < 0)
		return error_set(err, -ENAMETOOLONG, "'%.40s...' is too long for a name", id);
	snprintf(path, sizeof(path), "/v1/gpus/%s/drain", segment);
	r = drain_until_empty(invocation, path, &is_empty, &answer, err);
	if (is_empty)
		printf("GPU %lld is drained: it gets no new leases and has none.\n",
			json_whole(json_object_get(answer, "gpu"), "index"));
	return r;
}

static bool one_or_the_other(const struct invocation *invocation, struct error *err)
{
	if (said(invocation, "driver") == (invocation->n_args == 0))
		return true;
	error_set(err, -EINVAL, "which? 'carve %s GPU...' or 'carve %s --driver'",
		invocation->verb->name, invocation->verb->name);
	return false;
}

int verb_drain(struct invocation *invocation, struct error *err)
{
	AUTO_JSON *answer = NULL;
	bool is_empty = false;
	int r = 0;

	if (!one_or_the_other(invocation, err))
		return EXIT_USAGE;
	if (said(invocation, "driver")) {
		r = drain_until_empty(invocation, "/v1/driver/drain", &is_empty, &answer, err);
		if (is_empty)
			printf("Carve has let go of the driver: it can be changed now, then "
			       "'carve undrain --driver'.\n");
	}
	for (unsigned i = 0; r == 0 && i < invocation->n_args; i++)
		r = drain_gpu(invocation, invocation->args[i], err);
	return status_of(invocation, r);
}

int verb_undrain(struct invocation *invocation, struct error *err)
{
	int r = 0;

	if (!one_or_the_other(invocation, err))
		return EXIT_USAGE;
	if (said(invocation, "driver")) {
		r = client_post(&invocation->client, NULL, NULL, err, "/v1/driver/undrain");
		if (r == 0)
			printf("Carve uses the driver again.\n");
	}
	for (unsigned i = 0; r == 0 && i < invocation->n_args; i++) {
		r = post_to(invocation, "gpus", invocation->args[i], "undrain", NULL, NULL, err);
		if (r == 0)
			printf("GPU %s gets leases again.\n", invocation->args[i]);
	}
	return status_of(invocation, r);
}

int verb_reload(struct invocation *invocation, struct error *err)
{
	int r = client_post(&invocation->client, NULL, NULL, err, "/v1/reload");

	if (r == 0)
		printf("The configuration was read again and is in force.\n");
	return status_of(invocation, r);
}
