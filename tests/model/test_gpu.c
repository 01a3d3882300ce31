/* SPDX-License-Identifier: Apache-2.0 */
#include "base/cleanup.h"
#include "base/error.h"
#include "fixtures.h"
#include "test.h"

#include <errno.h>

TEST(a_gpu_is_found_by_index_uuid_prefix_and_pci_address)
{
	AUTO_FREE struct gpu *gpus = fixture_gpus(3, FIXTURE_H100_80);
	static const char *const names[] = { "2", "GPU-00000002-0000-5000-8000-000000000002",
		"GPU-00000002", "gpu-00000002-0000", "0000:12:00.0", "12:00.0",
		"00000000:12:00.0" };
	unsigned g = 77;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		g = 77;
		CHECK_SAY(gpu_find(gpus, 3, names[i], &g, NULL) == 0 && g == 2, "%s", names[i]);
	}
}

TEST(a_gpu_that_is_not_there_is_refused_with_what_there_is)
{
	AUTO_FREE struct gpu *gpus = fixture_gpus(3, FIXTURE_H100_80);
	struct error err = ERROR_NONE;
	unsigned g = 77;

	CHECK_EQ(gpu_find(gpus, 3, "3", &g, &err), -ENODEV);
	CHECK_TEXT(err.text, "no GPU '3' on this node (it has GPUs 0 to 2)");
	CHECK_EQ(gpu_find(gpus, 3, "GPU-0000", &g, &err), -EINVAL);
	CHECK_EQ(gpu_find(gpus, 3, "GPU-", &g, &err), -ENODEV);
	CHECK_EQ(gpu_find(gpus, 3, "0001:12:00.0", &g, &err), -ENODEV);
	CHECK_EQ(gpu_find(gpus, 3, "", &g, &err), -ENODEV);
	CHECK_EQ(gpu_find(gpus, 0, "0", &g, &err), -ENODEV);
	CHECK_EQ(g, 77);
}

TEST(mechanisms_are_found_by_name)
{
	for (int m = 0; m < MECHANISM_N; m++)
		CHECK_EQ(mechanism_find(mechanism_names[m]), m);
	CHECK_EQ(mechanism_find("Mig"), -1);
	CHECK_EQ(mechanism_find(""), -1);
}

TEST(shares_are_found_by_the_names_that_they_are_given)
{
	AUTO_FREE struct gpu *gpus = fixture_gpus(2, FIXTURE_H100_80);
	char name[SHARE_NAME_MAX];
	unsigned g, i;
	int ci;

	fixture_add(&gpus[0], "3g.40gb", 4, SHARE_PINNED, 0);
	fixture_add_cis(&gpus[1], "3g.40gb", 0, SHARE_PINNED, (unsigned[]){ 1, 2, 0 });
	fixture_add_cis(&gpus[1], "1g.10gb", 4, SHARE_DYNAMIC, (unsigned[]){ 0 });
	CHECK_TEXT(share_name(&gpus[0], &gpus[0].seen.instance[0], NULL, name), "0:3g.40gb@4");
	CHECK_TEXT(share_name(&gpus[1], &gpus[1].seen.instance[0], &gpus[1].seen.instance[0].ci[1],
			   name),
		"1:2c.3g.40gb@0.1");

	CHECK_EQ(share_find(gpus, 2, "0:3g.40gb@4", &g, &i, &ci, NULL), 0);
	CHECK(g == 0 && i == 0 && ci == 0);
	CHECK_EQ(share_find(gpus, 2, "1:2c.3g.40gb@0.1", &g, &i, &ci, NULL), 0);
	CHECK(g == 1 && i == 0 && ci == 1);
	CHECK_EQ(share_find(gpus, 2, gpus[1].seen.instance[0].ci[0].uuid, &g, &i, &ci, NULL), 0);
	CHECK(g == 1 && i == 0 && ci == 0);
	CHECK_EQ(share_find(gpus, 2, "1:3g.40gb@0", &g, &i, &ci, NULL), 0);
	CHECK_EQ(ci, -1);
	CHECK_EQ(share_find(gpus, 2, "1:1g.10gb@4", &g, &i, &ci, NULL), 0);
	CHECK(i == 1 && ci == -1);
}

TEST(a_share_that_is_not_there_is_refused_with_what_there_is)
{
	AUTO_FREE struct gpu *gpus = fixture_gpus(1, FIXTURE_H100_80);
	struct error err = ERROR_NONE;
	unsigned g = 7, i = 7;
	int ci = 7;

	fixture_add(&gpus[0], "3g.40gb", 4, SHARE_PINNED, 0);
	CHECK_EQ(share_find(gpus, 1, "0:3g.40gb@0", &g, &i, &ci, &err), -ENODEV);
	CHECK_TEXT(err.text, "no share '0:3g.40gb@0': GPU 0 has 0:3g.40gb@4");
	CHECK_EQ(share_find(gpus, 1, "5:3g.40gb@0", &g, &i, &ci, &err), -ENODEV);
	CHECK_EQ(share_find(gpus, 1, "", &g, &i, &ci, &err), -ENODEV);
	CHECK(g == 7 && i == 7 && ci == 7);
}

TEST_MAIN()
