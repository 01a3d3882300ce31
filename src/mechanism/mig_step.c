/* SPDX-License-Identifier: Apache-2.0 */
/*
 * MIG mode, and the dispatch of steps.
 *
 *	Ampere		MODE_ON/OFF makes the mode pending (unless the driver resets an idle GPU by
 *			itself), RESET makes it current
 *	Hopper, later	MODE_ON/OFF takes effect at once, or not at all: clients are in the way
 *
 * A mode change that failed is taken back, so that no later reset springs a mode on anybody that
 * nobody asked for any more.
 */
#include "mechanism/mig.h"

#include "base/error.h"
#include "base/list.h"
#include "driver/nvml_mig.h"
#include "driver/process.h"

#include <errno.h>
#include <stdio.h>

/* Less than a daemon waits for its worker: the program must not outlive who started it. */
#define RESET_DEADLINE_NS 45000000000ull

enum { NAMED_MAX = 3, UNDO_TRIES = 4 };

/* Users of the instance: their names are added to `text`, as far as they fit; how many. */
static unsigned list_users(struct nvml_gpu *nvml, uint32_t gi, char *text, size_t size)
{
	struct gpu_seen *seen = must_alloc(1, sizeof(*seen));
	unsigned n = 0;
	size_t length = 0;

	text[0] = '\0';
	if (nvml_gpu_processes(nvml, seen, NULL) < 0)
		seen->n_processes = 0;
	for (unsigned i = 0; i < seen->n_processes; i++) {
		struct process_info info;
		char who[200];

		if (gi != UINT32_MAX && seen->process[i].gi != gi)
			continue;
		if (n++ >= NAMED_MAX || length >= size)
			continue;
		if (process_look(seen->process[i].pid, &info) == 0)
			process_text(&info, who, sizeof(who));
		else
			snprintf(who, sizeof(who), "%d", (int)seen->process[i].pid);
		length += (size_t)snprintf(
			text + length, size - length, "%s%s", n > 1 ? ", " : "", who);
	}
	if (n > NAMED_MAX && length < size)
		snprintf(text + length, size - length, " and %u more", n - NAMED_MAX);
	free(seen);
	return n;
}

int mig_name_users(struct nvml_gpu *nvml, uint32_t gi, int code, struct error *err)
{
	char users[400];
	struct error before;

	if (code != -EBUSY || !err)
		return code;
	before = *err;
	if (list_users(nvml, gi, users, sizeof(users)) > 0)
		return error_set(err, code, "%s; users: %s", before.text, users);
	return error_set(err, code,
		"%s; no process is told: look for monitoring (DCGM, nvidia-smi, exporters) and "
		"display servers",
		before.text);
}

int mig_check_users(struct nvml_gpu *nvml, uint32_t gi, const char *what, struct error *err)
{
	char users[400];

	if (list_users(nvml, gi, users, sizeof(users)) == 0)
		return 0;
	return error_set(err, -EBUSY, "%s is in use by %s", what, users);
}

/* Asks for the former mode again, if the other one is pending or current now. Returns `code`, or
 * -ENOTRECOVERABLE with both sentences. */
static int take_back(struct nvml_gpu *nvml, bool wanted, int code, struct error *err)
{
	struct error what = err ? *err : ERROR_NONE;
	struct error why = ERROR_NONE;
	int r = 0;

	for (unsigned i = 0; i < UNDO_TRIES; i++) {
		bool on, pending;

		r = nvml_mig_mode(nvml, &on, &pending, &why);
		if (r == 0 && on != wanted && pending != wanted)
			return code;
		if (r == 0)
			nvml_mig_set_mode(nvml, !wanted, &why);
	}
	/* a GPU that is lost has no mode to take back */
	if (r == -ENODEV)
		return code;
	return error_set(err, -ENOTRECOVERABLE, "%s; and the mode could not be taken back: %s",
		what.text, why.text);
}

static int set_mode(
	struct nvml_gpu *nvml, const struct gpu_facts *facts, bool wanted, struct error *err)
{
	const char *word = wanted ? "on" : "off";
	bool on, pending;
	int r = nvml_mig_mode(nvml, &on, &pending, err);

	if (r < 0)
		return r;
	if (pending == wanted && (on == wanted || facts->mode_needs_reset))
		return 0;
	r = nvml_mig_set_mode(nvml, wanted, err);
	if (r == MIG_MODE_PENDING && facts->mode_needs_reset)
		return 0;
	if (r == 0)
		r = nvml_mig_mode(nvml, &on, &pending, err);
	if (r == 0 && on == wanted)
		return 0;
	if (r == 0)
		r = error_set(err, -EIO,
			"the driver says that MIG mode of GPU %s is %s now, but it is not",
			facts->pci, word);
	if (r == MIG_MODE_PENDING)
		r = error_set(err, -EBUSY,
			"MIG mode of GPU %s turns %s only by a GPU reset ('nvidia-smi --gpu-reset "
			"-i "
			"%s'), or, where the GPU is passed through to a VM, by its reboot",
			facts->pci, word, facts->pci);
	if (r == MIG_MODE_IN_USE) {
		error_set(err, -EBUSY,
			"MIG mode of GPU %s does not turn %s while clients hold the GPU",
			facts->pci, word);
		r = mig_name_users(nvml, UINT32_MAX, -EBUSY, err);
	}
	return take_back(nvml, wanted, r, err);
}

static int reset(struct nvml_gpu *nvml, const struct gpu_facts *facts, struct error *err)
{
	bool on, pending;
	int r = nvml_mig_mode(nvml, &on, &pending, err);

	if (r < 0 || on == pending)
		return r;
	r = mig_check_users(nvml, UINT32_MAX, "the GPU to be reset", err);
	if (r == 0)
		r = nvml_gpu_reset(nvml, RESET_DEADLINE_NS, err);
	if (r == 0)
		r = nvml_mig_mode(nvml, &on, &pending, err);
	if (r == 0 && on != pending)
		r = error_set(err, -EIO, "MIG mode of GPU %s is still pending after the reset",
			facts->pci);
	return r;
}

int mig_do_step(struct nvml_gpu *nvml, const struct gpu_facts *facts, const struct step *step,
	struct error *err)
{
	switch (step->kind) {
	case STEP_MODE_ON:
		return set_mode(nvml, facts, true, err);
	case STEP_MODE_OFF:
		return set_mode(nvml, facts, false, err);
	case STEP_RESET:
		return reset(nvml, facts, err);
	case STEP_CREATE:
		return mig_create(nvml, facts, step, err);
	case STEP_DESTROY:
		return mig_destroy(nvml, facts, step, err);
	default:
		return error_set(err, -EINVAL, "no such step (%d)", (int)step->kind);
	}
}
