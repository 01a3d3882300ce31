/* SPDX-License-Identifier: Apache-2.0 */
/*
 * carve measure: how fast shares of this GPU are, alone and beside each other, found out by a
 * benchmark that takes its leases as anyone does. Nothing that is in use is disturbed, no mode is
 * changed, and only what was measured to its end is kept, by the daemon.
 */
#include "cli/measure.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"
#include "cli/measured.h"
#include "cli/verb.h"
#include "measure/copy.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { COPIES = 4, RUN_MS = 3000, SECONDS_MAX = 600 };

static int number_said(const struct invocation *invocation, const char *option, unsigned most,
	unsigned *ret_value, struct error *err)
{
	const char *text = said_value(invocation, option);
	uint32_t value;

	if (!text)
		return 0;
	if (parse_u32(text, &value) < 0 || value == 0 || value > most)
		return error_set(
			err, -EINVAL, "--%s: '%s' is no number from 1 to %u", option, text, most);
	*ret_value = value;
	return 0;
}

/* "3", "0.5" */
static int seconds_said(const struct invocation *invocation, unsigned *ret_ms, struct error *err)
{
	const char *text = said_value(invocation, "seconds");
	char *end;
	double seconds;

	if (!text)
		return 0;
	seconds = strtod(text, &end);
	if (end == text || *end || !(seconds >= 0.1 && seconds <= SECONDS_MAX))
		return error_set(err, -EINVAL, "--seconds: '%s' is no number from 0.1 to %d", text,
			SECONDS_MAX);
	*ret_ms = (unsigned)(1000 * seconds);
	return 0;
}

static int ways_said(const struct invocation *invocation, uint32_t *ret_options, struct error *err)
{
	static const enum advice_option ways[] = { ADVICE_WHOLE, ADVICE_TIME, ADVICE_MPS,
		ADVICE_MIG };
	const char *at = said_value(invocation, "only") ?: "whole,time,mps,mig";
	uint32_t options = 0;

	for (;; at++) {
		size_t n = strcspn(at, ",");
		uint32_t before = options;

		for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
			const char *name = advice_option_names[ways[i]];

			if (strlen(name) == n && strncmp(name, at, n) == 0)
				options |= 1U << ways[i];
		}
		if (options == before)
			return error_set(err, -EINVAL,
				"--only: '%.*s' is none of whole, time, mps and mig, or is there "
				"twice",
				n < 40 ? (int)n : 40, at);
		at += n;
		if (!*at)
			break;
	}
	*ret_options = options;
	return 0;
}

static void print_answer(const json_t *answer)
{
	json_dumpf(answer, stdout, JSON_INDENT(2));
	putchar('\n');
}

static int show(struct invocation *invocation, const json_t *node, struct error *err)
{
	struct terminal terminal = terminal_look(STDOUT_FILENO);
	AUTO_JSON *answer = NULL;
	struct figures kept;
	int r = figures_fetch(&invocation->client, &kept, &answer, err);

	if (r != 0)
		return status_of(invocation, r);
	if (said(invocation, "json"))
		print_answer(answer);
	else if (kept.n == 0)
		puts("Nothing was measured on this node: 'carve measure' does it.");
	else
		measure_print(kept.list, kept.n, json_text(node, "driver"), &terminal, stdout);
	free(kept.list);
	return EXIT_DONE;
}

static int forget(struct invocation *invocation, struct error *err)
{
	const char *gpu = said_value(invocation, "gpu");
	AUTO_JSON *body = gpu ? json_pack("{s:s}", "gpu", gpu) : json_object();
	AUTO_JSON *answer = NULL;
	int r = client_post(&invocation->client, body, &answer, err, "/v1/measurements/forget");

	if (r != 0)
		return status_of(invocation, r);
	printf("%lld figure%s forgotten.\n", json_whole(answer, "forgotten"),
		json_whole(answer, "forgotten") == 1 ? "" : "s");
	return EXIT_DONE;
}

/* Posts the figures; without any, it only says whether one may. */
static int post(const struct measuring *measuring, json_t **ret_answer, struct error *err)
{
	json_t *list = json_array();
	AUTO_JSON *body = json_pack("{s:s, s:o}", "gpu", measuring->uuid, "figures", list);

	for (size_t i = 0; i < measuring->figures.n; i++)
		json_array_append_new(list, measured_to_json(&measuring->figures.at[i]));
	return client_post(
		&measuring->invocation->client, body, ret_answer, err, "/v1/measurements");
}

/* What the whole GPU did when it was measured before, for when it is in MIG mode now. By the driver
 * of now: an instance is compared with the whole GPU as it is, not as it was. */
static bool know_alone(struct measuring *measuring, const struct figures *kept, const char *driver)
{
	unsigned known = 0;

	for (unsigned i = 0; i < kept->n; i++) {
		const struct measured *figure = &kept->list[i];

		if (figure->option != ADVICE_WHOLE || !text_eq(figure->gpu, measuring->uuid) ||
			!text_eq(figure->driver, driver))
			continue;
		measuring->alone[figure->kind] = figure->copy[0];
		measuring->item[figure->kind] = figure->item;
		known |= 1U << figure->kind;
	}
	return known == (1U << WORK_KINDS_N) - 1;
}

static int prepare(struct measuring *measuring, const json_t *node, uint32_t options,
	struct measure_plan *plan, struct error *err)
{
	const json_t *gpu = json_array_get(json_object_get(node, "gpus"), measuring->gpu);
	struct plan_ask ask = { .copies = measuring->copies, .options = options };
	struct figures kept = { 0 };
	int r = figures_fetch(&measuring->invocation->client, &kept, NULL, err);

	if (r != 0)
		return r;
	text_copy(measuring->uuid, sizeof(measuring->uuid), json_text(gpu, "uuid"));
	measuring->memory_bytes = (uint64_t)json_number(gpu, "memory");
	r = measure_look(node, measuring->gpu, &ask, err);
	ask.is_alone_known = ask.mig_on && know_alone(measuring, &kept, json_text(node, "driver"));
	free(kept.list);
	if (r == 0)
		r = measure_plan(&ask, plan, err);
	if (r == 0)
		r = copy_can_run(err);
	/* Better now than after the work. */
	return r == 0 ? post(measuring, NULL, err) : r;
}

/* Looks that we are alone, runs, looks again: who came meanwhile was disturbed, and disturbed. */
static int run_all(struct measuring *measuring, const struct measure_plan *plan, struct error *err)
{
	bool is_told = isatty(STDERR_FILENO);
	int status = 0;

	for (unsigned i = 0; i <= plan->n && status == 0; i++) {
		AUTO_JSON *node = NULL;
		char text[PLAN_TEXT_MAX];
		int r = client_get(&measuring->invocation->client, &node, err, "/v1/node");

		if (r != 0)
			return status_of(measuring->invocation, r);
		status = measure_check_alone(measuring, node, err);
		if (status != 0 || i == plan->n)
			break;
		if (is_told)
			fprintf(stderr, "\r\033[K%u of %u: %s", i + 1, plan->n,
				plan_text(&plan->run[i], text));
		if (measure_run(measuring, &plan->run[i], err) < 0)
			status = EXIT_FAILED;
	}
	if (is_told)
		fputs("\r\033[K", stderr);
	return status;
}

static int measure(struct measuring *measuring, const struct measure_plan *plan, const json_t *node,
	struct error *err)
{
	struct invocation *invocation = measuring->invocation;
	struct terminal terminal = terminal_look(STDOUT_FILENO);
	AUTO_JSON *answer = NULL;
	struct figures kept;
	int status, r;

	measure_hold_signals();
	status = run_all(measuring, plan, err);
	if (measure_signal()) {
		invocation->end_signal = measure_signal();
		return EXIT_SIGNAL + measure_signal();
	}
	if (status != 0)
		return status;
	r = post(measuring, &answer, err);
	if (r != 0)
		return status_of(invocation, r);
	if (said(invocation, "json")) {
		print_answer(answer);
		return EXIT_DONE;
	}
	figures_read(answer, &kept);
	measure_print(kept.list, kept.n, json_text(node, "driver"), &terminal, stdout);
	free(kept.list);
	measure_print_skips(plan, &terminal, stdout);
	return EXIT_DONE;
}

static int check_said(const struct invocation *invocation, struct error *err)
{
	static const char *const alone[] = { "show", "forget" };

	for (size_t i = 0; i < ARRAY_SIZE(alone); i++)
		for (unsigned j = 0; said(invocation, alone[i]) && j < invocation->n_said; j++) {
			const char *name = invocation->said[j].name;
			bool fits =
				text_eq(name, alone[i]) || text_eq(name, i == 0 ? "json" : "gpu");

			if (!fits)
				return error_set(err, -EINVAL,
					"--%s measures nothing: --%s does not go with it", alone[i],
					name);
		}
	return 0;
}

int verb_measure(struct invocation *invocation, struct error *err)
{
	struct measuring measuring = {
		.invocation = invocation, .copies = COPIES, .run_ms = RUN_MS
	};
	AUTO_FREE struct measure_plan *plan = must_alloc(1, sizeof(*plan));
	AUTO_JSON *node = NULL;
	uint32_t options = 0;
	int status, r;

	if (check_said(invocation, err) < 0 || ways_said(invocation, &options, err) < 0 ||
		number_said(invocation, "copies", MEASURED_COPIES_MAX, &measuring.copies, err) <
			0 ||
		seconds_said(invocation, &measuring.run_ms, err) < 0)
		return EXIT_USAGE;
	if (said(invocation, "forget"))
		return forget(invocation, err);
	r = client_get(&invocation->client, &node, err, "/v1/node");
	if (r != 0)
		return status_of(invocation, r);
	if (said(invocation, "show"))
		return show(invocation, node, err);
	status = measure_choose(node, said_value(invocation, "gpu"), &measuring.gpu, err);
	if (status != 0)
		return status;
	r = prepare(&measuring, node, options, plan, err);
	if (r != 0)
		return status_of(invocation, r);
	if (said(invocation, "dry-run")) {
		struct terminal terminal = terminal_look(STDOUT_FILENO);

		measure_print_plan(&measuring, plan, &terminal, stdout);
		return EXIT_DONE;
	}
	status = measure(&measuring, plan, node, err);
	vec_done(&measuring.figures);
	vec_done(&measuring.pids);
	return status;
}
