/* SPDX-License-Identifier: Apache-2.0 */
/* What a virtual machine is to be started with, so that a VF works in it, and near which memory. */
#include "base/cleanup.h"
#include "base/size.h"
#include "base/text.h"
#include "doctor/check.h"
#include "doctor/vm.h"
#include "driver/root.h"

#include <dirent.h>
#include <stdio.h>

enum { NUMA_NODES_MAX = 64 };

#define MIB UINT64_C(0x100000)
#define GIB (1024 * MIB)
/* What guests have by themselves: OVMF's window and q35's hole above 4 GiB of memory, and the room
 * that a root port keeps for what is plugged in later. */
#define WINDOW_USUAL  (32 * GIB)
#define RESERVE_USUAL (32 * MIB)
/* From here on the usual 40 bits of guest addresses (1 TiB) may end below the window. */
#define WINDOW_WIDE (256 * GIB)

static uint64_t power_of_two(uint64_t least)
{
	uint64_t size = MIB;

	while (size < least)
		size *= 2;
	return size;
}

/* BARs lie at multiples of their size: a power of two that holds them all holds them in any
 * order, biggest first. */
static void check_bars(struct doctor *doctor, const struct vm_gpu *gpu)
{
	uint64_t bars = vm_gpu_bar_bytes(gpu), room = power_of_two(bars);
	char size[SIZE_TEXT_MAX], reserve[SIZE_TEXT_MAX];
	struct doctor_finding *found;
	AUTO_BUF how = { 0 };

	if (bars <= RESERVE_USUAL)
		return;
	buf_addf(&how, "QEMU: -device pcie-root-port,...,pref64-reserve=%s above it",
		size_text(room, reserve));
	/* with twice the room there is place for a second one, or for other devices' BARs */
	if (2 * room > WINDOW_USUAL)
		buf_addf(&how,
			", -global q35-pcihost.pci-hole64-size=%s; with OVMF also "
			"-fw_cfg name=opt/ovmf/X-PciMmio64Mb,string=%llu",
			size_text(2 * room, reserve), (unsigned long long)(2 * room / MIB));
	if (2 * room >= WINDOW_WIDE)
		buf_addf(&how, "; -cpu host,host-phys-bits=on");
	buf_addf(&how, "; for N VFs in one machine N times that; 'carve show LEASE --as qemu' "
		       "prints it");
	found = finding(doctor, DOCTOR_OK, "a VF of %s has %s of BARs: guests need room for them",
		gpu->name, size_text(bars, size));
	finding_how(found, "%s", buf_text(&how));
}

static unsigned count_numa_nodes(void)
{
	AUTO_FREE char *path = must_asprintf("%s/sys/devices/system/node", root_path());
	DIR *dir = opendir(path);
	unsigned n = 0;

	for (struct dirent *entry; dir && (entry = readdir(dir));)
		n += text_starts(entry->d_name, "node") && entry->d_name[4] >= '0' &&
		     entry->d_name[4] <= '9';
	if (dir)
		closedir(dir);
	return n;
}

/* The GPUs of one node in one line; -1: those of which nobody knows. */
static void check_numa(struct doctor *doctor, int64_t node, unsigned n_nodes)
{
	const struct vm_look *vm = doctor->vm;
	struct doctor_finding *found;
	AUTO_BUF gpus = { 0 };

	for (unsigned i = 0; i < vm->n; i++) {
		int64_t numa = -1;

		pci_number(vm->gpu[i].pci, "numa_node", &numa);
		if (vm->gpu[i].total > 0 && numa == node)
			buf_addf(&gpus, "%s%s", gpus.length ? ", " : "", vm->gpu[i].pci);
	}
	if (gpus.length == 0)
		return;
	if (node >= 0) {
		found = finding(doctor, DOCTOR_OK, "at NUMA node %d, with their VFs: %s", (int)node,
			buf_text(&gpus));
		finding_how(found,
			"a virtual machine's memory and CPUs belong there: QEMU "
			"memory-backend-memfd,...,policy=bind,host-nodes=%d; libvirt <numatune>",
			(int)node);
		return;
	}
	found = finding(doctor, DOCTOR_WARN,
		"the firmware does not tell the NUMA node of %s, and this machine has %u",
		buf_text(&gpus), n_nodes);
	finding_wanted(found,
		"told: a virtual machine on the wrong node reaches its VF through the "
		"other's memory");
	finding_how(found, "a BIOS with '_PXM' for its slots (a newer one, or 'NUMA' on)");
}

void check_guest(struct doctor *doctor)
{
	const struct vm_look *vm = doctor->vm;
	unsigned n_nodes = count_numa_nodes();

	/* a recorded node may have lost the rest of /sys */
	for (unsigned i = 0; i < vm->n; i++) {
		int64_t numa = -1;

		pci_number(vm->gpu[i].pci, "numa_node", &numa);
		if (numa >= n_nodes && numa < NUMA_NODES_MAX)
			n_nodes = (unsigned)numa + 1;
	}
	for (int node = -1; n_nodes > 1 && node < NUMA_NODES_MAX; node++)
		check_numa(doctor, node, n_nodes);
	for (unsigned i = 0; i < vm->n; i++) {
		if (vm->gpu[i].total > 0)
			check_bars(doctor, &vm->gpu[i]);
	}
}
