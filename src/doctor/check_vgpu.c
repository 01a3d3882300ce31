/* SPDX-License-Identifier: Apache-2.0 */
/* NVIDIA's driver for hosts of vGPUs, and who keeps it from making virtual functions. */
#include "base/cleanup.h"
#include "base/text.h"
#include "doctor/check.h"
#include "doctor/vm.h"
#include "driver/process.h"
#include "driver/root.h"
#include "driver/service.h"

#include <unistd.h>

enum { USERS_MAX = 256 };

static bool is_nvidias(const struct vm_gpu *gpu)
{
	return gpu->vendor == PCI_VENDOR_NVIDIA && text_eq(gpu->driver, "nvidia");
}

static void check_manager(struct doctor *doctor)
{
	const struct vm_look *vm = doctor->vm;
	struct doctor_finding *found;

	if (!vm->has_manager) {
		found = finding(doctor, DOCTOR_BAD,
			"NVIDIA's vGPU manager is not installed: there is no sriov-manage on PATH "
			"or in /usr/lib/nvidia");
		finding_wanted(found, "NVIDIA's driver for hosts of vGPUs in place of the ordinary "
				      "one, which makes no VFs");
		finding_how(found,
			"the package nvidia-vgpu-ubuntu-* (Debian, Ubuntu), NVIDIA-vGPU-rhel-* "
			"(RPM) or the installer NVIDIA-Linux-x86_64-*-vgpu-kvm.run, from NVIDIA's "
			"licensing portal; it takes an entitlement");
	} else if (access(vm->manager, X_OK) < 0) {
		found = finding(
			doctor, DOCTOR_BAD, "%s is there, but cannot be run: %m", vm->manager);
		finding_how(found, "chmod 755 %s", vm->manager);
	} else {
		finding(doctor, DOCTOR_OK, "NVIDIA's vGPU manager makes VFs: %s", vm->manager);
	}
}

/* What the driver itself says: that it is not the one for hosts, or in the mode for mediated
 * devices. */
static void check_mode(struct doctor *doctor, const struct vm_gpu *gpu)
{
	const struct driver_look *look = doctor->driver;

	for (unsigned i = 0; i < look->n_gpus; i++) {
		const struct gpu_look *told = &look->gpu[i];
		struct doctor_finding *found;

		if (!text_eq(told->pci, gpu->pci) || told->result < 0 ||
			told->vfs.answer != CAPABILITY_NO || !*told->vfs.text)
			continue;
		found = finding(doctor, DOCTOR_BAD, "%s: %s", gpu->name, told->vfs.text);
		finding_wanted(found, "host vGPU mode \"SR-IOV\" ('nvidia-smi -q' tells it)");
	}
}

/* Of a simulated or recorded node, systemd knows nothing. */
static void check_services(struct doctor *doctor)
{
	static const char *const services[] = { "nvidia-vgpud.service", "nvidia-vgpu-mgr.service" };

	for (unsigned i = 0; i < ARRAY_SIZE(services) && !*root_path(); i++) {
		struct doctor_finding *found;

		if (service_is_active(services[i]) != 0)
			continue;
		found = finding(doctor, DOCTOR_WARN, "%s does not run", services[i]);
		finding_wanted(found, "it runs: a vGPU's virtual machine does not start without");
		finding_how(found, "systemctl enable --now %s", services[i]);
	}
}

/* /dev/nvidiaN of a GPU, as the driver's own file tells it; the caller frees; NULL. */
static char *node_of(const struct vm_gpu *gpu)
{
	AUTO_FREE char *path = must_asprintf("/proc/driver/nvidia/gpus/%s/information", gpu->pci);
	AUTO_FREE char *text = NULL;
	static const char minor[] = "Device Minor:";
	const char *at;

	if (root_read(path, &text) < 0 || !(at = strstr(text, minor)))
		return NULL;
	return must_asprintf("/dev/nvidia%lu", strtoul(at + strlen(minor), NULL, 10));
}

/* Carve lets go by itself, and the manager's own daemons are what it works with. */
static bool is_harmless(const struct process_info *info)
{
	static const char *const names[] = { "carved", "nvidia-vgpu-mgr", "nvidia-vgpud" };

	for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
		if (strstr(info->command, names[i]) || text_starts(info->service, names[i]))
			return true;
	}
	return false;
}

static const char *how_to_end(const struct process_info *info, char *ret_text, size_t size)
{
	if (info->container[0])
		snprintf(ret_text, size, "end its container %.12s for as long as it takes",
			info->container);
	else if (strstr(info->service, ".service"))
		snprintf(ret_text, size, "systemctl stop %s, and start it again afterwards",
			info->service);
	else
		snprintf(ret_text, size, "end process %d for as long as it takes", (int)info->pid);
	return ret_text;
}

/* Only where VFs are still to be turned on: then sriov-manage wants the GPU for itself. That
 * others' processes are told to root only, check_users() says. */
static void check_clients(struct doctor *doctor, const struct vm_gpu *gpu)
{
	AUTO_FREE char *node = node_of(gpu);
	pid_t pids[USERS_MAX];
	int n = node && gpu->n_vfs == 0 ? process_find_users(node, pids, USERS_MAX) : 0;

	for (int i = 0; i < n; i++) {
		struct doctor_finding *found;
		struct process_info info;
		char who[320], how[192];

		if (process_look(pids[i], &info) < 0 || is_harmless(&info))
			continue;
		found = finding(doctor, DOCTOR_WARN, "%s is held open (%s) by %s", gpu->name, node,
			process_text(&info, who, sizeof(who)));
		finding_wanted(found, "by nobody when VFs are turned on or off: sriov-manage says "
				      "\"Cannot obtain unbindLock\"");
		finding_how(found, "%s", how_to_end(&info, how, sizeof(how)));
	}
}

void check_vgpu(struct doctor *doctor)
{
	const struct vm_look *vm = doctor->vm;
	bool has_any = false;

	for (unsigned i = 0; i < vm->n; i++)
		has_any |= is_nvidias(&vm->gpu[i]);
	if (!has_any)
		return;
	check_manager(doctor);
	if (!vm->has_manager)
		return;
	check_services(doctor);
	for (unsigned i = 0; i < vm->n; i++) {
		if (!is_nvidias(&vm->gpu[i]) || vm->gpu[i].total <= 0)
			continue;
		check_mode(doctor, &vm->gpu[i]);
		check_clients(doctor, &vm->gpu[i]);
	}
}
