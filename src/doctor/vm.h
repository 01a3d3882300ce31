/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What the checks about virtual machines share: the GPUs that have virtual functions or should have
 * them, and what there is to run virtual machines with.
 */

#include "doctor/doctor.h"
#include "driver/iommu.h"
#include "driver/pci_space.h"
#include "driver/pci_sriov.h"
#include "model/gpu.h"

/* A board of which it is known that it has virtual functions: data/products/sriov.def. */
struct vm_board {
	uint16_t vendor, device;
	const char *name;
	enum { DISPLAY_NONE, DISPLAY_OFF, DISPLAY_ON } display; /* as it leaves the factory */
};

struct vm_gpu {
	char pci[PCI_ADDRESS_MAX];
	int64_t vendor, device, class;
	char driver[64];
	char name[160];			   /* "GPU 0000:41:00.0 (L40S)" */
	const struct vm_board *board;	   /* NULL: not known as one with VFs */
	int sriov_result;		   /* of reading its capability: 0, -ENOENT none, -EACCES */
	struct pci_sriov sriov;		   /* all zero where it could not be read */
	int64_t total;			   /* sriov_totalvfs; -1: the kernel knows no VFs of it */
	unsigned n_vfs;			   /* that are on */
	char vf[VFS_MAX][PCI_ADDRESS_MAX]; /* by number */
};

struct vm_look {
	char monitor[64];   /* a program that runs virtual machines; "" none found */
	bool is_configured; /* carved.yaml says what else counts as a GPU with VFs */
	bool has_manager;   /* NVIDIA's sriov-manage is here */
	char manager[512];
	struct iommu iommu;
	unsigned n;
	struct vm_gpu gpu[GPUS_MAX];
};

/* Never fails. */
struct vm_look *vm_look_new(void);
struct vm_look *vm_look_free(struct vm_look *look); /* NULL */
/* False where nobody would want to hear of virtual machines. */
bool vm_is_of_interest(const struct vm_look *look);
/* The gravest verdict that is due here about VFs: they are no trouble where nobody has virtual
 * machines. */
enum doctor_verdict vm_gravest(const struct vm_look *look);
/* The size of each BAR of its VFs is known. */
bool vm_gpu_bars_are_known(const struct vm_gpu *gpu);
/* Bytes of the BARs of one VF, as far as they are known. */
uint64_t vm_gpu_bar_bytes(const struct vm_gpu *gpu);
/* The GPU whose own address that is, or that of one of its VFs, on or not; NULL. */
const struct vm_gpu *vm_gpu_at(const struct vm_look *look, const char *pci);
