/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The frame of a unit test: each test is a function whose name is a claim.
 *
 *	TEST(sizes_are_read_back_as_written) { ... CHECK(a == b); ... }
 *	TEST_MAIN()
 *
 * The program prints one line per test ("ok NAME", "not ok NAME", "skip NAME: reason") and exits 1
 * if any failed. A name given as an argument runs that test only.
 */

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct test {
	const char *name;
	void (*run)(void);
	struct test *next;
};

static struct test *test_first, **test_last = &test_first;
static unsigned test_failures;
static char test_skip_reason[640];

#define TEST(claim)                                                                                \
	static void claim(void);                                                                   \
	static struct test test_##claim = { #claim, claim, NULL };                                 \
	__attribute__((constructor)) static void test_register_##claim(void)                       \
	{                                                                                          \
		*test_last = &test_##claim;                                                        \
		test_last = &test_##claim.next;                                                    \
	}                                                                                          \
	static void claim(void)

#define CHECK(condition) CHECK_SAY(condition, "%s", "")
#define CHECK_SAY(condition, ...)                                                                  \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "%s:%d: not so: %s ", __FILE__, __LINE__, #condition);     \
			fprintf(stderr, __VA_ARGS__);                                              \
			fputc('\n', stderr);                                                       \
			test_failures++;                                                           \
		}                                                                                  \
	} while (0)
#define CHECK_TEXT(got, wanted)                                                                    \
	do {                                                                                       \
		const char *got_ = (got), *wanted_ = (wanted);                                     \
		CHECK_SAY(got_ &&strcmp(got_, wanted_) == 0, "got \"%s\", wanted \"%s\"",          \
			got_ ? got_ : "(null)", wanted_);                                          \
	} while (0)
#define CHECK_EQ(got, wanted)                                                                      \
	do {                                                                                       \
		long long got_ = (long long)(got), wanted_ = (long long)(wanted);                  \
		CHECK_SAY(got_ == wanted_, "got %lld, wanted %lld", got_, wanted_);                \
	} while (0)
/* Leaves the test as skipped; the reason is printed and counted by the runner. */
#define SKIP(...)                                                                                  \
	do {                                                                                       \
		snprintf(test_skip_reason, sizeof(test_skip_reason), __VA_ARGS__);                 \
		return;                                                                            \
	} while (0)

#define TEST_MAIN()                                                                                \
	int main(int argc, char **argv)                                                            \
	{                                                                                          \
		unsigned failed = 0;                                                               \
		for (struct test *t = test_first; t; t = t->next) {                                \
			if (argc > 1 && strcmp(argv[1], t->name) != 0)                             \
				continue;                                                          \
			test_failures = 0;                                                         \
			test_skip_reason[0] = '\0';                                                \
			t->run();                                                                  \
			if (test_failures)                                                         \
				printf("not ok %s\n", t->name);                                    \
			else if (test_skip_reason[0])                                              \
				printf("skip %s: %s\n", t->name, test_skip_reason);                \
			else                                                                       \
				printf("ok %s\n", t->name);                                        \
			fflush(stdout);                                                            \
			failed += test_failures > 0;                                               \
		}                                                                                  \
		return failed > 0;                                                                 \
	}
