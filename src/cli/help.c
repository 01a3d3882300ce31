/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/help.h"

#include "base/error.h"
#include "base/text.h"
#include "cli/verb.h"

#include <stdio.h>

enum { HELP_WIDTH = 98, OPTION_COLUMN = 24 };

/* Prints words, breaking lines so that each begins at `column` and none is too long. */
static void print_wrapped(const char *text, int column)
{
	int at = column;

	while (*text) {
		int n = (int)strcspn(text, " ");

		if (at > column && at + 1 + n > HELP_WIDTH) {
			printf("\n%*s", column, "");
			at = column;
		} else if (at > column) {
			putchar(' ');
			at++;
		}
		printf("%.*s", n, text);
		at += n;
		text += n;
		text += strspn(text, " ");
	}
	putchar('\n');
}

static void print_option(const struct request_option_row *row)
{
	char left[80];
	int n;

	if (row->argument && row->argument[0] == '[')
		n = snprintf(left, sizeof(left), "  --%s%s", row->name, row->argument);
	else
		n = snprintf(left, sizeof(left), "  --%s%s%s", row->name, row->argument ? " " : "",
			row->argument ?: "");
	if (n < OPTION_COLUMN)
		printf("%-*s", OPTION_COLUMN, left);
	else
		printf("%s\n%*s", left, OPTION_COLUMN, "");
	print_wrapped(row->help, OPTION_COLUMN);
}

void help_overview(void)
{
	printf("carve shares this machine's GPUs: each gets its part, and no more than that.\n\n"
	       "usage: carve VERB [OPTIONS] [ARGUMENTS]\n\n");
	for (unsigned i = 0; i < verbs_n; i++)
		printf("  %-11s %s\n", verbs[i].name, verbs[i].summary);
	printf("\n'carve VERB --help' says more; 'carve list' shows what there is.\n");
}

void help_verb(const struct verb *verb)
{
	const struct request_option_row *row;

	printf("carve %s: %s\n\nusage: carve %s%s%s\n\n%s", verb->name, verb->summary, verb->name,
		*verb->synopsis ? " " : "", verb->synopsis, verb->text);
	printf("\noptions:\n");
	for (unsigned i = 0; (row = verb_option(verb, i)); i++) {
		if (row == request_options)
			printf("\nthe request:\n");
		print_option(row);
	}
	if (verb->examples)
		printf("\nexamples:\n%s", verb->examples);
}

int verb_help(struct invocation *invocation, struct error *err)
{
	const struct verb *verb;

	if (invocation->n_args == 0) {
		help_overview();
		return EXIT_DONE;
	}
	verb = verb_find(invocation->args[0]);
	if (!verb) {
		error_set(
			err, -1, "'%s' is no verb of carve: see 'carve help'", invocation->args[0]);
		return EXIT_USAGE;
	}
	help_verb(verb);
	return EXIT_DONE;
}

int verb_version(struct invocation *invocation, struct error *err)
{
	printf("carve %s\n", CARVE_VERSION);
	return EXIT_DONE;
}
