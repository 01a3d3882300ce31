/* SPDX-License-Identifier: Apache-2.0 */
#include "doctor/look.h"

#include "base/error.h"
#include "base/io.h"
#include "base/text.h"
#include "driver/nvml.h"
#include "driver/nvml_vgpu.h"
#include "driver/process.h"
#include "driver/vf.h"
#include "mechanism/mechanism.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/* How long a killed child is waited for: in the midst of a kernel call it may never go. */
enum { KILLED_MS = 500 };

static void note(int result, const struct error *err, int *ret_result, char ret_text[LOOK_TEXT_MAX])
{
	*ret_result = result < 0 ? result : 0;
	if (result < 0)
		text_copy(ret_text, LOOK_TEXT_MAX, err->text);
}

static int observe(struct nvml_gpu *nvml, struct gpu_look *gpu, struct error *err)
{
	int r = 0;

	for (int m = 0; m < MECHANISM_N && r == 0; m++)
		r = mechanism_of((enum mechanism)m)->observe(nvml, &gpu->facts, &gpu->seen, err);
	return r;
}

static void look_gpu(struct driver_look *look, struct gpu_look *gpu)
{
	struct nvml_gpu *nvml = NULL;
	struct error err = ERROR_NONE;
	int r;

	snprintf(look->doing, sizeof(look->doing), "looking at GPU %s", gpu->pci);
	r = nvml_gpu_open(gpu->pci, &nvml, &err);
	if (r == 0)
		r = nvml_gpu_facts(nvml, &gpu->facts, &err);
	note(r, &err, &gpu->result, gpu->text);
	if (r == 0) {
		vf_facts_read(gpu->pci, nvml, &gpu->facts, &gpu->vfs);
		nvml_vgpu_licences(nvml, &gpu->n_vgpus, &gpu->n_unlicensed, NULL);
		note(observe(nvml, gpu, &err), &err, &gpu->seen_result, gpu->seen_text);
		gpu->persistence = nvml_gpu_persistence(nvml);
	}
	nvml_gpu_free(nvml);
}

static void look_driver(struct driver_look *look)
{
	struct error err = ERROR_NONE;
	char pci[GPUS_MAX][16];
	int n;

	snprintf(look->doing, sizeof(look->doing), "opening the driver");
	note(nvml_open(&err), &err, &look->library_result, look->library_text);
	if (look->library_result < 0)
		return;
	look->has_versions = nvml_versions(look->driver, look->library, NULL) == 0;
	snprintf(look->doing, sizeof(look->doing), "listing the GPUs");
	n = nvml_list(pci, GPUS_MAX, &err);
	note(n, &err, &look->list_result, look->list_text);
	for (int i = 0; i < n; i++) {
		struct gpu_look *gpu = &look->gpu[look->n_gpus];

		text_copy(gpu->pci, sizeof(gpu->pci), pci[i]);
		/* one that was not asked yet says so */
		gpu->result = -ETIMEDOUT;
		look->n_gpus++;
		look_gpu(look, gpu);
	}
	nvml_close();
}

struct driver_look *look_new(unsigned deadline_ms)
{
	struct driver_look *look = mmap(
		NULL, sizeof(*look), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct pollfd child = { .events = POLLIN };
	int status;
	pid_t pid;

	if (look == MAP_FAILED)
		return NULL;
	pid = fork();
	if (pid == 0) {
		look_driver(look);
		_exit(0);
	}
	look->end = LOOK_CRASHED;
	if (pid < 0)
		return look;
	child.fd = process_open(pid);
	if (child.fd < 0 || poll(&child, 1, (int)deadline_ms) == 0) {
		look->end = LOOK_HUNG;
		kill(pid, SIGKILL);
		poll(&child, 1, KILLED_MS);
		waitpid(pid, &status, WNOHANG);
	} else if (waitpid(pid, &status, 0) == pid && WIFEXITED(status)) {
		look->end = LOOK_DONE;
	}
	if (child.fd >= 0)
		close(child.fd);
	return look;
}

struct driver_look *look_free(struct driver_look *look)
{
	if (look)
		munmap(look, sizeof(*look));
	return NULL;
}
