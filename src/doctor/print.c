/* SPDX-License-Identifier: Apache-2.0 */
#include "doctor/check.h"

static const char *const colour[DOCTOR_VERDICT_N] = {
	[DOCTOR_OK] = "\033[32m",
	[DOCTOR_UNSEEN] = "\033[36m",
	[DOCTOR_WARN] = "\033[33m",
	[DOCTOR_BAD] = "\033[1;31m",
};

void doctor_print(const struct doctor *doctor, FILE *out, bool has_colours)
{
	unsigned count[DOCTOR_VERDICT_N] = { 0 };
	const struct doctor_finding *found;

	vec_for_each (found, &doctor->findings) {
		count[found->verdict]++;
		fprintf(out, "%s%-6s%s  %-12s  %s\n", has_colours ? colour[found->verdict] : "",
			doctor_verdict_names[found->verdict], has_colours ? "\033[0m" : "",
			found->check, found->what);
		if (found->wanted)
			fprintf(out, "%22sshould be: %s\n", "", found->wanted);
		if (found->how)
			fprintf(out, "%22show: %s\n", "", found->how);
	}
	fprintf(out, "\n%u ok, %u to mind, %u bad", count[DOCTOR_OK], count[DOCTOR_WARN],
		count[DOCTOR_BAD]);
	if (count[DOCTOR_UNSEEN])
		fprintf(out, ", %u not seen", count[DOCTOR_UNSEEN]);
	fputc('\n', out);
}

static json_t *text_or_null(const char *text)
{
	return text ? json_string(text) : json_null();
}

json_t *doctor_to_json(const struct doctor *doctor)
{
	json_t *findings = json_array();
	const struct doctor_finding *found;

	vec_for_each (found, &doctor->findings) {
		json_array_append_new(findings,
			json_pack("{s:s, s:s, s:o, s:o, s:o}", "check", found->check, "verdict",
				doctor_verdict_names[found->verdict], "what",
				text_or_null(found->what), "wanted", text_or_null(found->wanted),
				"how", text_or_null(found->how)));
	}
	return json_pack("{s:i, s:s, s:o}", "version", 1, "worst",
		doctor_verdict_names[doctor_worst(doctor)], "findings", findings);
}
