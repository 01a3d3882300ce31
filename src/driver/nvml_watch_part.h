/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What the nvml_watch*.c files share. */

#include "driver/nvml_calls.h"
#include "driver/nvml_watch.h"

enum { WATCH_PIDS_MAX = 256 };

/* Samples of one kind: the last that was seen. */
struct watch_since {
	unsigned long long at_us;
	bool is_begun;
};

struct nvml_watch {
	struct nvml_gpu *gpu;
	uint32_t gi, ci;
	bool is_shared;
	uint64_t last_ns, span_ns; /* of the sample before, and since then */

	bool has_accounts;
	unsigned n_known; /* the job's processes in the last sample */
	int32_t known[WATCH_PIDS_MAX];
	struct gpu_seen seen; /* only its processes */

	bool has_gpm;
	nvmlGpmSample_t before, after; /* `before` holds the last sample's counters */
	uint64_t gpm_ns;	       /* when it was taken */
	char gpm_why[USAGE_WHY_MAX];   /* why there are none */

	struct watch_since busy, memory, encoder, decoder, processes;
	bool pcie_out_is_next;
	uint64_t pcie_ns[2]; /* of in and out: when they were measured last */
};

void watch_gpm_begin(struct nvml_watch *watch);
void watch_gpm_end(struct nvml_watch *watch);
void watch_read_gpm(struct nvml_watch *watch, struct usage_sample *sample);
/* By the GPU's own samples and PCIe counters. */
void watch_read_samples(struct nvml_watch *watch, struct usage_sample *sample);
/* The encoders and decoders of a whole GPU. */
void watch_read_media(struct nvml_watch *watch, struct usage_sample *sample);
/* By what is told of each process; those of the job are watch->known. */
void watch_read_processes(struct nvml_watch *watch, struct usage_sample *sample);
/* Why the rest is not seen. */
void watch_say_not_seen(const struct nvml_watch *watch, struct usage_sample *sample);

void watch_why(struct usage_sample *sample, enum usage_kind kind, const char *why);
void watch_refused(struct usage_sample *sample, enum usage_kind kind, nvmlReturn_t code);
