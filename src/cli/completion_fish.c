/* SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"
#include "cli/completion.h"

#include <stdio.h>

/* What ends a string in single quotes. */
#define SPECIAL "\\"
#define QUOTE	"\\'"

static const char begin[] =
	"# fish completion for carve; printed by 'carve completion fish'\n"
	"\n"
	"function __carve_no_verb\n"
	"\tset -l words (commandline -opc)\n"
	"\ttest (count $words) -eq 1\n"
	"end\n"
	"\n"
	"function __carve_verb\n"
	"\tset -l words (commandline -opc)\n"
	"\ttest (count $words) -ge 2; and test \"$words[2]\" = \"$argv[1]\"\n"
	"end\n"
	"\n"
	"# What fish would offer for the command of a run; the arguments: options that take a "
	"value.\n"
	"function __carve_command\n"
	"\tset -l words (commandline -opc)\n"
	"\tset -l i 3\n"
	"\twhile test $i -le (count $words)\n"
	"\t\tswitch $words[$i]\n"
	"\t\t\tcase --\n"
	"\t\t\t\tset i (math $i + 1)\n"
	"\t\t\t\tbreak\n"
	"\t\t\tcase '-*'\n"
	"\t\t\t\tcontains -- $words[$i] $argv; and set i (math $i + 1)\n"
	"\t\t\tcase '*'\n"
	"\t\t\t\tbreak\n"
	"\t\tend\n"
	"\t\tset i (math $i + 1)\n"
	"\tend\n"
	"\tset -l begin\n"
	"\tif test $i -le (count $words)\n"
	"\t\tset begin (string escape -- $words[$i..-1])\n"
	"\telse if string match -q -- '-*' (commandline -ct)\n"
	"\t\treturn\n"
	"\tend\n"
	"\tset -l line (string join ' ' -- $begin (commandline -ct))\n"
	"\tcomplete -C \"$line\"\n"
	"end\n"
	"\n"
	"complete -c carve -f\n";

static void print_option(const struct verb *verb, const struct request_option_row *row)
{
	enum value_use use = option_value_use(row);
	enum argument_kind kind = completion_value_kind(row);

	printf("complete -c carve -n '__carve_verb %s' -l %s", verb->name, row->name);
	if (use == VALUE_NEEDED)
		printf(kind == ARGUMENT_FILE ? " -r -F" : " -x");
	if (row->choices)
		printf(" -a '%s'", row->choices);
	else if (use == VALUE_NEEDED && completion_lister(kind))
		printf(" -a '(%s)'", completion_lister(kind));
	printf(" -d '");
	completion_print_escaped(row->help, SPECIAL, QUOTE);
	printf("'\n");
}

static void print_command(const struct verb *verb)
{
	const struct request_option_row *row;

	printf("-a '(__carve_command");
	for (unsigned i = 0; (row = verb_option(verb, i)); i++)
		if (option_value_use(row) == VALUE_NEEDED)
			printf(" --%s", row->name);
	printf(")'");
}

static void print_argument(const struct verb *verb)
{
	const char *lister = completion_lister(verb->argument);

	if (!lister && !verb->takes_command && verb->argument == ARGUMENT_NONE)
		return;
	printf("complete -c carve -n '__carve_verb %s' ", verb->name);
	if (verb->takes_command)
		print_command(verb);
	else if (lister)
		printf("-a '(%s)'", lister);
	else if (verb->argument == ARGUMENT_FILE)
		printf("-F");
	else if (verb->argument == ARGUMENT_WORD)
		printf("-a '%s'", verb->words);
	else {
		printf("-a '");
		for (unsigned i = 0; i < verbs_n; i++)
			printf("%s%s", i ? " " : "", verbs[i].name);
		printf("'");
	}
	printf("\n");
}

void completion_fish(void)
{
	const struct request_option_row *row;

	fputs(begin, stdout);
	for (unsigned v = 0; v < verbs_n; v++) {
		printf("\ncomplete -c carve -n __carve_no_verb -a %s -d '", verbs[v].name);
		completion_print_escaped(verbs[v].summary, SPECIAL, QUOTE);
		printf("'\n");
		print_argument(&verbs[v]);
		for (unsigned i = 0; (row = verb_option(&verbs[v], i)); i++)
			print_option(&verbs[v], row);
	}
}
