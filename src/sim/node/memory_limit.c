/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/node/memory_limit.h"

#include "abi/nvml.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "base/text.h"
#include "sim/node/process.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

/* Where the unified hierarchy is mounted; the longer one first. */
static const char *const mounts[] = { "/sys/fs/cgroup/unified", "/sys/fs/cgroup" };

/* The cgroup that a directory is: its path in the hierarchy. */
static bool cgroup_of_dir(const char *dir, char ret_cgroup[256])
{
	struct stat st;

	if (!dir || stat(dir, &st) < 0 || !S_ISDIR(st.st_mode))
		return false;
	for (unsigned i = 0; i < ARRAY_SIZE(mounts); i++) {
		size_t n = strlen(mounts[i]);

		if (!text_starts(dir, mounts[i]) || (dir[n] && dir[n] != '/'))
			continue;
		if (text_copy(ret_cgroup, 256, dir[n] ? dir + n : "/") < 0)
			return false;
		n = strlen(ret_cgroup);
		if (n > 1 && ret_cgroup[n - 1] == '/')
			ret_cgroup[n - 1] = '\0';
		return true;
	}
	return false;
}

static void cgroup_of_process(int32_t pid, char ret_cgroup[256])
{
	AUTO_FREE char *text = NULL;
	char path[32];
	char *line;

	ret_cgroup[0] = '\0';
	snprintf(path, sizeof(path), "/proc/%d/cgroup", (int)pid);
	if (read_file_at(AT_FDCWD, path, 65536, &text, NULL) < 0)
		return;
	line = text_starts(text, "0::") ? text : strstr(text, "\n0::");
	if (!line)
		return;
	line += line == text ? 3 : 4;
	line[strcspn(line, "\n")] = '\0';
	text_copy(ret_cgroup, 256, line);
}

static bool is_below(const char *cgroup, const char *above)
{
	size_t n = strlen(above);

	return text_eq(above, "/") ||
	       (strncmp(cgroup, above, n) == 0 && (cgroup[n] == '\0' || cgroup[n] == '/'));
}

static uint64_t used_in(const struct gpu_state *state, const char *cgroup)
{
	uint64_t bytes = 0;
	char own[256];

	for (unsigned i = 0; i < state->n_processes; i++) {
		cgroup_of_process(state->processes[i].pid, own);
		if (is_below(own, cgroup))
			bytes += state->processes[i].memory;
	}
	return bytes;
}

static bool has_limits(const struct gpu_state *state)
{
	for (unsigned i = 0; i < GPU_LIMITS; i++)
		if (state->limits[i].cgroup[0])
			return true;
	return false;
}

uint64_t memory_limit_room(const struct gpu_state *state, int32_t pid)
{
	uint64_t room = UINT64_MAX;
	char own[256];

	if (!has_limits(state))
		return room;
	cgroup_of_process(pid, own);
	for (unsigned i = 0; i < GPU_LIMITS; i++) {
		const struct memory_limit *limit = &state->limits[i];
		uint64_t used, left;

		if (!limit->cgroup[0] || !is_below(own, limit->cgroup))
			continue;
		used = used_in(state, limit->cgroup);
		left = limit->hard > used ? limit->hard - used : 0;
		room = left < room ? left : room;
	}
	return room;
}

static int find(const struct gpu_state *state, const char *cgroup)
{
	for (int i = 0; i < GPU_LIMITS; i++)
		if (text_eq(state->limits[i].cgroup, cgroup))
			return i;
	return -1;
}

static int state_check(const struct gpu_state *now)
{
	if (now->lost)
		return NVML_ERROR_GPU_IS_LOST;
	return now->mig_current ? NVML_ERROR_NOT_SUPPORTED : NVML_SUCCESS;
}

int memory_limit_set(
	struct node *node, unsigned index, const char *dir, uint64_t soft, uint64_t hard)
{
	struct memory_limit limit = { .soft = soft, .hard = hard };
	struct gpu *gpu = &node->gpus[index];
	bool is_removed = !soft && hard == UINT64_MAX;
	int at, r;

	if (!cgroup_of_dir(dir, limit.cgroup) || soft > hard)
		return NVML_ERROR_INVALID_ARGUMENT;
	node_lock(node);
	r = state_check(gpu_now(gpu));
	at = find(gpu_now(gpu), limit.cgroup);
	if (at < 0 && !is_removed)
		at = find(gpu_now(gpu), "");
	if (r == NVML_SUCCESS && at < 0 && !is_removed)
		r = NVML_ERROR_INSUFFICIENT_RESOURCES;
	if (r == NVML_SUCCESS && at >= 0) {
		gpu_draft(gpu)->limits[at] = is_removed ? (struct memory_limit){ 0 } : limit;
		gpu_commit(gpu);
	}
	node_unlock(node);
	return r;
}

int memory_limit_get(struct node *node, unsigned index, const char *dir, uint64_t *ret_soft,
	uint64_t *ret_hard, uint64_t *ret_used)
{
	struct gpu *gpu = &node->gpus[index];
	const struct gpu_state *now;
	char cgroup[256];
	int at, r;

	if (!cgroup_of_dir(dir, cgroup))
		return NVML_ERROR_INVALID_ARGUMENT;
	node_lock(node);
	process_reap(gpu);
	now = gpu_now(gpu);
	r = state_check(now);
	if (r == NVML_SUCCESS) {
		at = find(now, cgroup);
		*ret_soft = at < 0 ? 0 : now->limits[at].soft;
		*ret_hard = at < 0 ? UINT64_MAX : now->limits[at].hard;
		*ret_used = used_in(now, cgroup);
	}
	node_unlock(node);
	return r;
}
