/* SPDX-License-Identifier: Apache-2.0 */
/*
 * VFs on a real kernel: what it answers, and what Carve makes of the answer. Run in a guest whose
 * device is $CARVE_PF, one machine for each kind of fault (tests/guest/vf).
 */
#include "test.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"
#include "base/text.h"
#include "driver/pci_facts.h"
#include "driver/sysfs_write.h"
#include "driver/vf_device.h"
#include "driver/vf_kind.h"
#include "model/plan.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define SECOND_NS UINT64_C(1000000000)

static const char *pf;
static struct gpu_facts facts;
static struct gpu gpu;
static struct capability capability;
static struct error said;

/* ---- the kernel, raw ---- */

/* The errno of writing a text to a file below /sys/bus/pci, as 0 or less. */
static int raw(const char *text, const char *format, ...)
{
	char path[200];
	va_list args;
	int fd, r;

	strcpy(path, "/sys/bus/pci/");
	va_start(args, format);
	vsnprintf(path + strlen(path), sizeof(path) - strlen(path), format, args);
	va_end(args);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = write(fd, text, strlen(text)) < 0 ? -errno : 0;
	close(fd);
	return r;
}

static int raw_count(const char *text)
{
	return raw(text, "devices/%s/sriov_numvfs", pf);
}

/* Through the child with a deadline, as Carve writes. */
static int write_count(const char *text, uint64_t deadline_ns)
{
	char path[200];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/sriov_numvfs", pf);
	said.text[0] = '\0';
	return sysfs_write(pf, path, text, deadline_ns, &said);
}

static uint64_t count_now(void)
{
	uint64_t n = UINT64_MAX;

	vf_read_number(pf, "sriov_numvfs", &n);
	return n;
}

static const char *driver_of(const char *pci)
{
	static char name[24];

	pci_driver(pci, name, sizeof(name));
	return name;
}

/* To a driver by name, or from its driver ("none"). */
static void bind(const char *pci, const char *driver)
{
	raw(pci, "devices/%s/driver/unbind", pci);
	if (!text_eq(driver, "none")) {
		raw(driver, "devices/%s/driver_override", pci);
		raw(pci, "drivers_probe");
	}
}

/* ---- Carve ---- */

static void read_facts(void)
{
	CHECK_EQ(pci_facts(pf, &facts, NULL), 0);
	memset(&capability, 0, sizeof(capability));
	vf_facts_read(pf, NULL, &facts, &capability);
	gpu.facts = facts;
}

static const struct vf *look(unsigned number)
{
	memset(&gpu.seen, 0, sizeof(gpu.seen));
	CHECK_EQ(vf_look(pf, NULL, &facts, &gpu.seen, &said), 0);
	return vf_find(&gpu, number);
}

static int do_step(const struct step *step)
{
	said.text[0] = '\0';
	return vf_do_step(pf, NULL, &facts, step, &said);
}

static int turn(uint32_t n)
{
	const struct step step = { .kind = STEP_VF_COUNT, .vf = { .count = n } };

	return do_step(&step);
}

static int set(uint64_t mask, struct vf_setup setup)
{
	const struct step step = { .kind = STEP_VF_SET, .vf = { .vfs = mask, .setup = setup } };

	return do_step(&step);
}

static const struct vf_setup for_vm = { .is_for_vm = true }, is_free;

#define CHECK_SAYS(words)                                                                          \
	CHECK_SAY(strstr(said.text, words), "\"%s\" is not in: %s", words, said.text)
#define CHECK_DONE(done)                                                                           \
	do {                                                                                       \
		int done_ = (done);                                                                \
		CHECK_SAY(done_ == 0, "%d: %s", done_, said.text);                                 \
	} while (0)

/* A machine with its VFs off, and its device with a driver. */
static void begin(const char *driver)
{
	if (driver && !text_eq(driver_of(pf), driver))
		bind(pf, driver);
	read_facts();
	CHECK_DONE(turn(0));
	CHECK_EQ(count_now(), 0);
}

/* A virtual machine monitor that has the VF open. */
static pid_t hold(const char *name, const char *pci)
{
	char device[40], line[128] = "";
	int fds[2];
	pid_t pid;

	snprintf(device, sizeof(device), "vfio-pci,host=%s", pci);
	if (pipe(fds) < 0)
		return -1;
	pid = fork();
	if (pid == 0) {
		dup2(fds[1], STDOUT_FILENO);
		close_from(3);
		execlp("qemu-system-x86_64", "qemu-system-x86_64", "-name", name, "-device", device,
			NULL);
		_exit(127);
	}
	close(fds[1]);
	if (read(fds[0], line, sizeof(line) - 1) <= 0)
		line[0] = '\0';
	close(fds[0]);
	CHECK_SAY(text_starts(line, "holds "), "%s", line);
	return pid;
}

static void let_go(pid_t pid)
{
	kill(pid, SIGTERM);
	waitpid(pid, NULL, 0);
}

/* ---- the table of errors of sriov_numvfs ---- */

TEST(what_is_no_number_is_einval)
{
	begin("pci-pf-stub");
	CHECK_EQ(raw_count("abc"), -EINVAL);
	CHECK_EQ(raw_count("99999"), -EINVAL);
	CHECK_EQ(write_count("abc", SECOND_NS), -EINVAL);
	CHECK_SAYS("cannot write 'abc'");
}

TEST(more_than_there_are_is_erange_and_refused_before)
{
	begin("pci-pf-stub");
	CHECK_EQ(facts.vf.total, 4);
	CHECK_EQ(facts.vf.hardware_total, 4);
	CHECK_EQ(raw_count("5"), -ERANGE);
	CHECK_EQ(turn(5), -ERANGE);
	CHECK_SAYS("can have 4 virtual functions at most");
	CHECK_EQ(count_now(), 0);
}

TEST(without_a_driver_is_enoent_and_said_so)
{
	begin("pci-pf-stub");
	bind(pf, "none");
	CHECK_TEXT(driver_of(pf), "");
	CHECK_EQ(raw_count("2"), -ENOENT);
	CHECK_EQ(turn(2), -ENODEV);
	CHECK_SAYS("no driver");
	read_facts();
	CHECK_EQ(capability.answer, CAPABILITY_NO);
	CHECK_SAY(strstr(capability.text, "no driver"), "%s", capability.text);
}

TEST(a_gpu_with_vfio_pci_is_enoent_and_said_so)
{
	begin("pci-pf-stub");
	bind(pf, "vfio-pci");
	CHECK_TEXT(driver_of(pf), "vfio-pci");
	read_facts();
	CHECK_EQ(capability.answer, CAPABILITY_NO);
	CHECK_SAY(strstr(capability.text, "vfio-pci"), "%s", capability.text);
	CHECK_EQ(raw_count("2"), -ENOENT);
	CHECK_EQ(turn(2), -ENODEV);
	CHECK_SAYS("itself with vfio-pci");
}

TEST(another_number_is_ebusy_and_goes_through_none)
{
	begin("pci-pf-stub");
	CHECK_DONE(turn(2));
	CHECK_EQ(raw_count("3"), -EBUSY);
	CHECK_EQ(raw_count("2"), 0);
	CHECK_EQ(count_now(), 2);
	CHECK_DONE(turn(3));
	CHECK_EQ(count_now(), 3);
	CHECK_DONE(turn(3));
	CHECK_DONE(turn(0));
	CHECK_EQ(raw_count("0"), 0);
	CHECK_EQ(count_now(), 0);
}

TEST(what_the_driver_refuses_is_said)
{
	static const struct {
		const char *code, *words;
		int raw, answer;
	} row[] = {
		{ "5", "hardware or its firmware refuses", -EIO, -EIO },
		{ "28", "not so much memory or so many contexts", -ENOSPC, -ENOSPC },
		{ "1", "wants its own program", -EPERM, -EPERM },
		{ "12", "no room for their memory", -ENOMEM, -ENOMEM },
		{ "16", "the GPU's driver is busy", -EBUSY, -EBUSY },
	};

	begin(NULL);
	for (unsigned i = 0; i < ARRAY_SIZE(row); i++) {
		raw(row[i].code, "../../module/fake_xe/parameters/refuse_with");
		CHECK_EQ(raw_count("2"), row[i].raw);
		CHECK_EQ(turn(2), row[i].answer);
		CHECK_SAYS(row[i].words);
		CHECK_EQ(count_now(), 0);
	}
	raw("0", "../../module/fake_xe/parameters/refuse_with");
}

TEST(fewer_than_asked_for_without_an_error_is_seen_and_put_back)
{
	begin(NULL);
	raw("2", "../../module/fake_xe/parameters/most");
	CHECK_EQ(raw_count("3"), 0);
	CHECK_EQ(count_now(), 2);
	CHECK_DONE(turn(0));
	CHECK_EQ(turn(3), -EIO);
	CHECK_SAYS("3 virtual functions of");
	CHECK_SAYS("2 are on");
	CHECK_EQ(count_now(), 0);
	raw("0", "../../module/fake_xe/parameters/most");
}

TEST(no_room_for_their_memory_is_enomem_and_said)
{
	begin("pci-pf-stub");
	CHECK_EQ(raw_count("2"), -ENOMEM);
	CHECK_EQ(turn(2), -ENOMEM);
	CHECK_SAYS("no room for their memory (BARs)");
	CHECK_SAYS("pci=realloc");
	CHECK_EQ(count_now(), 0);
}

TEST(no_bus_numbers_for_them_is_enomem_and_said)
{
	begin("pci-pf-stub");
	CHECK_EQ(raw_count("2"), -ENOMEM);
	CHECK_EQ(turn(2), -ENOMEM);
	CHECK_SAYS("pci=assign-busses");
	CHECK_EQ(count_now(), 0);
}

/* ---- handing them out ---- */

TEST(vfs_are_turned_on_without_drivers_and_handed_to_vfio_pci)
{
	char pci[16];

	begin("pci-pf-stub");
	CHECK_DONE(turn(4));
	CHECK_TEXT(look(2)->driver, "");
	CHECK(vf_setup_is_free(&look(2)->setup));
	text_copy(pci, sizeof(pci), look(2)->pci);
	CHECK_EQ(raw(pci, "drivers/vfio-pci/bind"), -ENODEV);
	CHECK_DONE(set(1 << 2 | 1 << 0, for_vm));
	CHECK_TEXT(look(2)->driver, "vfio-pci");
	CHECK(look(2)->group >= 0 && look(2)->is_viable);
	CHECK_TEXT(look(1)->driver, "");
	CHECK_DONE(set(1 << 2, for_vm));
	CHECK_DONE(set(1 << 2, is_free));
	CHECK_TEXT(look(2)->driver, "");
	/* new VFs are new devices: nothing is left of what the former were told */
	CHECK_DONE(turn(0));
	CHECK_DONE(turn(4));
	CHECK_TEXT(look(0)->driver, "");
	CHECK_EQ(raw(look(0)->pci, "drivers/vfio-pci/bind"), -ENODEV);
	CHECK_EQ(set(UINT64_C(1) << 4, for_vm), -ENODEV);
	CHECK_SAYS("no virtual function 4");
}

TEST(without_an_iommu_the_kernel_says_nothing_and_carve_does)
{
	char pci[16];

	begin("pci-pf-stub");
	CHECK_DONE(turn(2));
	text_copy(pci, sizeof(pci), look(0)->pci);
	CHECK_EQ(look(0)->group, -1);
	CHECK_EQ(raw("vfio-pci", "devices/%s/driver_override", pci), 0);
	CHECK_EQ(raw(pci, "drivers_probe"), 0);
	CHECK_TEXT(driver_of(pci), "");
	CHECK_EQ(set(1, for_vm), -ENOTSUP);
	CHECK_SAYS("no IOMMU translates for it");
	CHECK_SAYS("intel_iommu=on");
	CHECK(vf_setup_is_free(&look(0)->setup));
}

TEST(without_acs_all_are_in_one_group_that_is_not_viable)
{
	begin("pci-pf-stub");
	CHECK_DONE(turn(2));
	CHECK_EQ(look(0)->group, look(1)->group);
	CHECK(!look(0)->is_viable);
	CHECK_DONE(set(1, for_vm));
	CHECK_TEXT(look(0)->driver, "vfio-pci");
	CHECK(!look(0)->is_viable);
	/* only a group without anything that is the host's may be opened */
	bind(pf, "none");
	CHECK(look(0)->is_viable);
	let_go(hold("web1", look(0)->pci));
	bind(pf, "pci-pf-stub");
	CHECK_DONE(turn(0));
}

TEST(a_held_vf_is_named_with_its_virtual_machine_before_anything_is_written)
{
	char pid_text[24];
	pid_t vmm;

	begin("pci-pf-stub");
	CHECK_DONE(turn(2));
	CHECK_DONE(set(3, for_vm));
	vmm = hold("web1", look(1)->pci);
	snprintf(pid_text, sizeof(pid_text), "%d", (int)vmm);
	CHECK_EQ(look(1)->user, vmm);
	CHECK_TEXT(look(1)->vm, "web1");
	CHECK_EQ(look(0)->user, 0);
	for (unsigned i = 0; i < 2; i++) {
		CHECK_EQ(i ? turn(4) : turn(0), -EBUSY);
		CHECK_SAYS("virtual machine 'web1'");
		CHECK_SAYS(pid_text);
		CHECK_EQ(count_now(), 2);
	}
	CHECK_EQ(set(2, is_free), -EBUSY);
	CHECK_SAYS("virtual machine 'web1'");
	CHECK_EQ(set(3, is_free), -EBUSY);
	CHECK_TEXT(look(0)->driver, "vfio-pci");
	CHECK_DONE(set(1, is_free));
	let_go(vmm);
	CHECK_DONE(turn(0));
}

TEST(a_write_that_does_not_come_back_is_left_behind_at_the_deadline)
{
	int32_t writer = 0, same = 0;
	pid_t vmm;

	begin("pci-pf-stub");
	CHECK_DONE(turn(2));
	CHECK_DONE(set(1, for_vm));
	vmm = hold("web1", look(0)->pci);
	CHECK_EQ(write_count("0", SECOND_NS), -ETIMEDOUT);
	CHECK_SAYS("has not come back within");
	CHECK_EQ(sysfs_pending(pf, &writer), 1);
	/* nothing ends it but the virtual machine */
	kill(writer, SIGKILL);
	usleep(200000);
	CHECK_EQ(sysfs_pending(pf, &same), 1);
	CHECK_EQ(same, writer);
	/* neither a look nor a refusal waits for it */
	look(0);
	CHECK_EQ(write_count("0", SECOND_NS), -EALREADY);
	CHECK_SAYS("has not come back from an earlier change");
	let_go(vmm);
	for (unsigned i = 0; i < 300 && sysfs_pending(pf, &writer); i++)
		usleep(100000);
	CHECK_EQ(sysfs_pending(pf, &writer), 0);
	CHECK_EQ(count_now(), 0);
	CHECK_DONE(turn(2));
	CHECK_DONE(turn(0));
}

TEST(vfs_whose_gpu_has_lost_its_driver_stay_until_it_has_one)
{
	begin("pci-pf-stub");
	CHECK_DONE(turn(2));
	CHECK_DONE(set(1, for_vm));
	bind(pf, "none");
	read_facts();
	CHECK_EQ(look(0)->number, 0);
	CHECK_EQ(gpu.seen.vfs.count, 2);
	CHECK_EQ(raw_count("0"), -ENOENT);
	CHECK_EQ(turn(0), -ENODEV);
	CHECK_SAYS("the GPU has no driver any more");
	let_go(hold("web1", look(0)->pci));
	/* nor may a virtual machine have it as a whole */
	bind(pf, "vfio-pci");
	CHECK_TEXT(driver_of(pf), "");
	bind(pf, "pci-pf-stub");
	read_facts();
	CHECK_DONE(turn(0));
}

TEST(vfs_are_of_their_gpus_numa_node)
{
	struct vf_device device;
	int wanted = atoi(getenv("CARVE_NUMA") ?: "0");

	begin("pci-pf-stub");
	CHECK_DONE(turn(4));
	for (unsigned i = 0; i < 4; i++) {
		vf_device_read(look(i)->pci, &device);
		CHECK_EQ(device.numa, wanted);
	}
	CHECK_DONE(set(8, for_vm));
	let_go(hold("web1", look(3)->pci));
	CHECK_DONE(turn(0));
}

/* ---- NVIDIA's, by the stand-in for its driver ---- */

static struct vf_setup vgpu(const char *name)
{
	int t = vf_type_find(&facts.vf, name);

	CHECK_SAY(t >= 0, "%s", name);
	return (struct vf_setup){ .is_for_vm = true, .type = t < 0 ? 0 : facts.vf.type[t].id };
}

TEST(nvidias_vfs_come_by_its_own_program_all_or_none)
{
	begin(NULL);
	CHECK_EQ(facts.vf.kind, VF_KIND_NVIDIA);
	CHECK_EQ(turn(3), -ERANGE);
	CHECK_SAYS("all 16");
	CHECK_DONE(turn(16));
	CHECK_EQ(raw_count("0"), -EPERM);
	CHECK_TEXT(look(15)->driver, "nvidia");
	CHECK(look(15)->is_viable);
	CHECK(vf_setup_is_free(&look(15)->setup));
	read_facts();
	CHECK_EQ(facts.vf.n_types, 5);
}

TEST(vgpus_are_made_and_one_that_does_not_fit_is_refused_with_what_does)
{
	begin(NULL);
	CHECK_DONE(turn(16));
	read_facts();
	CHECK_DONE(set(1 << 0, vgpu("H200X-70C")));
	CHECK_EQ(look(0)->setup.type, vgpu("H200X-70C").type);
	CHECK_EQ(set(1 << 1, vgpu("H200X-35C")), -ENOSPC);
	CHECK_SAYS("NVIDIA H200X-70C");
	CHECK(vf_setup_is_free(&look(1)->setup));
	CHECK_DONE(set(1 << 3, vgpu("H200X-70C")));
	CHECK_EQ(look(3)->placement, 8);
	CHECK_EQ(set(1 << 1, vgpu("H200X-70C")), -ENOSPC);
	CHECK_DONE(set(1 << 0 | 1 << 3, is_free));
	CHECK_DONE(set(1 << 1, vgpu("H200X-35C")));
	let_go(hold("web1", look(1)->pci));
	CHECK_DONE(set(1 << 1, is_free));
}

TEST(a_refusal_among_several_vgpus_leaves_none_of_them)
{
	begin(NULL);
	CHECK_DONE(turn(16));
	read_facts();
	CHECK_DONE(set(1 << 9, vgpu("H200X-35C")));
	raw("2", "../../module/fake_nvidia/parameters/refuse_after");
	CHECK_EQ(set(7, vgpu("H200X-35C")), -ENOSPC);
	for (unsigned i = 0; i < 3; i++)
		CHECK(vf_setup_is_free(&look(i)->setup));
	CHECK_EQ(look(9)->setup.type, vgpu("H200X-35C").type);
	CHECK_DONE(set(7, vgpu("H200X-35C")));
	CHECK_DONE(set(7 | 1 << 9, is_free));
}

TEST(a_vgpu_that_is_open_is_never_touched)
{
	pid_t vmm;

	begin(NULL);
	CHECK_DONE(turn(16));
	read_facts();
	CHECK_DONE(set(1, vgpu("H200X-141C")));
	vmm = hold("web1", look(0)->pci);
	CHECK_TEXT(look(0)->vm, "web1");
	CHECK_EQ(raw("0", "devices/%s/nvidia/current_vgpu_type", look(0)->pci), -EBUSY);
	CHECK_EQ(set(1, is_free), -EBUSY);
	CHECK_SAYS("virtual machine 'web1'");
	CHECK_EQ(turn(0), -EBUSY);
	CHECK_SAYS("virtual machine 'web1'");
	CHECK_EQ(count_now(), 16);
	let_go(vmm);
	CHECK_DONE(set(1, is_free));
}

TEST(a_client_of_the_driver_keeps_the_count_as_it_is_and_is_named)
{
	pid_t client;
	int fds[2];
	char byte;

	begin(NULL);
	client = pipe(fds) == 0 ? fork() : -1;
	if (client == 0) {
		if (open("/dev/nvidia0", O_RDWR) >= 0 && write(fds[1], "", 1) == 1)
			pause();
		_exit(0);
	}
	CHECK_EQ(read(fds[0], &byte, 1), 1);
	CHECK_EQ(turn(16), -EBUSY);
	CHECK_SAYS("a client of NVIDIA's driver has the GPU open");
	CHECK_SAYS("test_vf_kernel");
	CHECK_EQ(count_now(), 0);
	let_go(client);
	CHECK_DONE(turn(16));
	CHECK_DONE(turn(0));
}

/* ---- Intel's xe, by the stand-in for its driver ---- */

#define GIB (UINT64_C(1) << 30)

static uint64_t part(unsigned number, const char *name)
{
	char file[80];
	uint64_t value = UINT64_MAX;

	snprintf(file, sizeof(file), "sriov_admin/vf%u/profile/%s", number + 1, name);
	vf_read_number(pf, file, &value);
	return value;
}

TEST(xe_divides_by_itself_as_long_as_nobody_asks_for_memory)
{
	begin(NULL);
	CHECK_EQ(facts.vf.kind, VF_KIND_XE);
	CHECK(facts.vf.has_quota && facts.vf.has_schedule);
	CHECK_DONE(turn(2));
	CHECK_DONE(set(3, for_vm));
	CHECK_EQ(part(0, "vram_quota"), 11 * GIB / 2);
	CHECK_EQ(part(1, "vram_quota"), 11 * GIB / 2);
	CHECK_EQ(look(1)->setup.memory_bytes, 0);
	CHECK_DONE(set(3, is_free));
	CHECK_DONE(turn(0));
	CHECK_EQ(part(0, "vram_quota"), 0);
}

TEST(a_vf_of_xes_gets_memory_and_time_under_its_own_number)
{
	const struct vf_setup setup = {
		.is_for_vm = true, .memory_bytes = 4 * GIB, .quantum_ms = 20, .preempt_us = 500
	};

	begin(NULL);
	CHECK_DONE(turn(4));
	CHECK_DONE(set(1 << 1, setup));
	CHECK_EQ(part(1, "vram_quota"), 4 * GIB);
	CHECK_EQ(part(1, "exec_quantum_ms"), 20);
	CHECK_EQ(part(1, "preempt_timeout_us"), 500);
	CHECK_EQ(look(1)->setup.memory_bytes, 4 * GIB);
	CHECK_TEXT(look(1)->driver, "vfio-pci");
	let_go(hold("web1", look(1)->pci));
	/* what the driver had given to the free ones is theirs no more */
	CHECK_EQ(set(1 << 2, for_vm), -ENOSPC);
	CHECK_SAYS("has no memory");
	CHECK_DONE(set(1 << 1, is_free));
	CHECK_DONE(turn(0));
}

TEST(more_memory_than_xe_has_is_refused_and_nothing_changes)
{
	const struct vf_setup setup = { .is_for_vm = true, .memory_bytes = 40 * GIB };

	begin(NULL);
	CHECK_DONE(turn(2));
	CHECK_EQ(set(1, setup), -ENOSPC);
	CHECK_SAYS("not so much memory left");
	CHECK(vf_setup_is_free(&look(0)->setup));
	CHECK_TEXT(look(0)->driver, "");
	CHECK_DONE(turn(0));
}

__attribute__((constructor)) static void find_pf(void)
{
	pf = getenv("CARVE_PF") ?: "";
}

TEST_MAIN()
