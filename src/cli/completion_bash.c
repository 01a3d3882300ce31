/* SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"
#include "cli/completion.h"

#include <stdio.h>

static const char begin[] =
	"# bash completion for carve; printed by 'carve completion bash'\n"
	"\n"
	"# The names of lists; bash has split the word at its colons, and wants only what "
	"follows.\n"
	"_carve_names() {\n"
	"\tlocal list names= word=${COMP_LINE:0:COMP_POINT}\n"
	"\tword=${word##*[ =]}\n"
	"\tfor list in \"$@\"; do\n"
	"\t\tnames+=\" $(carve list \"$list\" --ids 2>/dev/null)\"\n"
	"\tdone\n"
	"\tCOMPREPLY=($(compgen -W \"$names\" -- \"$word\"))\n"
	"\t[[ $word != *:* || $COMP_WORDBREAKS != *:* ]] ||\n"
	"\t\tCOMPREPLY=(\"${COMPREPLY[@]#\"${word%\"${word##*:}\"}\"}\")\n"
	"}\n"
	"\n"
	"# The place of the word that begins the command of a run, if it is there.\n"
	"_carve_command() {\n"
	"\tlocal i word\n"
	"\tfor ((i = 2; i < COMP_CWORD; i++)); do\n"
	"\t\tword=${COMP_WORDS[i]}\n"
	"\t\tcase $word in\n"
	"\t\t--) echo $((i + 1)) && return ;;\n"
	"\t\t=) ((i++)) ;;\n"
	"\t\t-*) [[ \" $1 \" != *\" $word \"* || ${COMP_WORDS[i + 1]} == = ]] || ((i++)) ;;\n"
	"\t\t*) echo \"$i\" && return ;;\n"
	"\t\tesac\n"
	"\tdone\n"
	"}\n"
	"\n"
	"_carve() {\n"
	"\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}\n"
	"\tlocal verb=${COMP_WORDS[1]} options= words= valued= command=\n"
	"\tCOMPREPLY=()\n"
	"\tif ((COMP_CWORD == 1)); then\n"
	"\t\tCOMPREPLY=($(compgen -W '";

static const char end[] = "\tif [[ $verb == run || $verb == profile ]]; then\n"
			  "\t\tcommand=$(_carve_command \"$valued\")\n"
			  "\t\tif [[ $command ]] && declare -F _command_offset >/dev/null; then\n"
			  "\t\t\t_command_offset \"$command\"\n"
			  "\t\t\treturn\n"
			  "\t\telif [[ $command && $command -lt $COMP_CWORD ]]; then\n"
			  "\t\t\tCOMPREPLY=($(compgen -f -- \"$cur\"))\n"
			  "\t\t\treturn\n"
			  "\t\telif [[ $cur != -* ]]; then\n"
			  "\t\t\tCOMPREPLY=($(compgen -c -- \"$cur\"))\n"
			  "\t\t\treturn\n"
			  "\t\tfi\n"
			  "\tfi\n"
			  "\t[[ $cur == -* ]] && words=$options\n"
			  "\t[[ -z $words ]] || COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
			  "}\n"
			  "\n"
			  "complete -o bashdefault -F _carve carve\n";

/* A pattern of the case: the word before the one that is completed belongs to this option. */
static void print_value(const struct verb *verb, const struct request_option_row *row)
{
	enum argument_kind kind = completion_value_kind(row);

	if (option_value_use(row) == VALUE_NONE)
		return;
	printf("\t%s:--%s) ", verb->name, row->name);
	if (row->choices)
		printf("COMPREPLY=($(compgen -W '%s' -- \"$cur\"))", row->choices);
	else if (kind == ARGUMENT_FILE)
		printf("COMPREPLY=($(compgen -f -- \"$cur\"))");
	else if (kind == ARGUMENT_GPU)
		printf("_carve_names gpus");
	else if (kind == ARGUMENT_SAVED)
		printf("COMPREPLY=($(compgen -W \"$(%s)\" -- \"$cur\"))", completion_lister(kind));
	if (option_value_use(row) == VALUE_OPTIONAL)
		printf(";;\n");
	else
		printf("%sreturn ;;\n", row->choices || kind != ARGUMENT_NONE ? "; " : "");
}

/* The lists whose names an argument may be. */
static const char *lists_of(enum argument_kind kind)
{
	switch (kind) {
	case ARGUMENT_GPU:
		return "gpus";
	case ARGUMENT_SHARE:
		return "shares";
	case ARGUMENT_LEASE:
		return "leases";
	case ARGUMENT_ANY_ID:
		return "gpus shares leases";
	default:
		return NULL;
	}
}

static void print_verb_names(void)
{
	for (unsigned i = 0; i < verbs_n; i++)
		printf("%s%s", i ? " " : "", verbs[i].name);
}

static void print_verb(const struct verb *verb)
{
	const struct request_option_row *row;

	printf("\t%s)\n\t\toptions='", verb->name);
	for (unsigned i = 0; (row = verb_option(verb, i)); i++)
		printf("%s--%s", i ? " " : "", row->name);
	printf("'\n");
	if (verb->takes_command) {
		printf("\t\tvalued='");
		for (unsigned i = 0; (row = verb_option(verb, i)); i++)
			if (option_value_use(row) == VALUE_NEEDED)
				printf("--%s ", row->name);
		printf("'\n");
	}
	if (verb->argument == ARGUMENT_FILE)
		printf("\t\t[[ $cur == -* ]] || COMPREPLY=($(compgen -f -- \"$cur\"))\n");
	else if (verb->argument == ARGUMENT_WORD)
		printf("\t\twords='%s'\n", verb->words);
	else if (lists_of(verb->argument))
		printf("\t\t[[ $cur == -* ]] || _carve_names %s\n", lists_of(verb->argument));
	else if (verb->argument == ARGUMENT_VERB) {
		printf("\t\twords='");
		print_verb_names();
		printf("'\n");
	}
	printf("\t\t;;\n");
}

void completion_bash(void)
{
	const struct request_option_row *row;

	fputs(begin, stdout);
	print_verb_names();
	printf(" --help --version' -- \"$cur\"))\n\t\treturn\n\tfi\n"
	       "\tif [[ $prev == = ]]; then\n\t\tprev=${COMP_WORDS[COMP_CWORD - 2]}\n"
	       "\telif [[ $cur == = ]]; then\n\t\tcur=\n\tfi\n"
	       "\tcase $verb:$prev in\n");
	for (unsigned v = 0; v < verbs_n; v++)
		for (unsigned i = 0; (row = verb_option(&verbs[v], i)); i++)
			print_value(&verbs[v], row);
	printf("\tesac\n\tcase $verb in\n");
	for (unsigned v = 0; v < verbs_n; v++)
		print_verb(&verbs[v]);
	printf("\tesac\n");
	fputs(end, stdout);
}
