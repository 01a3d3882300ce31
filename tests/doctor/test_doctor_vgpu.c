/* SPDX-License-Identifier: Apache-2.0 */
/* What the doctor finds on the simulated host of vGPUs, before and after its VFs are on. */
#include "doctor/doctor.h"

#include "base/text.h"
#include "test.h"

#include <unistd.h>

static struct doctor *look(void)
{
	struct doctor *doctor = doctor_new();

	doctor_look(doctor, 4000);
	return doctor;
}

static unsigned count(const struct doctor *doctor, const char *check, const char *what)
{
	unsigned n, found = 0;
	const struct doctor_finding *list = doctor_findings(doctor, &n);

	for (unsigned i = 0; i < n; i++)
		found += text_eq(list[i].check, check) && strstr(list[i].what, what);
	return found;
}

static void nothing_of_vfs_is_complained_of(const struct doctor *doctor)
{
	static const char *const checks[] = { "iommu", "groups", "sriov", "space", "pf-driver",
		"vgpu", "licence", "guest", "boot" };
	unsigned n;
	const struct doctor_finding *list = doctor_findings(doctor, &n);

	for (unsigned i = 0; i < n; i++) {
		for (unsigned k = 0; k < ARRAY_SIZE(checks); k++) {
			if (text_eq(list[i].check, checks[k]))
				CHECK_SAY(list[i].verdict == DOCTOR_OK, "%s: %s", list[i].check,
					list[i].what);
		}
	}
}

TEST(host_of_vgpus_is_well_with_and_without_vfs_and_those_are_no_gpus)
{
	struct doctor *doctor = look();

	nothing_of_vfs_is_complained_of(doctor);
	CHECK_EQ(count(doctor, "bus", "GPU "), 3);
	CHECK_EQ(count(doctor, "sriov", "can have 32 VFs, and has 0"), 3);
	CHECK_EQ(count(doctor, "vgpu", "makes VFs"), 1);
	CHECK_EQ(count(doctor, "licence", "vGPUs of series C (NVIDIA "), 1);
	CHECK_EQ(count(doctor, "licence", "vGPUs of series Q (NVIDIA L40S-"), 1);
	CHECK_EQ(count(doctor, "licence", "not seen from here"), 1);
	CHECK_EQ(count(doctor, "guest", "at NUMA node 1, with their VFs: 0000:61:00.0, "), 1);
	doctor_free(doctor);
	if (system("sriov-manage -e 0 >&2") != 0)
		SKIP("the node's files are not live");
	doctor = look();
	nothing_of_vfs_is_complained_of(doctor);
	CHECK_EQ(count(doctor, "bus", "GPU "), 3);
	CHECK_EQ(count(doctor, "gpus", "GPU "), 3);
	CHECK_EQ(count(doctor, "sriov", "0000:41:00.0 (L40S) can have 32 VFs, and has 32"), 1);
	CHECK_EQ(count(doctor, "groups", "the 32 VFs of GPU 0000:41:00.0 (L40S) are each in"), 1);
	doctor_free(doctor);
}

TEST_MAIN()
