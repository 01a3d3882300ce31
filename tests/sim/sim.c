/* SPDX-License-Identifier: Apache-2.0 */
#include "sim.h"

#include "base/io.h"
#include "base/spawn.h"
#include "base/text.h"

#include <dlfcn.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define RUN_NS 60000000000ull

struct nvml nvml;
char sim_dir[256];
char sim_output[4096];

static void give_up(const char *why)
{
	fprintf(stderr, "no simulated node: %s\n", why);
	exit(2);
}

static const char *wanted(const char *name)
{
	const char *value = getenv(name);

	if (!value)
		give_up(name);
	return value;
}

int sim_run(const char *const *words)
{
	const char *argv[24] = { wanted("CARVE_SIM_PROGRAM") };
	AUTO_BUF output = { 0 };
	unsigned n = 0;
	int status;

	while (words[n] && n + 2 < ARRAY_SIZE(argv)) {
		argv[n + 1] = words[n];
		n++;
	}
	status = spawn_wait(argv, RUN_NS, &output, NULL);
	text_copy(sim_output, sizeof(sim_output), buf_text(&output));
	return status;
}

static void library_open(void)
{
	void *library = dlopen(wanted("CARVE_SIM_LIBRARY"), RTLD_NOW | RTLD_LOCAL);

	if (!library)
		give_up(dlerror());
#define SIM_FN(name, params, args) nvml.name = (__typeof__(nvml.name))dlsym(library, #name);
#include "sim/node/entries.def"
}

void sim_begin(const char *machine)
{
	sim_begin_slow(machine, "0", "0");
}

void sim_begin_slow(const char *machine, const char *create_ms, const char *destroy_ms)
{
	const char *base = getenv("TMPDIR") ?: "/tmp";

	if (!nvml.nvmlInit_v2)
		library_open();
	snprintf(sim_dir, sizeof(sim_dir), "%s/node-XXXXXX", base);
	if (!mkdtemp(sim_dir))
		give_up("no temporary directory");
	if (SIM("create", machine, "--fast", "--create", create_ms, "--destroy", destroy_ms,
		    "--dir", sim_dir) != 0)
		give_up(sim_output);
	setenv("CARVE_SIM_NODE", sim_dir, 1);
	if (nvml.nvmlInit_v2() != NVML_SUCCESS)
		give_up("nvmlInit_v2 fails");
}

void sim_begin_product(const char *product, unsigned n_gpus, const char *more_yaml)
{
	char path[300];
	AUTO_BUF text = { 0 };

	buf_addf(&text, "version: carve-sim/v1\ngpus:\n- product: %s\n  pci: [", product);
	for (unsigned i = 0; i < n_gpus; i++)
		buf_addf(&text, "%s\"%02x:00.0\"", i ? ", " : "", i + 1);
	buf_addf(&text, "]\n%s", more_yaml);
	snprintf(path, sizeof(path), "%s/machine-%d.yaml", getenv("TMPDIR") ?: "/tmp", getpid());
	if (write_file_atomic(path, buf_text(&text), text.length, 0600, NULL) < 0)
		give_up(path);
	sim_begin(path);
	unlink(path);
}

void sim_end(void)
{
	nvml.nvmlShutdown();
	if (SIM("destroy", "--dir", sim_dir) != 0)
		give_up(sim_output);
}

const char *sim_path(const char *below_root, ...)
{
	static char path[600];
	va_list args;
	int n = snprintf(path, sizeof(path), "%s/root/", sim_dir);

	va_start(args, below_root);
	vsnprintf(path + n, sizeof(path) - (size_t)n, below_root, args);
	va_end(args);
	return path;
}

bool sim_has(const char *path)
{
	return access(path, F_OK) == 0;
}

int sim_hold_words(const char *const *words)
{
	const char *argv[32] = { "carve-sim", "hold" };
	int out[2];
	char line[64];
	pid_t pid;

	for (unsigned i = 0; words[i] && i + 3 < ARRAY_SIZE(argv); i++)
		argv[i + 2] = words[i];

	if (pipe(out) < 0)
		give_up("no pipe");
	pid = fork();
	if (pid == 0) {
		dup2(out[1], STDOUT_FILENO);
		close_from(3);
		execv(wanted("CARVE_SIM_PROGRAM"), (char *const *)argv);
		_exit(127);
	}
	close(out[1]);
	/* It says a line when it is on the list; it ends without one where it is refused. */
	if (read(out[0], line, sizeof(line)) <= 0) {
		waitpid(pid, NULL, 0);
		pid = -1;
	}
	close(out[0]);
	return pid;
}

int sim_hold_what(const char *what, const char *which)
{
	return sim_hold_words((const char *const[]){ what, which, NULL });
}

void sim_kill(int pid)
{
	/* Of a process that did not come to be there is nothing to kill; and -1 means everyone. */
	if (pid <= 0)
		return;
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

nvmlDevice_t sim_gpu(unsigned index)
{
	nvmlDevice_t gpu = NULL;

	nvml.nvmlDeviceGetHandleByIndex_v2(index, &gpu);
	return gpu;
}

unsigned sim_kind_id(nvmlDevice_t gpu, unsigned kind)
{
	nvmlGpuInstanceProfileInfo_t info;

	if (nvml.nvmlDeviceGetGpuInstanceProfileInfo(gpu, kind, &info) != NVML_SUCCESS)
		return ~0u;
	return info.id;
}

int sim_make(nvmlDevice_t gpu, unsigned kind, int start, nvmlGpuInstance_t *ret_instance)
{
	unsigned id = sim_kind_id(gpu, kind), n;
	nvmlGpuInstancePlacement_t places[16], place = { (unsigned)start, 0 };
	nvmlGpuInstanceInfo_t info;
	nvmlReturn_t r;

	nvml.nvmlDeviceGetGpuInstancePossiblePlacements_v2(gpu, id, places, &n);
	place.size = places[0].size;
	r = start < 0
		    ? nvml.nvmlDeviceCreateGpuInstance(gpu, id, ret_instance)
		    : nvml.nvmlDeviceCreateGpuInstanceWithPlacement(gpu, id, &place, ret_instance);
	if (r == NVML_SUCCESS)
		r = nvml.nvmlGpuInstanceGetInfo(*ret_instance, &info);
	return r == NVML_SUCCESS ? (int)info.id : -(int)r;
}
