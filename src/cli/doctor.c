/* SPDX-License-Identifier: Apache-2.0 */
/* What is wrong with this node; asks nobody but the node itself. */
#include "doctor/doctor.h"

#include "cli/terminal.h"
#include "cli/verb.h"
#include "client/json.h"

#include <stdio.h>
#include <unistd.h>

int verb_doctor(struct invocation *invocation, struct error *err)
{
	struct terminal terminal = terminal_look(STDOUT_FILENO);
	struct doctor *doctor = doctor_new();
	int status;

	doctor_look(doctor, DOCTOR_PATIENCE_MS);
	if (said(invocation, "json")) {
		AUTO_JSON *findings = doctor_to_json(doctor);

		json_dumpf(findings, stdout, JSON_INDENT(2));
		putchar('\n');
	} else {
		doctor_print(doctor, stdout, terminal.has_colour);
	}
	status = doctor_worst(doctor) == DOCTOR_BAD ? EXIT_FAILED : EXIT_DONE;
	doctor_free(doctor);
	return status;
}
