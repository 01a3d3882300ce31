/* SPDX-License-Identifier: Apache-2.0 */
#include "driver/filter.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"

#include <bpf/bpf.h>
#include <errno.h>

void filter_add(struct filter *filter, struct bpf_insn insn)
{
	if (filter->n == FILTER_INSNS_MAX)
		filter->is_full = true;
	else
		filter->insn[filter->n++] = insn;
}

static void load_word(struct filter *filter, int to, int from, size_t offset)
{
	filter_add(filter, (struct bpf_insn){ .code = BPF_LDX | BPF_MEM | BPF_W,
				   .dst_reg = (unsigned char)to & 0xf,
				   .src_reg = (unsigned char)from & 0xf,
				   .off = (short)offset });
}

static void jump(struct filter *filter, int condition, int reg, uint32_t value, int to)
{
	filter_add(filter, (struct bpf_insn){ .code = (unsigned char)(BPF_JMP32 | condition),
				   .dst_reg = (unsigned char)reg & 0xf,
				   .off = (short)to,
				   .imm = (int)value });
}

void filter_begin(struct filter *filter)
{
	filter->n = 0;
	filter->is_full = false;
	filter_add(filter, (struct bpf_insn){ .code = BPF_ALU64 | BPF_MOV | BPF_X,
				   .dst_reg = BPF_REG_6,
				   .src_reg = BPF_REG_1 });
	/* access_type: what is done << 16 | kind of device */
	load_word(filter, BPF_REG_2, BPF_REG_6, offsetof(struct bpf_cgroup_dev_ctx, access_type));
	filter_add(filter,
		(struct bpf_insn){
			.code = BPF_ALU | BPF_AND | BPF_K, .dst_reg = BPF_REG_2, .imm = 0xffff });
	jump(filter, BPF_JNE, BPF_REG_2, BPF_DEVCG_DEV_CHAR, FILTER_ALLOW);
	load_word(filter, BPF_REG_7, BPF_REG_6, offsetof(struct bpf_cgroup_dev_ctx, major));
	load_word(filter, BPF_REG_8, BPF_REG_6, offsetof(struct bpf_cgroup_dev_ctx, minor));
}

void filter_on_major(struct filter *filter, uint32_t major, int end)
{
	jump(filter, BPF_JEQ, BPF_REG_7, major, end);
}

void filter_on_node(struct filter *filter, uint32_t major, uint32_t minor, int end)
{
	jump(filter, BPF_JNE, BPF_REG_7, major, 1);
	jump(filter, BPF_JEQ, BPF_REG_8, minor, end);
}

static void answer(struct filter *filter, int value)
{
	filter_add(filter,
		(struct bpf_insn){
			.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = value });
	filter_add(filter, (struct bpf_insn){ .code = BPF_JMP | BPF_EXIT });
}

void filter_finish(struct filter *filter, enum filter_end otherwise)
{
	unsigned first = filter->n;
	bool denies = otherwise == FILTER_DENY, has_other = false;

	/* falling through comes to the first of the two; the verifier takes no code that nothing
	 * leads to, so the second stands only where it is wanted */
	answer(filter, !denies);
	for (unsigned i = 0; i < first; i++) {
		struct bpf_insn *insn = &filter->insn[i];

		if (insn->off != FILTER_ALLOW && insn->off != FILTER_DENY)
			continue;
		has_other = has_other || insn->off != (short)otherwise;
		insn->off = (short)(first + (insn->off == (short)otherwise ? 0 : 2) - i - 1);
	}
	if (has_other)
		answer(filter, denies);
}

int filter_load(const struct filter *filter, const char *name, struct error *err)
{
	int fd;

	if (filter->is_full)
		return error_set(err, -E2BIG, "too many device nodes for one device filter");
	/* the helpers that are called are open to every licence */
	fd = bpf_prog_load(
		BPF_PROG_TYPE_CGROUP_DEVICE, name, "Apache-2.0", filter->insn, filter->n, NULL);
	if (fd < 0 && errno == EPERM)
		return error_set(err, -EPERM,
			"device filters need root (CAP_BPF and CAP_SYS_ADMIN), or a container that "
			"may use bpf(2)");
	if (fd < 0)
		return error_set(err, -errno, "the kernel does not load the device filter: %m");
	return fd;
}

int filter_attached(int cgroup_fd, const char *name, uint32_t ret_ids[FILTER_ATTACHED_MAX])
{
	uint32_t ids[FILTER_ATTACHED_MAX], n = FILTER_ATTACHED_MAX;
	int found = 0;

	if (bpf_prog_query(cgroup_fd, BPF_CGROUP_DEVICE, 0, NULL, ids, &n) < 0)
		return -errno;
	for (uint32_t i = 0; i < n; i++) {
		struct bpf_prog_info info = { 0 };
		uint32_t size = sizeof(info);
		AUTO_CLOSE int fd = bpf_prog_get_fd_by_id(ids[i]);

		if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &size) < 0)
			continue;
		if (text_eq(info.name, name))
			ret_ids[found++] = ids[i];
	}
	return found;
}

int filter_attach(int cgroup_fd, int program_fd, struct error *err)
{
	if (bpf_prog_attach(program_fd, cgroup_fd, BPF_CGROUP_DEVICE, BPF_F_ALLOW_MULTI) == 0)
		return 0;
	if (errno == EPERM)
		return error_set(err, -EPERM,
			"the kernel does not attach a device filter here: this takes CAP_NET_ADMIN "
			"or "
			"CAP_SYS_ADMIN, and no filter further up that allows none beside it");
	return error_set(err, -errno, "the kernel does not attach a device filter here: %m");
}

int filter_detach(int cgroup_fd, uint32_t id)
{
	AUTO_CLOSE int fd = bpf_prog_get_fd_by_id(id);

	if (fd < 0)
		return -errno;
	return bpf_prog_detach2(fd, cgroup_fd, BPF_CGROUP_DEVICE) < 0 ? -errno : 0;
}
