/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/program/populate.h"

#include "abi/nvml.h"
#include "base/error.h"
#include "base/io.h"
#include "base/text.h"
#include "sim/node/geometry.h"
#include "sim/node/gpu.h"
#include "sim/node/identity.h"
#include "sim/node/inject.h"
#include "sim/program/program.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROCESS_STARTS_NS 5000000000ull

static const char *code_text(int code)
{
	return inject_code_name(code) ?: "SUCCESS";
}

/* The kind of compute instance that is the whole of its GPU instance. */
static uint32_t whole_kind(const struct profile *profile)
{
	struct compute_shape shape;

	for (uint32_t kind = 0; kind < NVML_COMPUTE_INSTANCE_PROFILE_COUNT; kind++)
		if (compute_shape_of(profile, kind, &shape) && shape.slices == profile->slices)
			return kind;
	return 0;
}

static int make_instance(struct node *node, const struct machine_instance *wanted, uint32_t *ret_id,
	struct error *err)
{
	const struct gpu *gpu = &node->gpus[wanted->gpu];
	const struct profile *profile = &gpu->product.profiles[wanted->profile];
	uint32_t whole = whole_kind(profile), id, serial, ci;
	const uint32_t *kinds = wanted->n_compute ? wanted->compute : &whole;
	int r = gpu_instance_create(node, wanted->gpu, wanted->profile, wanted->start, &id);

	if (r != NVML_SUCCESS)
		return error_set(err, -EINVAL, "GPU %u: %s does not fit%s (%s)", wanted->gpu,
			profile->label, wanted->start < 0 ? "" : " at its slot", code_text(r));
	serial = gpu_now(gpu)->instances[id].serial;
	for (unsigned i = 0; i < (wanted->no_compute ? 0 : wanted->n_compute ?: 1); i++) {
		r = compute_instance_create(
			node, wanted->gpu, id, serial, kinds[i], GPU_START_DEFAULT, &ci);
		if (r != NVML_SUCCESS)
			return error_set(err, -EINVAL,
				"GPU %u: the compute instances of %s do not fit (%s)", wanted->gpu,
				profile->label, code_text(r));
	}
	*ret_id = id;
	return 0;
}

static bool is_registered(struct node *node, unsigned gpu, pid_t pid)
{
	const struct gpu_state *now;
	bool found = false;

	node_lock(node);
	now = gpu_now(&node->gpus[gpu]);
	for (unsigned i = 0; i < now->n_processes; i++)
		found |= now->processes[i].pid == pid;
	node_unlock(node);
	return found;
}

static void exec_process(const struct node *node, const struct machine_process *wanted,
	const char *device, bool dies_with_us)
{
	char memory[32], busy[16];
	int null = open("/dev/null", O_RDWR);

	snprintf(memory, sizeof(memory), "%llu", (unsigned long long)wanted->memory);
	snprintf(busy, sizeof(busy), "%u", wanted->busy);
	if (dies_with_us)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	setsid();
	dup2(null, STDIN_FILENO);
	dup2(null, STDOUT_FILENO);
	dup2(null, STDERR_FILENO);
	execl(where_self(), wanted->name, "hold", "--dir", node->dir, "--device", device,
		"--memory", memory, "--busy", busy, "--type", process_type_words[wanted->type],
		(char *)NULL);
	_exit(127);
}

int populate_process(struct node *node, const struct machine_process *wanted, const char *device,
	bool dies_with_us, pid_t *ret_pid, struct error *err)
{
	uint64_t end = now_ns() + PROCESS_STARTS_NS;
	pid_t pid = fork();

	if (pid < 0)
		return error_set(err, -errno, "cannot start a process: %m");
	if (pid == 0)
		exec_process(node, wanted, device, dies_with_us);
	*ret_pid = pid;
	while (!is_registered(node, wanted->gpu, pid)) {
		if (waitpid(pid, NULL, WNOHANG) == pid || now_ns() > end)
			return error_set(err, -EINVAL, "GPU %u: process '%s' does not fit on %s",
				wanted->gpu, wanted->name, device);
		node_work(2000000);
	}
	return 0;
}

int populate(struct node *node, const struct machine *machine, bool dies_with_us, struct error *err)
{
	VEC(uint32_t) ids = { 0 };
	int r = 0;

	for (size_t i = 0; r == 0 && i < machine->instances.n; i++)
		r = make_instance(node, &machine->instances.at[i], vec_add(&ids), err);
	for (size_t i = 0; r == 0 && i < machine->processes.n; i++) {
		const struct machine_process *wanted = &machine->processes.at[i];
		const struct gpu *gpu = &node->gpus[wanted->gpu];
		char device[UUID_TEXT_MAX];
		int nth = 0;
		pid_t pid;

		text_copy(device, sizeof(device), gpu->uuid);
		for (size_t k = 0; wanted->instance >= 0 && k < ids.n; k++)
			if (machine->instances.at[k].gpu == wanted->gpu &&
				nth++ == wanted->instance)
				identity_uuid_text("MIG",
					gpu_now(gpu)->instances[ids.at[k]].compute[0].uuid, device);
		r = populate_process(node, wanted, device, dies_with_us, &pid, err);
	}
	vec_done(&ids);
	return r;
}
