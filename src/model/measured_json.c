/* SPDX-License-Identifier: Apache-2.0 */
/* Figures as JSON: strictly read, since what is kept is cited later. */
#include "model/measured.h"

#include "base/error.h"
#include "base/text.h"

#include <errno.h>

/* No GPU does an item in less than a nanosecond. */
#define RATE_MAX 1e9
/* The last second of the year 9999. */
#define TIME_MAX 253402300799ULL

static int word_of(const json_t *json, const char *key, const char *const *words, unsigned n,
	struct error *err)
{
	const char *word = json_string_value(json_object_get(json, key));

	for (unsigned i = 0; i < n; i++)
		if (text_eq(words[i], word))
			return (int)i;
	return error_set(err, -EINVAL, "figure: %s '%.40s' is none that is known", key,
		word ? word : "(absent)");
}

static int number_of(
	const json_t *json, const char *key, uint64_t most, uint64_t *ret_value, struct error *err)
{
	const json_t *value = json_object_get(json, key);
	json_int_t number = json_integer_value(value);

	if (!json_is_integer(value) || number < 0 || (uint64_t)number > most)
		return error_set(err, -EINVAL, "figure: %s is not a whole number from 0 to %llu",
			key, (unsigned long long)most);
	*ret_value = (uint64_t)number;
	return 0;
}

/* A text that may be absent: the daemon's. */
static int text_of(
	const json_t *json, const char *key, char *ret_text, size_t size, struct error *err)
{
	const json_t *value = json_object_get(json, key);

	if (!value)
		return 0;
	if (!json_is_string(value) || text_copy(ret_text, size, json_string_value(value)) < 0)
		return error_set(
			err, -EINVAL, "figure: %s is no text, or longer than %zu", key, size - 1);
	return 0;
}

static int rate_from_json(const json_t *json, struct work_rate *ret_rate, struct error *err)
{
	struct work_rate rate = { .items_per_s =
					  json_number_value(json_object_get(json, "items_per_s")) };
	int r = number_of(json, "p50_ns", INT64_MAX, &rate.p50_ns, err);

	if (r == 0)
		r = number_of(json, "p99_ns", INT64_MAX, &rate.p99_ns, err);
	if (r < 0)
		return r;
	if (!(rate.items_per_s > 0 && rate.items_per_s < RATE_MAX) || rate.p50_ns == 0 ||
		rate.p99_ns < rate.p50_ns || json_object_size(json) != 3)
		return error_set(err, -EINVAL,
			"figure: a rate has items_per_s above 0, and p50_ns above 0 and not above "
			"p99_ns, and no more");
	*ret_rate = rate;
	return 0;
}

static int item_from_json(const json_t *json, struct work_item *ret_item, struct error *err)
{
	uint64_t blocks, rounds, bytes;
	int r = number_of(json, "blocks", UINT32_MAX, &blocks, err);

	if (r == 0)
		r = number_of(json, "rounds", UINT32_MAX, &rounds, err);
	if (r == 0)
		r = number_of(json, "bytes", INT64_MAX, &bytes, err);
	if (r < 0)
		return r;
	if (blocks == 0 || rounds == 0)
		return error_set(err, -EINVAL, "figure: an item has blocks and rounds above 0");
	*ret_item = (struct work_item){ (uint32_t)blocks, (uint32_t)rounds, bytes };
	return 0;
}

static int copies_from_json(const json_t *list, struct measured *measured, struct error *err)
{
	size_t n = json_array_size(list);

	if (n == 0 || n > MEASURED_COPIES_MAX)
		return error_set(
			err, -EINVAL, "figure: copies are a list of 1 to %d", MEASURED_COPIES_MAX);
	for (size_t i = 0; i < n; i++) {
		int r = rate_from_json(json_array_get(list, i), &measured->copy[i], err);

		if (r < 0)
			return r;
	}
	measured->n = (unsigned)n;
	return 0;
}

static int check_keys(const json_t *json, struct error *err)
{
	static const char *const keys[] = { "gpu", "product", "driver", "time", "way", "kind",
		"beside", "count", "percent", "profile", "item", "alone", "copies" };
	const char *key;
	json_t *value;

	if (!json_is_object(json))
		return error_set(err, -EINVAL, "a figure is an object");
	json_object_foreach((json_t *)json, key, value)
	{
		bool is_known = false;

		for (unsigned i = 0; i < ARRAY_SIZE(keys); i++)
			is_known |= text_eq(keys[i], key);
		if (!is_known)
			return error_set(err, -EINVAL, "figure: there is no key '%.40s'", key);
	}
	return 0;
}

/* Who was measured: way, kind, neighbours, share. */
static int share_from_json(const json_t *json, struct measured *measured, struct error *err)
{
	uint64_t count, percent;
	int way = word_of(json, "way", advice_option_names, ADVICE_OPTIONS_N, err);
	int kind = way < 0 ? way : word_of(json, "kind", work_kind_names, WORK_KINDS_N, err);
	int beside = kind < 0 ? kind : word_of(json, "beside", work_beside_names, BESIDE_N, err);
	int r = beside < 0 ? beside : number_of(json, "count", MEASURED_COPIES_MAX, &count, err);

	if (r == 0)
		r = number_of(json, "percent", 100, &percent, err);
	if (r == 0)
		r = text_of(json, "profile", measured->profile, sizeof(measured->profile), err);
	if (r < 0)
		return r;
	if (count == 0 || beside == kind)
		return error_set(err, -EINVAL,
			"figure: count is 1 or more, and beside is another kind, or alike or "
			"nobody");
	measured->option = (enum advice_option)way;
	measured->kind = (enum work_kind)kind;
	measured->beside = (enum work_beside)beside;
	measured->count = (unsigned)count;
	measured->percent = (unsigned)percent;
	return 0;
}

/* What of it contradicts the rest; NULL: nothing. */
static const char *why_not(const struct measured *measured)
{
	bool is_whole = measured->option == ADVICE_WHOLE, is_mig = measured->option == ADVICE_MIG;
	bool is_mps = measured->option == ADVICE_MPS;
	unsigned most = measured->beside == BESIDE_NOBODY ? 1 : measured->count - 1;

	if (!is_whole && !is_mig && !is_mps && measured->option != ADVICE_TIME)
		return "way is whole, time, mps or mig";
	if (is_mig != (*measured->profile != '\0'))
		return "an instance has a profile, and nothing else has";
	if ((is_mig || is_mps) != (measured->percent > 0))
		return "an instance and an MPS share have a percent above 0, and nothing else has";
	if (!is_mig && is_whole != (measured->count == 1))
		return "the count of the whole GPU is 1, that of turns and of MPS shares is above "
		       "1";
	if (measured->beside == BESIDE_ALIKE ? measured->n < 2 || measured->n != measured->count
					     : measured->n > most)
		return "there are as many copies as count beside alike, fewer beside another kind, "
		       "and one beside nobody";
	return NULL;
}

int measured_from_json(const json_t *json, struct measured *ret_measured, struct error *err)
{
	struct measured measured = { 0 };
	int r = check_keys(json, err);

	if (r == 0)
		r = share_from_json(json, &measured, err);
	if (r == 0)
		r = text_of(json, "gpu", measured.gpu, sizeof(measured.gpu), err);
	if (r == 0)
		r = text_of(json, "product", measured.product, sizeof(measured.product), err);
	if (r == 0)
		r = text_of(json, "driver", measured.driver, sizeof(measured.driver), err);
	if (r == 0 && json_object_get(json, "time"))
		r = number_of(json, "time", TIME_MAX, &measured.time_s, err);
	if (r == 0)
		r = item_from_json(json_object_get(json, "item"), &measured.item, err);
	if (r == 0)
		r = rate_from_json(json_object_get(json, "alone"), &measured.alone, err);
	if (r == 0)
		r = copies_from_json(json_object_get(json, "copies"), &measured, err);
	if (r == 0 && why_not(&measured))
		r = error_set(err, -EINVAL, "figure: %s", why_not(&measured));
	if (r < 0)
		return r;
	*ret_measured = measured;
	return 0;
}

static json_t *rate_to_json(const struct work_rate *rate)
{
	return json_pack("{s:f, s:I, s:I}", "items_per_s", rate->items_per_s, "p50_ns",
		(json_int_t)rate->p50_ns, "p99_ns", (json_int_t)rate->p99_ns);
}

json_t *measured_to_json(const struct measured *measured)
{
	json_t *copies = json_array();
	json_t *json = json_pack("{s:s, s:s, s:s, s:i, s:i, s:s, s:{s:I, s:I, s:I}, s:o, s:o}",
		"way", advice_option_names[measured->option], "kind",
		work_kind_names[measured->kind], "beside", work_beside_names[measured->beside],
		"count", (int)measured->count, "percent", (int)measured->percent, "profile",
		measured->profile, "item", "blocks", (json_int_t)measured->item.blocks, "rounds",
		(json_int_t)measured->item.rounds, "bytes", (json_int_t)measured->item.bytes,
		"alone", rate_to_json(&measured->alone), "copies", copies);

	for (unsigned i = 0; i < measured->n; i++)
		json_array_append_new(copies, rate_to_json(&measured->copy[i]));
	if (!*measured->gpu)
		return json;
	json_object_set_new(json, "gpu", json_string(measured->gpu));
	json_object_set_new(json, "product", json_string(measured->product));
	json_object_set_new(json, "driver", json_string(measured->driver));
	json_object_set_new(json, "time", json_integer((json_int_t)measured->time_s));
	return json;
}
