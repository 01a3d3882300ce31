/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What the tests on a simulated node share: its GPUs, steps, and what may befall it. */

#include "base/error.h"
#include "base/text.h"
#include "driver/nvml.h"
#include "driver/nvml_mig.h"
#include "driver/root.h"
#include "mechanism/mechanism.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

/* Runs the simulator's program on this node: true if it went well. */
static inline bool sim(const char *format, ...) __attribute__((format(printf, 1, 2)));
static inline bool sim(const char *format, ...)
{
	char command[400], words[300];
	va_list args;

	va_start(args, format);
	vsnprintf(words, sizeof(words), format, args);
	va_end(args);
	snprintf(command, sizeof(command), "'%s' %s >/dev/null", getenv("CARVE_SIM"), words);
	return system(command) == 0;
}

/* A process that uses the device; the test goes on when the driver tells it. */
static inline pid_t hold(struct nvml_gpu *nvml, const char *uuid)
{
	struct gpu_seen *seen = must_alloc(1, sizeof(*seen));
	pid_t pid = fork();

	if (pid == 0) {
		execl(getenv("CARVE_SIM"), "carve-sim", "hold", "--device", uuid, NULL);
		_exit(127);
	}
	for (unsigned i = 0; i < 200; i++) {
		nvml_gpu_processes(nvml, seen, NULL);
		for (unsigned k = 0; k < seen->n_processes; k++) {
			if (seen->process[k].pid == pid) {
				free(seen);
				return pid;
			}
		}
		usleep(10000);
	}
	free(seen);
	return pid;
}

static inline void let_go(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* One GPU of the node, opened, with its facts. */
struct bench {
	struct nvml_gpu *nvml;
	struct gpu_facts facts;
	struct gpu_seen seen;
};

static inline struct bench *bench_open(unsigned index)
{
	struct bench *bench = must_alloc(1, sizeof(*bench));
	char pci[GPUS_MAX][16];
	struct error err = ERROR_NONE;
	int n;

	root_open(NULL);
	if (nvml_open(&err) < 0 || (n = nvml_list(pci, GPUS_MAX, &err)) <= (int)index ||
		nvml_gpu_open(pci[index], &bench->nvml, &err) < 0 ||
		nvml_gpu_facts(bench->nvml, &bench->facts, &err) < 0) {
		fprintf(stderr, "no GPU %u here: %s\n", index, err.text);
		exit(1);
	}
	return bench;
}

static inline void bench_close(struct bench *bench)
{
	nvml_gpu_free(bench->nvml);
	free(bench);
}

static inline int bench_look(struct bench *bench, struct error *err)
{
	int r = nvml_gpu_facts(bench->nvml, &bench->facts, err);

	memset(&bench->seen, 0, sizeof(bench->seen));
	for (int m = 0; m < MECHANISM_N && r == 0; m++)
		r = mechanism_of((enum mechanism)m)
			    ->observe(bench->nvml, &bench->facts, &bench->seen, err);
	return r;
}

static inline int bench_do(struct bench *bench, const struct step *step, struct error *err)
{
	return mechanism_of(MECHANISM_MIG)->do_step(bench->nvml, &bench->facts, step, err);
}

static inline struct step step_mode(enum step_kind kind)
{
	return (struct step){ .kind = kind };
}

/* CREATE of a profile, by its name, at a slot, with compute instances of these numbers of slices
 * (0: one that fills it). */
static inline struct step step_create(
	const struct bench *bench, const char *profile, uint32_t start, unsigned ci_slices)
{
	const struct mig_geometry *geometry = &bench->facts.geometry;
	int p = mig_profile_find(geometry, profile);
	struct step step = { .kind = STEP_CREATE, .start = start };

	if (p < 0) {
		fprintf(stderr, "no profile %s\n", profile);
		exit(1);
	}
	step.profile_id = geometry->profile[p].id;
	step.size = geometry->profile[p].size;
	snprintf(step.name, sizeof(step.name), "%s@%u", profile, start);
	for (unsigned i = 0; i < geometry->profile[p].n_ci; i++) {
		const struct mig_ci_profile *ci = &geometry->profile[p].ci[i];

		if (ci->slices != (ci_slices ?: geometry->profile[p].slices))
			continue;
		for (step.n_ci = 0; step.n_ci < ci->max; step.n_ci++)
			step.ci_id[step.n_ci] = ci->id;
	}
	return step;
}

/* "1g.10gb@4 3g.40gb@0(1,1,1)": what there is, in order. */
static inline const char *bench_text(struct bench *bench)
{
	static char text[600];
	size_t length = 0;

	text[0] = '\0';
	for (unsigned i = 0; i < bench->seen.n_instances; i++) {
		const struct mig_instance *instance = &bench->seen.instance[i];
		const struct mig_profile *profile =
			&bench->facts.geometry.profile[instance->profile];

		length += (size_t)snprintf(text + length, sizeof(text) - length, "%s%s@%u(",
			i ? " " : "", profile->name, instance->start);
		for (unsigned c = 0; c < instance->n_ci; c++)
			length += (size_t)snprintf(text + length, sizeof(text) - length, "%s%u",
				c ? "," : "", profile->ci[instance->ci[c].ci].slices);
		length += (size_t)snprintf(text + length, sizeof(text) - length, ")");
	}
	return text;
}

/* Looks, and compares with what bench_text would say. */
#define CHECK_HOLDS(bench, wanted)                                                                 \
	do {                                                                                       \
		struct error look_err = ERROR_NONE;                                                \
		CHECK_SAY(bench_look((bench), &look_err) == 0, "%s", look_err.text);               \
		CHECK_TEXT(bench_text(bench), (wanted));                                           \
	} while (0)
#define CHECK_DONE(bench, step)                                                                    \
	do {                                                                                       \
		struct error do_err = ERROR_NONE;                                                  \
		CHECK_SAY(bench_do((bench), (step), &do_err) == 0, "%s", do_err.text);             \
	} while (0)

/* Takes everything off the GPU and leaves it in MIG mode. */
static inline void bench_empty(struct bench *bench)
{
	struct step on = step_mode(STEP_MODE_ON);

	sim("inject --clear");
	bench_do(bench, &on, NULL);
	bench_look(bench, NULL);
	for (unsigned i = 0; i < bench->seen.n_instances; i++) {
		const struct mig_instance *instance = &bench->seen.instance[i];
		struct step step = { .kind = STEP_DESTROY,
			.profile_id = bench->facts.geometry.profile[instance->profile].id,
			.start = instance->start };

		bench_do(bench, &step, NULL);
	}
	bench_look(bench, NULL);
}
