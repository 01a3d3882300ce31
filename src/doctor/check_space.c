/* SPDX-License-Identifier: Apache-2.0 */
/* Room on the PCI bus for virtual functions: memory for their BARs, and bus numbers. */
#include "base/cleanup.h"
#include "base/size.h"
#include "base/text.h"
#include "doctor/check.h"
#include "doctor/vm.h"

#include <errno.h>
#include <stdio.h>

enum { FUNCTIONS_PER_BUS = 256 };

/* The BARs of VFs that have no room: "0, 2"; false if all have. */
static bool list_homeless(const struct pci_sriov *sriov, struct buf *ret_list)
{
	unsigned n_placed = 0;

	for (unsigned i = 0; i < PCI_VF_BARS; i++) {
		bool is_placed = sriov->bar_size[i] && sriov->bar_is_placed[i];

		n_placed += is_placed;
		/* one that got no room may have lost its size too: that it is a 64-bit one stays */
		if (!is_placed && (sriov->bar_size[i] || sriov->bar_is_64[i]))
			buf_addf(ret_list, "%s%u", ret_list->length ? ", " : "", i);
	}
	return ret_list->length > 0 || n_placed == 0;
}

static bool is_prefetchable(const struct pci_sriov *sriov)
{
	for (unsigned i = 0; i < PCI_VF_BARS; i++) {
		if (sriov->bar_is_prefetchable[i])
			return true;
	}
	return false;
}

static void say_needed(struct doctor_finding *found, const struct vm_gpu *gpu)
{
	uint64_t one = vm_gpu_bar_bytes(gpu);
	char each[SIZE_TEXT_MAX], all[SIZE_TEXT_MAX], there[SIZE_TEXT_MAX];
	char bridge[PCI_ADDRESS_MAX];

	if (!vm_gpu_bars_are_known(gpu)) {
		finding_wanted(found,
			"room for the BARs of %u VFs; how much that is, only the kernel's log "
			"still "
			"tells: 'dmesg | grep %s' as root",
			gpu->sriov.total, gpu->pci);
		return;
	}
	size_text(one, each);
	size_text(one * gpu->sriov.total, all);
	/* those above it were made to fit the nearest one */
	if (pci_parent(gpu->pci, bridge) == 0)
		finding_wanted(found,
			"%s of memory space for them (%u VFs of %s); the bridge %s above has %s "
			"free",
			all, gpu->sriov.total, each, bridge,
			size_text(pci_window_free(bridge, is_prefetchable(&gpu->sriov)), there));
	else
		finding_wanted(found, "%s of memory space for them (%u VFs of %s)", all,
			gpu->sriov.total, each);
}

static void check_memory(struct doctor *doctor, const struct vm_gpu *gpu)
{
	AUTO_BUF homeless = { 0 };
	char all[SIZE_TEXT_MAX], each[SIZE_TEXT_MAX];
	struct doctor_finding *found;

	if (list_homeless(&gpu->sriov, &homeless)) {
		found = finding(doctor, DOCTOR_BAD,
			"%s: the kernel found no room on the bus for the memory of its VFs (BAR "
			"%s)",
			gpu->name, homeless.length ? buf_text(&homeless) : "0");
		say_needed(found, gpu);
		finding_how(found,
			"in the BIOS: 'Above 4G Decoding' and 'SR-IOV' on, 'MMIO High Size' (or "
			"'MMIOH granularity') larger, 'Resizable BAR' as it was delivered; on the "
			"kernel's command line: 'pci=realloc'");
		return;
	}
	finding(doctor, DOCTOR_OK, "%s: its %u VFs have %s of memory space on the bus, %s each",
		gpu->name, gpu->sriov.total,
		size_text(vm_gpu_bar_bytes(gpu) * gpu->sriov.total, all),
		size_text(vm_gpu_bar_bytes(gpu), each));
}

/* The bus number of its VF `number`, counted as the kernel does. */
static unsigned bus_of(const struct vm_gpu *gpu, unsigned number)
{
	unsigned domain = 0, bus = 0, device = 0, function = 0;

	if (sscanf(gpu->pci, "%x:%x:%x.%x", &domain, &bus, &device, &function) != 4)
		return 0;
	return bus + (device * 8 + function + gpu->sriov.offset + number * gpu->sriov.stride) /
			     FUNCTIONS_PER_BUS;
}

static void check_buses(struct doctor *doctor, const struct vm_gpu *gpu)
{
	unsigned fitting = gpu->sriov.total, last = bus_of(gpu, gpu->sriov.total - 1u);
	struct doctor_finding *found;
	char bridge[PCI_ADDRESS_MAX];
	int has;

	if (pci_parent(gpu->pci, bridge) < 0 || (has = pci_last_bus(bridge)) < 0 ||
		last <= (unsigned)has)
		return;
	while (fitting > 0 && bus_of(gpu, fitting - 1) > (unsigned)has)
		fitting--;
	found = finding(doctor, DOCTOR_BAD,
		"%s: there are bus numbers for %u of its %u VFs: the last is on bus %02x, and the "
		"bridge %s has buses up to %02x",
		gpu->name, fitting, gpu->sriov.total, last, bridge, (unsigned)has);
	finding_wanted(found, "bus %02x behind that bridge (first VF at offset %u, stride %u%s)",
		last, gpu->sriov.offset, gpu->sriov.stride, gpu->sriov.has_ari ? "" : ", no ARI");
	finding_how(found, "in the BIOS: 'ARI' and 'SR-IOV' on, which then leaves bus numbers for "
			   "VFs; on the kernel's command line: 'pci=assign-busses'");
}

void check_space(struct doctor *doctor)
{
	const struct vm_look *vm = doctor->vm;

	for (unsigned i = 0; i < vm->n; i++) {
		const struct vm_gpu *gpu = &vm->gpu[i];

		if (gpu->sriov_result == -EACCES && gpu->total > 0) {
			finding_how(finding(doctor, DOCTOR_UNSEEN,
					    "%s: whether there is room on the bus for its VFs",
					    gpu->name),
				"run 'carve doctor' as root");
		} else if (gpu->sriov_result == 0 && gpu->sriov.total > 0 && gpu->total >= 0) {
			check_memory(doctor, gpu);
			check_buses(doctor, gpu);
		}
	}
}
