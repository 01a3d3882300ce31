/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/completion.h"

#include "base/error.h"
#include "base/text.h"

#include <errno.h>
#include <stdio.h>

const char *completion_lister(enum argument_kind kind)
{
	switch (kind) {
	case ARGUMENT_GPU:
		return "carve list gpus --ids 2>/dev/null";
	case ARGUMENT_SHARE:
		return "carve list shares --ids 2>/dev/null";
	case ARGUMENT_LEASE:
		return "carve list leases --ids 2>/dev/null";
	case ARGUMENT_ANY_ID:
		return "begin carve list gpus --ids; carve list shares --ids; "
		       "carve list leases --ids; end 2>/dev/null";
	case ARGUMENT_SAVED:
		return "carve profile --list --ids 2>/dev/null";
	default:
		return NULL;
	}
}

enum argument_kind completion_value_kind(const struct request_option_row *row)
{
	if (text_eq(row->argument, "FILE") || text_eq(row->argument, "SOCKET"))
		return ARGUMENT_FILE;
	if (text_eq(row->name, "like") || text_eq(row->name, "remove"))
		return ARGUMENT_SAVED;
	return text_eq(row->argument, "GPU") ? ARGUMENT_GPU : ARGUMENT_NONE;
}

void completion_print_escaped(const char *text, const char *escaped, const char *quote)
{
	for (; *text; text++) {
		if (*text == '\'') {
			fputs(quote, stdout);
			continue;
		}
		if (strchr(escaped, *text))
			putchar('\\');
		putchar(*text);
	}
}

int verb_completion(struct invocation *invocation, struct error *err)
{
	static const struct {
		const char *name;
		void (*print)(void);
	} shells[] = {
		{ "bash", completion_bash },
		{ "zsh", completion_zsh },
		{ "fish", completion_fish },
	};

	for (size_t i = 0; i < ARRAY_SIZE(shells); i++)
		if (text_eq(invocation->args[0], shells[i].name)) {
			shells[i].print();
			return EXIT_DONE;
		}
	error_set(err, -EINVAL, "there are completions for bash, zsh and fish, not for '%s'",
		invocation->args[0]);
	return EXIT_USAGE;
}
