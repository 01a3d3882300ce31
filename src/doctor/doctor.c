/* SPDX-License-Identifier: Apache-2.0 */
#include "doctor/doctor.h"

#include "base/text.h"
#include "doctor/check.h"
#include "doctor/vm.h"
#include "driver/root.h"

#include <stdarg.h>
#include <unistd.h>

const char *const doctor_verdict_names[DOCTOR_VERDICT_N] = { "ok", "unseen", "warn", "bad" };

/* From the ground up: what a later one finds often has its reason in an earlier one. */
static const struct {
	const char *name;
	void (*look)(struct doctor *doctor);
	bool is_of_vms; /* of interest only where there are, or could be, virtual machines */
} checks[] = {
	{ "root", check_root, false },
	{ "kernel", check_kernel, false },
	{ "cgroups", check_cgroups, false },
	{ "filters", check_filters, false },
	{ "bus", check_bus, false },
	{ "module", check_module, false },
	{ "library", check_library, false },
	{ "version", check_version, false },
	{ "modprobe", check_modprobe, false },
	{ "gpus", check_gpus, false },
	{ "nodes", check_nodes, false },
	{ "capabilities", check_capabilities, false },
	{ "persistence", check_persistence, false },
	{ "mig", check_mig, false },
	{ "users", check_users, false },
	{ "mps", check_mps, false },
	{ "vms", check_vms, true },
	{ "iommu", check_iommu, true },
	{ "groups", check_groups, true },
	{ "sriov", check_sriov, true },
	{ "space", check_space, true },
	{ "pf-driver", check_pf_driver, true },
	{ "vgpu", check_vgpu, true },
	{ "licence", check_licence, true },
	{ "guest", check_guest, true },
	{ "boot", check_boot, true },
	{ "daemon", check_daemon, false },
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
	if (verdict > DOCTOR_UNSEEN && verdict > doctor->gravest)
		found->verdict = doctor->gravest;
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
	doctor->vm = vm_look_free(doctor->vm);
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
	doctor->gravest = DOCTOR_BAD;
	root_open(NULL);
	doctor->n_pci = pci_find_gpus(doctor->pci, GPUS_MAX);
	doctor->driver = look_new(patience_ms);
	doctor->vm = vm_look_new();
	for (unsigned i = 0; i < ARRAY_SIZE(checks) && doctor->driver; i++) {
		if (checks[i].is_of_vms && !vm_is_of_interest(doctor->vm))
			continue;
		doctor->gravest = checks[i].is_of_vms ? vm_gravest(doctor->vm) : DOCTOR_BAD;
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
