/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fences through the real kernel. The system root is a tree whose /proc/devices names majors that
 * no driver of this machine has: opening such a node is ENXIO where nothing forbids it, and EPERM
 * behind a fence.
 */
#include "driver/fence.h"

#include "driver/kernel.h"
#include "driver/root.h"
#include "test.h"

#include <fcntl.h>
#include <sys/wait.h>

/* not 195: the guard holds for the whole machine while its test runs */
enum { GPU_MAJOR = 509, CAPS_MAJOR = 511, OTHER_MAJOR = 510 };

static char tree[] = "/tmp/carve-fence-XXXXXX";
static char gpu0[64], gpu1[64], control[64], capability[64], other[64];

static void node(char *path, const char *name, unsigned major_number, unsigned minor_number)
{
	snprintf(path, 64, "%s/dev/%s", tree, name);
	mknod(path, S_IFCHR | 0600, makedev(major_number, minor_number));
}

/* NULL, or why fences cannot be tested here. */
static const char *prepare(void)
{
	static struct error err;
	static bool is_ready;
	const char *why = no_cgroups();
	char path[128];
	FILE *file;

	if (why || is_ready)
		return why;
	if (!fence_is_possible(&err))
		return err.text;
	mkdtemp(tree);
	for (unsigned i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "%s/%s", tree, i ? "proc" : "dev");
		mkdir(path, 0755);
	}
	snprintf(path, sizeof(path), "%s/proc/devices", tree);
	file = fopen(path, "w");
	fprintf(file,
		"Character devices:\n  1 mem\n%d nvidia\n%d nvidiactl\n%d nvidia-caps\n\n"
		"Block devices:\n%d nvidia-none\n",
		GPU_MAJOR, GPU_MAJOR, CAPS_MAJOR, OTHER_MAJOR);
	fclose(file);
	node(gpu0, "nvidia0", GPU_MAJOR, 0);
	node(gpu1, "nvidia1", GPU_MAJOR, 1);
	node(control, "nvidiactl", GPU_MAJOR, 255);
	node(capability, "nvidia-cap30", CAPS_MAJOR, 30);
	node(other, "other", OTHER_MAJOR, 0);
	setenv("CARVE_SYSTEM_ROOT", tree, 1);
	is_ready = root_open(&err) == 0;
	if (open(gpu0, O_RDWR) >= 0 || errno != ENXIO)
		return "a driver has the GPU majors here";
	return is_ready ? NULL : err.text;
}

static const struct binding_node allowed[] = {
	{ .path = "/dev/nvidia0", .major = GPU_MAJOR, .minor = 0 },
	{ .path = "/dev/nvidiactl", .major = GPU_MAJOR, .minor = 255 },
};

static void check_fenced(int cgroup)
{
	CHECK_EQ(open_in(cgroup, gpu0), ENXIO);
	CHECK_EQ(open_in(cgroup, control), ENXIO);
	CHECK_EQ(open_in(cgroup, gpu1), EPERM);
	CHECK_EQ(open_in(cgroup, capability), EPERM);
	CHECK_EQ(open_in(cgroup, other), ENXIO);
	CHECK_EQ(open_in(cgroup, "/dev/null"), 0);
}

TEST(fence_admits_the_listed_nodes_and_no_other_gpu_node)
{
	const char *why = prepare();
	char *path = NULL;
	int cgroup;

	if (why)
		SKIP("%s", why);
	cgroup = new_cgroup(&path);
	CHECK_EQ(fence_is_attached(cgroup), 0);
	CHECK_EQ(open_in(cgroup, gpu1), ENXIO);
	CHECK_EQ(fence_attach(cgroup, allowed, 2, NULL), 0);
	CHECK_EQ(fence_is_attached(cgroup), 1);
	check_fenced(cgroup);
	CHECK_EQ(fence_detach(cgroup, NULL), 0);
	CHECK_EQ(fence_is_attached(cgroup), 0);
	CHECK_EQ(open_in(cgroup, gpu1), ENXIO);
	CHECK_EQ(cgroup_remove(path), 0);
	close(cgroup);
	free(path);
}

TEST(fenced_process_cannot_make_other_gpu_nodes)
{
	const char *why = prepare();
	char *path = NULL, made[96];
	int cgroup;

	if (why)
		SKIP("%s", why);
	cgroup = new_cgroup(&path);
	snprintf(made, sizeof(made), "%s/dev/made", tree);
	CHECK_EQ(fence_attach(cgroup, allowed, 2, NULL), 0);
	CHECK_EQ(mknod_in(cgroup, made, GPU_MAJOR, 1), EPERM);
	CHECK_EQ(mknod_in(cgroup, made, CAPS_MAJOR, 1), EPERM);
	CHECK_EQ(mknod_in(cgroup, made, GPU_MAJOR, 0), 0);
	CHECK_EQ(mknod_in(cgroup, made, OTHER_MAJOR, 1), 0);
	cgroup_remove(path);
	close(cgroup);
	free(path);
}

TEST(fence_holds_in_cgroups_below_and_cannot_be_widened_there)
{
	static const struct binding_node more[] = {
		{ .major = GPU_MAJOR, .minor = 0 },
		{ .major = GPU_MAJOR, .minor = 255 },
		{ .major = GPU_MAJOR, .minor = 1 },
	};
	const char *why = prepare();
	char *path = NULL, *below = NULL;
	int cgroup, child;

	if (why)
		SKIP("%s", why);
	cgroup = new_cgroup(&path);
	CHECK_EQ(fence_attach(cgroup, allowed, 2, NULL), 0);
	child = cgroup_make(path, "below", &below, NULL);
	check_fenced(child);
	CHECK_EQ(fence_attach(child, more, 3, NULL), 0);
	check_fenced(child);
	CHECK_EQ(cgroup_remove(path), 0);
	close(cgroup);
	close(child);
	free(path);
	free(below);
}

TEST(fence_that_is_put_up_again_replaces_the_first)
{
	static const struct binding_node second[] = { { .major = GPU_MAJOR, .minor = 1 } };
	const char *why = prepare();
	char *path = NULL;
	int cgroup;

	if (why)
		SKIP("%s", why);
	cgroup = new_cgroup(&path);
	CHECK_EQ(fence_attach(cgroup, allowed, 2, NULL), 0);
	CHECK_EQ(fence_attach(cgroup, second, 1, NULL), 0);
	CHECK_EQ(open_in(cgroup, gpu1), ENXIO);
	CHECK_EQ(open_in(cgroup, gpu0), EPERM);
	CHECK_EQ(fence_detach(cgroup, NULL), 0);
	CHECK_EQ(fence_is_attached(cgroup), 0);
	cgroup_remove(path);
	close(cgroup);
	free(path);
}

TEST(fence_outlives_the_process_that_put_it_up)
{
	const char *why = prepare();
	char *path = NULL;
	int cgroup, status;
	pid_t pid;

	if (why)
		SKIP("%s", why);
	cgroup = new_cgroup(&path);
	pid = fork();
	if (pid == 0) {
		if (fence_attach(cgroup, allowed, 2, NULL) < 0)
			_exit(1);
		raise(SIGKILL);
	}
	waitpid(pid, &status, 0);
	CHECK(WIFSIGNALED(status));
	CHECK_EQ(fence_is_attached(cgroup), 1);
	check_fenced(cgroup);
	cgroup_remove(path);
	close(cgroup);
	free(path);
}

TEST(guard_shuts_out_all_but_the_admitted)
{
	static const struct binding_node denied[] = { { .major = GPU_MAJOR, .minor = 0 } };
	const char *why = prepare();
	struct guard *guard = NULL;
	struct error err = ERROR_NONE;
	char *inside = NULL, *nested = NULL, *outside = NULL;
	int in, deep, out;
	uint64_t id;

	if (why)
		SKIP("%s", why);
	in = new_cgroup(&inside);
	deep = cgroup_make(inside, "deep", &nested, NULL);
	out = new_cgroup(&outside);
	CHECK_SAY(guard_new(&guard, "/", denied, 1, &err) == 0, "%s", err.text);
	if (guard) {
		CHECK_EQ(open_in(out, gpu0), ENXIO);
		CHECK_EQ(guard_put_up(guard, &err), 0);
		CHECK_EQ(open_in(in, gpu0), EPERM);
		CHECK_EQ(cgroup_id(in, &id), 0);
		CHECK_EQ(guard_admit(guard, id), 0);
		CHECK_EQ(open_in(in, gpu0), ENXIO);
		CHECK_EQ(open_in(deep, gpu0), ENXIO);
		CHECK_EQ(open_in(out, gpu0), EPERM);
		/* what is not denied stays open to all */
		CHECK_EQ(open_in(out, gpu1), ENXIO);
		CHECK_EQ(open_in(out, control), ENXIO);
		CHECK_EQ(open_in(out, "/dev/null"), 0);
		CHECK_EQ(guard_forget(guard, id), 0);
		CHECK_EQ(guard_forget(guard, id), 0);
		CHECK_EQ(open_in(deep, gpu0), EPERM);
		guard = guard_off(guard);
		CHECK(!guard);
		CHECK_EQ(open_in(out, gpu0), ENXIO);
	}
	cgroup_remove(inside);
	cgroup_remove(outside);
	close(in);
	close(deep);
	close(out);
	free(inside);
	free(nested);
	free(outside);
}

TEST(guard_of_a_dead_daemon_stands_until_another_takes_its_place)
{
	static const struct binding_node denied[] = { { .major = GPU_MAJOR, .minor = 0 } };
	const char *why = prepare();
	struct guard *guard = NULL, *next = NULL;
	char *inside = NULL;
	uint64_t id = 0;
	int in, status;
	pid_t pid;

	if (why)
		SKIP("%s", why);
	in = new_cgroup(&inside);
	cgroup_id(in, &id);
	pid = fork();
	if (pid == 0) {
		if (guard_new(&guard, "/", denied, 1, NULL) < 0 || guard_admit(guard, id) < 0 ||
			guard_put_up(guard, NULL) < 0)
			_exit(1);
		raise(SIGKILL);
	}
	waitpid(pid, &status, 0);
	CHECK(WIFSIGNALED(status));
	CHECK_EQ(open_in(in, gpu0), ENXIO);
	CHECK(open(gpu0, O_RDWR) < 0 && errno == EPERM);
	CHECK_EQ(guard_new(&guard, "/", denied, 1, NULL), 0);
	CHECK_EQ(guard_admit(guard, id), 0);
	CHECK_EQ(guard_put_up(guard, NULL), 0);
	CHECK_EQ(open_in(in, gpu0), ENXIO);
	CHECK(open(gpu0, O_RDWR) < 0 && errno == EPERM);
	/* another takes its place; taking the first off then changes nothing */
	CHECK_EQ(guard_new(&next, "/", denied, 1, NULL), 0);
	CHECK_EQ(guard_put_up(next, NULL), 0);
	CHECK_EQ(open_in(in, gpu0), EPERM);
	guard_off(guard);
	CHECK_EQ(open_in(in, gpu0), EPERM);
	guard_off(next);
	CHECK(open(gpu0, O_RDWR) < 0 && errno == ENXIO);
	CHECK_EQ(guard_new(&guard, "/", denied, 1, NULL), 0);
	CHECK_EQ(guard_put_up(guard, NULL), 0);
	CHECK_EQ(guard_clear("/", NULL), 0);
	CHECK(open(gpu0, O_RDWR) < 0 && errno == ENXIO);
	guard_off(guard);
	cgroup_remove(inside);
	close(in);
	free(inside);
}

TEST(fence_and_guard_take_many_nodes)
{
	struct binding_node many[BINDING_NODES_MAX];
	const char *why = prepare();
	struct guard *guard = NULL;
	struct error err = ERROR_NONE;
	char *path = NULL;
	int cgroup;

	if (why)
		SKIP("%s", why);
	cgroup = new_cgroup(&path);
	for (unsigned i = 0; i < BINDING_NODES_MAX; i++)
		many[i] = (struct binding_node){ .major = CAPS_MAJOR, .minor = 1000 + i };
	many[BINDING_NODES_MAX - 1] = allowed[0];
	CHECK_SAY(fence_attach(cgroup, many, BINDING_NODES_MAX, &err) == 0, "%s", err.text);
	CHECK_EQ(open_in(cgroup, gpu0), ENXIO);
	CHECK_EQ(open_in(cgroup, gpu1), EPERM);
	CHECK_EQ(fence_attach(cgroup, many, 0, NULL), 0);
	CHECK_EQ(open_in(cgroup, gpu0), EPERM);
	CHECK_SAY(guard_new(&guard, "/", many, BINDING_NODES_MAX, &err) == 0, "%s", err.text);
	CHECK_EQ(guard_put_up(guard, NULL), 0);
	CHECK_EQ(open_in(cgroup, gpu0), EPERM);
	guard_off(guard);
	CHECK_EQ(guard_new(&guard, "/", many, 0, NULL), 0);
	CHECK_EQ(guard_put_up(guard, NULL), 0);
	guard_off(guard);
	cgroup_remove(path);
	close(cgroup);
	free(path);
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
