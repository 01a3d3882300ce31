/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Device filters (BPF_PROG_TYPE_CGROUP_DEVICE) put together by hand: a program that grows
 * instruction by instruction, with forward jumps to its two ends; and what is attached to a cgroup.
 *
 * A filter sees an access (open for reading or writing, mknod) to one node and answers 1 (allow) or
 * 0 (EPERM). The filters of a cgroup and of all its ancestors must allow it.
 */

#include <stdbool.h>
#include <stdint.h>

#include <linux/bpf.h>

struct error;

enum { FILTER_INSNS_MAX = 4096, FILTER_ATTACHED_MAX = 64 };

struct filter {
	unsigned n;
	bool is_full; /* it did not fit: filter_load refuses */
	struct bpf_insn insn[FILTER_INSNS_MAX];
};

/* Where a jump goes that is not known yet. */
enum filter_end { FILTER_ALLOW = 0x7ffe, FILTER_DENY = 0x7ffd };

/* Begins: r6 context, r7 major, r8 minor of the node; what is no character device is allowed. */
void filter_begin(struct filter *filter);
void filter_add(struct filter *filter, struct bpf_insn insn);
/* Goes to `end` if r7 (and r8) are these. */
void filter_on_node(struct filter *filter, uint32_t major, uint32_t minor, int end);
void filter_on_major(struct filter *filter, uint32_t major, int end);
/* Ends: what comes here goes to `otherwise`; then both ends. */
void filter_finish(struct filter *filter, enum filter_end otherwise);
/* The loaded program's descriptor. */
int filter_load(const struct filter *filter, const char *name, struct error *err);

/* The ids of the filters of that name attached to this cgroup itself: how many, or negative errno.
 */
int filter_attached(int cgroup_fd, const char *name, uint32_t ret_ids[FILTER_ATTACHED_MAX]);
int filter_attach(int cgroup_fd, int program_fd, struct error *err);
int filter_detach(int cgroup_fd, uint32_t id);
