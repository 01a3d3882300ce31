/* SPDX-License-Identifier: Apache-2.0 */
/* What the doctor finds on a simulated dgx-a100-40, well and ill. */
#include "doctor/doctor.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "base/text.h"
#include "mechanism/node.h"
#include "test.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

static struct doctor *look(void)
{
	struct doctor *doctor = doctor_new();

	doctor_look(doctor, 4000);
	return doctor;
}

/* The first finding of that check whose words have `what` in them. */
static const struct doctor_finding *find(
	const struct doctor *doctor, const char *check, const char *what)
{
	unsigned n;
	const struct doctor_finding *list = doctor_findings(doctor, &n);

	for (unsigned i = 0; i < n; i++) {
		if (text_eq(list[i].check, check) && strstr(list[i].what, what))
			return &list[i];
	}
	return NULL;
}

#define CHECK_FOUND(doctor, check, what_, verdict_)                                                \
	do {                                                                                       \
		const struct doctor_finding *found_ = find((doctor), (check), (what_));            \
		CHECK_SAY(found_, "no finding '%s' of %s", (what_), (check));                      \
		if (!found_)                                                                       \
			doctor_print((doctor), stderr, false);                                     \
		else                                                                               \
			CHECK_EQ(found_->verdict, (verdict_));                                     \
	} while (0)

TEST(well_node_has_nothing_bad_about_its_driver_and_gpus)
{
	struct doctor *doctor = look();
	static const char *const driver_checks[] = { "bus", "module", "library", "version", "gpus",
		"nodes", "mig" };
	unsigned n;
	const struct doctor_finding *list = doctor_findings(doctor, &n);

	for (unsigned i = 0; i < n; i++) {
		for (unsigned k = 0; k < ARRAY_SIZE(driver_checks); k++) {
			if (text_eq(list[i].check, driver_checks[k]))
				CHECK_SAY(list[i].verdict == DOCTOR_OK, "%s: %s", list[i].check,
					list[i].what);
		}
	}
	for (unsigned k = 0; k < ARRAY_SIZE(driver_checks); k++)
		CHECK_SAY(find(doctor, driver_checks[k], ""), "%s", driver_checks[k]);
	CHECK_FOUND(doctor, "gpus", "A100", DOCTOR_OK);
	CHECK_FOUND(doctor, "daemon", "does not run", DOCTOR_WARN);
	doctor_free(doctor);
}

TEST(pending_mode_and_its_users_are_told)
{
	struct bench *bench = bench_open(1);
	struct step on = step_mode(STEP_MODE_ON), off = step_mode(STEP_MODE_OFF);
	struct doctor *doctor;
	char who[32];
	pid_t pid;

	CHECK_DONE(bench, &on);
	pid = hold(bench->nvml, bench->facts.uuid);
	doctor = look();
	snprintf(who, sizeof(who), "used by %d (", (int)pid);
	CHECK_FOUND(doctor, "mig", "GPU 1: MIG mode is off, and on is pending", DOCTOR_WARN);
	CHECK_FOUND(doctor, "users", who, DOCTOR_OK);
	let_go(pid);
	CHECK_DONE(bench, &off);
	doctor_free(doctor);
	bench_close(bench);
}

TEST(instance_that_nobody_can_use_is_told)
{
	struct step on = step_mode(STEP_MODE_ON), reset = step_mode(STEP_RESET);
	struct bench *bench = bench_open(2);
	struct doctor *doctor;
	struct step step;
	uint32_t gi;

	CHECK_DONE(bench, &on);
	CHECK_DONE(bench, &reset);
	CHECK_EQ(bench_look(bench, NULL), 0);
	step = step_create(bench, "2g.10gb", 2, 0);
	CHECK_EQ(nvml_mig_create(bench->nvml, step.profile_id, 2, step.size, &gi, NULL), 0);
	doctor = look();
	CHECK_FOUND(doctor, "mig", "2g.10gb@2 has no compute instance", DOCTOR_WARN);
	doctor_free(doctor);
	bench_empty(bench);
	bench_close(bench);
}

TEST(driver_that_refuses_is_quoted)
{
	struct doctor *doctor;

	/* as carve, which has no session of its own to hand down */
	nvml_close();
	CHECK(sim("inject 'nvmlInit_v2:code=DRIVER_NOT_LOADED,times=all'"));
	doctor = look();
	sim("inject --clear");
	CHECK_FOUND(doctor, "library", "NVML says", DOCTOR_BAD);
	CHECK_FOUND(doctor, "library", "modprobe nvidia", DOCTOR_BAD);
	CHECK_EQ(doctor_worst(doctor), DOCTOR_BAD);
	doctor_free(doctor);
}

TEST(driver_that_hangs_does_not_hang_the_doctor)
{
	struct doctor *doctor;
	uint64_t begun = now_ns();

	CHECK(sim("inject 'nvmlDeviceGetUUID:hang,gpu=3,times=all'"));
	doctor = look();
	sim("inject --clear");
	CHECK((now_ns() - begun) / 1000000000 < 20);
	CHECK_FOUND(doctor, "library", "does not answer", DOCTOR_BAD);
	/* what was told before it hung is not lost */
	CHECK_FOUND(doctor, "gpus", "GPU 2", DOCTOR_OK);
	CHECK_FOUND(doctor, "gpus", "GPU 3", DOCTOR_BAD);
	doctor_free(doctor);
}

TEST(module_and_library_of_two_versions_are_told)
{
	AUTO_FREE char *path =
		must_asprintf("%s/proc/driver/nvidia/version", getenv("CARVE_SYSTEM_ROOT"));
	static const char other[] = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  470.57.02\n";
	char *before = NULL;
	size_t length;
	struct doctor *doctor;

	CHECK_EQ(read_file_at(AT_FDCWD, path, 4096, &before, &length), 0);
	CHECK_EQ(write_file_atomic(path, other, strlen(other), 0644, NULL), 0);
	doctor = look();
	CHECK_FOUND(doctor, "version", "470.57.02", DOCTOR_BAD);
	doctor_free(doctor);
	unlink(path);
	doctor = look();
	CHECK_FOUND(doctor, "module", "not loaded", DOCTOR_BAD);
	doctor_free(doctor);
	CHECK_EQ(write_file_atomic(path, before, length, 0644, NULL), 0);
	free(before);
}

TEST(missing_device_node_is_told)
{
	AUTO_FREE char *path = must_asprintf("%s/dev/nvidia5", getenv("CARVE_SYSTEM_ROOT"));
	AUTO_FREE char *aside = must_asprintf("%s.aside", path);
	struct doctor *doctor;

	CHECK_EQ(rename(path, aside), 0);
	doctor = look();
	CHECK_FOUND(doctor, "nodes", "/dev/nvidia5 is not there", DOCTOR_WARN);
	doctor_free(doctor);
	rename(aside, path);
}

TEST(gpus_that_let_nobody_in_are_told)
{
	struct bench *bench = bench_open(4);
	struct doctor *doctor;

	CHECK_EQ(nvml_gpu_set_compute_mode(bench->nvml, COMPUTE_PROHIBITED, NULL), 0);
	doctor = look();
	CHECK_FOUND(doctor, "mps", "GPU 4 is in compute mode PROHIBITED", DOCTOR_WARN);
	doctor_free(doctor);
	CHECK_EQ(nvml_gpu_set_compute_mode(bench->nvml, COMPUTE_EXCLUSIVE_PROCESS, NULL), 0);
	doctor = look();
	CHECK_FOUND(doctor, "mps", "GPU 4 is in compute mode EXCLUSIVE_PROCESS without an MPS",
		DOCTOR_WARN);
	doctor_free(doctor);
	CHECK_EQ(nvml_gpu_set_compute_mode(bench->nvml, COMPUTE_DEFAULT, NULL), 0);
	doctor = look();
	CHECK(!find(doctor, "mps", "GPU 4"));
	doctor_free(doctor);
	bench_close(bench);
}

/* A command of the shell's with the node's own nvidia-cuda-mps-control, on that pipe directory. */
static bool mps(const char *pipe, const char *command)
{
	AUTO_FREE char *line =
		must_asprintf("export CUDA_MPS_PIPE_DIRECTORY='%s' CUDA_MPS_LOG_DIRECTORY='%s'; %s",
			pipe, pipe, command);

	make_dirs(pipe, 0755, NULL);
	return system(line) == 0;
}

TEST(control_daemons_are_told_by_whose_they_are)
{
	AUTO_FREE char *theirs = must_asprintf("%s/theirs", getenv("CARVE_SYSTEM_ROOT"));
	AUTO_FREE char *ours = must_asprintf("%s/mps/0-0/pipe", getenv("CARVE_RUN_DIR"));
	struct doctor *doctor;

	CHECK(mps(theirs, "CUDA_VISIBLE_DEVICES=0,1 nvidia-cuda-mps-control -d"));
	CHECK(mps(ours, "nvidia-cuda-mps-control -d"));
	doctor = look();
	CHECK_FOUND(doctor, "mps", "MPS shares are possible", DOCTOR_OK);
	CHECK_FOUND(doctor, "mps", "Carve did not start has GPUs 0,1", DOCTOR_WARN);
	CHECK_FOUND(doctor, "mps", "of Carve runs without carved", DOCTOR_WARN);
	CHECK(strstr(find(doctor, "mps", "GPUs 0,1")->how, theirs));
	doctor_free(doctor);
	CHECK(mps(theirs, "echo quit | nvidia-cuda-mps-control"));
	CHECK(mps(ours, "echo quit | nvidia-cuda-mps-control"));
	doctor = look();
	/* there may be others on the machine that this runs on */
	CHECK(!find(doctor, "mps", "GPUs 0,1"));
	CHECK(!find(doctor, "mps", "of Carve runs"));
	doctor_free(doctor);
}

TEST(missing_program_and_one_of_another_driver_are_told)
{
	AUTO_FREE char *before = must_strdup(getenv("PATH"));
	AUTO_FREE char *dir = must_asprintf("%s/other", getenv("CARVE_SYSTEM_ROOT"));
	AUTO_FREE char *control = must_asprintf("%s/nvidia-cuda-mps-control", dir);
	AUTO_FREE char *server = must_asprintf("%s/nvidia-cuda-mps-server", dir);
	static const char other[] = "#!/bin/false\n 470.57.02 \n";
	struct doctor *doctor;

	make_dirs(dir, 0755, NULL);
	setenv("PATH", dir, 1);
	if (access("/usr/bin/nvidia-cuda-mps-control", F_OK) < 0) {
		doctor = look();
		CHECK_FOUND(
			doctor, "mps", "no MPS shares: no nvidia-cuda-mps-control", DOCTOR_WARN);
		doctor_free(doctor);
	}
	CHECK_EQ(write_file_atomic(control, other, strlen(other), 0755, NULL), 0);
	CHECK_EQ(write_file_atomic(server, other, strlen(other), 0755, NULL), 0);
	doctor = look();
	CHECK_FOUND(doctor, "mps", "is of driver 470.57.02, but", DOCTOR_WARN);
	doctor_free(doctor);
	setenv("PATH", before, 1);
}

/* A daemon that answers one request with `body`. */
static pid_t daemon_that_says(const char *body)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	pid_t pid;

	make_dirs(getenv("CARVE_RUN_DIR"), 0755, NULL);
	snprintf(
		address.sun_path, sizeof(address.sun_path), "%s/api.sock", getenv("CARVE_RUN_DIR"));
	unlink(address.sun_path);
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 4) < 0)
		return -1;
	pid = fork();
	if (pid == 0) {
		int client = accept(fd, NULL, NULL);
		char request[512];

		if (read(client, request, sizeof(request)) > 0)
			dprintf(client,
				"HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n%s",
				body);
		_exit(0);
	}
	close(fd);
	return pid;
}

TEST(what_the_daemon_says_of_its_gpus_is_passed_on)
{
	pid_t pid = daemon_that_says(
		"{\"version\":1,\"gpus\":[{\"index\":0,\"managed\":true,\"health\":\"broken\","
		"\"health_text\":\"undoing failed\",\"instances\":[{\"origin\":\"foreign\"}]}]}");
	struct doctor *doctor = look();

	CHECK(pid > 0);
	CHECK_FOUND(doctor, "daemon", "1 GPUs, 1 managed", DOCTOR_OK);
	CHECK_FOUND(doctor, "daemon", "GPU 0 is broken: undoing failed", DOCTOR_BAD);
	CHECK_FOUND(doctor, "daemon", "GPU 0 has 1 instances", DOCTOR_OK);
	waitpid(pid, NULL, 0);
	doctor_free(doctor);
}

TEST(dead_socket_and_the_lock_of_another_daemon_are_told)
{
	struct doctor *doctor = look();
	struct error err = ERROR_NONE;
	int lock;

	CHECK_FOUND(doctor, "daemon", "Connection refused", DOCTOR_WARN);
	doctor_free(doctor);
	lock = root_lock(&err);
	CHECK_SAY(lock >= 0, "%s", err.text);
	doctor = look();
	CHECK_FOUND(doctor, "daemon", "a daemon has this node's GPUs", DOCTOR_WARN);
	doctor_free(doctor);
	close(lock);
}

TEST(findings_are_printed_and_told_as_json)
{
	struct doctor *doctor = look();
	json_t *json = doctor_to_json(doctor);
	char *text = NULL;
	size_t length;
	FILE *out = open_memstream(&text, &length);
	unsigned n;

	doctor_findings(doctor, &n);
	CHECK(json);
	CHECK_EQ(json_array_size(json_object_get(json, "findings")), n);
	CHECK_EQ(json_integer_value(json_object_get(json, "version")), 1);
	CHECK_TEXT(json_string_value(json_object_get(json, "worst")),
		doctor_verdict_names[doctor_worst(doctor)]);
	doctor_print(doctor, out, false);
	fclose(out);
	CHECK(strstr(text, "A100") && !strchr(text, '\033'));
	free(text);
	json_decref(json);
	doctor_free(doctor);
}

TEST_MAIN()
