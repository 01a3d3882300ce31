/* SPDX-License-Identifier: Apache-2.0 */
#include "driver/nodes.h"

#include "base/error.h"
#include "base/io.h"
#include "base/text.h"
#include "driver/pci.h"
#include "driver/root.h"
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static char tree[] = "/tmp/carve-nodes-XXXXXX";

static void put(const char *path, const char *text)
{
	char *whole = must_asprintf("%s%s", tree, path);
	char *slash = strrchr(whole, '/');

	*slash = '\0';
	make_dirs(whole, 0755, NULL);
	*slash = '/';
	write_file_atomic(whole, text, strlen(text), 0644, NULL);
	free(whole);
}

static void prepare(void)
{
	static bool is_ready;

	if (is_ready)
		return;
	is_ready = true;
	mkdtemp(tree);
	put("/proc/devices", "Character devices:\n  1 mem\n195 nvidia\n195 nvidiactl\n226 drm\n"
			     "506 nvidia-caps\n509 nvidia-uvm\n\nBlock devices:\n  8 sd\n");
	put("/proc/driver/nvidia/capabilities/gpu2/mig/gi1/access",
		"DeviceFileMinor: 282\nDeviceFileMode: 292\nDeviceFileModify: 1\n");
	put("/proc/driver/nvidia-caps/mig-minors",
		"config 1\nmonitor 2\ngpu2/gi1/access 999\ngpu2/gi1/ci0/access 283\n");
	put("/sys/bus/pci/devices/0000:1b:00.0/drm/card1/dev", "226:1\n");
	put("/sys/bus/pci/devices/0000:1b:00.0/drm/renderD129/dev", "226:129\n");
	put("/sys/bus/pci/devices/0000:1b:00.0/vendor", "0x10de\n");
	put("/sys/bus/pci/devices/0000:1b:00.0/class", "0x030200\n");
	put("/sys/bus/pci/devices/0000:1b:00.0/sriov_totalvfs", "16\n");
	put("/sys/bus/pci/devices/0000:1b:00.1/vendor", "0x10de\n");
	put("/sys/bus/pci/devices/0000:1b:00.1/class", "0x040300\n");
	put("/sys/bus/pci/devices/0000:01:00.0/vendor", "0x8086\n");
	put("/sys/bus/pci/devices/0000:01:00.0/class", "0x030000\n");
	put("/dev/nvidia2", "");
	put("/dev/nvidiactl", "");
	put("/dev/dri/card1", "");
	setenv("CARVE_SYSTEM_ROOT", tree, 1);
	root_open(NULL);
}

static const struct gpu gpu = { .index = 0, .facts = { .minor = 2, .pci = "0000:1b:00.0" } };
static const struct mig_instance instance = { .gi = 1, .n_ci = 1 };

static const struct binding_node *find(const struct binding *binding, const char *path)
{
	for (unsigned i = 0; i < binding->n_nodes; i++) {
		if (text_eq(binding->node[i].path, path))
			return &binding->node[i];
	}
	return NULL;
}

static void check_node(const struct binding *binding, const char *path, unsigned major_number,
	unsigned minor_number)
{
	const struct binding_node *node = find(binding, path);

	CHECK_SAY(node, "%s is missing", path);
	if (node) {
		CHECK_EQ(node->major, major_number);
		CHECK_EQ(node->minor, minor_number);
	}
}

TEST(whole_gpu_has_its_own_nodes_and_the_common_ones)
{
	struct binding binding = { 0 };

	prepare();
	CHECK_EQ(nodes_add(&binding, &gpu, NULL, NULL, NULL), 0);
	CHECK_EQ(binding.n_nodes, 6);
	check_node(&binding, "/dev/nvidia2", 195, 2);
	check_node(&binding, "/dev/nvidiactl", 195, 255);
	check_node(&binding, "/dev/nvidia-uvm", 509, 0);
	check_node(&binding, "/dev/nvidia-uvm-tools", 509, 1);
	check_node(&binding, "/dev/dri/card1", 226, 1);
	check_node(&binding, "/dev/dri/renderD129", 226, 129);
	CHECK(node_exists(find(&binding, "/dev/nvidia2")));
	CHECK(!node_exists(find(&binding, "/dev/nvidia-uvm")));
	CHECK_EQ(nodes_add(&binding, &gpu, NULL, NULL, NULL), 0);
	CHECK_EQ(binding.n_nodes, 6);
}

TEST(compute_instance_has_both_capability_files)
{
	static const struct mig_ci ci = { .id = 0 };
	struct binding binding = { 0 };

	prepare();
	CHECK_EQ(nodes_add(&binding, &gpu, &instance, &ci, NULL), 0);
	/* the file leads, the table is the fall-back */
	check_node(&binding, "/dev/nvidia-caps/nvidia-cap282", 506, 282);
	check_node(&binding, "/dev/nvidia-caps/nvidia-cap283", 506, 283);
	check_node(&binding, "/dev/nvidia2", 195, 2);
	CHECK(!find(&binding, "/dev/dri/card1"));
	CHECK_EQ(binding.n_nodes, 6);
}

TEST(missing_capability_file_is_said)
{
	static const struct mig_ci ci = { .id = 3 };
	struct binding binding = { 0 };
	struct error err = ERROR_NONE;

	prepare();
	CHECK_EQ(nodes_add(&binding, &gpu, &instance, &ci, &err), -ENODEV);
	CHECK_SAY(strstr(err.text, "gi1/ci3"), "%s", err.text);
}

TEST(gpu_majors_are_all_of_nvidia_and_drm)
{
	uint32_t major[8];
	unsigned n;

	prepare();
	n = nodes_gpu_majors(major, 8);
	CHECK_EQ(n, 4);
	CHECK_EQ(nodes_gpu_majors(major, 2), 2);
	CHECK_EQ(major[0], 195);
	CHECK_EQ(major[1], 226);
}

TEST(gpus_are_found_on_the_bus)
{
	char address[4][PCI_ADDRESS_MAX], driver[32];
	int64_t vfs = 0;

	prepare();
	CHECK_EQ(pci_find_gpus(address, 4), 1);
	CHECK_TEXT(address[0], "0000:1b:00.0");
	CHECK_EQ(pci_number(address[0], "sriov_totalvfs", &vfs), 0);
	CHECK_EQ(vfs, 16);
	CHECK_EQ(pci_number(address[0], "numa_node", &vfs), -ENOENT);
	CHECK_EQ(vfs, 16);
	pci_driver(address[0], driver, sizeof(driver));
	CHECK_TEXT(driver, "");
	CHECK(!pci_is_virtual(address[0]));
}

TEST(two_daemons_on_one_root_exclude_each_other)
{
	struct error err = ERROR_NONE;
	pid_t holder = 0;
	int first, second;

	prepare();
	CHECK_EQ(root_lock_holder(&holder), 0);
	first = root_lock(&err);
	CHECK(first >= 0);
	if (root_lock_holder(&holder) >= 0) {
		CHECK_EQ(root_lock_holder(&holder), 1);
		CHECK_EQ(holder, getpid());
	}
	CHECK_EQ(root_lock(&err), -EWOULDBLOCK);
	CHECK_SAY(strstr(err.text, "another carved"), "%s", err.text);
	close(first);
	second = root_lock(NULL);
	CHECK(second >= 0);
	close(second);
}

TEST(bad_roots_are_refused)
{
	struct error err = ERROR_NONE;

	prepare();
	setenv("CARVE_SYSTEM_ROOT", "relative", 1);
	CHECK_EQ(root_open(&err), -EINVAL);
	setenv("CARVE_SYSTEM_ROOT", "/carve/is/not/there", 1);
	CHECK_EQ(root_open(&err), -ENOENT);
	CHECK_TEXT(root_path(), tree);
	setenv("CARVE_SYSTEM_ROOT", tree, 1);
}

static void __attribute__((destructor)) clean(void)
{
	char command[128];

	if (!strstr(tree, "XXXXXX")) {
		snprintf(command, sizeof(command), "rm -rf %s", tree);
		if (system(command) != 0)
			fprintf(stderr, "%s is left\n", tree);
	}
}

TEST_MAIN()
