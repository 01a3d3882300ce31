/* SPDX-License-Identifier: Apache-2.0 */
/* The answers in words: needs, shares, speeds, and who is on a GPU. */
#include "model/advice_part.h"

#include "base/size.h"
#include "base/text.h"

#include <inttypes.h>
#include <stdio.h>

/* Memory as profiles have it: "19.6Gi". */
static const char *memory_say(uint64_t bytes, char ret_text[SIZE_TEXT_MAX])
{
	double gib = (double)bytes / (1 << 30);

	snprintf(ret_text, SIZE_TEXT_MAX, gib < 10 ? "%.1fGi" : "%.0fGi", gib);
	return ret_text;
}

static void add_where(
	const struct advice_item *item, const struct advice_gpu *gpu, struct buf *text)
{
	char where[ADVICE_GPU_TEXT_MAX];

	if (item->share.start >= 0)
		buf_addf(text, " at slot %d", item->share.start);
	buf_addf(text, " of %s", advice_gpu_text(gpu, where));
}

static void add_size(const struct advice_item *item, struct buf *text)
{
	const struct advice_share *share = &item->share;
	char size[SIZE_TEXT_MAX];

	if (share->memory_bytes)
		buf_addf(text, "%s of memory", memory_say(share->memory_bytes, size));
	else
		buf_add(text, "as much memory as the driver gives");
	if (share->percent)
		buf_addf(text, ", %u %% of the compute", share->percent);
	else
		buf_add(text, ", the compute by turns");
	if (share->sm && item->option != ADVICE_MPS && item->option != ADVICE_MPS_IN_MIG)
		buf_addf(text, " (%" PRIu32 " SMs)", share->sm);
}

char *advice_share_text(const struct advice_item *item, const struct advice_gpu *gpus)
{
	const struct advice_share *share = &item->share;
	const struct advice_gpu *gpu = &gpus[item->gpu];
	AUTO_BUF text = { 0 };

	switch (item->option) {
	case ADVICE_MIG:
		buf_add(&text, share->profile);
		break;
	case ADVICE_MPS:
		buf_add(&text, "an MPS share");
		break;
	case ADVICE_MPS_IN_MIG:
		buf_addf(&text, "an MPS share in a %s", share->profile);
		break;
	case ADVICE_VF:
	case ADVICE_VF_ON_MIG:
		buf_addf(&text, "%s%sa VF", share->profile, *share->profile ? ", " : "");
		break;
	default:
		buf_add(&text, "all");
	}
	add_where(item, gpu, &text);
	buf_add(&text, ": ");
	add_size(item, &text);
	return buf_take(&text);
}

static void add_factor(struct buf *text, unsigned hundredths)
{
	if (hundredths % 100 == 0)
		buf_addf(text, "%u", hundredths / 100);
	else
		buf_addf(text, "%.1f", hundredths / 100.0);
}

char *advice_estimate_text(const struct advice_estimate *estimate)
{
	const struct advice_span *throughput = &estimate->throughput;
	const struct advice_span *latency = &estimate->latency;
	AUTO_BUF text = { 0 };

	if (throughput->low == throughput->high)
		buf_addf(&text, "%u %%", throughput->low);
	else
		buf_addf(&text, "%u-%u %%", throughput->low, throughput->high);
	buf_add(&text, " of a whole GPU, ");
	buf_add(&text, estimate->is_mean ? "mean latency x" : "tail latency x");
	add_factor(&text, latency->low);
	if (!latency->high)
		buf_add(&text, " and more, without a bound");
	else if (latency->high != latency->low) {
		buf_add(&text, "-");
		add_factor(&text, latency->high);
	}
	return buf_take(&text);
}

/* ---- who is on a GPU ---- */

struct users {
	struct buf *text;
	unsigned n;
};

static void add_lease(struct users *users, uint64_t lease)
{
	if (!lease)
		return;
	if (users->text)
		buf_addf(users->text, "%sL%" PRIu64, users->n ? ", " : "", lease);
	users->n++;
}

static void walk_users(const struct gpu *gpu, struct users *users)
{
	const struct gpu_seen *seen = &gpu->seen;

	add_lease(users, gpu->whole_lease);
	for (uint32_t i = 0; i < seen->n_instances; i++)
		for (uint32_t c = 0; c < seen->instance[i].n_ci; c++)
			add_lease(users, seen->instance[i].ci[c].lease);
	for (uint32_t i = 0; i < gpu->n_mps; i++)
		add_lease(users, gpu->mps[i].lease);
	for (uint32_t i = 0; i < seen->vfs.n; i++)
		add_lease(users, seen->vfs.vf[i].lease);
	for (uint32_t i = 0; i < seen->n_processes; i++, users->n++)
		if (users->text)
			buf_addf(users->text, "%sprocess %d", users->n ? ", " : "",
				seen->process[i].pid);
}

bool advice_has_users(const struct gpu *gpu)
{
	struct users users = { NULL, 0 };

	walk_users(gpu, &users);
	return users.n > 0;
}

void advice_say_users(const struct gpu *gpu, struct buf *text)
{
	struct users users = { text, 0 };

	walk_users(gpu, &users);
}
