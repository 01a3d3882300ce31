/* SPDX-License-Identifier: Apache-2.0 */
#include "vf.h"

#include "base/io.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

bool vf_files_are_live(void)
{
	struct stat st;

	return lstat(sim_path("proc"), &st) == 0 && S_ISLNK(st.st_mode);
}

int write_to(const char *file, const char *text)
{
	int fd = open(sim_path("%s", file), O_WRONLY | O_CLOEXEC);
	int r = fd < 0 ? -errno : write(fd, text, strlen(text)) < 0 ? -errno : 0;

	if (fd >= 0)
		close(fd);
	return r;
}

const char *read_from(const char *file)
{
	static char text[600];
	int fd = open(sim_path("%s", file), O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (n < 0)
		snprintf(text, sizeof(text), "(%s)", strerrorname_np(errno));
	else
		text[n] = '\0';
	if (fd >= 0)
		close(fd);
	return text;
}

const char *link_of(const char *file)
{
	static char target[300];
	ssize_t n = readlink(sim_path("%s", file), target, sizeof(target) - 1);

	target[n > 0 ? n : 0] = '\0';
	return target;
}

/* The driver must be left alone before its VFs can be managed. */
int manage(const char *deed, const char *gpu)
{
	int status;

	nvml.nvmlShutdown();
	status = SIM("sriov-manage", deed, gpu);
	nvml.nvmlInit_v2();
	return status;
}
