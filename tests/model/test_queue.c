/* SPDX-License-Identifier: Apache-2.0 */
#include "base/cleanup.h"
#include "base/text.h"
#include "fixtures.h"
#include "model/place.h"
#include "model/queue.h"
#include "test.h"

static struct request request_for(const char *profile, unsigned n)
{
	struct request request;

	request_init(&request);
	request.n_gpus = n;
	text_copy(request.profile, sizeof(request.profile), profile);
	return request;
}

TEST(priority_goes_before_use_and_use_before_arrival)
{
	struct request normal = request_for("1g.10gb", 1), urgent = normal;
	struct waiting waiting[] = {
		{ .id = 1, .request = &normal, .since_ns = 10, .tenant_use = 500 },
		{ .id = 2, .request = &normal, .since_ns = 30, .tenant_use = 0 },
		{ .id = 3, .request = &normal, .since_ns = 20, .tenant_use = 0 },
		{ .id = 4, .request = &urgent, .since_ns = 40, .tenant_use = 900 },
		{ .id = 5, .request = &normal, .since_ns = 20, .tenant_use = 0 },
	};
	static const unsigned order[] = { 4, 3, 5, 2, 1 };

	urgent.priority = 5;
	queue_sort(waiting, 5);
	for (unsigned i = 0; i < 5; i++)
		CHECK_EQ(waiting[i].id, order[i]);
}

TEST(nothing_is_kept_before_patience_ends)
{
	AUTO_FREE struct gpu *gpus = fixture_gpus(2, FIXTURE_H100_80);
	struct request request = request_for("7g.80gb", 1);
	struct waiting first = { .request = &request, .since_ns = 1000 };

	fixture_add(&gpus[0], "1g.10gb", 0, SHARE_DYNAMIC, 1);
	CHECK_EQ(queue_keep_for(&first, gpus, 2, 999), 0);
	CHECK_EQ(queue_keep_for(&first, gpus, 2, 999 + QUEUE_PATIENCE_NS), 0);
	CHECK(queue_keep_for(&first, gpus, 2, 1000 + QUEUE_PATIENCE_NS) != 0);
}

TEST(the_gpu_nearest_to_fitting_is_kept)
{
	AUTO_FREE struct gpu *gpus = fixture_gpus(4, FIXTURE_H100_80);
	struct request request = request_for("7g.80gb", 1);
	struct waiting first = { .request = &request };

	fixture_add(&gpus[0], "1g.10gb", 0, SHARE_DYNAMIC, 1);
	fixture_add(&gpus[0], "1g.10gb", 1, SHARE_DYNAMIC, 2);
	fixture_add(&gpus[1], "3g.40gb", 4, SHARE_DYNAMIC, 3);
	fixture_add(&gpus[1], "1g.10gb", 0, SHARE_DYNAMIC, 0); /* idle: no obstacle */
	fixture_add(&gpus[2], "1g.10gb", 0, SHARE_PINNED, 0);  /* does not go */
	fixture_add(&gpus[3], "1g.10gb", 0, SHARE_FOREIGN, 0);
	CHECK_EQ(queue_keep_for(&first, gpus, 4, QUEUE_PATIENCE_NS), 1u << 1);
	request = request_for("3g.40gb", 1);
	CHECK_EQ(queue_keep_for(&first, gpus, 4, QUEUE_PATIENCE_NS), 1u << 0);
	text_copy(request.gpu, sizeof(request.gpu), "2");
	CHECK_EQ(queue_keep_for(&first, gpus, 4, QUEUE_PATIENCE_NS), 1u << 2);
}

TEST(as_many_gpus_are_kept_as_the_request_needs)
{
	AUTO_FREE struct gpu *gpus = fixture_gpus(4, FIXTURE_H100_80);
	struct request request = request_for("", 2);
	struct waiting first = { .request = &request };

	for (unsigned g = 0; g < 4; g++)
		fixture_mig_off(&gpus[g]);
	gpus[0].whole_lease = 1;
	gpus[1].whole_in_use = true;
	gpus[2].whole_lease = 2;
	gpus[3].drained = true;
	CHECK_EQ(queue_keep_for(&first, gpus, 4, QUEUE_PATIENCE_NS), 1u << 0 | 1u << 2);
	request = request_for("1g.10gb", 9);
	for (unsigned g = 0; g < 4; g++)
		fixture_gpu(&gpus[g], g, FIXTURE_H100_80);
	CHECK_EQ(queue_keep_for(&first, gpus, 4, QUEUE_PATIENCE_NS), 1u << 0 | 1u << 1);
}

/* One node, one tick a second: leases end, small requests come, and the queue is tried in order. */
struct busy_node {
	struct gpu *gpus;
	unsigned n_gpus, n_small;
	uint64_t now_ns, seed, served;
	struct request small, big;
	bool has_big;
	uint64_t big_since_ns;
	uint8_t seconds_left[4][MIG_SLOTS_MAX];
};

#define SECOND_NS      1000000000ULL
#define LIFE_S	       20 /* of a small one, at most */
#define LIVES	       7  /* the kept GPU may change, but only to one with fewer leases */
#define BIG_COMES_NS   (30 * SECOND_NS)
#define SMALL_IN_QUEUE 20

static void node_ends(struct busy_node *node)
{
	for (unsigned g = 0; g < node->n_gpus; g++) {
		for (unsigned i = 0; i < node->gpus[g].seen.n_instances; i++) {
			struct mig_instance *instance = &node->gpus[g].seen.instance[i];
			uint8_t *left = &node->seconds_left[g][instance->start];

			if (instance->ci[0].lease && --*left == 0)
				instance->ci[0].lease = 0;
		}
	}
}

static bool node_try(struct busy_node *node, const struct request *request, uint32_t avoid)
{
	struct placement p;
	struct gpu *gpu;

	if (place(node->gpus, node->n_gpus, request, avoid, &p, NULL) != 0)
		return false;
	gpu = &node->gpus[p.gpu];
	for (unsigned i = gpu->seen.n_instances; p.how == PLACE_CREATE && i-- > 0;)
		if (p.evict >> i & 1)
			fixture_remove(gpu, i);
	if (p.how == PLACE_CREATE)
		fixture_add(gpu, gpu->facts.geometry.profile[p.profile].name, p.start,
			SHARE_DYNAMIC, 1);
	else
		gpu->seen.instance[p.instance].ci[0].lease = 1;
	node->seconds_left[p.gpu][p.start] = (uint8_t)(1 + fixture_below(&node->seed, LIFE_S));
	return true;
}

/* As the daemon does it: in order, and GPUs are kept for the first that does not fit. */
static void node_pump(struct busy_node *node)
{
	struct waiting waiting[SMALL_IN_QUEUE + 1];
	unsigned n = 0, left = 0;
	uint32_t kept = 0;

	if (node->has_big)
		waiting[n++] = (struct waiting){
			.id = 0, .request = &node->big, .since_ns = node->big_since_ns
		};
	for (unsigned i = 0; i < node->n_small; i++)
		waiting[n++] = (struct waiting){
			.id = 1 + i, .request = &node->small, .since_ns = node->now_ns
		};
	queue_sort(waiting, n);
	for (unsigned i = 0; i < n; i++) {
		bool is_big = waiting[i].request == &node->big;

		if (node_try(node, waiting[i].request, kept)) {
			node->has_big &= !is_big;
			node->served += !is_big;
			continue;
		}
		left += !is_big;
		if (!kept)
			kept = queue_keep_for(&waiting[i], node->gpus, node->n_gpus, node->now_ns);
	}
	node->n_small = left;
}

TEST(a_big_request_is_not_starved_by_small_ones_that_always_come)
{
	for (unsigned n_gpus = 1; n_gpus <= 4; n_gpus++) {
		for (unsigned seed = 0; seed < 50; seed++) {
			AUTO_FREE struct gpu *gpus = fixture_gpus(n_gpus, FIXTURE_H100_80);
			struct busy_node node = { .gpus = gpus, .n_gpus = n_gpus, .seed = seed };
			uint64_t end_ns =
				BIG_COMES_NS + QUEUE_PATIENCE_NS + LIVES * LIFE_S * SECOND_NS;
			uint64_t served = 0;

			node.small = request_for("1g.10gb", 1);
			node.big = request_for("7g.80gb", 1);
			for (; node.now_ns <= end_ns; node.now_ns += SECOND_NS) {
				node_ends(&node);
				node.n_small = SMALL_IN_QUEUE; /* more than there is room for */
				if (node.now_ns == BIG_COMES_NS) {
					node.has_big = true;
					node.big_since_ns = node.now_ns;
				}
				served = node.served;
				node_pump(&node);
				if (node.now_ns > BIG_COMES_NS && !node.has_big)
					break;
			}
			CHECK_SAY(!node.has_big, "(%u GPUs, seed %u)", n_gpus, seed);
			CHECK(node.now_ns > BIG_COMES_NS && served > 0);
		}
	}
}

TEST_MAIN()
