/* SPDX-License-Identifier: Apache-2.0 */
/* The IOMMU, and whether it can tell virtual functions apart. */
#include "base/text.h"
#include "doctor/check.h"
#include "doctor/vm.h"

#include <stdio.h>
#include <stdlib.h>

enum { MEMBERS_MAX = 128, MEMBERS_TOLD = 4 };

static const char *option_to_turn_on(enum iommu_maker maker)
{
	switch (maker) {
	case IOMMU_INTEL:
		return "'intel_iommu=on iommu=pt'";
	case IOMMU_AMD:
		return "'amd_iommu=on iommu=pt'";
	default:
		return "'iommu.passthrough=0'";
	}
}

static void tell_off(struct doctor *doctor, const struct iommu *iommu)
{
	struct doctor_finding *found;

	if (iommu->maker == IOMMU_UNKNOWN) {
		found = finding(doctor, DOCTOR_BAD,
			"there is no IOMMU: the firmware tells of none (no table DMAR, IVRS or "
			"IORT)");
		finding_how(found, "in the BIOS: 'VT-d' or 'Intel Virtualization for Directed I/O' "
				   "(Intel), 'IOMMU' or 'AMD-Vi' (AMD) on");
	} else {
		found = finding(doctor, DOCTOR_BAD,
			"the IOMMU is off: the firmware has it, the kernel does not use it "
			"(%s%s%s)",
			*iommu->option ? "its command line has '" : "no option on its command line",
			iommu->option, *iommu->option ? "'" : "");
		finding_how(found,
			"%s on the kernel's command line in place of what turns it off "
			"(GRUB_CMDLINE_LINUX in /etc/default/grub; 'update-grub' or "
			"'grub2-mkconfig'), and reboot",
			option_to_turn_on(iommu->maker));
	}
	finding_wanted(found, "on: without it no VF can be handed to a virtual machine");
}

/* VFs of NVIDIA's driver keep that driver; all others' are handed over by vfio-pci. */
static bool wants_vfio_pci(const struct vm_look *vm)
{
	for (unsigned i = 0; i < vm->n; i++) {
		if (vm->gpu[i].vendor != PCI_VENDOR_NVIDIA)
			return true;
	}
	return false;
}

static void check_vfio(struct doctor *doctor, const struct iommu *iommu)
{
	struct doctor_finding *found;

	if (!iommu->has_vfio) {
		found = finding(doctor, DOCTOR_WARN, "/dev/vfio/vfio is not there");
		finding_wanted(found, "there: by VFIO a virtual machine opens its VF");
		finding_how(found, "'modprobe vfio-pci', and a line 'vfio-pci' in "
				   "/etc/modules-load.d/vfio.conf");
	} else if (!iommu->has_vfio_pci && wants_vfio_pci(doctor->vm)) {
		found = finding(doctor, DOCTOR_WARN, "the driver vfio-pci is not loaded");
		finding_wanted(found, "loaded: VFs are bound to it for virtual machines");
		finding_how(found, "'modprobe vfio-pci', and a line 'vfio-pci' in "
				   "/etc/modules-load.d/vfio.conf");
	} else {
		finding(doctor, DOCTOR_OK, "VFIO hands devices over by %s",
			iommu->has_iommufd
				? "group and, as /dev/iommu is there, by iommufd"
				: "group; this kernel has no /dev/iommu (iommufd), which nothing "
				  "needs");
	}
}

void check_iommu(struct doctor *doctor)
{
	const struct iommu *iommu = &doctor->vm->iommu;
	struct doctor_finding *found;

	if (!iommu->is_on) {
		tell_off(doctor, iommu);
		return;
	}
	finding(doctor, DOCTOR_OK, "the IOMMU is on");
	check_vfio(doctor, iommu);
	if (iommu->overrides_acs) {
		found = finding(
			doctor, DOCTOR_WARN, "pcie_acs_override is on the kernel's command line");
		finding_wanted(found,
			"not there: it takes isolation away. Groups look smaller, but a virtual "
			"machine's device can still reach the memory of another's");
		finding_how(found, "take it off wherever one virtual machine is not to trust the "
				   "next, and see which groups are left");
	}
}

/* ---- groups ---- */

/* What a group has beside the device itself. */
struct company {
	unsigned n;
	bool is_viable; /* nothing but the GPU's own VFs keeps VFIO from it */
	char text[400]; /* the first few, with class and driver */
};

static void add_member(struct company *company, const char *pci)
{
	size_t length = strlen(company->text);
	int64_t class = 0;
	char driver[64];

	if (++company->n > MEMBERS_TOLD) {
		if (company->n == MEMBERS_TOLD + 1)
			snprintf(company->text + length, sizeof(company->text) - length, ", ...");
		return;
	}
	pci_driver(pci, driver, sizeof(driver));
	pci_number(pci, "class", &class);
	snprintf(company->text + length, sizeof(company->text) - length, "%s%s (class %04x, %s%s)",
		length ? ", " : "", pci, (unsigned)(class >> 8), *driver ? "driver " : "no driver",
		driver);
}

static bool is_vf_of(const struct vm_gpu *gpu, const char *pci)
{
	for (unsigned i = 0; i < gpu->n_vfs; i++) {
		if (text_eq(gpu->vf[i], pci))
			return true;
	}
	return false;
}

/* Other functions of the GPU's own slot (its sound) say nothing about where its VFs would be. */
static bool is_same_slot(const char *a, const char *b)
{
	const char *dot = strrchr(a, '.');

	return dot && strncmp(a, b, (size_t)(dot - a) + 1) == 0;
}

static int compare_addresses(const void *a, const void *b)
{
	return strcmp(a, b);
}

static void look_company(
	const struct vm_gpu *gpu, const char *pci, int group, struct company *ret_company)
{
	char member[MEMBERS_MAX][PCI_ADDRESS_MAX];
	unsigned n = iommu_members(group, member, MEMBERS_MAX);

	*ret_company = (struct company){ .is_viable = true };
	qsort(member, n, PCI_ADDRESS_MAX, compare_addresses);
	for (unsigned i = 0; i < n; i++) {
		if (text_eq(member[i], pci) ||
			(text_eq(pci, gpu->pci) && is_same_slot(pci, member[i])))
			continue;
		if (!is_vf_of(gpu, member[i]) && iommu_member_is_in_the_way(member[i]))
			ret_company->is_viable = false;
		add_member(ret_company, member[i]);
	}
}

static void say_how_to_part(struct doctor_finding *found, const struct vm_gpu *gpu)
{
	char bridge[PCI_ADDRESS_MAX];
	int r = acs_is_on(gpu->pci, bridge);

	if (r == 0)
		finding_how(found,
			"the bridge %s above has no access control (ACS), or it is off: in the "
			"BIOS 'ACS' on, else a slot below another bridge",
			bridge);
	else if (r < 0)
		finding_how(found, "run 'carve doctor' as root: it tells which bridge above lacks "
				   "access control (ACS)");
	else
		finding_how(found,
			"the bridges above have access control (ACS): the device itself does not "
			"keep its functions apart; in the BIOS 'ARI' on, else another slot");
}

/* False if something was said about it. */
static bool check_vf(struct doctor *doctor, const struct vm_gpu *gpu, const char *pci)
{
	int group = iommu_group(pci);
	struct doctor_finding *found;
	struct company company;

	if (group < 0) {
		found = finding(
			doctor, DOCTOR_BAD, "VF %s of %s is in no IOMMU group", pci, gpu->name);
		finding_wanted(found, "in one: the IOMMU does not translate for it");
		finding_how(found, "'dmesg | grep -i iommu' tells; some firmware leaves a PCI "
				   "segment out of its table (DMAR, IVRS)");
		return false;
	}
	look_company(gpu, pci, group, &company);
	if (company.n == 0)
		return true;
	if (company.is_viable)
		found = finding(doctor, DOCTOR_WARN,
			"VF %s of %s shares IOMMU group %d with %s: all of it goes to one virtual "
			"machine only",
			pci, gpu->name, group, company.text);
	else
		found = finding(doctor, DOCTOR_BAD,
			"VF %s of %s shares IOMMU group %d with %s: not viable, VFIO gives nobody "
			"anything of it",
			pci, gpu->name, group, company.text);
	finding_wanted(found, "in a group of its own");
	say_how_to_part(found, gpu);
	return false;
}

/* Without VFs, what shares the GPU's group tells what theirs would be like. */
static void check_without_vfs(struct doctor *doctor, const struct vm_gpu *gpu)
{
	int group = iommu_group(gpu->pci);
	struct doctor_finding *found;
	struct company company;

	if (group < 0 || gpu->total <= 0)
		return;
	look_company(gpu, gpu->pci, group, &company);
	if (company.n == 0) {
		finding(doctor, DOCTOR_OK, "%s is in an IOMMU group of its own", gpu->name);
		return;
	}
	found = finding(doctor, DOCTOR_BAD,
		"%s shares IOMMU group %d with %s: its VFs would be in that group too, and with "
		"the GPU itself in it VFIO gives nobody anything of it",
		gpu->name, group, company.text);
	finding_wanted(found, "in a group of its own");
	say_how_to_part(found, gpu);
}

static void check_gpu_groups(struct doctor *doctor, const struct vm_gpu *gpu)
{
	if (gpu->n_vfs == 0) {
		check_without_vfs(doctor, gpu);
		return;
	}
	/* what is wrong with one is wrong with the next */
	for (unsigned i = 0; i < gpu->n_vfs; i++) {
		if (!check_vf(doctor, gpu, gpu->vf[i]))
			return;
	}
	finding(doctor, DOCTOR_OK, "the %u VFs of %s are each in an IOMMU group of their own",
		gpu->n_vfs, gpu->name);
}

void check_groups(struct doctor *doctor)
{
	const struct vm_look *vm = doctor->vm;

	for (unsigned i = 0; i < vm->n && vm->iommu.is_on; i++)
		check_gpu_groups(doctor, &vm->gpu[i]);
}
