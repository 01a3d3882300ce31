/* SPDX-License-Identifier: Apache-2.0 */
#include "base/cleanup.h"
#include "base/text.h"
#include "fixtures.h"
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

TEST_MAIN()
