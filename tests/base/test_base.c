/* SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"
#include "base/list.h"
#include "base/size.h"
#include "base/spawn.h"
#include "base/text.h"
#include "test.h"

#include <errno.h>
#include <unistd.h>

TEST(sizes_are_understood_in_both_families)
{
	static const struct {
		const char *text;
		uint64_t bytes;
	} cases[] = {
		{ "0", 0 },
		{ "18G", 18000000000 },
		{ "18gb", 18000000000 },
		{ "18Gi", 18ULL << 30 },
		{ "9.5Gi", 19ULL << 29 },
		{ "512MiB", 512ULL << 20 },
		{ "1.5k", 1500 },
		{ "2T", 2000000000000 },
	};
	uint64_t v;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		CHECK_EQ(parse_size(cases[i].text, &v), 0);
		CHECK_EQ(v, cases[i].bytes);
	}
}

TEST(what_is_no_size_is_refused_and_the_output_untouched)
{
	static const char *const bad[] = { "", "G", "-1", "1X", "1GG", "1 G", "1.G", "0x10", "1.5",
		"1.2345678G", "99999999999999999999", "99999999999T" };

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		uint64_t v = 77;

		CHECK_SAY(parse_size(bad[i], &v) < 0, "'%s'", bad[i]);
		CHECK_EQ(v, 77);
	}
}

TEST(sizes_are_read_back_as_written)
{
	char text[SIZE_TEXT_MAX];
	uint64_t back;

	for (uint64_t bytes = 1; bytes < 1ULL << 45; bytes = bytes * 5 + 3) {
		uint64_t whole = bytes >> 20 << 20;

		if (whole == 0)
			continue;
		CHECK_EQ(parse_size(size_text(whole, text), &back), 0);
		CHECK_SAY(back / (double)whole > 0.999 && back / (double)whole < 1.001, "%s", text);
	}
	CHECK_TEXT(size_text(9984ULL << 20, text), "9.75Gi");
	CHECK_TEXT(size_text(18000000000ULL, text), "18G");
	CHECK_TEXT(size_text(65536, text), "64Ki");
	CHECK_TEXT(size_text(262144, text), "256Ki");
	CHECK_TEXT(size_text(2000, text), "2K");
	CHECK_TEXT(size_text(500, text), "500");
}

TEST(durations_have_units)
{
	uint64_t ns = 0;

	CHECK_EQ(parse_duration("4h", &ns), 0);
	CHECK_EQ(ns, 4 * 3600 * 1000000000ULL);
	CHECK_EQ(parse_duration("90", &ns), 0);
	CHECK_EQ(ns, 90 * 1000000000ULL);
	CHECK_EQ(parse_duration("4 h", &ns), -EINVAL);
	CHECK_EQ(parse_duration("h", &ns), -EINVAL);
	CHECK_EQ(parse_duration("99999999999999d", &ns), -ERANGE);
}

TEST(an_error_keeps_the_inner_sentence_behind_its_prefix)
{
	struct error err = ERROR_NONE;

	CHECK_EQ(error_set(&err, -ENODEV, "no GPU %d", 7), -ENODEV);
	CHECK_EQ(error_prefix(&err, -EINVAL, "layout %s", "day"), -EINVAL);
	CHECK_TEXT(err.text, "layout day: no GPU 7");
	CHECK_EQ(err.code, -EINVAL);
}

TEST(patterns_match_whole_texts)
{
	CHECK(text_matches("NVIDIA H100 80GB HBM3", "*h100*"));
	CHECK(text_matches("abc", "a?c"));
	CHECK(!text_matches("abcd", "a?c"));
	CHECK(text_matches("", "*"));
	CHECK(text_matches("aXbXc", "a*X*c"));
}

TEST(a_mistyped_word_is_near_its_original)
{
	CHECK_EQ(text_distance("relaese", "release"), 2);
	CHECK_EQ(text_distance("list", "list"), 0);
	CHECK_EQ(text_distance("", "run"), 3);
}

TEST(the_word_that_was_meant_is_found_unless_nothing_is_near)
{
	static const char *const words[] = { "memory", "compute", "profile" };

	CHECK_TEXT(text_nearest("memroy", words, ARRAY_SIZE(words)), "memory");
	CHECK_TEXT(text_nearest("profiles", words, ARRAY_SIZE(words)), "profile");
	CHECK(!text_nearest("colour", words, ARRAY_SIZE(words)));
	CHECK(!text_nearest("", words, ARRAY_SIZE(words)));
	CHECK(!text_nearest("x", words, 0));
}

TEST(an_error_is_one_clean_line_whatever_it_quotes)
{
	struct error err = ERROR_NONE;
	char text[] = "a\xc3\xa9\xff\xe2\x82";

	error_set(&err, -EINVAL, "bad\n\x1b[31mword\xc2\x9b \xed\xa0\x80");
	CHECK_TEXT(err.text, "bad  [31mword   ???");
	text_clean(text);
	CHECK_TEXT(text, "a\xc3\xa9?");
	CHECK_EQ(text_utf8_prefix("a\xc3\xa9\0b", 5), 5);
	CHECK_EQ(text_utf8_prefix("a\xc3\xa9", 2), 1);
	CHECK_EQ(text_utf8_prefix("\xf4\x90\x80\x80", 4), 0);
}

TEST(a_program_is_run_with_its_output_and_status)
{
	AUTO_BUF out = { 0 };
	struct error err = ERROR_NONE;

	CHECK_EQ(spawn_wait((const char *const[]){ "sh", "-c", "echo hello; exit 3", NULL },
			 10000000000, &out, &err),
		3);
	CHECK_TEXT(buf_text(&out), "hello\n");
	CHECK(spawn_wait((const char *const[]){ "/nowhere/x", NULL }, 1000000000, NULL, &err) < 0);
	CHECK(err.text[0]);
}

TEST(a_program_that_hangs_is_ended_at_its_deadline)
{
	struct error err = ERROR_NONE;

	CHECK_EQ(spawn_wait((const char *const[]){ "sleep", "100", NULL }, 50000000, NULL, &err),
		-ETIMEDOUT);
}

TEST(a_program_reads_its_input_and_a_daemon_gets_nothing_of_ours)
{
	AUTO_BUF out = { 0 };
	const char *const cat[] = { "cat", NULL };
	/* what it leaves behind has the pipe of its output open, and must not be waited for */
	const char *const daemon[] = { "sh", "-c",
		"sleep 100 & echo $! $(ls /proc/$!/fd | tail -1) $NAME; kill -s KILL $!; sleep 0.1 "
		"&",
		NULL };
	const char *const environment[] = { "PATH=/usr/bin:/bin", "NAME=it", NULL };
	int fd = dup(STDERR_FILENO);
	int pid, highest;

	CHECK_EQ(spawn_run(&(struct spawn){ .argv = cat, .input = "one\ntwo\n" }, 10000000000, &out,
			 NULL),
		0);
	CHECK_TEXT(buf_text(&out), "one\ntwo\n");
	buf_clear(&out);
	CHECK_EQ(spawn_run(
			 &(struct spawn){
				 .argv = daemon, .environment = environment, .is_daemon = true },
			 10000000000, &out, NULL),
		0);
	CHECK_EQ(sscanf(buf_text(&out), "%d %d it", &pid, &highest), 2);
	CHECK_EQ(highest, STDERR_FILENO);
	close(fd);
}

TEST(lists_and_arrays_keep_their_order)
{
	struct item {
		int value;
		struct list link;
	} items[5], *item;
	struct list list = LIST_INIT(list);
	VEC(int) numbers = { 0 };
	int expected = 0;

	for (int i = 0; i < 5; i++) {
		items[i].value = i;
		list_add_tail(&list, &items[i].link);
		*vec_add(&numbers) = i;
	}
	list_for_each (item, &list, link)
		CHECK_EQ(item->value, expected++);
	CHECK_EQ(expected, 5);
	list_remove(&items[0].link);
	CHECK_EQ(container_of(list.next, struct item, link)->value, 1);
	CHECK_EQ(numbers.n, 5);
	CHECK_EQ(numbers.at[4], 4);
	vec_done(&numbers);
}

TEST_MAIN()
