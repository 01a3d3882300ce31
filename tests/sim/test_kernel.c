/* SPDX-License-Identifier: Apache-2.0 */
/* The files of /proc and /sys behave as the kernel's: held against the kernel's own where it can
 * be. */
#include "sim.h"
#include "test.h"

#include "base/io.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const char mig_on[] = "  mig: on\n";

/* Whether the files are live; the claim is skipped where this machine or user has no FUSE. */
static bool is_live(void)
{
	struct stat st;

	return lstat(sim_path("proc"), &st) == 0 && S_ISLNK(st.st_mode);
}

#define NEEDS_LIVE()                                                                               \
	do {                                                                                       \
		if (!is_live()) {                                                                  \
			sim_end();                                                                 \
			SKIP("no FUSE here");                                                      \
		}                                                                                  \
	} while (0)

static int write_to(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int r = fd < 0 ? -errno : write(fd, text, strlen(text)) < 0 ? -errno : 0;

	if (fd >= 0 && close(fd) < 0)
		return -errno;
	return r;
}

static const char *read_all(const char *path)
{
	static char *text;

	free(text);
	text = NULL;
	return read_file_at(AT_FDCWD, path, 1 << 20, &text, NULL) == 0 ? text : "(none)";
}

TEST(what_is_open_fails_when_its_instance_has_gone)
{
	const char *access_file = "proc/driver/nvidia/capabilities/gpu0/mig/gi1/access";
	nvmlGpuInstance_t instance;
	char text[128];
	int fd;

	sim_begin_product("A30", 1, mig_on);
	NEEDS_LIVE();
	CHECK(!sim_has(sim_path("%s", access_file)));
	CHECK_EQ(sim_make(sim_gpu(0), NVML_GPU_INSTANCE_PROFILE_2_SLICE, 0, &instance), 1);
	fd = open(sim_path("%s", access_file), O_RDONLY | O_CLOEXEC);
	CHECK(fd >= 0);
	CHECK(pread(fd, text, sizeof(text), 0) > 0);
	CHECK_EQ(nvml.nvmlGpuInstanceDestroy(instance), NVML_SUCCESS);
	CHECK(!sim_has(sim_path("%s", access_file)));
	CHECK_EQ(pread(fd, text, sizeof(text), 0), -1);
	CHECK_EQ(errno, EIO);
	/* Another in the same place is another. */
	CHECK_EQ(sim_make(sim_gpu(0), NVML_GPU_INSTANCE_PROFILE_2_SLICE, 0, &instance), 1);
	CHECK(sim_has(sim_path("%s", access_file)));
	CHECK_EQ(pread(fd, text, sizeof(text), 0), -1);
	close(fd);
	sim_end();
}

TEST(what_is_written_to_a_capability_holds_as_long_as_its_instance)
{
	const char *access_file = "proc/driver/nvidia/capabilities/gpu0/mig/gi1/access";
	nvmlGpuInstance_t instance;
	char path[600], much[129];

	sim_begin_product("A30", 1, mig_on);
	NEEDS_LIVE();
	if (geteuid() != 0) {
		sim_end();
		SKIP("only root may write them");
	}
	CHECK_EQ(sim_make(sim_gpu(0), NVML_GPU_INSTANCE_PROFILE_2_SLICE, 0, &instance), 1);
	text_copy(path, sizeof(path), sim_path("%s", access_file));
	CHECK(strstr(read_all(path), "DeviceFileMode: 292\nDeviceFileModify: 1\n"));
	CHECK_EQ(write_to(path, "DeviceFileModify: 0\n"), 0);
	CHECK_SAY(strstr(read_all(path), "DeviceFileModify: 0\n"), "%s", read_all(path));
	CHECK_EQ(write_to(path, "something else\n"), 0);
	CHECK(strstr(read_all(path), "DeviceFileModify: 0\n"));
	memset(much, 'x', 128);
	much[128] = '\0';
	CHECK_EQ(write_to(path, much), -ENOSPC);
	CHECK_EQ(nvml.nvmlGpuInstanceDestroy(instance), NVML_SUCCESS);
	CHECK_EQ(sim_make(sim_gpu(0), NVML_GPU_INSTANCE_PROFILE_2_SLICE, 0, &instance), 1);
	CHECK(strstr(read_all(path), "DeviceFileModify: 1\n"));
	sim_end();
}

#define PCI "sys/bus/pci/devices/0000:01:00.0/"

TEST(writes_to_sysfs_act)
{
	nvmlGpuInstance_t instance;
	int holder;

	sim_begin_product("A100-80", 1, mig_on);
	NEEDS_LIVE();
	CHECK(sim_make(sim_gpu(0), NVML_GPU_INSTANCE_PROFILE_2_SLICE, -1, &instance) >= 0);
	CHECK_EQ(write_to(sim_path(PCI "reset"), "now"), -EINVAL);
	CHECK_EQ(write_to(sim_path(PCI "reset"), "2\n"), -EINVAL);
	CHECK_EQ(write_to(sim_path(PCI "reset"), "1\n"), 0);
	CHECK(nvml.nvmlGpuInstanceDestroy(instance) != NVML_SUCCESS);
	CHECK_EQ(write_to(sim_path(PCI "sriov_numvfs"), "1000"), -ERANGE);
	CHECK_EQ(write_to(sim_path(PCI "sriov_numvfs"), "4"), -ENOENT);
	CHECK_EQ(write_to(sim_path(PCI "sriov_numvfs"), "0"), 0);
	sim_end();

	sim_begin_product("L40S", 1, "");
	holder = sim_hold("0");
	CHECK_EQ(write_to(sim_path(PCI "reset"), "1\n"), -EBUSY);
	sim_kill(holder);
	CHECK_EQ(write_to(sim_path(PCI "reset"), "1\n"), 0);
	CHECK_EQ(SIM("lose", "0"), 0);
	CHECK_EQ(write_to(sim_path(PCI "reset"), "1\n"), -ENOTTY);
	CHECK_EQ(read_all(sim_path(PCI "config"))[0], '\xff');
	sim_end();
}

/* ---- errors, against the kernel's own files ---- */

enum deed {
	OPEN_READ,
	OPEN_WRITE,
	WRITE,
	CUT,
	CREATE,
	MKDIR,
	UNLINK,
	RMDIR,
	RENAME,
	SYMLINK,
	LINK
};

static int errno_of(enum deed deed, const char *file, const char *dir)
{
	char new[700], other[700];
	int fd, r = 0;

	snprintf(new, sizeof(new), "%s/new", dir);
	snprintf(other, sizeof(other), "%s/other", dir);
	switch (deed) {
	case OPEN_READ:
	case OPEN_WRITE:
	case WRITE:
	case CUT:
		fd = open(file, deed == OPEN_READ ? O_RDONLY
				: deed == CUT	  ? O_WRONLY | O_TRUNC
						  : O_WRONLY);
		if (fd < 0)
			return errno;
		r = deed == WRITE && write(fd, "1", 1) < 0 ? errno : 0;
		close(fd);
		return r;
	case CREATE:
		fd = open(new, O_WRONLY | O_CREAT, 0600);
		return fd < 0 ? errno : (close(fd), 0);
	case MKDIR:
		r = mkdir(new, 0700);
		break;
	case UNLINK:
		r = unlink(file);
		break;
	case RMDIR:
		r = rmdir(dir);
		break;
	case RENAME:
		r = rename(file, new);
		break;
	case SYMLINK:
		r = symlink("x", new);
		break;
	case LINK:
		r = link(file, other);
		break;
	}
	return r < 0 ? errno : 0;
}

static void check_errors(
	const char *ours, const char *our_dir, const char *kernels, const char *kernel_dir)
{
	char file[600], dir[600];

	text_copy(file, sizeof(file), sim_path("%s", ours));
	text_copy(dir, sizeof(dir), sim_path("%s", our_dir));
	for (enum deed deed = OPEN_READ; deed <= LINK; deed++) {
		int got = errno_of(deed, file, dir), wanted = errno_of(deed, kernels, kernel_dir);

		CHECK_SAY(got == wanted, "deed %d on %s: %s; on %s: %s", deed, ours, strerror(got),
			kernels, strerrorname_np(wanted) ?: "0");
	}
}

TEST(errors_are_those_of_the_kernels_own_files)
{
	sim_begin_product("A30", 1, mig_on);
	NEEDS_LIVE();
	if (geteuid() != 0) {
		sim_end();
		SKIP("what the kernel answers is asked as root");
	}
	check_errors("proc/driver/nvidia/version", "proc/driver/nvidia", "/proc/version",
		"/proc/driver");
	check_errors(PCI "vendor", "sys/module/nvidia", "/sys/kernel/fscaps", "/sys/kernel");
	sim_end();
}

/* ---- its life ---- */

static pid_t server(void)
{
	struct flock lock = { .l_type = F_WRLCK };
	char path[300];
	int fd;

	snprintf(path, sizeof(path), "%s/server", sim_dir);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0 || fcntl(fd, F_GETLK, &lock) < 0)
		lock.l_pid = -1;
	close(fd);
	return lock.l_pid;
}

static void wait_for_death(pid_t pid)
{
	for (unsigned i = 0; i < 1000 && kill(pid, 0) == 0; i++)
		usleep(10000);
	CHECK_EQ(kill(pid, 0), -1);
}

static bool is_mounted(const char *dir)
{
	return strstr(read_all("/proc/self/mounts"), dir) != NULL;
}

TEST(its_process_ends_with_the_node)
{
	pid_t pid;

	sim_begin("a30x2");
	NEEDS_LIVE();
	pid = server();
	CHECK(pid > 1 && is_mounted(sim_dir));
	sim_end();
	wait_for_death(pid);
	CHECK(!is_mounted(sim_dir));
}

TEST(its_process_ends_when_the_nodes_file_is_removed)
{
	char file[300];
	pid_t pid;

	sim_begin("a30x2");
	NEEDS_LIVE();
	pid = server();
	nvml.nvmlShutdown();
	snprintf(file, sizeof(file), "%s/node", sim_dir);
	unlink(file);
	wait_for_death(pid);
	CHECK(!is_mounted(sim_dir));
	nvml.nvmlInit_v2();
}

TEST(the_node_outlives_a_killed_process_and_can_be_destroyed)
{
	nvmlGpuInstance_t instance;
	pid_t pid;

	sim_begin_product("A30", 1, mig_on);
	NEEDS_LIVE();
	pid = server();
	kill(pid, SIGKILL);
	wait_for_death(pid);
	CHECK(sim_make(sim_gpu(0), NVML_GPU_INSTANCE_PROFILE_2_SLICE, 0, &instance) >= 0);
	CHECK(sim_has(sim_path("dev/nvidia-caps/nvidia-cap%d", 3 + 9)));
	sim_end();
	CHECK(!is_mounted(sim_dir));
}

TEST_MAIN()
