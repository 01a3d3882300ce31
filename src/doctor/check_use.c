/* SPDX-License-Identifier: Apache-2.0 */
/* MIG as it stands, and who holds the GPUs. */
#include "base/cleanup.h"
#include "base/text.h"
#include "doctor/check.h"
#include "driver/process.h"
#include "driver/service.h"

#include <errno.h>

enum { USERS_MAX = 256 };

void check_persistence(struct doctor *doctor)
{
	const struct driver_look *look = doctor->driver;
	unsigned n_off = 0, n_on = 0;

	for (unsigned i = 0; i < look->n_gpus; i++) {
		if (look->gpu[i].result < 0)
			continue;
		n_off += look->gpu[i].persistence == 0;
		n_on += look->gpu[i].persistence == 1;
	}
	if (n_off > 0) {
		struct doctor_finding *found =
			finding(doctor, DOCTOR_WARN, "persistence mode is off on %u GPUs", n_off);

		finding_wanted(found,
			"on: else each first use of an idle GPU starts it anew, which "
			"takes seconds");
		finding_how(
			found, "systemctl enable --now nvidia-persistenced, or nvidia-smi -pm 1");
	} else if (n_on > 0) {
		finding(doctor, DOCTOR_OK, "persistence mode is on");
	}
}

static void check_mode(struct doctor *doctor, unsigned index, const struct gpu_look *gpu)
{
	struct doctor_finding *found;

	if (gpu->seen_result < 0) {
		found = finding(doctor, gpu->seen_result == -EPERM ? DOCTOR_UNSEEN : DOCTOR_WARN,
			"GPU %u: %s", index, gpu->seen_text);
		if (gpu->seen_result == -EPERM)
			finding_how(found, "run 'carve doctor' as root");
		return;
	}
	if (gpu->seen.mig_on != gpu->seen.mig_pending) {
		found = finding(doctor, DOCTOR_WARN, "GPU %u: MIG mode is %s, and %s is pending",
			index, gpu->seen.mig_on ? "on" : "off",
			gpu->seen.mig_pending ? "on" : "off");
		finding_how(found,
			"a GPU reset makes it so (end its users, then 'nvidia-smi "
			"--gpu-reset -i %s'); 'nvidia-smi -i %s -mig %d' takes it back",
			gpu->pci, gpu->pci, gpu->seen.mig_on);
		return;
	}
	if (!gpu->seen.mig_on) {
		finding(doctor, DOCTOR_OK, "GPU %u: MIG mode is off%s", index,
			gpu->facts.mode_needs_reset ? " (turning it on takes a GPU reset)" : "");
		return;
	}
	if (gpu->facts.geometry.n_profiles == 0) {
		found = finding(doctor, DOCTOR_UNSEEN, "GPU %u: its MIG profiles", index);
		finding_how(found, "the driver tells their places to root only");
		return;
	}
	finding(doctor, DOCTOR_OK, "GPU %u: MIG mode is on, %u GPU instances", index,
		gpu->seen.n_instances);
	for (unsigned i = 0; i < gpu->seen.n_instances; i++) {
		const struct mig_instance *instance = &gpu->seen.instance[i];

		if (instance->n_ci > 0)
			continue;
		found = finding(doctor, DOCTOR_WARN,
			"GPU %u: the instance %s@%u has no compute instance: nobody can use it",
			index, gpu->facts.geometry.profile[instance->profile].name,
			instance->start);
		finding_how(
			found, "nvidia-smi mig -i %u -gi %u -dgi removes it", index, instance->gi);
	}
}

void check_mig(struct doctor *doctor)
{
	const struct driver_look *look = doctor->driver;
	unsigned n_without = 0;

	for (unsigned i = 0; i < look->n_gpus; i++) {
		if (look->gpu[i].result < 0)
			continue;
		if (look->gpu[i].facts.has_mig)
			check_mode(doctor, i, &look->gpu[i]);
		else
			n_without++;
	}
	if (n_without > 0)
		finding(doctor, DOCTOR_OK, "%u GPUs have no MIG", n_without);
}

/* Programs that hold GPUs without computing on them. */
static const char *role_of(const struct process_info *info)
{
	static const struct {
		const char *word, *role;
	} known[] = {
		{ "nvidia-persistenced", "keeps the GPU started; in the way of a driver upgrade" },
		{ "nv-hostengine", "monitoring (DCGM): in the way of MIG mode changes and resets" },
		{ "dcgm", "monitoring (DCGM): in the way of MIG mode changes and resets" },
		{ "Xorg", "display server: in the way of MIG mode changes and resets" },
		{ "Xwayland", "display server: in the way of MIG mode changes and resets" },
		{ "gnome-shell", "display server: in the way of MIG mode changes and resets" },
		{ "nvidia-cuda-mps", "MPS server: in the way of MIG mode changes and resets" },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(known); i++) {
		if (strstr(info->command, known[i].word) || strstr(info->service, known[i].word))
			return known[i].role;
	}
	return "in the way of MIG mode changes and resets";
}

static void add_pid(pid_t *pids, unsigned *n, pid_t pid)
{
	for (unsigned i = 0; i < *n; i++) {
		if (pids[i] == pid)
			return;
	}
	if (*n < USERS_MAX)
		pids[(*n)++] = pid;
}

/* Those that the driver tells, and those that hold the GPU's node open. */
static unsigned users_of(const struct gpu_look *gpu, pid_t *ret_pids)
{
	AUTO_FREE char *node = must_asprintf("/dev/nvidia%u", gpu->facts.minor);
	pid_t holders[USERS_MAX];
	int n_holders = process_find_users(node, holders, USERS_MAX);
	unsigned n = 0;

	for (unsigned i = 0; i < gpu->seen.n_processes; i++)
		add_pid(ret_pids, &n, gpu->seen.process[i].pid);
	for (int i = 0; i < n_holders; i++)
		add_pid(ret_pids, &n, holders[i]);
	return n;
}

static bool is_carved(const struct process_info *info)
{
	return strstr(info->command, "carved") || text_starts(info->service, "carved");
}

void check_users(struct doctor *doctor)
{
	static const char *const services[] = { "nvidia-dcgm.service", "dcgm.service",
		"dcgm-exporter.service", "nvsm.service", "nvidia-fabricmanager.service" };
	const struct driver_look *look = doctor->driver;
	unsigned n_users = 0;

	for (unsigned i = 0; i < look->n_gpus; i++) {
		pid_t pids[USERS_MAX];
		unsigned n = look->gpu[i].result == 0 ? users_of(&look->gpu[i], pids) : 0;

		for (unsigned k = 0; k < n; k++) {
			struct process_info info;
			char who[320];

			if (process_look(pids[k], &info) < 0 || is_carved(&info))
				continue;
			n_users++;
			finding(doctor, DOCTOR_OK, "GPU %u is used by %s: %s", i,
				process_text(&info, who, sizeof(who)), role_of(&info));
		}
	}
	for (unsigned i = 0; i < ARRAY_SIZE(services) && look->n_gpus > 0; i++) {
		if (service_is_active(services[i]) == 1)
			finding(doctor, DOCTOR_OK,
				"the service %s runs: 'carve apply --stop-services' stops it for a "
				"change",
				services[i]);
	}
	if (look->n_gpus > 0 && n_users == 0)
		finding(doctor, doctor->is_root ? DOCTOR_OK : DOCTOR_UNSEEN,
			doctor->is_root
				? "nobody uses a GPU now"
				: "no process of yours uses a GPU; others' are told to root");
}
