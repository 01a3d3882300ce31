/* SPDX-License-Identifier: Apache-2.0 */
/*
 * MPS: NVIDIA's programs for it, control daemons that run, and who is let in to the GPUs.
 *
 * A control daemon is told by its environment, which the kernel shows to its user and root only:
 * for everybody else those of other users are unseen.
 */
#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"
#include "base/text.h"
#include "doctor/check.h"
#include "driver/cgroup.h"
#include "driver/mps.h"
#include "driver/process.h"
#include "driver/root.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

enum { CONTROLS_MAX = 64, CAPACITY_MAX = 65536 };
/* No pipe directory is below it: all control daemons are told. */
#define NOWHERE "/-"

static bool can_mps(const struct gpu_facts *facts)
{
	struct gpu *gpu = must_alloc(1, sizeof(*gpu));
	bool can;

	gpu->facts = *facts;
	can = mps_is_possible(gpu);
	free(gpu);
	return can;
}

static void check_program(struct doctor *doctor)
{
	const char *driver = doctor->driver->has_versions ? doctor->driver->driver : "";
	struct mps_program program;
	struct error err = ERROR_NONE;
	struct doctor_finding *found;

	if (mps_find(driver, &program, &err) < 0) {
		found = finding(doctor, DOCTOR_WARN, "no MPS shares: %s", err.text);
		finding_wanted(found, "there and of the driver's version, if GPUs are to be shared "
				      "by MPS");
		return;
	}
	finding(doctor, DOCTOR_OK, "MPS shares are possible: %s %s, %s", program.path,
		program.version,
		program.has_v3 ? "which can hold each share's own limits (v3)"
		: program.has_static
			? "with static SM partitions"
			: "which holds one limit of memory and one of compute per server");
}

/* ---- control daemons ---- */

static const char *run_dir(void)
{
	const char *directory = getenv("CARVE_RUN_DIR");

	return directory && *directory ? directory : "/run/carve";
}

static bool is_carves(const struct mps_foreign *control)
{
	AUTO_FREE char *below = must_asprintf("%s/", run_dir());

	return text_starts(control->pipe_dir, below);
}

static void check_carves(struct doctor *doctor, const char *who)
{
	struct doctor_finding *found;
	pid_t holder;

	if (root_lock_holder(&holder) > 0)
		return;
	found = finding(
		doctor, DOCTOR_WARN, "an MPS control daemon of Carve runs without carved: %s", who);
	finding_wanted(found, "watched: until then nobody ends its clients when one breaks it");
	finding_how(found, "start carved, which takes it up again");
}

static void check_foreign(struct doctor *doctor, const struct mps_foreign *control, const char *who)
{
	struct doctor_finding *found = finding(doctor, DOCTOR_WARN,
		"an MPS control daemon that Carve did not start has %s%s: %s",
		*control->devices ? "GPUs " : "all GPUs", control->devices, who);

	finding_wanted(found, "none on a GPU that Carve is to share: it is left alone, and a GPU "
			      "with its server is in use");
	finding_how(found,
		"where nobody needs it: echo quit | CUDA_MPS_PIPE_DIRECTORY=%s "
		"nvidia-cuda-mps-control",
		control->pipe_dir);
}

static void check_controls(struct doctor *doctor)
{
	struct mps_foreign *controls = must_alloc(CONTROLS_MAX, sizeof(*controls));
	int n = mps_find_foreign(NOWHERE, controls, CONTROLS_MAX);
	unsigned n_unseen = 0;

	for (int i = 0; i < n; i++) {
		struct process_info info;
		char who[320];

		if (!doctor->is_root && controls[i].uid != geteuid()) {
			n_unseen++;
			continue;
		}
		if (process_look(controls[i].pid, &info) < 0)
			continue;
		process_text(&info, who, sizeof(who));
		if (is_carves(&controls[i]))
			check_carves(doctor, who);
		else
			check_foreign(doctor, &controls[i], who);
	}
	free(controls);
	if (n_unseen > 0)
		finding_how(finding(doctor, DOCTOR_UNSEEN,
				    "whose %u MPS control daemons of other users are", n_unseen),
			"run 'carve doctor' as root");
}

/* ---- compute modes ---- */

static bool has_server(const struct gpu_seen *seen)
{
	for (unsigned i = 0; i < seen->n_processes; i++) {
		struct process_info info;

		if (process_look(seen->process[i].pid, &info) == 0 &&
			strstr(info.command, "nvidia-cuda-mps-server"))
			return true;
	}
	return false;
}

static void check_compute_mode(struct doctor *doctor, unsigned index, const struct gpu_seen *seen)
{
	struct doctor_finding *found;

	if (seen->compute_mode == COMPUTE_PROHIBITED) {
		found = finding(doctor, DOCTOR_WARN,
			"GPU %u is in compute mode PROHIBITED: no program can use it", index);
		finding_wanted(found, "DEFAULT");
	} else if (seen->compute_mode == COMPUTE_EXCLUSIVE_PROCESS && !has_server(seen)) {
		found = finding(doctor, DOCTOR_WARN,
			"GPU %u is in compute mode EXCLUSIVE_PROCESS without an MPS server: one "
			"process at a time can use it",
			index);
		finding_wanted(found,
			"DEFAULT, unless somebody wants it so, or Carve is starting a "
			"server there (carve show %u)",
			index);
	} else {
		return;
	}
	finding_how(found, "nvidia-smi -i %u -c DEFAULT", index);
}

/* ---- the kernel's limits ---- */

static void check_dmem(struct doctor *doctor)
{
	AUTO_FREE char *path = NULL, *text = NULL;
	size_t length;

	if (cgroup_open(NULL) < 0)
		return;
	path = must_asprintf("%s/dmem.capacity", cgroup_mount());
	if (read_file_at(AT_FDCWD, path, CAPACITY_MAX, &text, &length) == 0 &&
		strstr(text, "nvidia/"))
		finding(doctor, DOCTOR_OK,
			"this kernel holds limits of GPU memory by cgroup (dmem): an MPS share's "
			"stands on its lease's cgroup");
}

void check_mps(struct doctor *doctor)
{
	const struct driver_look *look = doctor->driver;
	bool is_possible = false;

	for (unsigned i = 0; i < look->n_gpus; i++)
		is_possible |= look->gpu[i].result == 0 && can_mps(&look->gpu[i].facts);
	if (!is_possible)
		return;
	check_program(doctor);
	check_controls(doctor);
	for (unsigned i = 0; i < look->n_gpus; i++)
		if (look->gpu[i].result == 0 && look->gpu[i].seen_result == 0)
			check_compute_mode(doctor, i, &look->gpu[i].seen);
	check_dmem(doctor);
}
