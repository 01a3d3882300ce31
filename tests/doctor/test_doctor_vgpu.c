/* SPDX-License-Identifier: Apache-2.0 */
/* What the doctor finds on the simulated host of vGPUs, before and after its VFs are on. */
#include "doctor/doctor.h"

#include "base/text.h"
#include "test.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static struct doctor *look(void)
{
	struct doctor *doctor = doctor_new();

	doctor_look(doctor, DOCTOR_PATIENCE_MS);
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
	CHECK_EQ(count(doctor, "licence", "is seen once it runs"), 1);
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

static bool shell(const char *command)
{
	return system(command) == 0;
}

TEST(guest_without_licence_is_told)
{
	struct doctor *doctor;
	pid_t pid;

	if (!shell("sriov-manage -e 2 >&2"))
		SKIP("the node's files are not live");
	CHECK(shell("echo 3014 >$CARVE_SYSTEM_ROOT/sys/bus/pci/devices/0000:c1:00.4/nvidia/"
		    "current_vgpu_type"));
	pid = fork();
	if (pid == 0) {
		execlp("carve-sim", "carve-sim", "hold", "--vf", "0000:c1:00.4", NULL);
		_exit(127);
	}
	for (unsigned i = 0; i < 500; i++) {
		doctor = look();
		if (count(doctor, "licence", "of 1 vGPUs") == 1)
			break;
		doctor = doctor_free(doctor);
		usleep(20000);
	}
	CHECK(doctor);
	doctor_free(doctor);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	CHECK(shell("sriov-manage -d 2 >&2"));
}

TEST_MAIN()
