/* SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"
#include "base/text.h"
#include "model/profile.h"
#include "model/request.h"
#include "test.h"

#include <errno.h>

#define REFUSES(name, value, part)                                                                 \
	do {                                                                                       \
		struct request request_;                                                           \
		struct error err_ = ERROR_NONE;                                                    \
		request_init(&request_);                                                           \
		struct request before_ = request_;                                                 \
		CHECK_EQ(request_option(&request_, name, value, &err_), -EINVAL);                  \
		CHECK_SAY(strstr(err_.text, part), "%s", err_.text);                               \
		CHECK(memcmp(&request_, &before_, sizeof(request_)) == 0);                         \
	} while (0)

static struct request from(const char *const *words, size_t n)
{
	struct request request;
	struct error err = ERROR_NONE;

	request_init(&request);
	for (size_t i = 0; i + 1 < n; i += 2) {
		int r = request_option(&request, words[i], words[i + 1], &err);

		CHECK_SAY(r == 0, "%s %s: %s", words[i], words[i + 1] ?: "", err.text);
	}
	return request;
}
#define REQUEST(...)                                                                               \
	from((const char *const[]){ __VA_ARGS__ },                                                 \
		ARRAY_SIZE(((const char *const[]){ __VA_ARGS__ })))

/* What a caller could tell apart: how it was said to wait is not in JSON. */
static bool is_same(const struct request *a, const struct request *b)
{
	struct request x = *a, y = *b;

	x.has_wait = y.has_wait = x.has_no_wait = y.has_no_wait = false;
	return memcmp(&x, &y, sizeof(x)) == 0;
}

TEST(requests_are_alike_that_the_same_shares_serve)
{
	struct request a = REQUEST("memory", "10G", "compute", "25"), b = a;

	CHECK(request_is_alike(&a, &b));
	b.priority = 5;
	b.wait_ns = 0;
	b.time_ns = 1;
	b.explain = true;
	CHECK(request_is_alike(&a, &b));
	b = a;
	b.memory_bytes++;
	CHECK(!request_is_alike(&a, &b));
	b = a;
	b.compute_percent = 26;
	CHECK(!request_is_alike(&a, &b));
	a = REQUEST("profile", "1g.10gb");
	b = REQUEST("profile", "1g.10gb", "gpu", "1");
	CHECK(!request_is_alike(&a, &b));
	b = a;
	b.is_vm = true;
	CHECK(!request_is_alike(&a, &b));
	b = REQUEST("profile", "1g.10gb+me");
	CHECK(!request_is_alike(&a, &b));
}

TEST(options_are_taken_as_people_write_them)
{
	struct request r = REQUEST("gpus", "2", "memory", "18GB", "compute", "25%", "mechanism",
		"mig", "isolation", "fault", "tenants", "same", "priority", "-7", "time", "4h",
		"wait", "90s", "explain", NULL, "gpu", "0000:65:00.0");

	CHECK_EQ(r.n_gpus, 2);
	CHECK(r.has_n_gpus && r.explain);
	CHECK_EQ(r.memory_bytes, 18000000000);
	CHECK_EQ(r.memory_label, 18);
	CHECK_EQ(r.compute_percent, 25);
	CHECK_EQ(r.mechanism, MECHANISM_MIG);
	CHECK_EQ(r.isolation, ISOLATION_FAULT);
	CHECK_EQ(r.tenants, TENANTS_SAME);
	CHECK_EQ(r.priority, -7);
	CHECK_EQ(r.time_ns, 4 * 3600 * 1000000000ULL);
	CHECK_EQ(r.wait_ns, 90 * 1000000000ULL);
	CHECK_TEXT(r.gpu, "0000:65:00.0");
	CHECK_TEXT(REQUEST("profile", "1C.3G.40GB").profile, "1c.3g.40gb");
	CHECK_TEXT(REQUEST("profile", "3c.3g.40gb").profile, "3g.40gb");
	CHECK_EQ(REQUEST("wait", NULL).wait_ns, REQUEST_WAIT_FOREVER);
	CHECK_EQ(REQUEST("no-wait", NULL).wait_ns, 0);
	CHECK_EQ(REQUEST("wait", "5", "mechanism", "auto").mechanism, REQUEST_ANY_MECHANISM);
}

TEST(only_a_whole_number_of_g_is_a_label)
{
	CHECK_EQ(REQUEST("memory", "18G").memory_label, 18);
	CHECK_EQ(REQUEST("memory", "18g").memory_label, 18);
	CHECK_EQ(REQUEST("memory", "18Gi").memory_label, 0);
	CHECK_EQ(REQUEST("memory", "18.5G").memory_label, 0);
	CHECK_EQ(REQUEST("memory", "18000M").memory_label, 0);
	CHECK_EQ(REQUEST("memory", "18000000000").memory_label, 0);
}

TEST(bad_values_are_refused_with_the_way_out)
{
	REFUSES("gpus", "0", "1 to 32");
	REFUSES("gpus", "two", "'two'");
	REFUSES("memory", "lots", "write 10G");
	REFUSES("memory", "0", "leave it out");
	REFUSES("memory", "9999999T", "no GPU has");
	REFUSES("memory", NULL, "SIZE");
	REFUSES("compute", "120%", "1% to 100%");
	REFUSES("compute", "%", "1% to 100%");
	REFUSES("compute", "2.5", "whole percentage");
	REFUSES("profile", "10gb", "for example 1g.10gb");
	REFUSES("mechanism", "sriov", "none of auto, mig");
	REFUSES("isolation", "hard", "none, memory, fault and security");
	REFUSES("tenants", "friends", "strangers, trusted and same");
	REFUSES("priority", "101", "-100 to 100");
	REFUSES("priority", "--1", "-100 to 100");
	REFUSES("time", "soon", "90s");
	REFUSES("time", "0", "90s");
	REFUSES("wait", "a while", "for ever");
	REFUSES("no-wait", "5", "takes no value");
	REFUSES("gpu", "GPU 0", "index, uuid or PCI");
	REFUSES("gpu", "\xff", "index, uuid or PCI");
}

TEST(types_of_vgpus_are_taken_as_the_driver_writes_them)
{
	static const char *const good[] = { "NVIDIA H200X-35C", "GRID A100X-4-20C", "h200x-35c",
		"NVIDIA RTX Pro 6000 Blackwell DC-1-2Q", "1425", "nvidia-558", "GRID P40-2B4" };
	static const char *const bad[] = { "H200X", "H200X-", "H200X-C", "35C", "H200X-35D",
		"H200X;-35C", "a type that is longer than any that the driver of a GPU has-35C" };
	struct request request;

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		request_init(&request);
		CHECK_EQ(request_option(&request, "profile", good[i], NULL), 0);
		CHECK_TEXT(request.profile, good[i]);
		CHECK_EQ(request_check(&request, NULL), -EINVAL);
		CHECK_EQ(request_option(&request, "mechanism", "vf", NULL), 0);
		CHECK(request.is_vm);
		CHECK_EQ(request_check(&request, NULL), 0);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		request_init(&request);
		CHECK_SAY(
			request_option(&request, "profile", bad[i], NULL) == -EINVAL, "%s", bad[i]);
	}
}

TEST(what_is_no_option_is_left_to_the_caller)
{
	struct request request;

	request_init(&request);
	CHECK_EQ(request_option(&request, "name", "x", NULL), REQUEST_E_UNKNOWN);
	CHECK_EQ(request_option(&request, "", NULL, NULL), REQUEST_E_UNKNOWN);
}

TEST(profiles_are_written_as_nvidia_does)
{
	static const char *const good[] = { "1g.5gb", "7g.141gb", "1g.10gb+me", "1g.24gb+me.all",
		"1g.24gb-me", "2g.48gb+gfx", "1g.24gb+me,gfx", "1c.7g.80gb", "1c.2g.24gb+me" };
	static const char *const bad[] = { "", "1g", "g.10gb", "9g.10gb", "0g.10gb", "1g.gb",
		"1g.10g", "1g.10gb+", "1g.10gb+you", "1g.10gb+me,", "1g.10gb-gfx", "1g.10gb ",
		"4c.3g.40gb", "0c.3g.40gb", "1c3g.40gb", "1g.100000gb", "1g.10gb+me+me",
		"1g.10gb+me,me,me,me,me,me,me,me,me,me,me,me" };
	struct profile_name name;

	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		CHECK_SAY(profile_name_parse(good[i], &name) == 0, "%s", good[i]);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		CHECK_SAY(profile_name_parse(bad[i], &name) < 0, "%s", bad[i]);
	CHECK_EQ(profile_name_parse("1c.3g.40gb", &name), 0);
	CHECK_EQ(name.ci_slices, 1);
	CHECK_TEXT(name.gi, "3g.40gb");
	CHECK_EQ(profile_name_parse("2c.2g.20gb", &name), 0);
	CHECK_EQ(name.ci_slices, 0);
}

TEST(what_cannot_be_meant_together_is_refused)
{
	static const struct {
		const char *words[6];
		const char *says;
	} cases[] = {
		{ { "profile", "1g.10gb", "memory", "10G" },
			"either the profile (1g.10gb) or memory" },
		{ { "profile", "1g.10gb", "compute", "10" },
			"either the profile (1g.10gb) or compute" },
		{ { "wait", NULL, "no-wait", NULL }, "exclude each other" },
		{ { "profile", "1g.10gb", "mechanism", "whole" }, "leave one of them out" },
		{ { "mechanism", "time", "memory", "10G" }, "comes with a later version" },
		{ { "mechanism", "mps" }, "an MPS share has a size: write --memory or --compute" },
		{ { "mechanism", "mps", "profile", "3g.40gb" }, "an MPS share has a size" },
		{ { "mechanism", "mps", "memory", "8" }, "an MPS share has 1Mi of memory or more" },
		{ { "mechanism", "mps", "memory", "8G", "gpus", "2" },
			"2 MPS shares cannot be one lease" },
		{ { "mechanism", "mps", "memory", "8G", "isolation", "fault" },
			"mechanism mps and isolation fault contradict each other" },
		{ { "mechanism", "mps", "compute", "8", "isolation", "security" },
			"take mechanism mig or whole" },
		{ { "gpu", "0", "gpus", "2" }, "GPU 0 is one GPU, 2 were asked for" },
		{ { "vm", NULL, "mechanism", "mig" }, "not a share by mig" },
		{ { "mechanism", "whole", "vm", NULL }, "not a share by whole" },
		{ { "vm", NULL, "mechanism", "time" }, "not a share by time" },
		{ { "vm", NULL, "gpus", "2" }, "take 2 leases" },
		{ { "vm", NULL, "memory", "35G", "compute", "20" }, "leave compute out" },
		{ { "mechanism", "vf", "profile", "1g.10gb" }, "1g.10gb is a MIG profile" },
		{ { "vm", NULL, "profile", "H200X-35C", "memory", "35G" },
			"either the profile (H200X-35C) or memory" },
		{ { "profile", "NVIDIA H200X-35C", "no-wait", NULL },
			"a type of vGPU is for a virtual machine" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct error err = ERROR_NONE;
		struct request r = from(cases[i].words, cases[i].words[4]   ? 6
							: cases[i].words[2] ? 4
									    : 2);

		CHECK_EQ(request_check(&r, &err), -EINVAL);
		CHECK_SAY(strstr(err.text, cases[i].says), "%s", err.text);
	}
	struct request fine = REQUEST("gpus", "2", "memory", "10G", "mechanism", "whole");
	CHECK_EQ(request_check(&fine, NULL), 0);
	fine = REQUEST("profile", "3g.40gb", "memory", "10G", "mechanism", "mps");
	CHECK_EQ(request_check(&fine, NULL), 0);
	fine = REQUEST("compute", "30%", "mechanism", "mps", "isolation", "memory");
	CHECK_EQ(request_check(&fine, NULL), 0);
}

TEST(mps_may_serve_who_asks_for_it_and_sizes_among_friends)
{
	static const struct {
		const char *words[8];
		bool may;
	} cases[] = {
		{ { "mechanism", "mps", "memory", "8G" }, true },
		{ { "memory", "8G", "tenants", "same" }, true },
		{ { "compute", "8", "tenants", "trusted", "isolation", "memory" }, true },
		{ { "memory", "8G" }, false },
		{ { "tenants", "same" }, false },
		{ { "memory", "8G", "tenants", "same", "isolation", "fault" }, false },
		{ { "memory", "8G", "tenants", "same", "gpus", "2" }, false },
		{ { "profile", "1g.10gb", "tenants", "same" }, false },
		{ { "memory", "8G", "tenants", "same", "mechanism", "mig" }, false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		size_t n = 0;

		while (n < 8 && cases[i].words[n])
			n++;
		struct request a = from(cases[i].words, n), b = a;

		CHECK_SAY(request_may_mps(&a) == cases[i].may, "case %zu", i);
		b.uid = 1000;
		CHECK_SAY(request_is_alike(&a, &b) == !cases[i].may, "case %zu", i);
	}
}

TEST(a_request_is_said_in_a_few_words)
{
	static const struct {
		const char *words[8];
		const char *text;
	} cases[] = {
		{ { "profile", "1g.10gb" }, "1g.10gb" },
		{ { "memory", "10G", "compute", "25" }, "10G and 25 % of a GPU" },
		{ { "memory", "9.5Gi" }, "9.5Gi" },
		{ { "compute", "100%" }, "100 % of a GPU" },
		{ { NULL }, "a whole GPU" },
		{ { "gpus", "2" }, "2 whole GPUs" },
		{ { "mechanism", "mig" }, "a whole GPU by mig" },
		{ { "gpus", "2", "memory", "10G" }, "2 times 10G" },
		{ { "mechanism", "whole", "memory", "80G" }, "a whole GPU with at least 80G" },
		{ { "gpu", "3" }, "a whole GPU on GPU 3" },
		{ { "mechanism", "mps", "memory", "8G", "compute", "30" },
			"8G and 30 % of a GPU by mps" },
		{ { "mechanism", "mps", "memory", "8G", "profile", "3g.40gb" },
			"8G by mps within 3g.40gb" },
		{ { "mechanism", "vf", "profile", "NVIDIA H200X-35C" },
			"NVIDIA H200X-35C for a virtual machine" },
		{ { "mechanism", "vf" }, "a virtual function for a virtual machine" },
		{ { "memory", "35G", "mechanism", "vf", "gpu", "1" },
			"35G for a virtual machine on GPU 1" },
	};
	char text[REQUEST_TEXT_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		size_t n = 0;

		while (n < 8 && cases[i].words[n])
			n++;
		struct request r = from(cases[i].words, n);

		CHECK_TEXT(request_text(&r, text), cases[i].text);
	}
}

TEST(the_choices_shown_are_the_choices_taken)
{
	for (unsigned i = 0; i < request_options_n; i++) {
		const struct request_option_row *row = &request_options[i];
		char words[80], *save = NULL;

		CHECK(row->help[0]);
		if (!row->choices)
			continue;
		text_copy(words, sizeof(words), row->choices);
		for (char *w = strtok_r(words, " ", &save); w; w = strtok_r(NULL, " ", &save)) {
			struct request r;

			request_init(&r);
			r.memory_bytes = text_eq(w, "mps") ? 1 << 20 : 0; /* which has a size */
			CHECK_SAY(request_option(&r, row->name, w, NULL) == 0 &&
					  request_check(&r, NULL) == 0,
				"%s=%s", row->name, w);
		}
	}
}

static const char *pick(const char *const *words, size_t n)
{
	return words[(size_t)rand() % n];
}
#define PICK(...)                                                                                  \
	pick((const char *const[]){ __VA_ARGS__ },                                                 \
		ARRAY_SIZE(((const char *const[]){ __VA_ARGS__ })))

TEST(every_request_comes_back_from_json_as_it_was)
{
	srand(3);
	for (int round = 0; round < 20000; round++) {
		struct request r, back;
		struct error err = ERROR_NONE;
		char number[32];
		json_t *json;

		request_init(&r);
		if (rand() % 2)
			request_option(&r, "gpus", PICK("1", "2", "32"), NULL);
		if (rand() % 4 == 0) {
			request_option(
				&r, "profile", PICK("1g.10gb", "1c.3g.40gb", "1g.24gb-me"), NULL);
		} else {
			if (rand() % 2)
				request_option(&r, "memory",
					PICK("18G", "18Gi", "9.75Gi", "1", "700000T", "512M"),
					NULL);
			if (rand() % 2)
				request_option(&r, "compute", PICK("1", "25%", "100"), NULL);
		}
		if (rand() % 2)
			request_option(&r, "isolation", PICK("none", "memory", "security"), NULL);
		if (rand() % 2)
			request_option(&r, "tenants", PICK("strangers", "trusted", "same"), NULL);
		if (rand() % 2)
			request_option(&r, "priority", PICK("-100", "0", "5"), NULL);
		if (rand() % 2)
			request_option(&r, "mechanism", PICK("auto", "mig"), NULL);
		if (rand() % 2) {
			snprintf(number, sizeof(number), "%dms", 1 + rand());
			request_option(&r, "time", number, NULL);
		}
		if (rand() % 2) {
			snprintf(number, sizeof(number), "%d%s", rand() % 3000,
				PICK("ms", "s", "h", "d"));
			request_option(&r, "wait", PICK(number, NULL, "0"), NULL);
		}
		if (rand() % 2)
			request_option(&r, "explain", NULL, NULL);
		if (rand() % 4 == 0 && r.n_gpus == 1)
			request_option(&r, "gpu", PICK("0", "GPU-12345678", "65:00.0"), NULL);

		/* By way of text, as it goes over the socket. */
		json = request_to_json(&r);
		char *text = json_dumps(json, 0);
		json_decref(json);
		json = json_loads(text, 0, NULL);
		CHECK_SAY(request_from_json(json, &back, &err) == 0, "%s: %s", text, err.text);
		CHECK_SAY(is_same(&r, &back), "%s", text);
		json_decref(json);
		free(text);
	}
}

TEST(json_is_as_strict_as_the_command_line)
{
	static const struct {
		const char *json, *says;
	} cases[] = {
		{ "[]", "must be an object" },
		{ "{\"memroy\":\"10G\"}", "did you mean 'memory'?" },
		{ "{\"colour\":1}", "it has gpus, memory" },
		{ "{\"no-wait\":true}", "\"wait\": 0" },
		{ "{\"memory\":true}", "memory: must be a number of bytes" },
		{ "{\"memory\":1.5}", "memory: must be" },
		{ "{\"memory\":-5}", "memory: '-5'" },
		{ "{\"memory\":\"10G\\u0000x\"}", "memory: must be" },
		{ "{\"gpus\":\"2\"}", "gpus: must be a whole number" },
		{ "{\"gpus\":0}", "gpus: '0'" },
		{ "{\"gpus\":1e300}", "gpus: must be" },
		{ "{\"profile\":null}", "profile: must be a text" },
		{ "{\"compute\":101}", "compute: '101'" },
		{ "{\"time\":\"4h\"}", "time: must be a number of seconds" },
		{ "{\"time\":-1}", "time: must be a number of seconds" },
		{ "{\"time\":0}", "more than 0" },
		{ "{\"wait\":1e300}", "wait: must be a number of seconds" },
		{ "{\"explain\":1}", "explain: must be true or false" },
		{ "{\"vm\":1}", "vm: must be true or false" },
		{ "{\"vm\":true,\"mechanism\":\"mps\"}", "not a share by mps" },
		{ "{\"gpu\":-1}", "gpu: must be" },
		{ "{\"profile\":\"1g.10gb\",\"memory\":1}", "either the profile" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct request r = { .n_gpus = 77 };
		struct error err = ERROR_NONE;
		json_t *json = json_loads(cases[i].json, JSON_ALLOW_NUL, NULL);

		CHECK_SAY(request_from_json(json, &r, &err) == -EINVAL, "%s", cases[i].json);
		CHECK_SAY(strstr(err.text, cases[i].says), "%s: %s", cases[i].json, err.text);
		CHECK_EQ(r.n_gpus, 77);
		json_decref(json);
	}
}

TEST(json_takes_numbers_where_they_are_natural)
{
	json_t *json = json_loads(
		"{\"gpus\":1,\"memory\":18000000000,\"compute\":25.0,\"gpu\":3,"
		"\"time\":1.5,\"wait\":null,\"priority\":-1,\"explain\":false,\"vm\":false}",
		0, NULL);
	struct request r;

	CHECK_EQ(request_from_json(json, &r, NULL), 0);
	CHECK_EQ(r.memory_bytes, 18000000000);
	CHECK_EQ(r.memory_label, 0);
	CHECK_EQ(r.compute_percent, 25);
	CHECK_TEXT(r.gpu, "3");
	CHECK_EQ(r.time_ns, 1500000000);
	CHECK_EQ(r.wait_ns, REQUEST_WAIT_FOREVER);
	CHECK(!r.explain);
	json_decref(json);
}

TEST_MAIN()
