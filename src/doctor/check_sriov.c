/* SPDX-License-Identifier: Apache-2.0 */
/* The GPUs' capability to have virtual functions, and the drivers that make them. */
#include "base/cleanup.h"
#include "base/text.h"
#include "doctor/check.h"
#include "doctor/vm.h"
#include "driver/root.h"

#include <errno.h>

enum { CLASS_VGA = 0x0300, GUC_SUBMISSION = 1 };

void check_vms(struct doctor *doctor)
{
	const struct vm_look *vm = doctor->vm;

	if (vm->n == 0)
		finding(doctor, DOCTOR_OK,
			"%s is here for virtual machines, but no GPU that can have virtual "
			"functions (VFs)",
			vm->monitor);
	else if (*vm->monitor)
		finding(doctor, DOCTOR_OK, "%s is here for virtual machines", vm->monitor);
	else if (vm_gravest(vm) == DOCTOR_OK)
		finding(doctor, DOCTOR_OK,
			"nothing here runs virtual machines (no QEMU, libvirt or "
			"cloud-hypervisor): what follows about VFs matters once something shall");
}

/* ---- the capability ---- */

static void tell_hidden(struct doctor *doctor, const struct vm_gpu *gpu)
{
	struct doctor_finding *found;

	if (gpu->board->display != DISPLAY_NONE && gpu->class >> 8 == CLASS_VGA) {
		found = finding(doctor, DOCTOR_BAD,
			"%s has no VFs: the board is in display mode (a VGA controller)",
			gpu->name);
		finding_wanted(found, "its display outputs off (a 3D controller, class 0302)%s",
			gpu->board->display == DISPLAY_ON ? ": it leaves the factory with them on"
							  : "");
		finding_how(found,
			"NVIDIA's displaymodeselector --gpumode physical_display_disabled (from "
			"NVIDIA's developer site), with no driver loaded, and power off and on");
		return;
	}
	found = finding(doctor, DOCTOR_BAD,
		"%s shows no SR-IOV capability, which this product has: the firmware hides it",
		gpu->name);
	finding_wanted(found, "shown (sriov_totalvfs in its directory in /sys/bus/pci/devices)");
	finding_how(found,
		"in the BIOS: 'SR-IOV' (also 'Single Root I/O Virtualization') on, 'Above 4G "
		"Decoding' and 'ARI' on%s",
		gpu->board->display != DISPLAY_NONE
			? "; if it is on, the board may be in display mode: NVIDIA's "
			  "displaymodeselector tells"
			: "");
}

static void tell_refused(struct doctor *doctor, const struct vm_gpu *gpu)
{
	struct doctor_finding *found = finding(doctor, DOCTOR_BAD,
		"%s has the SR-IOV capability, but the kernel does not use it", gpu->name);

	finding_how(
		found, "'dmesg | grep %s' tells why; the kernel needs CONFIG_PCI_IOV", gpu->pci);
}

static const char *who_lowers(const char *driver)
{
	if (text_eq(driver, "xe"))
		return "the option xe.max_vfs (or max_vfs in /sys/kernel/config/xe) is lower: "
		       "raise it, and load the driver anew";
	if (text_eq(driver, "i915"))
		return "the option i915.max_vfs is lower: 'options i915 enable_guc=3 max_vfs=7' in "
		       "/etc/modprobe.d, and reboot";
	return "the driver of the GPU lowers it: its module options tell ('modinfo -p', max_vfs)";
}

static void check_total(struct doctor *doctor, const struct vm_gpu *gpu)
{
	struct doctor_finding *found;

	if (gpu->total == 0) {
		found = finding(doctor, DOCTOR_BAD,
			"%s can have no VF now: its driver %s allows none", gpu->name,
			*gpu->driver ? gpu->driver : "(it has none)");
		if (gpu->sriov.total)
			finding_wanted(found, "up to %u, as the hardware has", gpu->sriov.total);
		finding_how(found, "%s", who_lowers(gpu->driver));
	} else if (gpu->sriov.total > gpu->total) {
		found = finding(
			doctor, DOCTOR_WARN, "%s can have %d VFs now", gpu->name, (int)gpu->total);
		finding_wanted(found, "%u, as the hardware has", gpu->sriov.total);
		finding_how(found, "%s", who_lowers(gpu->driver));
	} else {
		finding(doctor, DOCTOR_OK, "%s can have %d VFs, and has %u", gpu->name,
			(int)gpu->total, gpu->n_vfs);
	}
}

void check_sriov(struct doctor *doctor)
{
	const struct vm_look *vm = doctor->vm;

	for (unsigned i = 0; i < vm->n; i++) {
		const struct vm_gpu *gpu = &vm->gpu[i];

		if (gpu->total >= 0)
			check_total(doctor, gpu);
		else if (gpu->sriov_result == 0)
			tell_refused(doctor, gpu);
		else if (gpu->board)
			tell_hidden(doctor, gpu);
	}
}

/* ---- the driver ---- */

static void check_i915(struct doctor *doctor, const struct vm_gpu *gpu)
{
	AUTO_FREE char *text = NULL;
	struct doctor_finding *found;

	if (root_read("/sys/module/i915/parameters/enable_guc", &text) < 0) {
		finding_how(
			finding(doctor, DOCTOR_UNSEEN, "%s: whether i915 uses the GuC", gpu->name),
			"run 'carve doctor' as root");
		return;
	}
	if (atoi(text) > 0 && atoi(text) & GUC_SUBMISSION) {
		finding(doctor, DOCTOR_OK, "%s: i915 with GuC submission", gpu->name);
		return;
	}
	found = finding(
		doctor, DOCTOR_BAD, "%s: i915 runs with enable_guc=%d", gpu->name, atoi(text));
	finding_wanted(found, "enable_guc=3: VFs are scheduled by the GuC's firmware");
	finding_how(found, "'options i915 enable_guc=3 max_vfs=7' in /etc/modprobe.d, "
			   "'update-initramfs -u' or 'dracut -f', reboot");
}

static void tell_vfio_pf(struct doctor *doctor, const struct vm_gpu *gpu)
{
	struct doctor_finding *found = finding(doctor, DOCTOR_BAD,
		"%s itself is bound to vfio-pci: it is kept to be given to one virtual machine as "
		"a whole, and nothing makes VFs of it",
		gpu->name);

	finding_wanted(found, "the driver of its maker, which makes VFs");
	finding_how(found,
		"take it off 'vfio-pci.ids' and driver_override (driverctl unset-override %s), "
		"then echo %s > /sys/bus/pci/drivers/vfio-pci/unbind and load its driver",
		gpu->pci, gpu->pci);
}

static void tell_no_driver(struct doctor *doctor, const struct vm_gpu *gpu)
{
	struct doctor_finding *found = finding(doctor, DOCTOR_BAD, "%s has no driver%s", gpu->name,
		gpu->n_vfs ? ", but VFs are on: they cannot be turned off until it has one" : "");

	finding_wanted(
		found, "a driver that makes VFs (NVIDIA's for hosts of vGPUs, xe, i915, gim)");
	finding_how(found, "load it; for a device that has none, 'modprobe pci-pf-stub' and "
			   "driver_override=pci-pf-stub do");
}

static void check_gpu_driver(struct doctor *doctor, const struct vm_gpu *gpu)
{
	struct doctor_finding *found;

	if (!*gpu->driver) {
		tell_no_driver(doctor, gpu);
	} else if (text_eq(gpu->driver, "vfio-pci")) {
		tell_vfio_pf(doctor, gpu);
	} else if (text_eq(gpu->driver, "nouveau") || text_starts(gpu->driver, "nova")) {
		found = finding(doctor, DOCTOR_BAD, "%s has the driver %s, which makes no VFs",
			gpu->name, gpu->driver);
		finding_wanted(found, "NVIDIA's own driver for hosts of vGPUs");
	} else if (text_eq(gpu->driver, "amdgpu")) {
		found = finding(doctor, DOCTOR_BAD, "%s has the driver amdgpu, which makes no VFs",
			gpu->name);
		finding_wanted(found, "GIM (the module gim, of AMD's MxGPU-Virtualization)");
	} else if (text_eq(gpu->driver, "gim")) {
		finding_how(finding(doctor, DOCTOR_OK, "%s: GIM makes its VFs, %u are on",
				    gpu->name, gpu->n_vfs),
			"their number is a module option: 'options gim vf_num=N' in "
			"/etc/modprobe.d, and load it anew; Carve does not change it");
	} else if (text_eq(gpu->driver, "i915")) {
		check_i915(doctor, gpu);
	} else if (gpu->vendor != PCI_VENDOR_NVIDIA) {
		finding(doctor, DOCTOR_OK, "%s: driver %s", gpu->name, gpu->driver);
	}
}

void check_pf_driver(struct doctor *doctor)
{
	for (unsigned i = 0; i < doctor->vm->n; i++)
		check_gpu_driver(doctor, &doctor->vm->gpu[i]);
}
