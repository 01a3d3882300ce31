/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guard's program, in words:
 *
 *	not a character device, or none of the denied nodes	allow
 *	not opened, only made (mknod)				allow
 *	the process's cgroup is in the map			allow
 *	an ancestor of it is in the map				allow
 *	else							deny
 *
 * It stands on the root of the v2 tree, so every process of the machine passes it (a simulated
 * node's on a cgroup further down); the map is all that changes while it stands.
 */
#include "driver/fence.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"
#include "driver/cgroup.h"
#include "driver/filter.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>

static const char guard_name[] = "carve_guard";

enum {
	GUARD_ADMITTED_MAX = 65536,
	GUARD_LEVELS_MAX = 32, /* how deep below an admitted cgroup a process may live */
};

struct guard {
	char *path; /* of the cgroup that it stands on */
	int map, program;
};

static struct bpf_insn call(int helper)
{
	return (struct bpf_insn){ .code = BPF_JMP | BPF_CALL, .imm = helper };
}

static struct bpf_insn set(int reg, int value)
{
	return (struct bpf_insn){ .code = BPF_ALU64 | BPF_MOV | BPF_K,
		.dst_reg = (unsigned char)reg & 0xf,
		.imm = value };
}

/* Who makes nodes (udev, nvidia-modprobe, container runtimes) gets no access by that: whoever opens
 * them is asked. */
static void filter_on_mknod(struct filter *filter)
{
	filter_add(filter, (struct bpf_insn){ .code = BPF_LDX | BPF_MEM | BPF_W,
				   .dst_reg = BPF_REG_2,
				   .src_reg = BPF_REG_6,
				   .off = offsetof(struct bpf_cgroup_dev_ctx, access_type) });
	filter_add(filter, (struct bpf_insn){ .code = BPF_ALU | BPF_AND | BPF_K,
				   .dst_reg = BPF_REG_2,
				   .imm = (BPF_DEVCG_ACC_READ | BPF_DEVCG_ACC_WRITE) << 16 });
	filter_add(filter,
		(struct bpf_insn){
			.code = BPF_JMP32 | BPF_JEQ, .dst_reg = BPF_REG_2, .off = FILTER_ALLOW });
}

/* r0 is a cgroup's id: allow if the map has it. */
static void filter_look_up(struct filter *filter, int map)
{
	filter_add(filter, (struct bpf_insn){ .code = BPF_STX | BPF_MEM | BPF_DW,
				   .dst_reg = BPF_REG_10,
				   .src_reg = BPF_REG_0,
				   .off = -8 });
	filter_add(filter, (struct bpf_insn){ .code = BPF_LD | BPF_IMM | BPF_DW,
				   .dst_reg = BPF_REG_1,
				   .src_reg = BPF_PSEUDO_MAP_FD,
				   .imm = map });
	filter_add(filter, (struct bpf_insn){ 0 }); /* the upper half of the 64-bit constant */
	filter_add(filter, (struct bpf_insn){ .code = BPF_ALU64 | BPF_MOV | BPF_X,
				   .dst_reg = BPF_REG_2,
				   .src_reg = BPF_REG_10 });
	filter_add(filter,
		(struct bpf_insn){
			.code = BPF_ALU64 | BPF_ADD | BPF_K, .dst_reg = BPF_REG_2, .imm = -8 });
	filter_add(filter, call(BPF_FUNC_map_lookup_elem));
	filter_add(filter, (struct bpf_insn){ .code = BPF_JMP | BPF_JNE | BPF_K,
				   .dst_reg = BPF_REG_0,
				   .off = FILTER_ALLOW });
}

static int guard_load(int map, const struct binding_node *denied, unsigned n, struct error *err)
{
	struct filter filter;
	struct error why;
	int fd;

	filter_begin(&filter);
	if (n == 0) {
		filter_finish(&filter, FILTER_ALLOW);
		return filter_load(&filter, guard_name, err);
	}
	filter_on_mknod(&filter);
	/* over the "allow" that stands for all other nodes, to what follows it */
	for (unsigned i = 0; i < n; i++)
		filter_on_node(&filter, denied[i].major, denied[i].minor, (int)(2 * (n - i) - 1));
	filter_add(&filter, (struct bpf_insn){ .code = BPF_JMP | BPF_JA, .off = FILTER_ALLOW });
	filter_add(&filter, call(BPF_FUNC_get_current_cgroup_id));
	filter_look_up(&filter, map);
	for (int level = 1; level <= GUARD_LEVELS_MAX; level++) {
		filter_add(&filter, set(BPF_REG_1, level));
		filter_add(&filter, call(BPF_FUNC_get_current_ancestor_cgroup_id));
		/* 0: its own level is passed */
		filter_add(&filter, (struct bpf_insn){ .code = BPF_JMP | BPF_JEQ | BPF_K,
					    .dst_reg = BPF_REG_0,
					    .off = FILTER_DENY });
		filter_look_up(&filter, map);
	}
	filter_finish(&filter, FILTER_DENY);
	fd = filter_load(&filter, guard_name, &why);
	if (fd == -EINVAL)
		return error_set(err, -ENOTSUP,
			"this kernel's device filters cannot tell the ancestors of a cgroup (Linux "
			"6.1 and later can): 'unleased: deny' is not possible, 'report' is");
	if (fd < 0)
		return error_set(err, fd, "%s", why.text);
	return fd;
}

static int open_guarded(const char *path, struct error *err)
{
	if (!*cgroup_mount()) {
		int r = cgroup_open(err);

		if (r < 0)
			return r;
	}
	return cgroup_find(path, err);
}

int guard_new(struct guard **ret_guard, const char *path, const struct binding_node *denied,
	unsigned n, struct error *err)
{
	LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = BPF_F_NO_PREALLOC);
	AUTO_CLOSE int map = bpf_map_create(BPF_MAP_TYPE_HASH, guard_name, sizeof(uint64_t),
		sizeof(uint8_t), GUARD_ADMITTED_MAX, &options);
	struct guard *guard;
	int program;

	if (map < 0)
		return error_set(err, -errno, "the kernel does not make a BPF map: %m");
	program = guard_load(map, denied, n, err);
	if (program < 0)
		return program;
	guard = must_alloc(1, sizeof(*guard));
	guard->path = must_strdup(path);
	guard->map = TAKE_FD(map);
	guard->program = program;
	*ret_guard = guard;
	return 0;
}

int guard_put_up(struct guard *guard, struct error *err)
{
	uint32_t old[FILTER_ATTACHED_MAX];
	AUTO_CLOSE int top = open_guarded(guard->path, err);
	int r, n_old;

	if (top < 0)
		return top;
	n_old = filter_attached(top, guard_name, old);
	r = filter_attach(top, guard->program, err);
	if (r < 0)
		return r;
	/* the new one stands before the old ones go */
	for (int i = 0; i < n_old; i++)
		filter_detach(top, old[i]);
	return 0;
}

int guard_admit(struct guard *guard, uint64_t cgroup_id)
{
	uint8_t value = 1;

	return bpf_map_update_elem(guard->map, &cgroup_id, &value, BPF_ANY) < 0 ? -errno : 0;
}

int guard_forget(struct guard *guard, uint64_t cgroup_id)
{
	if (bpf_map_delete_elem(guard->map, &cgroup_id) < 0 && errno != ENOENT)
		return -errno;
	return 0;
}

struct guard *guard_off(struct guard *guard)
{
	AUTO_CLOSE int top = -1;

	if (!guard)
		return NULL;
	top = open_guarded(guard->path, NULL);
	if (top >= 0)
		bpf_prog_detach2(guard->program, top, BPF_CGROUP_DEVICE);
	close(guard->program);
	close(guard->map);
	free(guard->path);
	free(guard);
	return NULL;
}

int guard_clear(const char *path, struct error *err)
{
	uint32_t ids[FILTER_ATTACHED_MAX];
	AUTO_CLOSE int top = open_guarded(path, err);
	int r = 0, n;

	if (top < 0)
		return top;
	n = filter_attached(top, guard_name, ids);
	for (int i = 0; i < n && r == 0; i++)
		r = filter_detach(top, ids[i]);
	if (n < 0)
		r = n;
	if (r < 0) {
		errno = -r;
		return error_set(err, r, "cannot take the guard off: %m");
	}
	return 0;
}
