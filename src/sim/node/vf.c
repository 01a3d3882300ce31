/* SPDX-License-Identifier: Apache-2.0 */
/*
 * VFs come all at once and go all at once. Whatever the kernel does with them it does under the
 * device's lock, so whoever asks how many there are waits as well, and removing them waits for
 * every virtual machine that has one open:
 *
 *	lock the device -> wait for holders -> work, asleep -> commit -> /dev/vfio -> unlock
 *
 * Who has the unbind lock unbinds NVIDIA's driver from the GPU on the way and binds it again, by
 * which it forgets its MIG instances and the mixing of vGPU sizes.
 */
#include "sim/node/vf.h"

#include "abi/nvml.h"
#include "base/cleanup.h"
#include "sim/node/process.h"
#include "sim/node/tree.h"
#include "sim/node/vgpu.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define FIRST_GROUP 100
#define LOOK_NS	    10000000 /* how often it is looked whether a VF is still held */
#define CLIENTS	    "%s/clients"

const char *vf_pci_text(const struct gpu *gpu, unsigned vf, char ret_text[PCI_TEXT_MAX])
{
	uint32_t function = gpu->pci_device * 8 + VF_OFFSET + vf * VF_STRIDE;

	snprintf(ret_text, PCI_TEXT_MAX, "%04x:%02x:%02x.%x", gpu->pci_domain & 0xffff,
		(gpu->pci_bus + function / 256) & 0xff, function / 8 & 0x1f, function & 7);
	return ret_text;
}

uint32_t vf_group(unsigned gpu, unsigned vf)
{
	return FIRST_GROUP + gpu * GPU_VFS + vf;
}

bool vf_is_possible(const struct node *node, const struct gpu *gpu)
{
	return node->settings.vgpu_host && gpu->product.total_vfs &&
	       gpu->product.architecture >= NVML_DEVICE_ARCH_AMPERE;
}

int32_t vf_holder(const struct gpu_state *state, unsigned vf)
{
	for (unsigned i = 0; i < state->n_processes; i++)
		if (state->processes[i].type == PROCESS_VM && state->processes[i].vf == vf)
			return state->processes[i].pid;
	return 0;
}

static bool is_any_held(struct node *node, unsigned index)
{
	struct gpu *gpu = &node->gpus[index];
	bool held = false;

	node_lock(node);
	process_reap(gpu);
	for (unsigned i = 0; i < gpu_now(gpu)->n_processes; i++)
		held |= gpu_now(gpu)->processes[i].type == PROCESS_VM;
	node_unlock(node);
	return held;
}

/* ---- /dev/vfio ---- */

static void group_path(const struct node *node, uint32_t group, char *ret_path, size_t size)
{
	snprintf(ret_path, size, "%s/root/dev/vfio/%u", node->dir, group);
}

int vf_make_dir(const struct node *node)
{
	char path[TREE_PATH_MAX];
	int r;

	snprintf(path, sizeof(path), "%s/root/dev/vfio", node->dir);
	r = tree_put_dir(path, 0755);
	snprintf(path, sizeof(path), "%s/root/dev/vfio/vfio", node->dir);
	return r < 0 ? r : tree_put(path, 0666, "", 0);
}

/* Files, not device nodes: no driver is behind them, and a virtual machine has its group open. */
static void groups_sync(const struct node *node, unsigned gpu, uint32_t n)
{
	char path[TREE_PATH_MAX];

	for (unsigned vf = 0; vf < GPU_VFS; vf++) {
		group_path(node, vf_group(gpu, vf), path, sizeof(path));
		if (vf >= n)
			unlink(path);
		else if (access(path, F_OK) < 0)
			tree_put(path, 0600, "", 0);
	}
}

/* ---- their number ---- */

static int count_check(const struct node *node, const struct gpu *gpu, uint32_t n)
{
	const struct gpu_state *now = gpu_now(gpu);

	if (n == now->n_vfs)
		return 0;
	if (!vf_is_possible(node, gpu) || now->lost)
		return -ENOENT;
	if (n && now->n_vfs)
		return -EBUSY;
	return n || now->unbind_lock ? 0 : -EPERM;
}

static void count_commit(struct node *node, struct gpu *gpu, uint32_t n)
{
	struct gpu_state *draft;

	node_lock(node);
	draft = gpu_draft(gpu);
	memset(draft->vfs, 0, sizeof(draft->vfs));
	for (unsigned vf = 0; vf < n; vf++) {
		draft->vfs[vf].gi = NVML_NO_INSTANCE;
		draft->vfs[vf].is_bound = !draft->vf_autoprobe_is_off;
	}
	draft->n_vfs = n;
	draft->vfs_made++;
	if (draft->unbind_lock) {
		draft->vgpu_is_mixed = 0;
		memset(draft->instances, 0, sizeof(draft->instances));
		draft->instances_changed++;
	}
	gpu_commit(gpu);
	node_unlock(node);
}

int vf_set_count(struct node *node, unsigned index, uint32_t n)
{
	struct gpu *gpu = &node->gpus[index];
	bool is_change;
	int r;

	if (n > gpu->product.total_vfs || n > GPU_VFS)
		return -ERANGE;
	device_lock(node, index);
	node_lock(node);
	r = count_check(node, gpu, n);
	is_change = n != gpu_now(gpu)->n_vfs;
	node_unlock(node);
	if (r == 0 && is_change) {
		while (n == 0 && is_any_held(node, index) && node_is_there(node))
			node_work(LOOK_NS);
		node_work(n ? node->settings.vf_enable_ns : node->settings.vf_disable_ns);
		gpu_claim(node, index);
		count_commit(node, gpu, n);
		tree_sync(node, index);
		gpu_release(node, index);
		groups_sync(node, index, n);
	}
	device_unlock(node, index);
	return r;
}

uint32_t vf_count(struct node *node, unsigned index)
{
	uint32_t n;

	device_lock(node, index);
	n = gpu_now(&node->gpus[index])->n_vfs;
	device_unlock(node, index);
	return n;
}

/* ---- who is in the way ---- */

int client_enter(const struct node *node)
{
	struct flock lock = { .l_type = F_RDLCK, .l_whence = SEEK_SET, .l_len = 1 };
	char path[300];
	AUTO_CLOSE int fd = -1;

	snprintf(path, sizeof(path), CLIENTS, node->dir);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
	if (fd < 0 || fcntl(fd, F_SETLK, &lock) < 0)
		return -1;
	return TAKE_FD(fd);
}

int32_t client_any(const struct node *node)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1 };
	char path[300];
	AUTO_CLOSE int fd = -1;

	snprintf(path, sizeof(path), CLIENTS, node->dir);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0 || fcntl(fd, F_GETLK, &lock) < 0 || lock.l_type == F_UNLCK)
		return 0;
	return lock.l_pid;
}

/* Virtual machines are not: the driver waits for them when it is unbound. */
static bool is_open(const struct node *node, const struct gpu_state *state)
{
	for (unsigned i = 0; i < state->n_processes; i++)
		if (state->processes[i].type != PROCESS_VM)
			return true;
	return client_any(node) != 0;
}

int vf_set_unbind_lock(struct node *node, unsigned index, bool on)
{
	struct gpu *gpu = &node->gpus[index];
	int r = 0;

	node_lock(node);
	process_reap(gpu);
	if (on && is_open(node, gpu_now(gpu))) {
		r = -EBUSY;
	} else {
		gpu_draft(gpu)->unbind_lock = on;
		gpu_commit(gpu);
	}
	node_unlock(node);
	return r;
}

/* ---- virtual machines ---- */

int vf_hold(struct node *node, unsigned index, unsigned vf)
{
	struct gpu *gpu = &node->gpus[index];
	struct process process = { .pid = getpid(),
		.type = PROCESS_VM,
		.gi = NVML_NO_INSTANCE,
		.ci = NVML_NO_INSTANCE,
		.vf = vf };
	int r = NVML_ERROR_NOT_FOUND;

	/* Whoever removes VFs must not find one held that was not when it looked. */
	device_lock(node, index);
	node_lock(node);
	process_reap(gpu);
	if (vf < gpu_now(gpu)->n_vfs && gpu_now(gpu)->vfs[vf].type) {
		vgpu_charge(&gpu->product, gpu_now(gpu), vf, &process);
		r = NVML_SUCCESS;
	}
	node_unlock(node);
	if (r == NVML_SUCCESS)
		r = process_add(node, index, &process);
	device_unlock(node, index);
	switch (r) {
	case NVML_SUCCESS:
		return 0;
	case NVML_ERROR_IN_USE:
		return -EBUSY;
	case NVML_ERROR_MEMORY:
		return -ENOMEM;
	default:
		return -ENODEV;
	}
}
