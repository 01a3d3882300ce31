/* SPDX-License-Identifier: Apache-2.0 */
/* The report as JSON: what is printed, and what is saved. */
#include "cli/profile.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "cli/saved.h"
#include "client/json.h"

static json_t *request_json(const struct report *report)
{
	json_t *request;

	if (!report->has_request)
		return json_null();
	request = request_to_json(&report->request);
	/* how long somebody waits is no part of what it needs */
	json_object_del(request, "wait");
	return request;
}

static json_t *way_json(const struct report *report)
{
	const struct advice_item *item = report->item;
	AUTO_FREE char *share = NULL;

	if (!item)
		return json_pack("{s:n, s:s}", "way", "why_not", report->because);
	share = advice_share_text(item, report->gpus);
	return json_pack("{s:s, s:s, s:s, s:s, s:n}", "way", advice_option_names[item->option],
		"verdict", advice_verdict_names[item->verdict], "share", share, "because",
		report->because, "why_not");
}

static json_t *proposal_json(const struct report *report)
{
	const struct proposal *proposal = &report->proposal;
	json_t *json = way_json(report);

	json_object_set_new(json, "request", request_json(report));
	json_object_set_new(json, "measured", json_integer((json_int_t)proposal->measured_bytes));
	json_object_set_new(json, "margin", json_integer(report->margin));
	json_object_set_new(json, "memory", json_integer((json_int_t)proposal->memory_bytes));
	json_object_set_new(json, "is_capped", json_boolean(proposal->is_capped));
	json_object_set_new(json, "compute",
		proposal->compute_percent ? json_integer(proposal->compute_percent) : json_null());
	json_object_set_new(json, "compute_why",
		*proposal->compute_why ? json_string(proposal->compute_why) : json_null());
	json_object_set_new(json, "is_upper_bound",
		json_boolean(proposal->compute_percent && proposal->is_upper_bound));
	json_object_set_new(
		json, "is_paused", json_boolean(proposal->compute_percent && proposal->is_paused));
	json_object_set_new(json, "is_full", json_boolean(proposal->is_full));
	json_object_set_new(json, "is_short", json_boolean(proposal->is_short));
	return json;
}

json_t *report_to_json(const struct report *report)
{
	return json_pack("{s:i, s:{s:s, s:I, s:f, s:o, s:o, s:O?, s:s, s:o, s:o}}", "version",
		SAVED_VERSION, "profile", "command", report->command, "saved",
		(json_int_t)(wall_ns() / 1000000000), "seconds", report->seconds, "status",
		report->signal ? json_null() : json_integer(report->status), "signal",
		report->signal ? json_integer(report->signal) : json_null(), "share", report->got,
		"product", report->product, "usage", usage_to_json(&report->usage), "proposal",
		proposal_json(report));
}
