/* SPDX-License-Identifier: Apache-2.0 */
#include "doctor/doctor.h"

#include "base/text.h"
#include "doctor/check.h"
#include "driver/root.h"

#include <stdarg.h>
#include <unistd.h>

const char *const doctor_verdict_names[DOCTOR_VERDICT_N] = { "ok", "unseen", "warn", "bad" };

/* From the ground up: what a later one finds often has its reason in an earlier one. */
static const struct {
	const char *name;
	void (*look)(struct doctor *doctor);
} checks[] = {
	{ "root", check_root },
	{ "kernel", check_kernel },
	{ "cgroups", check_cgroups },
	{ "filters", check_filters },
	{ "bus", check_bus },
	{ "module", check_module },
	{ "library", check_library },
	{ "version", check_version },
	{ "modprobe", check_modprobe },
	{ "gpus", check_gpus },
	{ "nodes", check_nodes },
	{ "capabilities", check_capabilities },
	{ "persistence", check_persistence },
	{ "mig", check_mig },
	{ "users", check_users },
	{ "mps", check_mps },
	{ "daemon", check_daemon },
};

static char *vprint(const char *format, va_list args)
{
	char text[1200];

	vsnprintf(text, sizeof(text), format, args);
	return must_strdup(text);
}

struct doctor_finding *finding(
	struct doctor *doctor, enum doctor_verdict verdict, const char *format, ...)
{
	struct doctor_finding *found = vec_add(&doctor->findings);
	va_list args;

	found->check = doctor->check;
	found->verdict = verdict;
	va_start(args, format);
	found->what = vprint(format, args);
	va_end(args);
	return found;
}

void finding_wanted(struct doctor_finding *found, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	free(found->wanted);
	found->wanted = vprint(format, args);
	va_end(args);
}

void finding_how(struct doctor_finding *found, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	free(found->how);
	found->how = vprint(format, args);
	va_end(args);
}

struct doctor *doctor_new(void)
{
	return must_alloc(1, sizeof(struct doctor));
}

static void forget(struct doctor *doctor)
{
	struct doctor_finding *found;

	vec_for_each (found, &doctor->findings) {
		free(found->what);
		free(found->wanted);
		free(found->how);
	}
	vec_done(&doctor->findings);
	doctor->driver = look_free(doctor->driver);
}

struct doctor *doctor_free(struct doctor *doctor)
{
	if (doctor)
		forget(doctor);
	free(doctor);
	return NULL;
}

void doctor_look(struct doctor *doctor, unsigned patience_ms)
{
	forget(doctor);
	doctor->is_root = geteuid() == 0;
	doctor->check = "root";
	root_open(NULL);
	doctor->n_pci = pci_find_gpus(doctor->pci, GPUS_MAX);
	doctor->driver = look_new(patience_ms);
	for (unsigned i = 0; i < ARRAY_SIZE(checks) && doctor->driver; i++) {
		doctor->check = checks[i].name;
		checks[i].look(doctor);
	}
}

const struct doctor_finding *doctor_findings(const struct doctor *doctor, unsigned *ret_n)
{
	*ret_n = (unsigned)doctor->findings.n;
	return doctor->findings.at;
}

enum doctor_verdict doctor_worst(const struct doctor *doctor)
{
	enum doctor_verdict worst = DOCTOR_OK;
	const struct doctor_finding *found;

	vec_for_each (found, &doctor->findings) {
		if (found->verdict > worst)
			worst = found->verdict;
	}
	return worst;
}
