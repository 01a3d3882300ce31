/* SPDX-License-Identifier: Apache-2.0 */
#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"
#include "fixtures.h"
#include "model/mps_room.h"
#include "model/place.h"
#include "model/queue.h"
#include "test.h"

static struct request mps(uint64_t gigabytes, unsigned percent, uint32_t uid)
{
	struct request request;

	request_init(&request);
	request.memory_bytes = gigabytes * 1000000000;
	request.memory_label = (unsigned)gigabytes;
	request.compute_percent = percent;
	request.mechanism = MECHANISM_MPS;
	request.uid = uid;
	return request;
}

/* "0:mps1", "0 8G 30 %" for a new one, with " -1001" for a server to stop; or the refusal. */
static char said[700];
static const char *placed(const struct gpu *gpus, unsigned n, struct request request)
{
	struct placement p;
	struct error err = ERROR_NONE;
	char name[SHARE_NAME_MAX];
	int r = place(gpus, n, &request, 0, &p, &err);
	int at;

	if (r != 0) {
		snprintf(said, sizeof(said), "%s: %s", r == PLACE_E_NEVER ? "never" : "no room",
			err.text);
		return said;
	}
	if (p.how != PLACE_MPS) {
		snprintf(said, sizeof(said), "%u by %s", p.gpu, mechanism_names[p.mechanism]);
		return said;
	}
	mps_share_name(&gpus[p.gpu], &p.mps, name);
	*strrchr(name, ':') = '\0';
	at = p.mps.number ? snprintf(said, sizeof(said), "%s:mps%u", name, p.mps.number)
			  : snprintf(said, sizeof(said), "%s %.1fG %u %%", name,
				    (double)p.mps.memory_bytes / 1e9, p.mps.percent);
	if (p.stops_server)
		snprintf(said + at, sizeof(said) - (size_t)at, " -%u", p.stop_uid);
	CHECK(p.mps.uid == request.uid && p.mps.lease == 0);
	return said;
}

TEST(a_share_is_made_where_gpus_are_free)
{
	AUTO_FREE struct gpu *gpus = fixture_gpus(2, FIXTURE_L40S);

	CHECK_TEXT(placed(gpus, 2, mps(8, 30, 1000)), "0 8.0G 30 %");
	gpus[0].whole_lease = 3;
	CHECK_TEXT(placed(gpus, 2, mps(8, 30, 1000)), "1 8.0G 30 %");
	gpus[0].whole_lease = 0;
	gpus[0].whole_in_use = true;
	CHECK_TEXT(placed(gpus, 2, mps(8, 30, 1000)), "1 8.0G 30 %");
}

TEST(what_was_not_said_is_in_proportion)
{
	AUTO_FREE struct gpu *gpu = fixture_gpus(1, FIXTURE_L40S); /* 48.3G */

	CHECK_TEXT(placed(gpu, 1, mps(24, 0, 1000)), "0 24.0G 49 %");
	CHECK_TEXT(placed(gpu, 1, mps(0, 50, 1000)), "0 24.2G 50 %");
	CHECK_TEXT(placed(gpu, 1, mps(1, 0, 1000)), "0 1.0G 2 %");
}

TEST(a_server_that_runs_for_the_tenant_is_preferred_and_a_free_gpu_is_not_broken_up)
{
	AUTO_FREE struct gpu *gpus = fixture_gpus(3, FIXTURE_L40S);

	fixture_add_mps(&gpus[2], NULL, 8, 10, 5);
	fixture_add_server(&gpus[2], NULL, 1000, MPS_READY);
	CHECK_TEXT(placed(gpus, 3, mps(8, 30, 1000)), "2 8.0G 30 %");
	fixture_add_mps(&gpus[1], NULL, 8, 30, 0);
	CHECK_TEXT(placed(gpus, 3, mps(8, 30, 1000)), "2 8.0G 30 %");
	CHECK_TEXT(placed(gpus, 3, mps(8, 30, 1001)), "1:mps1");
	CHECK_TEXT(placed(gpus, 3, mps(8, 31, 1001)), "1 8.0G 31 %");
	CHECK_TEXT(placed(gpus, 3, mps(8, 71, 1001)), "0 8.0G 71 %");
}

TEST(of_places_alike_the_one_with_the_least_left_over_is_taken)
{
	AUTO_FREE struct gpu *gpus = fixture_gpus(2, FIXTURE_L40S);

	fixture_add_mps(&gpus[0], NULL, 8, 10, 0);
	fixture_add_mps(&gpus[1], NULL, 20, 10, 0);
	CHECK_TEXT(placed(gpus, 2, mps(4, 10, 1000)), "1 4.0G 10 %");
	CHECK_TEXT(placed(gpus, 2, mps(30, 10, 1000)), "0 30.0G 10 %");
}

TEST(an_idle_pinned_share_that_is_enough_serves_and_stays_reserved_for_what_it_is)
{
	AUTO_FREE struct gpu *gpu = fixture_gpus(1, FIXTURE_L40S);

	fixture_add_mps(gpu, NULL, 30, 50, 0);
	fixture_add_mps(gpu, NULL, 18, 40, 0);
	CHECK_TEXT(placed(gpu, 1, mps(18, 40, 1000)), "0:mps2");
	CHECK_TEXT(placed(gpu, 1, mps(10, 20, 1000)), "0:mps2");
	CHECK_TEXT(placed(gpu, 1, mps(20, 0, 1000)), "0:mps1");
	CHECK_TEXT(placed(gpu, 1, mps(31, 50, 1000)), "never: 31G and 50 % of a GPU by mps: pinned "
						      "MPS shares leave no room for it on GPU "
						      "0: `carve apply` another layout");
	gpu->mps[1].lease = 7;
	gpu->mps[1].uid = 1000;
	CHECK_TEXT(placed(gpu, 1, mps(18, 40, 1000)), "0:mps1");
	gpu->mps[0].lease = 8;
	gpu->mps[0].uid = 1000;
	CHECK_TEXT(placed(gpu, 1, mps(18, 40, 1000)),
		"no room: no room now for 18G and 40 % of a GPU by "
		"mps: leases L7, L8 on GPU 0; 291Mi and 10 "
		"% are left at most");
}

TEST(different_users_never_share_a_server)
{
	AUTO_FREE struct gpu *gpu = fixture_gpus(1, FIXTURE_L40S);
	struct mps_share *share = fixture_add_mps(gpu, NULL, 8, 10, 5);
	struct mps_server *server = fixture_add_server(gpu, NULL, 1000, MPS_READY);

	CHECK_TEXT(placed(gpu, 1, mps(8, 10, 1001)),
		"no room: no room now for 8G and 10 % of a GPU by mps: GPU 0 serves another user "
		"by MPS "
		"(lease L5): different users never share a server");
	/* Not even where its server has died. */
	gpu->n_mps_servers = 0;
	CHECK(strstr(placed(gpu, 1, mps(8, 10, 1001)), "serves another user"));
	gpu->n_mps_servers = 1;
	/* But an idle server goes. */
	gpu->n_mps = 0;
	CHECK_TEXT(placed(gpu, 1, mps(8, 10, 1001)), "0 8.0G 10 % -1000");
	CHECK_TEXT(placed(gpu, 1, mps(8, 10, 1000)), "0 8.0G 10 %");
	/* And servers may take turns where the configuration says so. */
	gpu->n_mps = 1;
	share->lease = 5;
	gpu->may_time_slice = true;
	CHECK_TEXT(placed(gpu, 1, mps(8, 10, 1001)), "0 8.0G 10 %");
	server->state = MPS_FAULTY;
	CHECK_TEXT(placed(gpu, 1, mps(8, 10, 1001)), "0 8.0G 10 %");
}

TEST(a_faulty_or_stopping_server_takes_nobody)
{
	AUTO_FREE struct gpu *gpu = fixture_gpus(1, FIXTURE_L40S);
	struct mps_server *server = fixture_add_server(gpu, NULL, 1000, MPS_STARTING);

	CHECK_TEXT(placed(gpu, 1, mps(8, 10, 1000)), "0 8.0G 10 %");
	server->state = MPS_FAULTY;
	CHECK_TEXT(placed(gpu, 1, mps(8, 10, 1000)),
		"no room: no room now for 8G and 10 % of a GPU "
		"by mps: the MPS server on GPU 0 is faulty: Carve starts it again");
	server->state = MPS_STOPPING;
	CHECK_TEXT(placed(gpu, 1, mps(8, 10, 1001)),
		"no room: no room now for 8G and 10 % of a GPU "
		"by mps: the MPS server on GPU 0 is stopping");
}

TEST(what_no_gpu_can_do_is_said)
{
	AUTO_FREE struct gpu *gpu = fixture_gpus(1, FIXTURE_A30);
	struct request request = mps(4, 10, 1000);

	CHECK_TEXT(placed(gpu, 1, request),
		"never: 4G and 10 % of a GPU by mps: GPU 0 is in MIG mode, without an instance of "
		"Carve's that is large enough: ask for mechanism mig, or `carve apply` a layout "
		"that "
		"has one");
	fixture_mig_off(gpu);
	CHECK_TEXT(placed(gpu, 1, mps(4, 1, 1000)),
		"never: 4G and 1 % of a GPU by mps: the least compute that GPU 0 (NVIDIA A30) can "
		"give is 2 %");
	CHECK_TEXT(placed(gpu, 1, mps(26, 10, 1000)), "never: 26G and 10 % of a GPU by mps: GPU 0 "
						      "has less: the most on GPU 0 (NVIDIA A30) "
						      "is 24Gi");
	text_copy(request.profile, sizeof(request.profile), "2g.12gb");
	CHECK_TEXT(placed(gpu, 1, request), "never: 4G and 10 % of a GPU by mps within 2g.12gb: "
					    "GPU 0 is not in MIG mode: leave "
					    "out the profile 2g.12gb");
	gpu->seen.compute_mode = COMPUTE_PROHIBITED;
	CHECK_TEXT(placed(gpu, 1, mps(4, 10, 1000)), "never: 4G and 10 % of a GPU by mps: GPU 0 is "
						     "in compute mode PROHIBITED, which lets "
						     "no process in: `nvidia-smi -i 0 -c DEFAULT`");
	gpu->seen.compute_mode = COMPUTE_DEFAULT;
	gpu->managed = false;
	CHECK_TEXT(placed(gpu, 1, mps(4, 10, 1000)), "never: 4G and 10 % of a GPU by mps: GPU 0 is "
						     "not managed by Carve, which only looks "
						     "at it: `carve manage 0`");
	gpu->facts.cc_major = 3;
	CHECK_TEXT(placed(gpu, 1, mps(4, 10, 1000)),
		"never: 4G and 10 % of a GPU by mps: GPU 0 (NVIDIA A30) cannot do MPS, which takes "
		"compute capability 3.5");
}

TEST(what_is_in_the_way_now_is_said)
{
	AUTO_FREE struct gpu *gpus = fixture_gpus(2, FIXTURE_L40S);

	gpus[0].whole_lease = 3;
	gpus[1].drained = true;
	CHECK_TEXT(placed(gpus, 2, mps(4, 10, 1000)),
		"no room: no room now for 4G and 10 % of a GPU by mps: lease L3 on all of GPU 0; "
		"GPU 1 is "
		"drained (`carve undrain 1`)");
	gpus[0].whole_lease = 0;
	gpus[0].whole_in_use = true;
	CHECK_TEXT(placed(gpus, 1, mps(4, 10, 1000)),
		"no room: no room now for 4G and 10 % of a GPU "
		"by mps: processes without a lease use GPU 0");
	gpus[0].seen.mig_pending = true;
	CHECK_TEXT(placed(gpus, 1, mps(4, 10, 1000)),
		"no room: no room now for 4G and 10 % of a GPU by mps: a change of MIG mode waits "
		"for the "
		"reset of GPU 0");
}

TEST(the_hardware_serves_so_many_clients)
{
	AUTO_FREE struct gpu *gpu = fixture_gpus(1, FIXTURE_L40S);

	for (uint64_t lease = 1; lease <= 48; lease++) {
		struct mps_share *share = fixture_add_mps(gpu, NULL, 0, 2, lease);

		share->memory_bytes = 1 << 20;
	}
	CHECK_TEXT(placed(gpu, 1, mps(1, 2, 1000)),
		"no room: no room now for 1G and 2 % of a GPU by mps: leases L1, L2, L3, L4, L5, "
		"L6, L7, L8 "
		"and 40 more on GPU 0, which is all that the hardware serves: 48");
}

TEST(memory_that_must_be_held_takes_shares_of_one_size)
{
	AUTO_FREE struct gpu *gpus = fixture_gpus(2, FIXTURE_L40S);
	struct request held = mps(8, 10, 1000), other = mps(9, 10, 1000);
	struct mps_share *share = fixture_add_mps(&gpus[0], NULL, 9, 10, 5);
	struct placement p;

	held.isolation = ISOLATION_MEMORY;
	CHECK_TEXT(placed(gpus, 1, held),
		"no room: no room now for 8G and 10 % of a GPU by mps: the same "
		"user's shares (lease L5) on GPU 0 are of "
		"another size, and the server holds one limit of memory "
		"for all: ask for that size, "
		"or leave out isolation memory");
	CHECK_TEXT(placed(gpus, 2, held), "1 8.0G 10 %");
	CHECK_EQ(place(gpus, 2, &held, 0, &p, NULL), 0);
	CHECK(p.mps.must_hold);
	/* What was promised to one share is not broken by the next. */
	share->memory_bytes = 8000000000;
	share->must_hold = true;
	CHECK(strstr(placed(gpus, 1, other), "are of another size"));
	CHECK_TEXT(placed(gpus, 1, held), "0 8.0G 10 %");
	/* A server with limits for each share holds any. */
	fixture_add_server(gpus, NULL, 1000, MPS_READY)->holds_memory = true;
	CHECK_TEXT(placed(gpus, 1, other), "0 9.0G 10 %");
	gpus->may_time_slice = true;
	CHECK_TEXT(placed(gpus, 1, held),
		"never: 8G and 10 % of a GPU by mps: nobody would hold a limit of memory by MPS on "
		"GPU 0, because servers take turns there: ask for mechanism mig, or leave out "
		"isolation memory");
}

TEST(in_mig_mode_a_share_goes_into_an_instance_that_nobody_leases)
{
	AUTO_FREE struct gpu *gpu = fixture_gpus(1, FIXTURE_H100_80);
	struct request request = mps(10, 10, 1000);

	fixture_add(gpu, "3g.40gb", 0, SHARE_PINNED, 4);
	CHECK(strstr(placed(gpu, 1, request), "lease L4 on all of 0:3g.40gb@0"));
	fixture_add(gpu, "3g.40gb", 4, SHARE_FOREIGN, 0);
	CHECK(strstr(placed(gpu, 1, request), "lease L4 on all of 0:3g.40gb@0"));
	gpu->seen.instance[1].origin = SHARE_PINNED;
	CHECK_TEXT(placed(gpu, 1, request), "0:3g.40gb@4 10.0G 10 %");
	/* 10G of 42.4G and of 3 of 7 slices */
	CHECK_TEXT(placed(gpu, 1, mps(10, 0, 1000)), "0:3g.40gb@4 10.0G 10 %");
	CHECK(strstr(placed(gpu, 1, mps(10, 43, 1000)), "without an instance"));
	text_copy(request.profile, sizeof(request.profile), "3g.40gb");
	CHECK_TEXT(placed(gpu, 1, request), "0:3g.40gb@4 10.0G 10 %");
	text_copy(request.profile, sizeof(request.profile), "1g.10gb");
	CHECK(strstr(placed(gpu, 1, request), "never"));
	gpu->seen.instance[1].ci[0].has_users = true;
	CHECK(strstr(placed(gpu, 1, mps(10, 10, 1000)), "lease L4 on all of"));
	request = mps(10, 10, 1000);
	request.isolation = ISOLATION_MEMORY;
	CHECK(strstr(
		placed(gpu, 1, request), "because processes can get past the server in MIG mode"));
}

TEST(what_mps_shares_is_no_mig_share_and_not_free_as_a_whole)
{
	AUTO_FREE struct gpu *gpus = fixture_gpus(2, FIXTURE_H100_80);
	struct request mig, whole;

	request_init(&mig);
	text_copy(mig.profile, sizeof(mig.profile), "7g.80gb");
	request_init(&whole);
	whole.mechanism = MECHANISM_WHOLE;
	fixture_add(gpus, "1g.10gb", 0, SHARE_DYNAMIC, 0);
	CHECK_TEXT(placed(gpus, 1, mig), "0 by mig");
	fixture_add_mps(gpus, &gpus->seen.instance[0], 4, 5, 9);
	CHECK_TEXT(placed(gpus, 1, mig), "no room: the only place for 7g.80gb is held by lease L9");
	gpus->n_mps = 0;
	fixture_add_server(gpus, &gpus->seen.instance[0], 1000, MPS_READY);
	CHECK_TEXT(placed(gpus, 1, mig),
		"no room: no room now for 7g.80gb: 0:1g.10gb@0 is shared by MPS");
	fixture_mig_off(&gpus[1]);
	CHECK_TEXT(placed(gpus, 2, whole), "1 by whole");
	fixture_add_mps(&gpus[1], NULL, 4, 5, 9);
	CHECK_TEXT(placed(gpus, 2, whole),
		"no room: the only place for a whole GPU is held by lease L9");
	gpus[1].mps[0].is_pinned = true;
	CHECK(strstr(
		placed(gpus, 2, whole), "GPU 1 has pinned MPS shares and cannot be leased whole"));
}

TEST(left_to_carve_mig_is_first_then_mps_among_friends_then_a_whole_gpu)
{
	AUTO_FREE struct gpu *gpus = fixture_gpus(2, FIXTURE_H100_80);
	struct request request = mps(8, 10, 1000);

	fixture_mig_off(&gpus[0]);
	request.mechanism = REQUEST_ANY_MECHANISM;
	CHECK_TEXT(placed(gpus, 2, request), "1 by mig");
	CHECK_TEXT(placed(gpus, 1, request), "0 by whole");
	request.tenants = TENANTS_TRUSTED;
	CHECK_TEXT(placed(gpus, 2, request), "1 by mig");
	CHECK_TEXT(placed(gpus, 1, request), "0 8.0G 10 %");
	fixture_add(&gpus[1], "7g.80gb", 0, SHARE_PINNED, 6);
	CHECK_TEXT(placed(gpus, 2, request), "0 8.0G 10 %");
	request.isolation = ISOLATION_FAULT;
	CHECK_TEXT(placed(gpus, 1, request), "0 by whole");
	request.isolation = ISOLATION_NONE;
	gpus[0].facts.cc_major = 2;
	CHECK_TEXT(placed(gpus, 1, request), "0 by whole");
}

TEST(compute_is_over_committed_only_where_the_layout_says_so)
{
	AUTO_FREE struct gpu *gpu = fixture_gpus(1, FIXTURE_L40S);

	fixture_add_mps(gpu, NULL, 8, 80, 0);
	CHECK(strstr(placed(gpu, 1, mps(4, 81, 1000)), "pinned MPS shares leave no room"));
	gpu->mps[0].over_commit = true;
	CHECK_TEXT(placed(gpu, 1, mps(4, 81, 1000)), "0 4.0G 81 %");
	CHECK(strstr(placed(gpu, 1, mps(44, 81, 1000)), "pinned MPS shares leave no room"));
}

TEST(explain_says_why_a_share_goes_where_it_goes)
{
	AUTO_FREE struct gpu *gpus = fixture_gpus(4, FIXTURE_L40S);
	struct request request = mps(8, 0, 1000);
	AUTO_FREE char *text = NULL;

	fixture_add_mps(&gpus[1], NULL, 8, 10, 5);
	fixture_add_server(&gpus[1], NULL, 1000, MPS_READY);
	fixture_add_mps(&gpus[2], NULL, 8, 10, 0);
	gpus[3].drained = true;
	text = place_explain(gpus, 4, &request, 0);
	CHECK_TEXT(text,
		"GPU 0: 8G and 16 % on GPU 0 (compute in proportion to memory), but it is free as "
		"a whole\n"
		"GPU 1: 8G and 16 % on GPU 1 (compute in proportion to memory)  <- chosen\n"
		"GPU 2: the pinned share 2:mps1 is idle: 8G and 10 % on GPU 2, but no server "
		"of this user runs there\n"
		"GPU 3: GPU 3 is drained (`carve undrain 3`)");
}

TEST(a_gpu_is_kept_for_a_share_that_has_waited_long)
{
	AUTO_FREE struct gpu *gpus = fixture_gpus(2, FIXTURE_L40S);
	struct request request = mps(40, 10, 1001);
	struct waiting first = { .request = &request };

	for (unsigned k = 1; k <= 3; k++)
		fixture_add_mps(&gpus[0], NULL, 8, 10, k);
	fixture_add_mps(&gpus[1], NULL, 30, 10, 4);
	CHECK_EQ(queue_keep_for(&first, gpus, 2, QUEUE_PATIENCE_NS), 2);
	CHECK(place_could_use(&gpus[1], &request));
	/* One of three must go for the tenant himself. */
	request = mps(28, 10, 1000);
	gpus[1].drained = true;
	CHECK_EQ(queue_keep_for(&first, gpus, 2, QUEUE_PATIENCE_NS), 1);
	gpus[0].facts.cc_major = 2;
	CHECK_EQ(queue_keep_for(&first, gpus, 2, QUEUE_PATIENCE_NS), 0);
}

/* What must be so on a node, whatever was placed and released. */
static void check_node(const struct gpu *gpus, unsigned n)
{
	for (unsigned g = 0; g < n; g++) {
		const struct gpu *gpu = &gpus[g];

		for (unsigned i = 0; i < gpu->n_mps; i++) {
			const struct mps_share *share = &gpu->mps[i];
			struct mps_room room = mps_room_of(gpu, &share->place);
			unsigned c;
			const struct mig_instance *instance =
				mps_place_instance(gpu, &share->place, &c);

			CHECK(room.memory_bytes <= room.extent.memory_bytes);
			CHECK(room.compute <= room.compute_all || room.may_over_commit);
			CHECK(room.n_shares <= room.n_clients);
			CHECK(mps_share_find(gpu, share->number) == share);
			CHECK(share->percent >= mps_least_percent(gpu));
			CHECK(mps_place_is_gpu(&share->place) == !gpu->seen.mig_on);
			if (instance)
				CHECK(instance->ci[c].lease == 0 &&
					instance->origin != SHARE_FOREIGN);
			if (!instance && share->lease)
				CHECK(gpu->whole_lease == 0);
			for (unsigned k = 0; k < gpu->n_mps && share->lease; k++) {
				const struct mps_share *other = &gpu->mps[k];

				if (!other->lease || !mps_place_is(&other->place, &share->place))
					continue;
				CHECK(other->uid == share->uid || gpu->may_time_slice);
				if (share->must_hold && other->uid == share->uid)
					CHECK_EQ(other->memory_bytes, share->memory_bytes);
			}
		}
	}
}

static void keep_servers(struct gpu *gpu, const struct placement *p, uint32_t uid)
{
	for (unsigned i = 0; i < gpu->n_mps_servers && p->stops_server; i++) {
		struct mps_server *server = &gpu->mps_server[i];

		if (server->uid != p->stop_uid || !mps_place_is(&server->place, &p->mps.place))
			continue;
		for (unsigned k = 0; k < gpu->n_mps; k++)
			CHECK(!gpu->mps[k].lease || gpu->mps[k].uid != server->uid ||
				!mps_place_is(&gpu->mps[k].place, &server->place));
		*server = gpu->mps_server[--gpu->n_mps_servers];
		break;
	}
	if (!mps_server_find(gpu, &p->mps.place, uid))
		gpu->mps_server[gpu->n_mps_servers++] = (struct mps_server){
			.place = p->mps.place, .uid = uid, .state = MPS_READY
		};
}

static void carry_out(struct gpu *gpus, const struct placement *p, uint64_t lease, uint32_t uid)
{
	struct gpu *gpu = &gpus[p->gpu];
	struct mps_share *share;

	if (p->how == PLACE_CREATE) {
		for (uint32_t rest = p->evict; rest;) {
			unsigned i = 31 - (unsigned)__builtin_clz(rest);

			CHECK(!mps_is_on(gpu, &gpu->seen.instance[i], false));
			fixture_remove(gpu, i);
			rest &= ~(1u << i);
		}
		fixture_add(gpu, gpu->facts.geometry.profile[p->profile].name, p->start,
			SHARE_DYNAMIC, lease);
		return;
	}
	if (p->how == PLACE_CACHED) {
		const struct mig_instance *instance = &gpu->seen.instance[p->instance];

		CHECK(!mps_is_on_ci(gpu, instance, &instance->ci[p->ci], false));
		gpu->seen.instance[p->instance].ci[p->ci].lease = lease;
		return;
	}
	if (p->how == PLACE_WHOLE) {
		CHECK(gpu->n_mps == 0);
		gpu->whole_lease = lease;
		return;
	}
	CHECK(p->mps.uid == uid);
	share = (struct mps_share *)mps_share_find(gpu, p->mps.number);
	CHECK(!share == (p->mps.number == 0));
	if (!share) {
		share = &gpu->mps[gpu->n_mps];
		*share = p->mps;
		share->number = mps_number_free(gpu);
		gpu->n_mps++;
	}
	CHECK(share->lease == 0);
	share->lease = lease;
	share->uid = uid;
	share->must_hold = p->mps.must_hold;
	keep_servers(gpu, p, uid);
}

static void release(struct gpu *gpu, uint64_t *seed)
{
	unsigned i = fixture_below(seed, MPS_SHARES_MAX);

	if (i < gpu->n_mps && gpu->mps[i].lease) {
		gpu->mps[i].lease = 0;
		gpu->mps[i].must_hold = false;
		if (!gpu->mps[i].is_pinned)
			gpu->mps[i] = gpu->mps[--gpu->n_mps];
	}
	i = fixture_below(seed, MIG_INSTANCES_MAX);
	if (i < gpu->seen.n_instances)
		gpu->seen.instance[i].ci[0].lease = 0;
	if (fixture_below(seed, 4) == 0)
		gpu->whole_lease = 0;
	for (unsigned k = 0; k < gpu->n_mps_servers; k++) {
		struct mps_server *server = &gpu->mps_server[k];
		uint64_t memory;
		uint32_t percent;

		mps_limits_of(gpu, &server->place, server->uid, &memory, &percent);
		if (memory == 0 && fixture_below(seed, 3) == 0)
			*server = gpu->mps_server[--gpu->n_mps_servers];
		else
			server->state = (enum mps_state)fixture_below(seed, MPS_STOPPING + 1);
	}
}

static struct request random_request(uint64_t *seed)
{
	static const char *const profiles[] = { "3g.40gb", "1g.10gb", "2g.12gb", "7g.80gb" };
	struct request request = mps(1 + fixture_below(seed, 20), fixture_below(seed, 40),
		1000 + fixture_below(seed, 3));

	if (fixture_below(seed, 4) == 0)
		request.memory_bytes = request.compute_percent ? 0 : request.memory_bytes;
	if (fixture_below(seed, 3) == 0)
		request.isolation = ISOLATION_MEMORY;
	if (fixture_below(seed, 3) == 0) {
		request.mechanism = REQUEST_ANY_MECHANISM;
		request.tenants = (enum tenants)fixture_below(seed, 3);
	} else if (fixture_below(seed, 4) == 0) {
		text_copy(
			request.profile, sizeof(request.profile), profiles[fixture_below(seed, 4)]);
	}
	return request;
}

TEST(no_walk_over_placements_and_releases_oversubscribes_a_place_or_mixes_tenants)
{
	static const enum fixture products[] = { FIXTURE_H100_80, FIXTURE_A30, FIXTURE_L40S,
		FIXTURE_H100_80, FIXTURE_RTX_PRO_6000, FIXTURE_A100_40 };
	unsigned n_placed = 0, n_refused = 0, n_steps = 0;

	for (uint64_t walk = 1; walk <= 24; walk++) {
		AUTO_FREE struct gpu *gpus = fixture_gpus(ARRAY_SIZE(products), FIXTURE_L40S);
		uint64_t seed = walk;

		for (unsigned g = 0; g < ARRAY_SIZE(products); g++) {
			fixture_gpu(&gpus[g], g, products[g]);
			gpus[g].may_time_slice = walk % 4 == 1;
			gpus[g].mps_is_static = walk % 3 == 1;
			if (fixture_below(&seed, 2))
				fixture_mig_off(&gpus[g]);
			for (unsigned k = 0; k < 3 && !gpus[g].seen.mig_on; k++)
				fixture_add_mps(&gpus[g], NULL, 4, 15, 0)->over_commit =
					walk % 5 == 1;
		}
		if (gpus[0].seen.mig_on)
			fixture_add_cis(
				&gpus[0], "3g.40gb", 4, SHARE_PINNED, (unsigned[]){ 2, 1, 0 });
		for (uint64_t step = 1; step <= 600; step++, n_steps++) {
			struct request request = random_request(&seed);
			struct placement p;
			struct error err = ERROR_NONE;
			int r = place(gpus, ARRAY_SIZE(products), &request, 0, &p, &err);

			if (r == 0)
				carry_out(gpus, &p, step, request.uid);
			else
				CHECK(err.text[0]);
			n_placed += r == 0 && p.how == PLACE_MPS;
			n_refused += r != 0;
			if (r != 0 || fixture_below(&seed, 3) == 0)
				release(&gpus[fixture_below(&seed, ARRAY_SIZE(products))], &seed);
			if (step % 40 == 0)
				free(place_explain(gpus, ARRAY_SIZE(products), &request, 0));
			check_node(gpus, ARRAY_SIZE(products));
		}
	}
	/* The walk has seen both sides. */
	CHECK(n_placed > n_steps / 10 && n_refused > n_steps / 10);
}

TEST_MAIN()
