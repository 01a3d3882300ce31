/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/program/programs.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"
#include "base/text.h"
#include "sim/node/trailer.h"
#include "sim/node/tree.h"
#include "sim/program/program.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

static const char *const mps_names[] = { "nvidia-cuda-mps-control", "nvidia-cuda-mps-server" };

/* A copy, and behind it the driver's version: an ELF file may have a tail. */
static int copy_program(const char *from, const char *to, const char *driver_version)
{
	AUTO_CLOSE int in = open(from, O_RDONLY | O_CLOEXEC), out = -1;
	struct trailer trailer = { .mark = TRAILER_MARK };
	struct stat st;
	off_t at = 0;

	if (in < 0 || fstat(in, &st) < 0)
		return -errno;
	out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
	if (out < 0)
		return -errno;
	while (at < st.st_size)
		if (sendfile(out, in, &at, (size_t)(st.st_size - at)) <= 0)
			return -errno;
	text_copy(trailer.version, sizeof(trailer.version), driver_version);
	return write_all(out, &trailer, sizeof(trailer));
}

int programs_put_mps(const char *dir, const char *driver_version, struct error *err)
{
	char from[700], to[TREE_PATH_MAX], fresh[TREE_PATH_MAX], place[600];
	struct statvfs system;
	bool runs_none = statvfs(dir, &system) == 0 && system.f_flag & ST_NOEXEC;
	int r = where_mps(place, sizeof(place), err);

	if (r < 0)
		return r;
	for (unsigned i = 0; r == 0 && i < ARRAY_SIZE(mps_names); i++) {
		snprintf(from, sizeof(from), "%s/%s", place, mps_names[i]);
		snprintf(to, sizeof(to), "%s/bin/%s", dir, mps_names[i]);
		snprintf(fresh, sizeof(fresh), "%s/bin/.%s", dir, mps_names[i]);
		if (runs_none)
			r = symlink(from, fresh) < 0 ? -errno : 0;
		else
			r = copy_program(from, fresh, driver_version);
		if (r == 0 && rename(fresh, to) < 0)
			r = -errno;
	}
	return r < 0 ? error_set(err, r, "cannot make %s: %s", to, strerror(-r)) : 0;
}

int programs_put(const char *dir, const struct node_settings *settings, struct error *err)
{
	char path[TREE_PATH_MAX], text[1400];
	int r;

	snprintf(path, sizeof(path), "%s/bin/nvidia-smi", dir);
	snprintf(text, sizeof(text), "#!/bin/sh\nCARVE_SIM_NODE='%s' exec '%s' nvidia-smi \"$@\"\n",
		dir, where_self());
	r = tree_put(path, 0755, text, strlen(text));
	snprintf(path, sizeof(path), "%s/bin/sriov-manage", dir);
	snprintf(text, sizeof(text),
		"#!/bin/sh\nCARVE_SIM_NODE='%s' exec '%s' sriov-manage \"$@\"\n", dir,
		where_self());
	if (r == 0 && settings->vgpu_host)
		r = tree_put(path, 0755, text, strlen(text));
	snprintf(path, sizeof(path), "%s/bin/carve-sim", dir);
	if (r == 0 && symlink(where_self(), path) < 0)
		r = -errno;
	if (r < 0)
		return error_set(err, r, "cannot make %s: %s", path, strerror(-r));
	return programs_put_mps(dir, settings->driver_version, err);
}
