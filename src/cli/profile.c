/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a command once, has carved watch it, and proposes its share. What can be known to go wrong
 * is looked at before the command runs: nobody wants to hear after an hour that a name is taken.
 */
#include "cli/profile.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"
#include "base/text.h"
#include "cli/advise.h"
#include "cli/run.h"
#include "cli/saved.h"
#include "cli/verb.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* What a request says beside the size and the way, which are found. */
static void copy_needs(const struct request *from, struct request *to)
{
	to->tenants = from->tenants;
	to->isolation = from->isolation;
	to->workload = from->workload;
	to->latency_ns = from->latency_ns;
	to->percentile = from->percentile;
}

static int read_need(
	const struct invocation *invocation, struct advice_need *ret_need, struct error *err)
{
	struct advice_need need;
	int r;

	advice_need_init(&need);
	copy_needs(&invocation->request, &need.request);
	r = advise_options(invocation, &need, err);
	if (r < 0)
		return r;
	/* who names MPS and no tenants speaks of his own processes, as with carve run */
	if (invocation->request.mechanism == MECHANISM_MPS && !need.has_tenants)
		need.request.tenants = TENANTS_SAME;
	if (!said(invocation, "container"))
		advice_need_option(&need, "process", NULL, NULL);
	*ret_need = need;
	return 0;
}

static int read_margin(const struct invocation *invocation, unsigned *ret_margin, struct error *err)
{
	const char *text = said_value(invocation, "margin");
	AUTO_FREE char *number = must_strdup(text ?: "20");
	size_t n = strlen(number);
	uint32_t margin;

	*ret_margin = PROPOSAL_MARGIN;
	if (!text)
		return 0;
	if (n && number[n - 1] == '%')
		number[n - 1] = '\0';
	if (parse_u32(number, &margin) < 0 || margin > PROPOSAL_MARGIN_MAX)
		return error_set(err, -EINVAL,
			"--margin: '%.60s' is no percentage from 0 to %d: write 20", text,
			PROPOSAL_MARGIN_MAX);
	*ret_margin = margin;
	return 0;
}

static int refuse(const struct invocation *invocation, struct error *err)
{
	const struct request *request = &invocation->request;
	static const char *const only_with[][2] = { { "ids", "list" }, { "replace", "save" } };

	for (unsigned i = 0; i < ARRAY_SIZE(only_with); i++)
		if (said(invocation, only_with[i][0]) && !said(invocation, only_with[i][1]))
			return error_set(err, -EINVAL, "--%s goes with --%s only", only_with[i][0],
				only_with[i][1]);
	if (request->is_vm || request->mechanism == MECHANISM_VF)
		return error_set(err, -EINVAL,
			"what a virtual machine uses is seen by its own driver only: profile the "
			"command in it, on a GPU of its own");
	if (request->n_gpus > 1)
		return error_set(err, -EINVAL,
			"a profile is of one share, %u were asked for: profile one of the "
			"command's processes, on one GPU",
			request->n_gpus);
	return 0;
}

/* The first of the ranking that is possible now, else the first that is possible at all. */
static void choose_way(struct report *report)
{
	const struct advice_item *item = report->advice.item, *first = item;

	while (item < first + ADVICE_OPTIONS_N && item->verdict == VERDICT_AFTER)
		item++;
	if (item == first + ADVICE_OPTIONS_N || item->verdict != VERDICT_NOW)
		item = first;
	report->item = item->verdict == VERDICT_NO ? NULL : item;
	/* what not even a whole GPU serves is served by none of its parts */
	while (!report->item && item->option != ADVICE_WHOLE)
		item++;
	if (!report->item)
		snprintf(report->because, sizeof(report->because), "%s: %s",
			advice_option_names[item->option], advice_why_not(item));
	else if (item == first)
		text_copy(report->because, sizeof(report->because), report->advice.because);
	else
		snprintf(report->because, sizeof(report->because),
			"%s is possible now; %s would suit better, but something has to be done "
			"first (carve advise says what).",
			advice_option_names[item->option], advice_option_names[first->option]);
}

/* The node's GPUs, and among them the one that the command ran on; NULL where that is not told. */
static const struct gpu *look_at_node(
	struct invocation *invocation, struct report *report, struct error *err)
{
	AUTO_JSON *node = NULL;

	if (client_get(&invocation->client, &node, err, "/v1/node") != 0 ||
		advise_node(node, &report->gpus, &report->n_gpus, err) < 0)
		return NULL;
	for (unsigned i = 0; i < report->n_gpus; i++)
		if ((long long)report->gpus[i].gpu.index == json_whole(report->got, "gpu"))
			return &report->gpus[i].gpu;
	return NULL;
}

static void take_advice(
	const struct advice_need *wanted, struct report *report, const struct error *no_node)
{
	struct advice_need need = *wanted;
	struct error why = *no_node;

	need.request.memory_bytes = report->proposal.memory_bytes;
	need.request.compute_percent = report->proposal.compute_percent;
	if (!report->gpus || advice_need_check(&need, &why) < 0) {
		text_copy(report->because, sizeof(report->because), why.text);
		return;
	}
	advise(&need, report->gpus, report->n_gpus, NULL, 0, &report->advice);
	choose_way(report);
}

/* What asks for the share that is proposed. */
static void make_request(const struct advice_need *need, struct report *report)
{
	struct request *request = &report->request;

	request_init(request);
	if (!report->proposal.memory_bytes)
		return;
	report->has_request = true;
	request->memory_bytes = report->proposal.memory_bytes;
	request->compute_percent = report->proposal.compute_percent;
	copy_needs(&need->request, request);
	if (report->item)
		request->mechanism = advice_mechanism(report->item->option);
	/* all of it is more than any part */
	if (request->mechanism == MECHANISM_WHOLE)
		request->compute_percent = 0;
}

static int print_report(
	const struct invocation *invocation, const struct report *report, struct error *err)
{
	struct terminal terminal = terminal_look(STDERR_FILENO);
	const char *path = said_value(invocation, "json");
	AUTO_JSON *json = NULL;
	FILE *out = stderr;
	int r;

	if (!said(invocation, "json")) {
		report_print(report, &terminal, stderr);
		return 0;
	}
	json = report_to_json(report);
	if (path)
		out = fopen(path, "we");
	if (!out)
		return error_set(err, -errno, "the profile cannot be written: %s: %s", path,
			strerror(errno));
	r = json_dumpf(json, out, REPORT_JSON) < 0 || fputc('\n', out) < 0 || fflush(out) < 0
		    ? error_set(err, -EIO, "the profile cannot be written: %s",
			      path ?: "standard error")
		    : 0;
	if (path)
		fclose(out);
	return r;
}

static int tell(struct invocation *invocation, const struct run *run,
	const struct advice_need *need, struct report *report, struct error *err)
{
	const char *name = said_value(invocation, "save");
	struct error no_node = ERROR_NONE;
	AUTO_JSON *json = NULL;
	const struct gpu *gpu;
	int r;

	if (!run->figures || usage_from_json(run->figures, &report->usage) < 0)
		return error_set(err, -ENODATA, "no profile: %s",
			run->figures ? "carved tells figures that cannot be read"
				     : run->figures_error.text);
	report->got = json_array_get(json_object_get(run->lease, "got"), 0);
	report->seconds = (double)run->took_ns / 1e9;
	gpu = look_at_node(invocation, report, &no_node);
	if (gpu)
		text_copy(report->product, sizeof(report->product), gpu->facts.product);
	propose(&report->usage,
		&(struct proposal_share){ .percent = json_number(report->got, "compute"),
			.is_mps = text_eq(json_text(report->got, "mechanism"), "mps"),
			.gpu_bytes = gpu ? gpu->facts.memory_bytes : 0 },
		report->margin, &report->proposal);
	take_advice(need, report, &no_node);
	make_request(need, report);
	if (name && report->has_request) {
		json = report_to_json(report);
		r = saved_write(name, json, err);
		if (r < 0)
			return r;
		report->saved_as = name;
	}
	r = print_report(invocation, report, err);
	if (r == 0 && name && !report->has_request)
		r = error_set(err, -ENODATA,
			"nothing is saved as '%s': what proposes nothing, nobody can ask for",
			name);
	return r;
}

/* Whether it can be told and kept, before the command runs. */
static int prepare(const struct invocation *invocation, struct error *err)
{
	const char *name = said_value(invocation, "save"), *file = said_value(invocation, "json");
	bool is_new = file && access(file, F_OK) < 0;
	int fd;

	if (name && saved_prepare(name, said(invocation, "replace"), err) < 0)
		return EXIT_CARVE;
	if (!file)
		return 0;
	fd = open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
	if (fd < 0) {
		error_set(err, -errno, "the profile cannot be written: %s: %s", file,
			strerror(errno));
		return EXIT_CARVE;
	}
	close(fd);
	/* nothing is left behind where the command does not run */
	if (is_new)
		unlink(file);
	return 0;
}

static int profile_command(struct invocation *invocation, struct error *err)
{
	AUTO_FREE char *command = run_command_text(invocation->command);
	AUTO_FREE struct report *report = must_alloc(1, sizeof(*report));
	struct run run = { .is_watched = true };
	struct advice_need need, checked;
	const char *name = said_value(invocation, "save");
	struct error why = ERROR_NONE;
	int status;

	if (refuse(invocation, err) < 0 || read_margin(invocation, &report->margin, err) < 0 ||
		read_need(invocation, &need, err) < 0 || (name && saved_name_check(name, err) < 0))
		return EXIT_USAGE;
	checked = need;
	if (advice_need_check(&checked, err) < 0)
		return EXIT_USAGE;
	status = prepare(invocation, err);
	if (status == 0)
		status = run_command(invocation, &run, err);
	if (run.took_ns) {
		report->command = command;
		report->status = status;
		report->signal = invocation->end_signal;
		/* the command's own status is what counts, unless it went well */
		if (tell(invocation, &run, &need, report, &why) < 0) {
			fprintf(stderr, "carve: %s\n", why.text);
			status = status ?: EXIT_CARVE;
		}
	}
	free(report->gpus);
	run_done(&run);
	return status;
}

/* What is said beside --list or --remove and has no use there. */
static int refuse_beside(const struct invocation *invocation, const char *verb, struct error *err)
{
	bool is_list = text_eq(verb, "list");

	if (invocation->command)
		return error_set(err, -EINVAL, "--%s runs nothing: leave the command out", verb);
	for (unsigned i = 0; i < invocation->n_said; i++) {
		const char *name = invocation->said[i].name;

		if (!text_eq(name, verb) &&
			!(is_list && (text_eq(name, "ids") || text_eq(name, "json"))))
			return error_set(
				err, -EINVAL, "--%s runs nothing: leave --%s out", verb, name);
	}
	if (said(invocation, "ids") && said(invocation, "json"))
		return error_set(err, -EINVAL,
			"--ids and --json contradict each other: leave one of them out");
	if (said_value(invocation, "json"))
		return error_set(err, -EINVAL,
			"--list prints on standard output: leave the file of --json out");
	return 0;
}

int verb_profile(struct invocation *invocation, struct error *err)
{
	const char *removed = said_value(invocation, "remove");
	bool is_list = said(invocation, "list");

	if (!removed && !is_list)
		return profile_command(invocation, err);
	if (refuse_beside(invocation, is_list ? "list" : "remove", err) < 0)
		return EXIT_USAGE;
	if (is_list) {
		saved_list(invocation);
		return EXIT_DONE;
	}
	return saved_remove(removed, err) < 0 ? EXIT_FAILED : EXIT_DONE;
}
