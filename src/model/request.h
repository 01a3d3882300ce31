/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What a workload needs: one struct, one parser for words (run, lease), one for JSON (the API). */

#include "model/gpu.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;

enum isolation { ISOLATION_NONE, ISOLATION_MEMORY, ISOLATION_FAULT, ISOLATION_SECURITY };
enum tenants { TENANTS_STRANGERS, TENANTS_TRUSTED, TENANTS_SAME };
/* What runs on the share. */
enum workload {
	WORKLOAD_ANY,
	WORKLOAD_INFERENCE,
	WORKLOAD_TRAINING,
	WORKLOAD_INTERACTIVE,
	WORKLOAD_RENDERING,
	WORKLOAD_HPC,
	WORKLOAD_VDI,
	WORKLOAD_N,
};
extern const char *const workload_names[WORKLOAD_N]; /* "any", ... */
extern const char *const isolation_names[];	     /* "none", "memory", "fault", "security" */
extern const char *const tenants_names[];	     /* "strangers", "trusted", "same" */

#define REQUEST_WAIT_FOREVER  UINT64_MAX
#define REQUEST_ANY_MECHANISM (-1)

struct request {
	unsigned n_gpus;       /* how many shares or whole GPUs; 1 if not said */
	bool has_n_gpus;       /* --gpus was said */
	uint64_t memory_bytes; /* per share; 0: not said */
	unsigned memory_label; /* the G number as written where it was a whole one ("18G": 18), else
				  0 */
	unsigned compute_percent;  /* of a GPU, 1..100; 0: not said */
	char profile[VF_NAME_MAX]; /* of MIG, or a type of vGPU; "": not said */
	char gpu[48];		   /* index, uuid or PCI address that it must be; "": any */
	int mechanism;		   /* enum mechanism or REQUEST_ANY_MECHANISM */
	enum isolation isolation;
	enum tenants tenants;
	enum workload workload;
	uint64_t latency_ns;	    /* answers come within that time; 0: no target */
	double percentile;	    /* of the answers: 99.0 */
	int priority;		    /* -100..100; higher goes first */
	uint64_t time_ns;	    /* 0: no limit */
	uint64_t wait_ns;	    /* 0: do not wait; REQUEST_WAIT_FOREVER */
	bool has_wait, has_no_wait; /* said as options: both together are refused */
	bool is_vm;		    /* for a virtual machine: a VF, reserved until it is released */
	bool explain;
	uint32_t uid; /* who asks: set by the daemon; only MPS shares go by it */
};

/* A request as it is when nothing was said: one share, waits for ever. */
void request_init(struct request *request);

/*
 * Takes one option ("memory", "10G"), without its dashes; value NULL for options that have none
 * (no-wait, explain) or whose value may be left out (wait). Returns 0 taken, REQUEST_E_UNKNOWN if
 * it is no option of a request, -EINVAL with the sentence if its value is bad.
 */
enum { REQUEST_E_UNKNOWN = 1 };
int request_option(struct request *request, const char *name, const char *value, struct error *err);

/*
 * What cannot be meant together (profile with memory, wait with no-wait, ...), and what this
 * version does not do yet: -EINVAL with the sentence. To be called once after all options.
 */
int request_check(const struct request *request, struct error *err);

/*
 * Keys as the options:
 * {"gpus":1,"memory":"10G"|bytes,"compute":25,"profile":"1g.10gb","wait":seconds|null,...}; what
 * was not said is left out, "wait" is always there (0: does not wait, null: for ever). Memory as
 * text has the meaning of a profile's label where it equals one, as a number it is that many bytes.
 * Reading refuses unknown keys and wrong types, and checks as request_check does.
 */
json_t *request_to_json(const struct request *request);
int request_from_json(const json_t *json, struct request *ret_request, struct error *err);

/* True if what fits the one fits the other: they ask for the same shares, whatever else they say;
 * where that may be MPS shares, for the same user. */
bool request_is_alike(const struct request *a, const struct request *b);

/* Its workload has graphics, which neither MPS nor most MIG instances have. */
bool request_wants_graphics(const struct request *request);

/* How well a series of NVIDIA's vGPUs ('Q') serves its workload: 0 the best; SIZE_MAX not at all.
 */
size_t request_series_rank(const struct request *request, char series);

/*
 * True if an MPS share may serve it: asked for, or left to Carve by a request of a size for one
 * GPU that trusts its neighbours and does not ask that their faults stay away.
 */
bool request_may_mps(const struct request *request);

/* "1g.10gb", "10G and 25 % of a GPU", "2 whole GPUs": what was asked, for people. */
#define REQUEST_TEXT_MAX 160
const char *request_text(const struct request *request, char ret_text[REQUEST_TEXT_MAX]);

struct buf;
/* "10G and 25 % of a GPU": its memory and its part of `whole`, as far as it says them. */
void request_add_size(struct buf *text, const struct request *request, const char *whole);

/* One row per option: for --help, completions and the manual page. */
struct request_option_row {
	const char *name; /* "memory" */
	const char
		*argument; /* "SIZE", "[=T]" where it may be left out, NULL where there is none */
	const char *help;
	const char *choices; /* "auto mig mps vf whole": for completions; NULL where free */
};
extern const struct request_option_row request_options[];
extern const unsigned request_options_n;
