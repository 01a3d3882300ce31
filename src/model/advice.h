/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Which way of sharing suits a workload, and why.
 *
 * Pure, and all knowledge is data: data/advice/rules.def has the rules, about.def what is true of
 * each way wherever it is, figures.def what was published of speeds, data/products the products. An
 * answer is a ranking of all ways; what cannot be is in it too, with the reason and what would make
 * it possible.
 */

#include "model/gpu.h"
#include "model/request.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct error;
struct product;

/* A way to share a GPU: a mechanism, or two of them one within the other. */
enum advice_option {
	ADVICE_MIG,
	ADVICE_MPS_IN_MIG,
	ADVICE_MPS,
	ADVICE_VF,
	ADVICE_VF_ON_MIG,
	ADVICE_TIME,
	ADVICE_WHOLE,
	ADVICE_OPTIONS_N,
};
extern const char *const advice_option_names[ADVICE_OPTIONS_N]; /* "mps-in-mig" */
/* By which mechanism a lease of it is made. */
enum mechanism advice_mechanism(enum advice_option option);

enum advice_consumer { CONSUMER_ANY, CONSUMER_PROCESS, CONSUMER_CONTAINER, CONSUMER_VM };

/* What is to be decided. */
struct advice_need {
	char name[64]; /* "" where there is only one */
	struct request request;
	bool has_tenants;	       /* --tenants was said */
	enum advice_consumer consumer; /* ANY: not said; process and container are alike */
	bool consumers_said[CONSUMER_VM + 1];
	unsigned count; /* as many of them, each with what the request says */
	bool no_licence, no_reset, driver_per_tenant;
};
void advice_need_init(struct advice_need *need);

/* The options that are the need's own, beside those of a request: rows of a table of them. */
#define ADVICE_OPTION_ROWS                                                                         \
	{ "container", NULL, "for containers of this host", NULL },                                \
		{ "process", NULL, "for processes of this host", NULL },                           \
		{ "count", "N", "as many of them, each with the size that is said", NULL },        \
		{ "no-licence", NULL, "nothing that needs a licence", NULL },                      \
		{ "no-reset", NULL, "nothing that resets a GPU", NULL },                           \
		{ "driver-per-tenant", NULL, "each tenant installs a driver of its own", NULL },
extern const struct request_option_row advice_options[]; /* ends with a row without a name */
/* As request_option(): 0, REQUEST_E_UNKNOWN, or -EINVAL with a sentence. */
int advice_need_option(
	struct advice_need *need, const char *name, const char *value, struct error *err);
/*
 * Says what was left open but follows (a desktop is a VM's), and refuses what contradicts itself,
 * naming the two: -EINVAL. To be called once; request_check() is in it.
 */
int advice_need_check(struct advice_need *need, struct error *err);
/* "4 times 10G for inference, as containers of strangers". */
#define ADVICE_NEED_TEXT_MAX 300
const char *advice_need_text(const struct advice_need *need, char ret_text[ADVICE_NEED_TEXT_MAX]);

/* A GPU that may be used: one of this node, or a product's. */
struct advice_gpu {
	struct gpu gpu;
	const struct product *product; /* NULL: not in the table */
	bool is_here;
};
/* "GPU 3", or "an h100-80gb". */
#define ADVICE_GPU_TEXT_MAX 64
const char *advice_gpu_text(const struct advice_gpu *gpu, char ret_text[ADVICE_GPU_TEXT_MAX]);

/* In hundredths of what the whole GPU does alone: throughput 25 to 30, latency 100 to 150. */
struct advice_span {
	unsigned low, high; /* high 0: without a bound */
};
enum advice_source { SOURCE_MEASURED, SOURCE_PUBLISHED, SOURCE_RULE };
extern const char *const advice_source_names[]; /* "measured", "published", "rule of thumb" */
struct advice_estimate {
	struct advice_span throughput, latency; /* of one share while all its neighbours are busy */
	bool is_mean;				/* the latency is a mean; else a tail's */
	enum advice_source source;
	const char *text; /* what the figures come from */
	const char *where;
};

/*
 * What was measured on this node: leads over all else. A row of this very GPU comes before one of
 * another GPU of its product. model/measured.h makes them.
 */
struct advice_measured {
	const char *gpu;     /* uuid; "": any */
	const char *product; /* as the driver calls it; NULL: only that GPU */
	enum advice_option option;
	unsigned count;	     /* shares that were busy at once */
	unsigned percent;    /* compute that each had; 0: turns */
	const char *profile; /* of MIG; NULL or "": any */
	uint32_t workloads;  /* 1 << enum workload; 0: all */
	struct advice_estimate estimate;
	const char *elsewhere; /* the estimate's text where it is of another GPU */
};

struct advice_enforcers {
	enum enforcer memory, compute, faults;
};

/* The share that would be made. */
struct advice_share {
	bool is_possible; /* else: */
	char lack[300];	  /* why there is none on this GPU */
	char way[300];	  /* what would make it possible */
	bool waits;	  /* it fits only when leases have ended */
	char profile[VF_NAME_MAX];
	int start;	       /* slot; -1: none, or not known before */
	uint64_t memory_bytes; /* 0: not limited by itself */
	unsigned percent;      /* of the GPU's compute; 0: it takes turns with the others */
	uint32_t sm;	       /* 0: not known */
	unsigned fit;	       /* as many of them on the GPU as it is, and */
	unsigned fit_empty;    /* on an empty one */
	char licence[160];     /* "" none is needed */
};

enum rule_effect {
	RULE_BARS,    /* impossible */
	RULE_EMPTIES, /* possible after an action that everybody on the GPU must have left for */
	RULE_AFTER,   /* possible after an action that disturbs nobody */
	RULE_FAVOURS,
	RULE_AGAINST,
	RULE_NOTE,
};
extern const char *const rule_effect_names[]; /* "bars", ... */

/* A row of rules.def. */
struct advice_rule {
	const char *id; /* "strangers-no-mps" */
	bool (*holds)(const struct advice_need *n, const struct advice_gpu *g,
		const struct advice_share *s);
	uint32_t options; /* mask */
	enum rule_effect effect;
	unsigned weight;
	const char *reason;
	const char *way; /* BARS: what would make it possible; AFTER, EMPTIES: what is done */
	const char *source;
};
extern const struct advice_rule advice_rules[];
extern const unsigned advice_rules_n; /* at most ADVICE_RULES_MAX */
#define ADVICE_RULES_MAX 96

/* What is true of a way to share wherever it is: a row of about.def. */
enum advice_topic {
	TOPIC_GRANULARITY,
	TOPIC_COUNT,
	TOPIC_SHARED, /* what stays shared */
	TOPIC_SECURITY,
	TOPIC_FAILURE,
	TOPIC_INSTALL,
	TOPIC_PAIRING,
	TOPIC_UPGRADE,
	TOPIC_LOSES, /* what a reset or reboot loses */
	TOPIC_MIGRATION,
	TOPIC_RESIZE,
	TOPIC_LICENCE,
	TOPIC_HARDWARE,
	TOPIC_SHINES,
	TOPICS_N,
};
extern const char *const advice_topic_names[TOPICS_N];
struct advice_about {
	const char *text, *source;
};
extern const struct advice_about advice_about[ADVICE_OPTIONS_N][TOPICS_N];
/* Who holds what on a share made that way; never more than the mechanism itself says. */
extern const struct advice_enforcers advice_enforcers[ADVICE_OPTIONS_N];
/* The same of one share: vGPUs that share a MIG instance are as those that share a GPU. */
const struct advice_enforcers *advice_enforcers_of(
	enum advice_option option, const struct advice_share *share);

enum advice_verdict { VERDICT_NOW, VERDICT_AFTER, VERDICT_NO };
extern const char *const advice_verdict_names[]; /* "now", "after", "no" */

/* One way, judged on the GPU that suits it best. */
struct advice_item {
	enum advice_option option;
	enum advice_verdict verdict;
	int score;    /* the sum of the weights; means nothing where it is impossible */
	unsigned gpu; /* index into the GPUs; meaningless if there are none */
	struct advice_share share;
	struct advice_estimate estimate; /* where it is possible */
	unsigned fit_node;		 /* as many on all GPUs together */
	unsigned n_rules;
	uint8_t rule[ADVICE_RULES_MAX]; /* those that fired: indices, in the table's order */
	char whom[400];			/* who has to leave for it, "" nobody */
};

#define ADVICE_BECAUSE_MAX 600
struct advice {
	struct advice_item item[ADVICE_OPTIONS_N]; /* the best first, the impossible last */
	char because[ADVICE_BECAUSE_MAX]; /* one sentence: why the first stands before the second */
};

/*
 * Judges. n may be 0: then everything is impossible, with the way out. `measured` may be NULL.
 */
void advise(const struct advice_need *need, const struct advice_gpu *gpus, unsigned n,
	const struct advice_measured *measured, unsigned n_measured, struct advice *ret_advice);

/* The first rule among those that fired with that effect, or NULL. */
const struct advice_rule *advice_rule_of(const struct advice_item *item, enum rule_effect effect);
/* One sentence why the first stands before the second; both are possible. */
void advice_say_before(const struct advice_item *first, const struct advice_item *second,
	char ret_text[ADVICE_BECAUSE_MAX]);
/* Why it is impossible, and what would make it possible. Borrowed from the item or the tables. */
const char *advice_why_not(const struct advice_item *item);
const char *advice_way_out(const struct advice_item *item);
/* "1g.20gb at slot 0 of GPU 2: 19.62Gi, 14 % of its compute". */
char *advice_share_text(const struct advice_item *item, const struct advice_gpu *gpus);
/* "14-25 % of a whole GPU, tail latency x4-7.1". */
char *advice_estimate_text(const struct advice_estimate *estimate);

json_t *advice_to_json(const struct advice_need *need, const struct advice_gpu *gpus, unsigned n,
	const struct advice *advice);
