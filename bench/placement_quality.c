/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many requests find room, by the rule that placed those before them.
 *
 * Requests arrive one by one (exponential gaps), hold their instance for an exponential time, and
 * are lost where there is no room: what a rule spoils shows as loss. Each rule sees the same
 * requests. Load is what is asked for over what the node has, in compute slices. Acceptance is
 * counted by requests and by slices: by requests alone a rule gains by refusing the large ones.
 *
 * placement_quality [SEEDS]
 */
#include "base/error.h"
#include "base/text.h"
#include "fixtures.h"
#include "placement_rules.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { SEEDS_MAX = 100, SEEDS = 20, ARRIVALS = 3000, WARM_UP = 300, PROFILES = 6 };

static const double loads[] = { 0.7, 0.85, 1.0, 1.2 };
#define LOADS ARRAY_SIZE(loads)

struct mix {
	const char *name;
	double weight[PROFILES];
};

static const struct product {
	enum fixture fixture;
	const char *name;
	const char *profile[PROFILES];
	struct mix mix[8];
} products[] = {
	{ FIXTURE_H100_80, "H100",
		{ "1g.10gb", "2g.20gb", "3g.40gb", "4g.40gb", "7g.80gb", "1g.20gb" },
		{
			{ "uniform", { 20, 20, 20, 20, 20 } },
			{ "small-heavy", { 50, 25, 12, 8, 5 } },
			{ "big-heavy", { 5, 10, 20, 25, 40 } },
			{ "bimodal", { 50, 0, 0, 0, 50 } },
			{ "no 7g", { 25, 25, 25, 25, 0 } },
			{ "memory", { 15, 15, 15, 15, 15, 25 } },
			/* Pods of Alibaba's 2023 GPU trace, by sevenths of a GPU. */
			{ "openb", { 32, 280, 389, 971, 5317 } },
		} },
	{ FIXTURE_A30, "A30", { "1g.6gb", "2g.12gb", "4g.24gb" },
		{
			{ "uniform", { 1, 1, 1 } },
			{ "small-heavy", { 60, 25, 15 } },
			{ "big-heavy", { 10, 30, 60 } },
			{ "bimodal", { 1, 0, 1 } },
			{ "no 4g", { 1, 1, 0 } },
		} },
};

static const unsigned node_sizes[] = { 1, 8, 16 };

/* The leases that run, the next to end first. */
struct ending {
	double time;
	struct placement placement;
};

struct endings {
	unsigned n;
	struct ending at[GPUS_MAX * MIG_INSTANCES_MAX];
};

static void endings_add(struct endings *endings, struct ending ending)
{
	unsigned i = endings->n++;

	for (; i > 0 && endings->at[i - 1].time < ending.time; i--)
		endings->at[i] = endings->at[i - 1];
	endings->at[i] = ending;
}

static double uniform(uint64_t *seed)
{
	return ((double)(fixture_random(seed) >> 11) + 0.5) * 0x1p-53;
}

static unsigned draw(const struct mix *mix, uint64_t *seed)
{
	double total = 0, at;
	unsigned p = 0;

	for (unsigned i = 0; i < PROFILES; i++)
		total += mix->weight[i];
	for (at = uniform(seed) * total; p < PROFILES - 1 && at >= mix->weight[p]; p++)
		at -= mix->weight[p];
	return p;
}

/* Mean slices of a request over those of a GPU. */
static double mean_share(const struct mix *mix, const struct mig_geometry *geometry,
	const uint32_t profile[PROFILES])
{
	double slices = 0, total = 0;

	for (unsigned i = 0; i < PROFILES; i++) {
		total += mix->weight[i];
		if (mix->weight[i] > 0)
			slices += mix->weight[i] * geometry->profile[profile[i]].slices;
	}
	return slices / total / geometry->n_slices;
}

struct acceptance {
	double by_count, by_slices, steps;
};

static struct acceptance simulate(struct node *node, const struct rule *rule,
	const struct product *product, const struct mix *mix, double load, uint64_t seed)
{
	const struct mig_geometry *geometry = &node->gpus->facts.geometry;
	double now = 0, rate, asked = 0, got = 0, slices_asked = 0, slices_got = 0;
	struct endings endings = { 0 };
	uint32_t profile[PROFILES] = { 0 };
	unsigned steps = 0;

	for (unsigned i = 0; i < PROFILES && product->profile[i]; i++)
		profile[i] = (uint32_t)mig_profile_find(geometry, product->profile[i]);
	rate = load * node->n_gpus / mean_share(mix, geometry, profile);
	node_clear(node);
	for (unsigned i = 0; i < ARRIVALS; i++) {
		uint32_t p = profile[draw(mix, &seed)];
		double life = -log(uniform(&seed)), slices = geometry->profile[p].slices;
		struct ending ending;
		bool is_placed;

		now -= log(uniform(&seed)) / rate;
		for (; endings.n && endings.at[endings.n - 1].time <= now; endings.n--)
			node_end(node, rule, &endings.at[endings.n - 1].placement);
		is_placed = node_lease(node, rule, p, i + 1, &ending.placement);
		ending.time = now + life;
		if (is_placed)
			endings_add(&endings, ending);
		if (i == WARM_UP)
			steps = node->made + node->removed;
		if (i < WARM_UP)
			continue;
		asked += 1;
		slices_asked += slices;
		got += is_placed;
		slices_got += is_placed ? slices : 0;
	}
	return (struct acceptance){ 100 * got / asked, 100 * slices_got / slices_asked,
		(node->made + node->removed - steps) / got };
}

struct samples {
	unsigned n;
	double sum, squares;
};

static void sample(struct samples *samples, double value)
{
	samples->n++;
	samples->sum += value;
	samples->squares += value * value;
}

static double mean(const struct samples *s)
{
	return s->sum / s->n;
}

/* Half the width of the 95 % interval of the mean. */
static double interval(const struct samples *s)
{
	return 2.0 * sqrt(fmax(0, s->squares / s->n - mean(s) * mean(s)) / (s->n - 1));
}

struct row {
	struct acceptance mincap, sum[RULE_N]; /* sum of the differences from mincap */
	struct samples by_count, by_slices;    /* Carve's, a seed's mean over the loads each */
	double worst_count, worst_slices;      /* Carve's at the load where it is least */
};

static void measure(struct node *node, const struct product *product, const struct mix *mix,
	unsigned seeds, struct row *ret_row)
{
	double by_count[LOADS][SEEDS_MAX], by_slices[LOADS][SEEDS_MAX], n = (double)seeds * LOADS;
	struct row row = { .worst_count = INFINITY, .worst_slices = INFINITY };

	for (unsigned s = 0; s < seeds; s++) {
		for (unsigned l = 0; l < LOADS; l++) {
			struct acceptance got[RULE_N], *base = &got[RULE_MINCAP];

			for (unsigned r = 0; r < RULE_N; r++)
				got[r] = simulate(node, &rules[r], product, mix, loads[l],
					1000 * s + 7 * l + 1);
			for (unsigned r = 0; r < RULE_N; r++) {
				row.sum[r].by_count += (got[r].by_count - base->by_count) / n;
				row.sum[r].by_slices += (got[r].by_slices - base->by_slices) / n;
				row.sum[r].steps += got[r].steps / n;
			}
			row.mincap.by_count += base->by_count / n;
			row.mincap.by_slices += base->by_slices / n;
			by_count[l][s] = got[RULE_CARVE].by_count - base->by_count;
			by_slices[l][s] = got[RULE_CARVE].by_slices - base->by_slices;
		}
	}
	for (unsigned s = 0; s < seeds; s++) {
		double count = 0, slices = 0;

		for (unsigned l = 0; l < LOADS; l++) {
			count += by_count[l][s] / LOADS;
			slices += by_slices[l][s] / LOADS;
		}
		sample(&row.by_count, count);
		sample(&row.by_slices, slices);
	}
	for (unsigned l = 0; l < LOADS; l++) {
		double count = 0, slices = 0;

		for (unsigned s = 0; s < seeds; s++) {
			count += by_count[l][s] / seeds;
			slices += by_slices[l][s] / seeds;
		}
		row.worst_count = fmin(row.worst_count, count);
		row.worst_slices = fmin(row.worst_slices, slices);
	}
	*ret_row = row;
}

int main(int argc, char **argv)
{
	unsigned seeds = argc > 1 ? (unsigned)atoi(argv[1]) : SEEDS;

	if (seeds < 2 || seeds > SEEDS_MAX) {
		fprintf(stderr, "placement_quality: 2 to %d seeds\n", SEEDS_MAX);
		return EXIT_FAILURE;
	}
	printf("Acceptance in percent, by requests / by slices: mean over loads 0.7, 0.85, 1.0 and "
	       "1.2, %u seeds\neach, %d requests a run. mincap's, and what the others have more "
	       "(+-: 95 %% interval, paired;\nworst: at the load where it is least). steps: "
	       "instances made and removed per request that got one.\n\n",
		seeds, ARRIVALS - WARM_UP);
	printf("%-5s %4s %-12s %13s %13s %13s %27s %13s %11s\n", "", "GPUs", "mix", "mincap",
		"first", "driver", "carve", "its worst", "steps");
	for (size_t p = 0; p < ARRAY_SIZE(products); p++) {
		for (size_t k = 0; k < ARRAY_SIZE(node_sizes); k++) {
			struct node node = {
				.gpus = fixture_gpus(node_sizes[k], products[p].fixture),
				.n_gpus = node_sizes[k],
			};

			for (const struct mix *mix = products[p].mix; mix->name; mix++) {
				struct row row;

				measure(&node, &products[p], mix, seeds, &row);
				printf("%-5s %4u %-12s %6.2f/%6.2f %+6.2f/%+6.2f %+6.2f/%+6.2f "
				       "%+6.2f+-%.2f/%+6.2f+-%.2f %+6.2f/%+6.2f  %.2f/%.2f\n",
					products[p].name, node.n_gpus, mix->name,
					row.mincap.by_count, row.mincap.by_slices,
					row.sum[RULE_FIRST].by_count, row.sum[RULE_FIRST].by_slices,
					row.sum[RULE_DRIVER].by_count,
					row.sum[RULE_DRIVER].by_slices, mean(&row.by_count),
					interval(&row.by_count), mean(&row.by_slices),
					interval(&row.by_slices), row.worst_count, row.worst_slices,
					row.sum[RULE_MINCAP].steps, row.sum[RULE_CARVE].steps);
				fflush(stdout);
			}
			free(node.gpus);
		}
	}
	return EXIT_SUCCESS;
}
