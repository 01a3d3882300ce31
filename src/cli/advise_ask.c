/* SPDX-License-Identifier: Apache-2.0 */
/* `carve advise` without a word on a terminal: five questions, each with an answer that Enter
 * gives. */
#include "cli/advise.h"

#include "base/error.h"
#include "base/text.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { TRIES = 3 };

static const struct question {
	const char *text;
	const char *answers; /* words, the first is what Enter means; NULL: free */
	const char *option;  /* that the answer is the value of; NULL: the answer is the option */
	const char *nothing; /* the answer that says no option */
} questions[] = {
	{ "For what: a process, a container or a vm", "process container vm", NULL, NULL },
	{ "How many of them", NULL, "count", "1" },
	{ "Memory of each, for example 10G", NULL, "memory", "any" },
	{ "What do they do", "any inference training interactive rendering hpc vdi", "workload",
		"any" },
	{ "Who shares the GPU: strangers, trusted users, or the same user",
		"strangers trusted same", "tenants", NULL },
	{ "Must answers come within a time, for example 20@p99", NULL, "latency", "no" },
};

/* One line without its end and blanks around it; false at the end of the input. */
static bool read_line(char *ret_line, int size)
{
	size_t n;
	char *start = ret_line;

	if (!fgets(ret_line, size, stdin))
		return false;
	while (isspace((unsigned char)*start))
		start++;
	n = strlen(start);
	memmove(ret_line, start, n + 1);
	while (n > 0 && isspace((unsigned char)ret_line[n - 1]))
		ret_line[--n] = '\0';
	return true;
}

static int take_answer(struct advice_need *need, const struct question *question,
	const char *answer, struct error *err)
{
	const char *option = question->option ?: answer;
	const char *value = question->option ? answer : NULL;
	int r;

	if (question->nothing && text_eq(answer, question->nothing))
		return 0;
	r = advice_need_option(need, option, value, err);
	if (r == REQUEST_E_UNKNOWN)
		r = request_option(&need->request, option, value, err);
	if (r == REQUEST_E_UNKNOWN)
		return error_set(err, -EINVAL, "'%s' is none of %s", answer, question->answers);
	return r;
}

/* What Enter means. */
static void default_of(const struct question *question, char *ret_text, size_t size)
{
	if (!question->answers) {
		text_copy(ret_text, size, question->nothing);
		return;
	}
	snprintf(ret_text, size, "%.*s", (int)strcspn(question->answers, " "), question->answers);
}

static int ask(struct advice_need *need, const struct question *question, struct error *err)
{
	char line[200], enter[32];
	int r = -EINVAL;

	default_of(question, enter, sizeof(enter));
	for (unsigned i = 0; i < TRIES && r < 0; i++) {
		struct error why = ERROR_NONE;

		printf("%s? [%s] ", question->text, enter);
		fflush(stdout);
		if (!read_line(line, sizeof(line))) {
			putchar('\n');
			return error_set(err, -ECANCELED,
				"nobody answers: say it with options, see 'carve advise --help'");
		}
		r = take_answer(need, question, *line ? line : enter, &why);
		if (r < 0)
			printf("  %s\n", why.text);
	}
	return r < 0 ? error_set(err, -EINVAL, "no answer that can be understood") : 0;
}

int advise_ask(struct advice_need *need, struct error *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(questions); i++) {
		int r = ask(need, &questions[i], err);

		if (r < 0)
			return r;
	}
	putchar('\n');
	return 0;
}
