/* SPDX-License-Identifier: Apache-2.0 */
/* The library's surface: which names there are, and what each says to callers who ask it wrongly.
 */
#include "sim.h"
#include "test.h"

#include "base/io.h"
#include "base/spawn.h"
#include "base/text.h"

#include <dlfcn.h>
#include <fcntl.h>

typedef nvmlReturn_t (*entry_fn)(void *, void *, void *, void *, void *, void *);

static struct {
	char *text;
	const char *names[512];
	unsigned n;
} list;

/* Beside NVIDIA's list: what its library has without a declaration or by another prototype, and
 * what newer ones have. */
static const char *const undeclared[] = { "nvmlErrorString", "nvmlInternalGetExportTable",
	"nvmlGetBlacklistDeviceCount", "nvmlGetBlacklistDeviceInfoByIndex",
	"nvmlDeviceSetMemoryLimits_v1", "nvmlDeviceGetMemoryLimits_v1" };

static void list_read(void)
{
	char *rest, *line;

	if (list.n)
		return;
	if (read_file_at(AT_FDCWD, getenv("CARVE_TEST_FUNCTIONS"), 1 << 16, &list.text, NULL) < 0)
		exit(2);
	rest = list.text;
	while ((line = strsep(&rest, "\n")) && list.n < ARRAY_SIZE(list.names))
		if (*line)
			list.names[list.n++] = line;
}

static bool is_undeclared(const char *name)
{
	for (unsigned i = 0; i < ARRAY_SIZE(undeclared); i++)
		if (text_eq(undeclared[i], name))
			return true;
	return false;
}

static bool is_listed(const char *name)
{
	for (unsigned i = 0; i < list.n; i++)
		if (text_eq(list.names[i], name))
			return true;
	return false;
}

static entry_fn entry(const char *name)
{
	static void *library;

	library = library ?: dlopen(getenv("CARVE_SIM_LIBRARY"), RTLD_NOW | RTLD_LOCAL);
	return library ? (entry_fn)dlsym(library, name) : NULL;
}

TEST(every_name_of_nvidias_header_is_exported_and_no_other)
{
	const char *argv[] = { "nm", "-D", "--defined-only", getenv("CARVE_SIM_LIBRARY"), NULL };
	unsigned found = 0;
	AUTO_BUF out = { 0 };
	char *rest, *line;

	list_read();
	CHECK_EQ(list.n, 412);
	for (unsigned i = 0; i < list.n; i++)
		CHECK_SAY(entry(list.names[i]), "%s is missing", list.names[i]);
	CHECK_EQ(spawn_wait(argv, 60000000000ull, &out, NULL), 0);
	rest = buf_take(&out);
	for (char *text = rest; (line = strsep(&rest, "\n")) || (free(text), false);) {
		const char *name = strrchr(line, ' ');

		if (!name)
			continue;
		CHECK_SAY(is_listed(name + 1) || is_undeclared(name + 1), "%s", name);
		found++;
	}
	CHECK_EQ(found, list.n + ARRAY_SIZE(undeclared));
}

TEST(before_init_every_call_answers_uninitialized)
{
	list_read();
	for (unsigned i = 0; i < list.n; i++) {
		if (text_starts(list.names[i], "nvmlInit") ||
			text_eq(list.names[i], "nvmlShutdown") ||
			text_eq(list.names[i], "nvmlSystemGetNVMLVersion"))
			continue;
		CHECK_SAY(entry(list.names[i])(NULL, NULL, NULL, NULL, NULL, NULL) ==
				  NVML_ERROR_UNINITIALIZED,
			"%s", list.names[i]);
	}
}

/* Whether a call's first argument is a GPU's handle. */
static bool takes_device(const char *name)
{
	static const char *const others[] = { "nvmlDeviceGetCount*", "nvmlDeviceGetHandle*",
		"nvmlDeviceDiscoverGpus", "nvmlDevice*DrainState", "nvmlDeviceRemoveGpu*" };

	for (unsigned i = 0; i < ARRAY_SIZE(others); i++)
		if (text_matches(name, others[i]))
			return false;
	return text_starts(name, "nvmlDevice");
}

static void each_with(nvmlDevice_t device, nvmlReturn_t wanted)
{
	for (unsigned i = 0; i < list.n; i++)
		CHECK_SAY(!takes_device(list.names[i]) || entry(list.names[i])(device, NULL, NULL,
								  NULL, NULL, NULL) == wanted,
			"%s", list.names[i]);
}

TEST(a_null_where_something_is_needed_is_an_invalid_argument)
{
	list_read();
	sim_begin("h200");
	each_with(NULL, NVML_ERROR_INVALID_ARGUMENT);
	/* No value is a handle that was not given out. */
	each_with((nvmlDevice_t)(uintptr_t)0x1234, NVML_ERROR_INVALID_ARGUMENT);
	sim_end();
}

TEST(a_handle_of_what_is_gone_is_an_invalid_argument)
{
	nvmlGpuInstance_t instance, gone_instance;
	nvmlComputeInstance_t compute;
	nvmlDevice_t mig;
	nvmlGpuInstanceInfo_t info;

	list_read();
	sim_begin_product("H100-80", 1, "  mig: on\n  instances: [1g.10gb@0]\n");
	CHECK_EQ(nvml.nvmlDeviceGetMigDeviceHandleByIndex(sim_gpu(0), 0, &mig), NVML_SUCCESS);
	CHECK_EQ(nvml.nvmlDeviceGetGpuInstanceById(sim_gpu(0), 7, &instance), NVML_SUCCESS);
	CHECK_EQ(nvml.nvmlGpuInstanceGetComputeInstanceById(instance, 0, &compute), NVML_SUCCESS);
	CHECK_EQ(nvml.nvmlComputeInstanceDestroy(compute), NVML_SUCCESS);
	each_with(mig, NVML_ERROR_INVALID_ARGUMENT);
	gone_instance = instance;
	CHECK_EQ(nvml.nvmlGpuInstanceDestroy(instance), NVML_SUCCESS);
	CHECK_EQ(nvml.nvmlGpuInstanceGetInfo(gone_instance, &info), NVML_ERROR_INVALID_ARGUMENT);
	/* One that is made anew in its place is another. */
	CHECK_EQ(sim_make(sim_gpu(0), NVML_GPU_INSTANCE_PROFILE_1_SLICE, 0, &instance), 7);
	CHECK_EQ(nvml.nvmlGpuInstanceGetInfo(gone_instance, &info), NVML_ERROR_INVALID_ARGUMENT);
	CHECK_EQ(nvml.nvmlGpuInstanceGetInfo(instance, &info), NVML_SUCCESS);
	each_with(mig, NVML_ERROR_INVALID_ARGUMENT);
	sim_end();
}

TEST(a_lost_gpu_is_lost_to_every_call_but_those_for_who_it_is)
{
	unsigned n_lost = 0, n_known = 0;

	list_read();
	sim_begin("h200");
	CHECK_EQ(SIM("lose", "0", "--dir", sim_dir), 0);
	for (unsigned i = 0; i < list.n; i++) {
		const char *name = list.names[i];
		nvmlReturn_t r;

		if (!takes_device(name))
			continue;
		r = entry(name)(sim_gpu(0), NULL, NULL, NULL, NULL, NULL);
		n_lost += r == NVML_ERROR_GPU_IS_LOST;
		n_known += r == NVML_ERROR_INVALID_ARGUMENT;
		CHECK_SAY(r == NVML_ERROR_GPU_IS_LOST || r == NVML_ERROR_INVALID_ARGUMENT, "%s: %d",
			name, (int)r);
	}
	CHECK_SAY(n_lost > 150 && n_known < 50, "%u lost, %u known", n_lost, n_known);
	sim_end();
}

/* A good handle and NULLs: whatever is said, nothing is written through them. */
TEST(no_call_follows_a_null)
{
	list_read();
	sim_begin("h200");
	for (unsigned i = 0; i < list.n; i++) {
		if (text_starts(list.names[i], "nvmlInit") ||
			text_eq(list.names[i], "nvmlShutdown"))
			continue;
		if (takes_device(list.names[i]))
			entry(list.names[i])(sim_gpu(0), NULL, NULL, NULL, NULL, NULL);
		entry(list.names[i])(NULL, NULL, NULL, NULL, NULL, NULL);
	}
	sim_end();
}

TEST_MAIN()
