/* SPDX-License-Identifier: Apache-2.0 */
/* Virtual functions come, are held and go as with Linux and NVIDIA's driver for hosts of vGPUs. */
#include "vf.h"

#include "test.h"

#include "base/io.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#define PF   "sys/bus/pci/devices/0000:41:00.0/"
#define H100 "sys/bus/pci/devices/0000:c1:00.0/"
#define VF0  "sys/bus/pci/devices/0000:41:00.4/"
#define LOCK "proc/driver/nvidia/gpus/0000:41:00.0/unbindLock"

static bool ends_with(const char *text, const char *end)
{
	size_t length = strlen(text), least = strlen(end);

	return length >= least && text_eq(text + length - least, end);
}

TEST(the_number_of_vfs_has_the_kernels_errors)
{
	BEGIN("vgpu");
	CHECK_TEXT(read_from(PF "sriov_totalvfs"), "32\n");
	CHECK_EQ(write_to(PF "sriov_numvfs", "abc"), -EINVAL);
	CHECK_EQ(write_to(PF "sriov_numvfs", "99999"), -EINVAL);
	CHECK_EQ(write_to(PF "sriov_numvfs", "33"), -ERANGE);
	CHECK_EQ(write_to(PF "sriov_numvfs", "0"), 0);
	CHECK_EQ(write_to(PF "sriov_numvfs", "4\n"), 0);
	CHECK_EQ(write_to(PF "sriov_numvfs", "4"), 0);
	CHECK_EQ(write_to(PF "sriov_numvfs", "8"), -EBUSY);
	CHECK_TEXT(read_from(PF "sriov_numvfs"), "4\n");
	CHECK(sim_has(sim_path(PF "virtfn3")) && !sim_has(sim_path(PF "virtfn4")));
	/* NVIDIA's driver gives them up to nobody but who has its lock. */
	CHECK_EQ(write_to(PF "sriov_numvfs", "0"), -EPERM);
	nvml.nvmlShutdown();
	CHECK_EQ(write_to(LOCK, "1"), 0);
	CHECK_EQ(write_to(PF "sriov_numvfs", "0"), 0);
	CHECK_EQ(write_to(LOCK, "0"), 0);
	CHECK(!sim_has(sim_path(PF "virtfn0")) && !sim_has(sim_path(VF0 "vendor")));
	sim_end();
}

TEST(a_vf_is_a_device_of_its_own)
{
	BEGIN("vgpu");
	CHECK_EQ(manage("-e", "0"), 0);
	CHECK_TEXT(read_from(PF "sriov_numvfs"), "32\n");
	CHECK_TEXT(read_from(PF "sriov_vf_device"), "26b9\n");
	CHECK_TEXT(link_of(PF "virtfn0"), "../0000:41:00.4");
	CHECK_TEXT(link_of(PF "virtfn31"), "../0000:41:04.3");
	CHECK_TEXT(read_from(VF0 "vendor"), "0x10de\n");
	CHECK_TEXT(read_from(VF0 "device"), "0x26b9\n");
	CHECK_TEXT(read_from(VF0 "class"), "0x030200\n");
	CHECK_TEXT(read_from(VF0 "numa_node"), "0\n");
	CHECK_TEXT(link_of(VF0 "physfn"), "../0000:41:00.0");
	CHECK(ends_with(link_of(VF0 "driver"), "/drivers/nvidia"));
	CHECK(ends_with(link_of(VF0 "iommu_group"), "/iommu_groups/100"));
	CHECK(sim_has(sim_path("sys/kernel/iommu_groups/100/devices/0000:41:00.4/physfn")));
	CHECK(!sim_has(sim_path("sys/kernel/iommu_groups/100/devices/0000:41:00.5")));
	CHECK(sim_has(sim_path("dev/vfio/131")) && !sim_has(sim_path("dev/vfio/132")));
	CHECK(strstr(read_from(VF0 "uevent"), "PCI_SLOT_NAME=0000:41:00.4\n"));
	/* Another GPU's stay what they were. */
	CHECK_TEXT(read_from("sys/bus/pci/devices/0000:61:00.0/sriov_numvfs"), "0\n");
	CHECK_EQ(manage("-d", "0000:41:00.0"), 0);
	CHECK(!sim_has(sim_path("dev/vfio/100")) && sim_has(sim_path("dev/vfio/vfio")));
	sim_end();
}

TEST(vfs_that_are_made_again_are_others)
{
	int fd;

	BEGIN("vgpu");
	CHECK_EQ(manage("-e", "0"), 0);
	CHECK_TEXT(read_from(VF0 "driver_override"), "(null)\n");
	CHECK_EQ(write_to(VF0 "driver_override", "vfio-pci\n"), 0);
	CHECK_TEXT(read_from(VF0 "driver_override"), "vfio-pci\n");
	fd = open(sim_path(VF0 "vendor"), O_RDONLY | O_CLOEXEC);
	CHECK(fd >= 0);
	CHECK_EQ(manage("-d", "0"), 0);
	CHECK_EQ(manage("-e", "0"), 0);
	CHECK_TEXT(read_from(VF0 "driver_override"), "(null)\n");
	CHECK(read(fd, (char[8]){ 0 }, 8) < 0 && errno == EIO);
	close(fd);
	sim_end();
}

TEST(without_autoprobe_a_vf_has_a_driver_when_it_is_probed)
{
	BEGIN("vgpu");
	CHECK_EQ(write_to(PF "sriov_drivers_autoprobe", "0"), 0);
	CHECK_EQ(write_to(PF "sriov_numvfs", "2"), 0);
	CHECK_TEXT(link_of(VF0 "driver"), "");
	/* The write succeeds whether the probe does or not. */
	CHECK_EQ(write_to(VF0 "driver_override", "vfio-pci"), 0);
	CHECK_EQ(write_to("sys/bus/pci/drivers_probe", "0000:41:00.4"), 0);
	CHECK_TEXT(link_of(VF0 "driver"), "");
	CHECK_EQ(write_to(VF0 "driver_override", "\n"), 0);
	CHECK_EQ(write_to("sys/bus/pci/drivers_probe", "0000:41:00.4\n"), 0);
	CHECK(ends_with(link_of(VF0 "driver"), "/nvidia"));
	CHECK(sim_has(sim_path("sys/bus/pci/drivers/nvidia/0000:41:00.4/vendor")));
	CHECK(!sim_has(sim_path("sys/bus/pci/drivers/nvidia/0000:41:00.5/vendor")));
	CHECK_EQ(write_to("sys/bus/pci/drivers_probe", "0000:41:1f.4"), -ENODEV);
	sim_end();
}

TEST(a_client_of_the_driver_keeps_vfs_as_they_are)
{
	int holder;

	BEGIN("vgpu");
	CHECK(SIM("sriov-manage", "-e", "0") != 0);
	CHECK_EQ(write_to(LOCK, "1"), 0);
	CHECK_TEXT(read_from(LOCK), "0\n");
	nvml.nvmlShutdown();
	holder = sim_hold("0");
	CHECK(holder > 0);
	CHECK(SIM("sriov-manage", "-e", "0") != 0);
	CHECK_EQ(SIM("sriov-manage", "-e", "1"), 0);
	sim_kill(holder);
	CHECK_EQ(SIM("sriov-manage", "-e", "ALL"), 0);
	/* That they are on already is no error, whoever is there. */
	nvml.nvmlInit_v2();
	CHECK_EQ(SIM("sriov-manage", "-e", "ALL"), 0);
	CHECK(SIM("sriov-manage", "-d", "ALL") != 0);
	CHECK_TEXT(read_from(PF "sriov_numvfs"), "32\n");
	sim_end();
}

TEST(a_child_that_closed_everything_keeps_what_it_opened_then)
{
	int status;
	pid_t pid;

	BEGIN("vgpu");
	pid = fork();
	if (pid == 0) {
		bool all_are_open = true;
		int fds[61];

		for (int fd = 3; fd < 64; fd++)
			close(fd);
		for (unsigned i = 0; i < ARRAY_SIZE(fds); i++)
			fds[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
		nvml.nvmlShutdown();
		for (unsigned i = 0; i < ARRAY_SIZE(fds); i++)
			all_are_open &= fcntl(fds[i], F_GETFD) >= 0;
		_exit(all_are_open ? 0 : 1);
	}
	waitpid(pid, &status, 0);
	CHECK_EQ(status, 0);
	/* And its parent is a client as before. */
	CHECK(SIM("sriov-manage", "-e", "0") != 0);
	sim_end();
}

static void *remove_all(void *result)
{
	*(int *)result = SIM("sriov-manage", "-d", "0");
	return NULL;
}

/* A child that reads the number, and a descriptor that ends when it has. */
static pid_t read_number(int *ret_done)
{
	int done[2];
	pid_t pid;

	if (pipe(done) < 0)
		return -1;
	pid = fork();
	if (pid == 0) {
		close(done[0]);
		read_from(PF "sriov_numvfs");
		_exit(0);
	}
	close(done[1]);
	*ret_done = done[0];
	return pid;
}

TEST(removing_waits_for_who_holds_a_vf_and_so_does_whoever_asks_for_the_number)
{
	struct pollfd polled = { .events = POLLIN };
	pthread_t remover;
	pid_t vm, reader;
	int status = -1;

	BEGIN("vgpu");
	nvml.nvmlShutdown();
	CHECK_EQ(SIM("sriov-manage", "-e", "0"), 0);
	CHECK_EQ(sim_hold_vf("0000:41:00.4"), -1);
	CHECK_EQ(write_to(VF0 "nvidia/current_vgpu_type", "1148"), 0);
	vm = sim_hold_vf("0000:41:00.4");
	CHECK(vm > 0);
	CHECK_EQ(sim_hold_vf("0000:41:00.4"), -1);
	CHECK_EQ(sim_hold_vf("0000:41:1f.4"), -1);
	pthread_create(&remover, NULL, remove_all, &status);
	for (unsigned i = 0; i < 1000 && text_eq(read_from(LOCK), "0\n"); i++)
		usleep(5000);
	usleep(50000);
	reader = read_number(&polled.fd);
	CHECK_EQ(poll(&polled, 1, 200), 0);
	CHECK_EQ(status, -1);
	CHECK_TEXT(read_from(PF "sriov_totalvfs"), "32\n");
	CHECK(sim_has(sim_path(VF0 "vendor")));
	sim_kill(vm);
	CHECK_EQ(poll(&polled, 1, 10000), 1);
	waitpid(reader, NULL, 0);
	close(polled.fd);
	pthread_join(remover, NULL);
	CHECK_EQ(status, 0);
	CHECK(!sim_has(sim_path(VF0 "vendor")));
	sim_end();
}

TEST(making_vfs_takes_a_tenth_of_a_second_and_removing_them_a_second)
{
	uint64_t start = now_ns();

	CHECK_EQ(SIM("run", "vgpu", "--", "sriov-manage", "-e", "0"), 0);
	CHECK(now_ns() - start >= 100000000);
	start = now_ns();
	CHECK_EQ(SIM("run", "vgpu", "--", "sh", "-c", "sriov-manage -e 0; sriov-manage -d 0"), 0);
	CHECK(now_ns() - start >= 1100000000);
}

TEST(sriov_manage_loses_mig_instances_but_not_the_mode)
{
	nvmlGpuInstance_t instance;
	nvmlReturn_t activation;
	unsigned current, pending;

	BEGIN("vgpu");
	CHECK_EQ(nvml.nvmlDeviceSetMigMode(sim_gpu(2), 1, &activation), NVML_SUCCESS);
	CHECK(sim_make(sim_gpu(2), NVML_GPU_INSTANCE_PROFILE_1_SLICE, -1, &instance) >= 0);
	/* Not by a plain write, which leaves the driver where it is. */
	CHECK_EQ(write_to(H100 "sriov_numvfs", "1"), 0);
	CHECK_EQ(nvml.nvmlGpuInstanceDestroy(instance), NVML_SUCCESS);
	CHECK_EQ(manage("-d", "2"), 0);
	CHECK(sim_make(sim_gpu(2), NVML_GPU_INSTANCE_PROFILE_1_SLICE, -1, &instance) >= 0);
	CHECK_EQ(manage("-e", "2"), 0);
	CHECK(nvml.nvmlGpuInstanceDestroy(instance) != NVML_SUCCESS);
	CHECK_EQ(nvml.nvmlDeviceGetMigMode(sim_gpu(2), &current, &pending), NVML_SUCCESS);
	CHECK_EQ(current, 1);
	/* And it stays while they are there. */
	CHECK_EQ(nvml.nvmlDeviceSetMigMode(sim_gpu(2), 0, &activation), NVML_SUCCESS);
	CHECK_EQ(activation, NVML_ERROR_IN_USE);
	CHECK_EQ(write_to(H100 "sriov_numvfs", "1"), -EBUSY);
	sim_end();
}

TEST(writes_fail_hang_or_come_to_nothing_on_order)
{
	struct pollfd polled = { .events = POLLIN };
	pid_t writer, reader;
	int status;

	BEGIN("vgpu");
	CHECK_EQ(SIM("inject", "write:file=sriov_numvfs,error=ENOMEM,gpu=0",
			 "write:file=sriov_numvfs,ignored,gpu=0"),
		0);
	CHECK_EQ(write_to("sys/bus/pci/devices/0000:61:00.0/sriov_numvfs", "2"), 0);
	CHECK_EQ(write_to(PF "sriov_numvfs", "2"), -ENOMEM);
	CHECK_EQ(write_to(PF "sriov_numvfs", "2"), 0);
	CHECK_TEXT(read_from(PF "sriov_numvfs"), "0\n");
	CHECK_EQ(SIM("inject", "write:file=sriov_numvfs"), 0);
	CHECK(manage("-e", "0") != 0);
	CHECK_EQ(manage("-e", "0"), 0);
	CHECK_EQ(SIM("inject", "write:file=current_vgpu_type,call=2"), 0);
	CHECK_EQ(write_to(VF0 "nvidia/current_vgpu_type", "1148"), 0);
	CHECK_EQ(write_to(VF0 "nvidia/current_vgpu_type", "0"), -EIO);
	CHECK_EQ(write_to(VF0 "nvidia/current_vgpu_type", "0"), 0);

	CHECK_EQ(SIM("inject", "write:file=sriov_numvfs,hang"), 0);
	writer = fork();
	if (writer == 0)
		_exit(write_to(PF "sriov_numvfs", "8") == -EBUSY ? 0 : 1);
	do
		SIM("state");
	while (!strstr(sim_output, "(struck 1 times)"));
	usleep(50000);
	reader = read_number(&polled.fd);
	CHECK_EQ(poll(&polled, 1, 200), 0);
	CHECK_EQ(SIM("inject", "--clear"), 0);
	CHECK_EQ(poll(&polled, 1, 10000), 1);
	waitpid(reader, NULL, 0);
	waitpid(writer, &status, 0);
	CHECK_EQ(status, 0);
	close(polled.fd);
	CHECK(SIM("inject", "write:error=EIO") != 0);
	CHECK(SIM("inject", "write:file=x,error=EWHAT") != 0);
	sim_end();
}

TEST_MAIN()
