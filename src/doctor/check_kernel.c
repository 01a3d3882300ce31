/* SPDX-License-Identifier: Apache-2.0 */
/* The ground: the system root, the kernel, cgroups and device filters. */
#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"
#include "doctor/check.h"
#include "driver/cgroup.h"
#include "driver/fence.h"
#include "driver/root.h"

#include <errno.h>
#include <sys/utsname.h>

void check_root(struct doctor *doctor)
{
	struct error err = ERROR_NONE;

	if (root_open(&err) < 0)
		finding(doctor, DOCTOR_BAD, "%s", err.text);
	else if (*root_path())
		finding(doctor, DOCTOR_OK, "looking at the simulated or recorded node in %s",
			root_path());
}

void check_kernel(struct doctor *doctor)
{
	static const struct {
		unsigned major, minor;
		enum doctor_verdict verdict;
		const char *without;
	} wanted[] = {
		{ 5, 7, DOCTOR_BAD, "commands cannot be started straight into their cgroup" },
		{ 5, 14, DOCTOR_WARN,
			"a lease's processes are ended one by one (no cgroup.kill): one that forks "
			"fast may live on for a moment" },
		{ 6, 1, DOCTOR_WARN, "'unleased: deny' is not possible" },
	};
	unsigned major_number = 0, minor_number = 0;
	struct utsname name;

	if (uname(&name) < 0 || sscanf(name.release, "%u.%u", &major_number, &minor_number) != 2) {
		finding(doctor, DOCTOR_UNSEEN, "the kernel does not tell its version");
		return;
	}
	for (unsigned i = 0; i < ARRAY_SIZE(wanted); i++) {
		struct doctor_finding *found;

		if (major_number > wanted[i].major ||
			(major_number == wanted[i].major && minor_number >= wanted[i].minor))
			continue;
		found = finding(
			doctor, wanted[i].verdict, "Linux %s: %s", name.release, wanted[i].without);
		finding_wanted(found, "Linux %u.%u or later", wanted[i].major, wanted[i].minor);
		return;
	}
	finding(doctor, DOCTOR_OK, "Linux %s", name.release);
}

void check_cgroups(struct doctor *doctor)
{
	struct error err = ERROR_NONE;
	AUTO_FREE char *here = NULL;

	if (cgroup_open(&err) < 0) {
		struct doctor_finding *found = finding(doctor, DOCTOR_BAD, "%s", err.text);

		finding_wanted(found, "a cgroup v2 tree: leases are followed and fenced in it");
		return;
	}
	if (cgroup_of(0, &here, &err) < 0) {
		finding(doctor, DOCTOR_BAD, "%s", err.text);
		return;
	}
	finding(doctor, DOCTOR_OK, "cgroup v2 at %s (%s); this process is in %s", cgroup_mount(),
		text_eq(cgroup_mount(), "/sys/fs/cgroup") ? "pure hierarchy"
							  : "beside v1 controllers",
		here);
}

void check_filters(struct doctor *doctor)
{
	struct error err = ERROR_NONE;
	struct doctor_finding *found;

	if (fence_is_possible(&err)) {
		finding(doctor, DOCTOR_OK,
			"device filters can be put on cgroups: leases are fenced");
		return;
	}
	if (!doctor->is_root && err.code == -EPERM) {
		found = finding(
			doctor, DOCTOR_UNSEEN, "whether leases can be fenced: %s", err.text);
		finding_how(found, "run 'carve doctor' as root");
		return;
	}
	found = finding(doctor, DOCTOR_WARN, "leases cannot be fenced: %s", err.text);
	finding_wanted(found, "device filters on cgroups (CONFIG_CGROUP_BPF, and a daemon with "
			      "CAP_BPF, CAP_NET_ADMIN and CAP_SYS_ADMIN)");
	finding_how(found, "leases work without; each says that it is not fenced");
}
