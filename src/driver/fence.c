/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The fence's program, in words:
 *
 *	not a character device			allow
 *	one of the listed nodes			allow
 *	a node of a GPU major			deny
 *	anything else				allow
 *
 * Opening and making (mknod) a node are treated alike. Majors are numbers that a driver may get
 * anew when its modules are loaded again; a fence holds those of the time when it was put up.
 */
#include "driver/fence.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "driver/cgroup.h"
#include "driver/filter.h"
#include "driver/nodes.h"

#include <errno.h>
#include <fcntl.h>

static const char fence_name[] = "carve_fence";

enum { MAJORS_MAX = 32 };

bool fence_is_possible(struct error *err)
{
	struct filter filter;
	uint32_t ids[FILTER_ATTACHED_MAX];
	AUTO_CLOSE int program = -1;
	AUTO_CLOSE int top = -1;
	int r;

	if (!*cgroup_mount() && cgroup_open(err) < 0)
		return false;
	filter_begin(&filter);
	filter_finish(&filter, FILTER_ALLOW);
	program = filter_load(&filter, fence_name, err);
	if (program < 0)
		return false;
	top = open(cgroup_mount(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	r = top < 0 ? -errno : filter_attached(top, fence_name, ids);
	if (r < 0) {
		errno = -r;
		error_set(err, r,
			"the kernel has no device filters for cgroups (CONFIG_CGROUP_BPF): %m");
		return false;
	}
	return true;
}

static int fence_load(const struct binding_node *nodes, unsigned n, struct error *err)
{
	uint32_t major[MAJORS_MAX];
	unsigned n_majors = nodes_gpu_majors(major, MAJORS_MAX);
	struct filter filter;

	filter_begin(&filter);
	for (unsigned i = 0; i < n; i++)
		filter_on_node(&filter, nodes[i].major, nodes[i].minor, FILTER_ALLOW);
	for (unsigned i = 0; i < n_majors; i++)
		filter_on_major(&filter, major[i], FILTER_DENY);
	filter_finish(&filter, FILTER_ALLOW);
	return filter_load(&filter, fence_name, err);
}

int fence_attach(int cgroup_fd, const struct binding_node *nodes, unsigned n, struct error *err)
{
	uint32_t old[FILTER_ATTACHED_MAX];
	AUTO_CLOSE int program = -1;
	int r, n_old = filter_attached(cgroup_fd, fence_name, old);

	program = fence_load(nodes, n, err);
	if (program < 0)
		return program;
	r = filter_attach(cgroup_fd, program, err);
	if (r < 0)
		return r;
	/* the new one stands before the old ones go */
	for (int i = 0; i < n_old; i++)
		filter_detach(cgroup_fd, old[i]);
	return 0;
}

int fence_detach(int cgroup_fd, struct error *err)
{
	uint32_t ids[FILTER_ATTACHED_MAX];
	int r = 0, n = filter_attached(cgroup_fd, fence_name, ids);

	for (int i = 0; i < n && r == 0; i++)
		r = filter_detach(cgroup_fd, ids[i]);
	if (n < 0)
		r = n;
	if (r < 0) {
		errno = -r;
		return error_set(err, r, "cannot take the device filter off: %m");
	}
	return 0;
}

int fence_is_attached(int cgroup_fd)
{
	uint32_t ids[FILTER_ATTACHED_MAX];
	int n = filter_attached(cgroup_fd, fence_name, ids);

	return n < 0 ? n : n > 0;
}
