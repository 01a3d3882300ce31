/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which way suits a workload: every combination of needs, products and ways, held against what the
 * ways can keep; and the tables against the page that is written from them.
 */
#include "fixtures.h"
#include "test.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"
#include "model/advice.h"
#include "model/need.h"
#include "model/place.h"
#include "model/product.h"

/* ---- needs by number ---- */

static const struct size {
	const char *memory, *compute;
} sizes[] = { { NULL, NULL }, { "10G", NULL }, { NULL, "25%" }, { "60G", "50%" },
	{ "500G", NULL } };
static const unsigned counts[] = { 1, 4, 20 };
static const int mechanisms[] = { REQUEST_ANY_MECHANISM, MECHANISM_MIG, MECHANISM_MPS, MECHANISM_VF,
	MECHANISM_WHOLE };
static const char *const flags[] = { NULL, "no-licence", "no-reset", "driver-per-tenant" };

/* The sizes of the axes, the slowest last. */
enum {
	AXIS_SIZE,
	AXIS_CONSUMER,
	AXIS_TENANTS,
	AXIS_ISOLATION,
	AXIS_WORKLOAD,
	AXIS_LATENCY,
	AXIS_COUNT,
	AXIS_FLAG,
	AXIS_MECHANISM,
	AXIS_GPUS,
	AXES
};
static const unsigned axis[AXES] = { ARRAY_SIZE(sizes), CONSUMER_VM + 1, 3, 4, WORKLOAD_N, 2,
	ARRAY_SIZE(counts), ARRAY_SIZE(flags), ARRAY_SIZE(mechanisms), 2 };

static void set(struct advice_need *need, const char *name, const char *value)
{
	struct error err = ERROR_NONE;
	int r = advice_need_option(need, name, value, &err);

	if (r == REQUEST_E_UNKNOWN)
		r = request_option(&need->request, name, value, &err);
	CHECK_SAY(r == 0, "%s", err.text);
}

/* False if it contradicts itself. */
static bool need_make(struct advice_need *need, unsigned long number)
{
	unsigned at[AXES];

	for (unsigned a = 0; a < AXES; a++) {
		at[a] = (unsigned)(number % axis[a]);
		number /= axis[a];
	}
	advice_need_init(need);
	if (sizes[at[AXIS_SIZE]].memory)
		set(need, "memory", sizes[at[AXIS_SIZE]].memory);
	if (sizes[at[AXIS_SIZE]].compute)
		set(need, "compute", sizes[at[AXIS_SIZE]].compute);
	if (at[AXIS_CONSUMER] == CONSUMER_VM)
		set(need, "vm", NULL);
	else if (at[AXIS_CONSUMER] != CONSUMER_ANY)
		set(need, at[AXIS_CONSUMER] == CONSUMER_PROCESS ? "process" : "container", NULL);
	set(need, "tenants", tenants_names[at[AXIS_TENANTS]]);
	set(need, "isolation", isolation_names[at[AXIS_ISOLATION]]);
	set(need, "workload", workload_names[at[AXIS_WORKLOAD]]);
	if (at[AXIS_LATENCY])
		set(need, "latency", "20@p99");
	need->count = counts[at[AXIS_COUNT]];
	if (flags[at[AXIS_FLAG]])
		set(need, flags[at[AXIS_FLAG]], NULL);
	if (mechanisms[at[AXIS_MECHANISM]] >= 0)
		set(need, "mechanism", mechanism_names[mechanisms[at[AXIS_MECHANISM]]]);
	if (at[AXIS_GPUS])
		set(need, "gpus", "2");
	return advice_need_check(need, NULL) == 0;
}

/* ---- what an answer may never promise ---- */

static char said[400];
static const char *say(const struct advice_need *need, const struct advice_gpu *gpus,
	const struct advice_item *item)
{
	char text[ADVICE_NEED_TEXT_MAX];

	snprintf(said, sizeof(said), "%s on %s: %s", advice_option_names[item->option],
		gpus->gpu.facts.product, advice_need_text(need, text));
	return said;
}

static bool is_in(enum advice_option option, enum advice_option a, enum advice_option b)
{
	return option == a || option == b;
}

static void check_isolation(const struct advice_need *need, const struct advice_gpu *gpus,
	const struct advice_item *item)
{
	const struct advice_enforcers *by = advice_enforcers_of(item->option, &item->share);
	enum isolation isolation = need->request.isolation;
	bool is_mps = is_in(item->option, ADVICE_MPS, ADVICE_MPS_IN_MIG);

	CHECK_SAY(
		!is_mps || need->request.tenants != TENANTS_STRANGERS, "%s", say(need, gpus, item));
	CHECK_SAY(isolation < ISOLATION_MEMORY || by->memory >= ENFORCED_BY_MPS, "%s",
		say(need, gpus, item));
	CHECK_SAY(isolation < ISOLATION_FAULT || by->faults == ENFORCED_BY_HARDWARE, "%s",
		say(need, gpus, item));
	CHECK_SAY(isolation < ISOLATION_SECURITY || (by->memory == ENFORCED_BY_HARDWARE &&
							    by->compute == ENFORCED_BY_HARDWARE),
		"%s", say(need, gpus, item));
}

static void check_consumer(const struct advice_need *need, const struct advice_gpu *gpus,
	const struct advice_item *item)
{
	bool is_vf = is_in(item->option, ADVICE_VF, ADVICE_VF_ON_MIG);

	CHECK_SAY(is_vf == (need->consumer == CONSUMER_VM), "%s", say(need, gpus, item));
	CHECK_SAY(!need->driver_per_tenant || is_vf, "%s", say(need, gpus, item));
	CHECK_SAY(!need->no_licence || !*item->share.licence, "%s", say(need, gpus, item));
	CHECK_SAY(need->request.mechanism == REQUEST_ANY_MECHANISM ||
			  need->request.mechanism == (int)advice_mechanism(item->option),
		"%s", say(need, gpus, item));
}

static void check_size(const struct advice_need *need, const struct advice_gpu *gpus,
	const struct advice_item *item)
{
	const struct request *request = &need->request;
	const struct advice_share *share = &item->share;
	const struct gpu *gpu = &gpus[item->gpu].gpu;
	bool is_label = request->memory_label == (share->memory_bytes >> 30) ||
			strstr(share->profile, "10gb");

	CHECK_SAY(share->memory_bytes >= request->memory_bytes || is_label || !share->memory_bytes,
		"%s", say(need, gpus, item));
	CHECK_SAY(!share->percent || share->percent >= request->compute_percent, "%s",
		say(need, gpus, item));
	CHECK_SAY(request->memory_bytes <= gpu->facts.memory_bytes, "%s", say(need, gpus, item));
	CHECK_SAY(share->fit_empty > 0 && item->fit_node >= share->fit_empty, "%s",
		say(need, gpus, item));
	CHECK_SAY(item->option != ADVICE_MPS ||
			  share->fit_empty <= mps_clients_max(gpu, &MPS_WHOLE_GPU),
		"%s", say(need, gpus, item));
}

static void check_estimate(const struct advice_need *need, const struct advice_gpu *gpus,
	const struct advice_item *item)
{
	const struct advice_estimate *e = &item->estimate;

	CHECK_SAY(e->throughput.low >= 1 && e->throughput.low <= e->throughput.high &&
			  e->throughput.high <= 100,
		"%s", say(need, gpus, item));
	CHECK_SAY(e->latency.low >= 100 &&
			  (e->latency.high == 0 || e->latency.high >= e->latency.low),
		"%s", say(need, gpus, item));
	CHECK_SAY(e->text && *e->text && e->where && *e->where, "%s", say(need, gpus, item));
}

/* What can be had now is what a lease gets: the same profile at the same place. */
static void check_lease(const struct advice_need *need, const struct advice_gpu *gpus,
	const struct advice_item *item)
{
	static struct gpu one;
	struct request request = need->request;
	struct placement placement;
	struct error err = ERROR_NONE;
	bool is_plain = request.n_gpus == 1 && !request_is_bare(&request);

	if (item->verdict != VERDICT_NOW || !gpus[item->gpu].is_here || !is_plain ||
		item->option == ADVICE_MPS_IN_MIG || need->request.workload == WORKLOAD_RENDERING)
		return;
	one = gpus[item->gpu].gpu;
	one.index = 0;
	request.mechanism = (int)advice_mechanism(item->option);
	CHECK_SAY(place(&one, 1, &request, 0, &placement, &err) == 0, "%s: %s",
		say(need, gpus, item), err.text);
	if (item->option == ADVICE_MIG) {
		CHECK_TEXT(one.facts.geometry.profile[placement.profile].name, item->share.profile);
		CHECK_EQ(placement.start, item->share.start);
	}
}

static void check_promises(
	const struct advice_need *need, const struct advice_gpu *gpus, const struct advice *advice)
{
	unsigned seen = 0;

	CHECK(advice->because[0]);
	for (unsigned i = 0; i < ADVICE_OPTIONS_N; i++) {
		const struct advice_item *item = &advice->item[i];
		const struct advice_item *before = i ? item - 1 : NULL;

		seen |= 1u << item->option;
		if (item->verdict == VERDICT_NO) {
			CHECK_SAY(*advice_why_not(item), "%s", say(need, gpus, item));
			CHECK_SAY(*advice_way_out(item), "%s", say(need, gpus, item));
			continue;
		}
		CHECK_SAY(
			!before || (before->verdict != VERDICT_NO && before->score >= item->score),
			"%s", say(need, gpus, item));
		CHECK_SAY(item->share.is_possible, "%s", say(need, gpus, item));
		CHECK_SAY(item->verdict != VERDICT_NOW || item->share.fit > 0, "%s",
			say(need, gpus, item));
		check_isolation(need, gpus, item);
		check_consumer(need, gpus, item);
		check_size(need, gpus, item);
		check_estimate(need, gpus, item);
		check_lease(need, gpus, item);
	}
	CHECK_EQ(seen, (1u << ADVICE_OPTIONS_N) - 1);
}

/* ---- the walk ---- */

static struct {
	unsigned long needs, refused, answers;
	unsigned long fired[ADVICE_RULES_MAX];
} walked;

static void walk(const struct advice_gpu *gpus, unsigned n, unsigned long first, unsigned long step)
{
	unsigned long all = 1;
	struct advice advice;
	struct advice_need need;

	for (unsigned a = 0; a < AXES; a++)
		all *= axis[a];
	for (unsigned long k = first % step; k < all; k += step) {
		if (!need_make(&need, k)) {
			walked.refused++;
			continue;
		}
		walked.needs++;
		walked.answers += ADVICE_OPTIONS_N;
		advise(&need, gpus, n, NULL, 0, &advice);
		check_promises(&need, gpus, &advice);
		for (unsigned i = 0; i < ADVICE_OPTIONS_N; i++)
			for (unsigned r = 0; r < advice.item[i].n_rules; r++)
				walked.fired[advice.item[i].rule[r]]++;
	}
}

TEST(no_answer_promises_what_its_way_cannot_keep_on_any_product)
{
	/* Every need on some products and some needs on every product; in a soak all on all. */
	unsigned long step = getenv("CARVE_EVERY") ? 1 : 17;
	struct advice_gpu *gpu = must_alloc(1, sizeof(*gpu));

	for (unsigned p = 0; p < products_n; p++) {
		gpu->product = &products[p];
		product_gpu(gpu->product, &gpu->gpu);
		walk(gpu, 1, p, step);
	}
	free(gpu);
}

/* GPUs of one node in all the states that the rules speak of. */
static unsigned states_make(struct advice_gpu *gpus)
{
	static const enum fixture of[] = { FIXTURE_H100_80, FIXTURE_H100_80, FIXTURE_A100_40,
		FIXTURE_A100_40, FIXTURE_L40S, FIXTURE_H200, FIXTURE_H200, FIXTURE_RTX_PRO_6000,
		FIXTURE_L40S, FIXTURE_A30 };
	unsigned n = ARRAY_SIZE(of);

	for (unsigned g = 0; g < n; g++) {
		fixture_gpu(&gpus[g].gpu, g, of[g]);
		gpus[g].is_here = true;
		gpus[g].product = product_of(gpus[g].gpu.facts.product);
		if (gpus[g].product && gpus[g].product->vf == VF_KIND_NVIDIA) {
			struct gpu *known = must_alloc(1, sizeof(*known));

			product_gpu(gpus[g].product, known);
			gpus[g].gpu.facts.vf = known->facts.vf;
			gpus[g].gpu.capability[MECHANISM_VF].answer = CAPABILITY_AFTER;
			free(known);
		}
	}
	fixture_add(&gpus[0].gpu, "3g.40gb", 4, SHARE_DYNAMIC, 7);
	fixture_mig_off(&gpus[1].gpu);
	gpus[1].gpu.seen.n_processes = 1;
	gpus[1].gpu.seen.process[0].pid = 4711;
	gpus[1].gpu.whole_in_use = true;
	fixture_mig_off(&gpus[3].gpu);
	fixture_add_mps(&gpus[4].gpu, NULL, 10, 30, 9);
	gpus[5].gpu.managed = false;
	gpus[6].gpu.health = GPU_SICK;
	gpus[7].gpu.drained = true;
	gpus[8].gpu.seen.vfs.count = gpus[8].gpu.seen.vfs.n = 32;
	for (unsigned i = 0; i < 32; i++)
		gpus[8].gpu.seen.vfs.vf[i] = (struct vf){
			.number = i,
			.driver = "nvidia",
			.group = (int32_t)i,
			.is_viable = true,
		};
	gpus[9].gpu.may_time_slice = true;
	fixture_mig_off(&gpus[9].gpu);
	return n;
}

TEST(what_can_be_had_now_is_what_a_lease_gets)
{
	struct advice_gpu *gpus = must_alloc(16, sizeof(*gpus));
	unsigned n = states_make(gpus);

	for (unsigned g = 0; g < n; g++)
		walk(&gpus[g], 1, g, 29);
	walk(gpus, n, 3, 211);
	free(gpus);
}

TEST(every_rule_holds_somewhere)
{
	struct advice_gpu *gpu = must_alloc(1, sizeof(*gpu));

	/* MIG whose profiles nobody tells. */
	fixture_gpu(&gpu->gpu, 0, FIXTURE_H100_80);
	gpu->gpu.facts.geometry.n_profiles = 0;
	gpu->is_here = true;
	walk(gpu, 1, 0, 997);
	free(gpu);
	printf("# %lu needs, %lu refused as contradictions, %lu answers\n", walked.needs,
		walked.refused, walked.answers);
	for (unsigned r = 0; r < advice_rules_n; r++)
		CHECK_SAY(walked.fired[r] > 0, "%s", advice_rules[r].id);
}

TEST(the_same_question_has_the_same_answer)
{
	struct advice_gpu *gpus = must_alloc(16, sizeof(*gpus));
	unsigned n = states_make(gpus);
	struct advice_need need;
	struct advice a, b;

	for (unsigned long k = 0; k < 20000; k += 379) {
		if (!need_make(&need, k))
			continue;
		advise(&need, gpus, n, NULL, 0, &a);
		advise(&need, gpus, n, NULL, 0, &b);
		for (unsigned i = 0; i < ADVICE_OPTIONS_N; i++) {
			CHECK_EQ(a.item[i].option, b.item[i].option);
			CHECK_EQ(a.item[i].score, b.item[i].score);
			CHECK_EQ(a.item[i].gpu, b.item[i].gpu);
		}
		CHECK_TEXT(a.because, b.because);
	}
	free(gpus);
}

/* ---- single answers ---- */

static void ask(const char *product, struct advice_need *need, struct advice *advice)
{
	static struct advice_gpu gpu;
	struct error err = ERROR_NONE;

	gpu = (struct advice_gpu){ 0 };
	CHECK_SAY(product_find(product, &gpu.product, &err) == 0, "%s", err.text);
	product_gpu(gpu.product, &gpu.gpu);
	CHECK_SAY(advice_need_check(need, &err) == 0, "%s", err.text);
	advise(need, &gpu, 1, NULL, 0, advice);
}

TEST(the_first_is_the_one_that_people_who_know_would_take)
{
	static const struct {
		const char *product, *options, *first;
	} cases[] = {
		{ "h100", "memory=10G", "mig" },
		{ "h100", "", "whole" },
		{ "h100", "workload=training", "whole" },
		{ "l40s", "memory=10G", "whole" },
		{ "l40s", "memory=10G tenants=same count=4", "mps" },
		{ "a100", "memory=8G tenants=same count=6 workload=inference", "mps" },
		{ "a100", "memory=8G tenants=same count=6 workload=inference latency=20@p99",
			"mig" },
		{ "h200", "memory=30G vm", "vf-on-mig" },
		{ "l40s", "memory=12G vm workload=vdi", "vf" },
		{ "l40s", "memory=8G tenants=same mechanism=mps", "mps" },
		{ "arc-pro-b60", "memory=4G vm no-licence", "vf" },
		{ "a100-40gb", "memory=5G isolation=security", "mig" },
		{ "rtx-pro-6000", "memory=20G workload=rendering", "mig" },
		{ "rtx-pro-6000", "memory=2G workload=vdi", "vf-on-mig" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char options[200], *word, *rest = options;
		struct advice_need need;
		struct advice advice;

		advice_need_init(&need);
		text_copy(options, sizeof(options), cases[i].options);
		while ((word = strsep(&rest, " "))) {
			char *value = strchr(word, '=');

			if (value)
				*value++ = '\0';
			if (*word)
				set(&need, word, value);
		}
		ask(cases[i].product, &need, &advice);
		CHECK_SAY(text_eq(advice_option_names[advice.item[0].option], cases[i].first),
			"%s %s: %s first (%s)", cases[i].product, cases[i].options,
			advice_option_names[advice.item[0].option], advice.because);
		CHECK(advice.item[0].verdict != VERDICT_NO);
	}
}

TEST(what_was_measured_here_leads_over_what_was_published)
{
	struct advice_gpu *gpu = must_alloc(1, sizeof(*gpu));
	struct advice_measured row = { .gpu = "",
		.option = ADVICE_MIG,
		.count = 1,
		.percent = 14,
		.estimate = { { 20, 21 }, { 480, 500 }, false, SOURCE_RULE, "here", "here" } };
	struct advice_need need;
	struct advice advice;

	fixture_gpu(&gpu->gpu, 0, FIXTURE_H100_80);
	gpu->is_here = true;
	advice_need_init(&need);
	set(&need, "memory", "10G");
	advise(&need, gpu, 1, &row, 1, &advice);
	CHECK_EQ(advice.item[0].option, ADVICE_MIG);
	CHECK_EQ(advice.item[0].estimate.source, SOURCE_MEASURED);
	CHECK_EQ(advice.item[0].estimate.throughput.high, 21);
	need.count = 3;
	row.count = 2;
	advise(&need, gpu, 1, &row, 1, &advice);
	CHECK_EQ(advice.item[0].estimate.source, SOURCE_RULE);
	free(gpu);
}

TEST(of_what_was_measured_what_is_nearest_is_cited)
{
	enum { OWN, MORE, OTHERS, PROFILE, WORK, N };
	struct advice_gpu *gpu = must_alloc(1, sizeof(*gpu));
	struct advice_measured row[N];
	struct advice_need need;
	struct advice advice;

	fixture_gpu(&gpu->gpu, 0, FIXTURE_H100_80);
	gpu->is_here = true;
	for (unsigned i = 0; i < N; i++)
		row[i] = (struct advice_measured){ .gpu = gpu->gpu.facts.uuid,
			.product = gpu->gpu.facts.product,
			.option = ADVICE_MIG,
			.count = 2,
			.percent = 14,
			.profile = "1g.10gb",
			.workloads = 1U << WORKLOAD_INFERENCE,
			.estimate = { { 10 + i, 10 + i }, { 500, 500 }, .text = "own" },
			.elsewhere = "elsewhere" };
	row[MORE].count = 7;
	row[OTHERS].gpu = "GPU-another";
	row[OTHERS].count = 5;
	row[PROFILE].profile = "1g.20gb";
	row[PROFILE].count = 6;
	row[WORK].workloads = 1U << WORKLOAD_TRAINING;
	advice_need_init(&need);
	set(&need, "memory", "10G");
	set(&need, "workload", "inference");
	/* alone: with the most neighbours that were measured */
	advise(&need, gpu, 1, row, N, &advice);
	CHECK_EQ(advice.item[0].estimate.throughput.low, 10 + MORE);
	need.count = 2;
	advise(&need, gpu, 1, row, N, &advice);
	CHECK_EQ(advice.item[0].estimate.throughput.low, 10 + OWN);
	CHECK_TEXT(advice.item[0].estimate.text, "own");
	need.count = 5;
	advise(&need, gpu, 1, row, N, &advice);
	CHECK_EQ(advice.item[0].estimate.throughput.low, 10 + OTHERS);
	CHECK_TEXT(advice.item[0].estimate.text, "elsewhere");
	need.count = 6;
	advise(&need, gpu, 1, row, N, &advice);
	CHECK_EQ(advice.item[0].estimate.source, SOURCE_RULE);
	need.count = 2;
	need.request.workload = WORKLOAD_RENDERING;
	advise(&need, gpu, 1, row, N, &advice);
	CHECK(advice.item[0].estimate.source != SOURCE_MEASURED);
	free(gpu);
}

TEST(what_contradicts_itself_names_the_two)
{
	static const struct {
		const char *a, *av, *b, *bv;
	} pairs[] = {
		{ "process", NULL, "container", NULL },
		{ "vm", NULL, "process", NULL },
		{ "vm", NULL, "mechanism", "mps" },
		{ "driver-per-tenant", NULL, "container", NULL },
		{ "driver-per-tenant", NULL, "mechanism", "mig" },
		{ "workload", "vdi", "container", NULL },
		{ "mechanism", "mps", "tenants", "strangers" },
		{ "mechanism", "mps", "workload", "rendering" },
		{ "isolation", "security", "tenants", "same" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
		struct error err = ERROR_NONE;
		struct advice_need need;

		advice_need_init(&need);
		set(&need, pairs[i].a, pairs[i].av);
		set(&need, pairs[i].b, pairs[i].bv);
		CHECK_EQ(advice_need_check(&need, &err), -22);
		CHECK_SAY(strstr(err.text, pairs[i].a) && strstr(err.text, pairs[i].b), "%s",
			err.text);
	}
}

/* ---- the tables ---- */

TEST(each_row_of_the_tables_has_a_reason_and_a_source)
{
	for (unsigned r = 0; r < advice_rules_n; r++) {
		const struct advice_rule *rule = &advice_rules[r];
		bool needs_way = rule->effect == RULE_BARS || rule->effect == RULE_AFTER ||
				 rule->effect == RULE_EMPTIES;

		CHECK_SAY(rule->reason[0] && rule->reason[strlen(rule->reason) - 1] == '.', "%s",
			rule->id);
		CHECK_SAY(!needs_way == !*rule->way, "%s", rule->id);
		CHECK_SAY(
			text_starts(rule->source, "https://") || text_starts(rule->source, "docs/"),
			"%s", rule->id);
		for (unsigned q = 0; q < r; q++)
			CHECK_SAY(!text_eq(rule->id, advice_rules[q].id), "%s twice", rule->id);
	}
	for (unsigned o = 0; o < ADVICE_OPTIONS_N; o++)
		for (unsigned t = 0; t < TOPICS_N; t++)
			CHECK_SAY(advice_about[o][t].text && advice_about[o][t].source,
				"%s has no %s", advice_option_names[o], advice_topic_names[t]);
	for (unsigned p = 0; p < products_n; p++)
		CHECK_SAY(products[p].remark[0] && text_starts(products[p].source, "https://"),
			"%s", products[p].key);
}

TEST(products_are_found_however_they_are_written)
{
	const struct product *product;
	struct error err = ERROR_NONE;

	for (unsigned p = 0; p < products_n; p++) {
		CHECK_EQ(product_find(products[p].key, &product, NULL), 0);
		CHECK_TEXT(product->key, products[p].key);
		CHECK_EQ(product_find(products[p].name, &product, NULL), 0);
		CHECK_TEXT(product->key, products[p].key);
	}
	CHECK_EQ(product_find("H100-80GB", &product, NULL), 0);
	CHECK_EQ(product_find("nvidia_h100", &product, NULL), 0);
	CHECK_TEXT(product->key, "h100-80gb");
	CHECK_EQ(product_find("h1000", &product, &err), -19);
	CHECK_SAY(strstr(err.text, "h100-80gb") && strstr(err.text, "h100-nvl"), "%s", err.text);
}

TEST(the_products_that_tests_know_have_the_geometry_that_drivers_tell)
{
	static const enum fixture of[] = { FIXTURE_A100_40, FIXTURE_H100_80, FIXTURE_H200,
		FIXTURE_A30, FIXTURE_RTX_PRO_6000, FIXTURE_L40S };
	struct gpu *known = must_alloc(1, sizeof(*known)), *seen = must_alloc(1, sizeof(*seen));

	for (size_t i = 0; i < ARRAY_SIZE(of); i++) {
		const struct product *product;

		fixture_gpu(seen, 0, of[i]);
		product = product_of(seen->facts.product);
		CHECK_SAY(product, "%s", seen->facts.product);
		if (!product)
			continue;
		product_gpu(product, known);
		CHECK_EQ(known->facts.memory_bytes, seen->facts.memory_bytes);
		CHECK_EQ(known->facts.sm, seen->facts.sm);
		CHECK_EQ(known->facts.cc_major, seen->facts.cc_major);
		CHECK_EQ(known->facts.mode_needs_reset, seen->facts.mode_needs_reset);
		CHECK_EQ(known->facts.geometry.n_profiles, seen->facts.geometry.n_profiles);
		for (unsigned p = 0; p < known->facts.geometry.n_profiles; p++) {
			const struct mig_profile *a = &known->facts.geometry.profile[p];
			const struct mig_profile *b = &seen->facts.geometry.profile[p];

			CHECK_TEXT(a->name, b->name);
			CHECK_SAY(a->starts == b->starts && a->size == b->size &&
					  a->max == b->max && a->sm == b->sm &&
					  a->memory_bytes == b->memory_bytes,
				"%s of %s", a->name, product->key);
		}
	}
	free(known);
	free(seen);
}

/* ---- the page that is written from them ---- */

static char *page;

static void check_said(const char *what, const char *text)
{
	CHECK_SAY(strstr(page, text), "docs/choosing.md does not say of %s: %s", what, text);
}

static void check_rows(void)
{
	for (unsigned r = 0; r < advice_rules_n; r++) {
		const struct advice_rule *rule = &advice_rules[r];
		AUTO_FREE char *id = must_asprintf("| `%s` |", rule->id);
		const char *row = strstr(page, id);
		const char *end = row ? strchr(row, '\n') : NULL;
		AUTO_FREE char *line =
			row ? must_asprintf("%.*s", (int)(end - row), row) : must_strdup("");
		const char *source =
			text_starts(rule->source, "docs/") ? rule->source + 5 : rule->source;

		CHECK_SAY(strstr(line, rule->reason) && strstr(line, rule->way) &&
				  strstr(line, source),
			"docs/choosing.md: the row of %s is not that of the table", rule->id);
		if (rule->weight) {
			AUTO_FREE char *weight = must_asprintf(
				"%c%u", rule->effect == RULE_FAVOURS ? '+' : '-', rule->weight);

			CHECK_SAY(strstr(line, weight), "%s: %s", rule->id, weight);
		}
	}
}

TEST(the_page_says_what_the_tables_say)
{
	FILE *file = fopen(DOCS "/choosing.md", "re");
	size_t n;

	if (!file) {
		CHECK_SAY(file, "cannot open the page");
		return;
	}
	page = must_alloc(1, 1 << 20);
	n = fread(page, 1, (1 << 20) - 1, file);
	page[n] = '\0';
	fclose(file);
	check_rows();
	for (unsigned o = 0; o < ADVICE_OPTIONS_N; o++) {
		const struct advice_enforcers *by = &advice_enforcers[o];
		AUTO_FREE char *held = must_asprintf("| %s | %s | %s | %s |",
			advice_option_names[o], enforcer_names[by->memory],
			enforcer_names[by->compute], enforcer_names[by->faults]);

		check_said("who holds what", held);
		for (unsigned t = 0; t < TOPICS_N; t++) {
			AUTO_FREE char *row = must_asprintf(
				"| %s | %s (", advice_option_names[o], advice_about[o][t].text);

			check_said(advice_topic_names[t], row);
		}
	}
	for (unsigned p = 0; p < products_n; p++) {
		AUTO_FREE char *row =
			must_asprintf("| `%s` | %s |", products[p].key, products[p].name);

		check_said(products[p].key, row);
		check_said(products[p].key, products[p].remark);
	}
	free(page);
}

TEST_MAIN()
