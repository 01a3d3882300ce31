/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What the checks share. A check looks at one thing and adds a finding for each thing it saw. */

#include "base/list.h"
#include "doctor/doctor.h"
#include "doctor/look.h"
#include "driver/pci.h"

struct stat;

struct doctor {
	VEC(struct doctor_finding) findings;
	const char *check; /* the one that looks now */

	/* What the checks look at together. */
	bool is_root;
	unsigned n_pci;
	char pci[GPUS_MAX][PCI_ADDRESS_MAX]; /* NVIDIA GPUs on the bus */
	struct driver_look *driver;	     /* what the driver told */
	struct vm_look *vm;		     /* what there is for virtual machines */
	enum doctor_verdict gravest;	     /* graver findings are told as this */
};

/* Adds a finding; `wanted` and `how` may be NULL. */
struct doctor_finding *finding(struct doctor *doctor, enum doctor_verdict verdict,
	const char *format, ...) __attribute__((format(printf, 3, 4)));
void finding_wanted(struct doctor_finding *finding, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void finding_how(struct doctor_finding *finding, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Finds a program on PATH, or where distributions put it; of a simulated or recorded node, on PATH
 * only. */
bool find_program(const char *name, char *ret_path, size_t size, struct stat *ret_stat);

/* check_kernel.c */
void check_root(struct doctor *doctor);
void check_kernel(struct doctor *doctor);
void check_cgroups(struct doctor *doctor);
void check_filters(struct doctor *doctor);
/* check_driver.c */
void check_bus(struct doctor *doctor);
void check_module(struct doctor *doctor);
void check_library(struct doctor *doctor);
void check_version(struct doctor *doctor);
void check_modprobe(struct doctor *doctor);
/* check_gpus.c */
void check_gpus(struct doctor *doctor);
void check_nodes(struct doctor *doctor);
void check_capabilities(struct doctor *doctor);
/* check_use.c */
void check_mig(struct doctor *doctor);
void check_users(struct doctor *doctor);
void check_persistence(struct doctor *doctor);
/* check_mps.c */
void check_mps(struct doctor *doctor);
/* check_iommu.c */
void check_iommu(struct doctor *doctor);
void check_groups(struct doctor *doctor);
/* check_space.c */
void check_space(struct doctor *doctor);
/* check_sriov.c */
void check_vms(struct doctor *doctor);
void check_sriov(struct doctor *doctor);
void check_pf_driver(struct doctor *doctor);
/* check_vgpu.c */
void check_vgpu(struct doctor *doctor);
/* check_licence.c */
void check_licence(struct doctor *doctor);
/* check_guest.c */
void check_guest(struct doctor *doctor);
/* check_boot.c */
void check_boot(struct doctor *doctor);
/* check_daemon.c */
void check_daemon(struct doctor *doctor);
