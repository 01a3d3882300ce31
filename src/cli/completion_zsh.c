/* SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"
#include "cli/completion.h"

#include <stdio.h>

/* What ends a string, a bracket or a field of _arguments. */
#define SPECIAL "[]:\\"
#define QUOTE	"'\\''"

static const char begin[] = "#compdef carve\n"
			    "# zsh completion for carve; printed by 'carve completion zsh'\n"
			    "\n"
			    "_carve_names() {\n"
			    "\tlocal list\n"
			    "\tlocal -a names\n"
			    "\tfor list in \"$@\"; do\n"
			    "\t\tnames+=(${(f)\"$(carve list $list --ids 2>/dev/null)\"})\n"
			    "\tdone\n"
			    "\t_describe -t names name names\n"
			    "}\n"
			    "\n"
			    "_carve_saved() {\n"
			    "\tlocal -a names\n"
			    "\tnames=(${(f)\"$(carve profile --list --ids 2>/dev/null)\"})\n"
			    "\t_describe -t names profile names\n"
			    "}\n"
			    "\n"
			    "_carve() {\n"
			    "\tlocal -a verbs\n"
			    "\tverbs=(\n";

static const char end[] = "\tesac\n"
			  "}\n"
			  "\n"
			  "if [[ $funcstack[1] == _carve ]]; then\n"
			  "\t_carve \"$@\"\n"
			  "else\n"
			  "\tcompdef _carve carve\n"
			  "fi\n";

/* The action of _arguments for a kind of argument. */
static void print_action(enum argument_kind kind, const char *words)
{
	switch (kind) {
	case ARGUMENT_GPU:
		printf("{_carve_names gpus}");
		break;
	case ARGUMENT_SHARE:
		printf("{_carve_names shares}");
		break;
	case ARGUMENT_LEASE:
		printf("{_carve_names leases}");
		break;
	case ARGUMENT_ANY_ID:
		printf("{_carve_names gpus shares leases}");
		break;
	case ARGUMENT_FILE:
		printf("_files");
		break;
	case ARGUMENT_VERB:
		printf("{_describe verb verbs}");
		break;
	case ARGUMENT_SAVED:
		printf("{_carve_saved}");
		break;
	case ARGUMENT_WORD:
		printf("(%s)", words);
		break;
	case ARGUMENT_NONE:
		printf(" ");
		break;
	}
}

static void print_option(const struct request_option_row *row)
{
	enum value_use use = option_value_use(row);

	printf(" \\\n\t\t\t'--%s%s[", row->name,
		use == VALUE_NEEDED	? "="
		: use == VALUE_OPTIONAL ? "=-"
					: "");
	completion_print_escaped(row->help, SPECIAL, QUOTE);
	printf("]");
	if (use != VALUE_NONE) {
		printf("%s", use == VALUE_OPTIONAL ? "::" : ":");
		completion_print_escaped(row->argument, SPECIAL, QUOTE);
		printf(":");
		print_action(
			row->choices ? ARGUMENT_WORD : completion_value_kind(row), row->choices);
	}
	printf("'");
}

static void print_verb(const struct verb *verb)
{
	const struct request_option_row *row;

	printf("\t%s)\n\t\t_arguments -S", verb->name);
	for (unsigned i = 0; (row = verb_option(verb, i)); i++)
		print_option(row);
	if (verb->takes_command) {
		printf(" \\\n\t\t\t'(-)1:command:_command_names -e' "
		       "\\\n\t\t\t'*::argument:_normal'");
	} else if (verb->max_args != 0) {
		printf(" \\\n\t\t\t'%s:argument:", verb->max_args < 0 ? "*" : "1");
		print_action(verb->argument, verb->words);
		printf("'");
	}
	printf("\n\t\t;;\n");
}

void completion_zsh(void)
{
	fputs(begin, stdout);
	for (unsigned i = 0; i < verbs_n; i++) {
		printf("\t\t'%s:", verbs[i].name);
		completion_print_escaped(verbs[i].summary, SPECIAL, QUOTE);
		printf("'\n");
	}
	printf("\t)\n"
	       "\tif ((CURRENT == 2)); then\n"
	       "\t\t_describe verb verbs\n"
	       "\t\treturn\n"
	       "\tfi\n"
	       "\tlocal verb=$words[2]\n"
	       "\tshift words\n"
	       "\t((CURRENT--))\n"
	       "\tcase $verb in\n");
	for (unsigned i = 0; i < verbs_n; i++)
		print_verb(&verbs[i]);
	fputs(end, stdout);
}
