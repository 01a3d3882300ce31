/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/options.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"
#include "cli/saved.h"
#include "cli/verb.h"

#include <errno.h>
#include <stdio.h>

static bool is_of_request(const struct request_option_row *row)
{
	return row >= request_options && row < request_options + request_options_n;
}

static const struct request_option_row *row_find(const struct verb *verb, const char *name)
{
	const struct request_option_row *row;

	for (unsigned i = 0; (row = verb_option(verb, i)); i++)
		if (text_eq(row->name, name))
			return row;
	return NULL;
}

static int say_unknown(const struct verb *verb, const char *name, struct error *err)
{
	const struct request_option_row *row;
	const char *names[SAID_MAX], *near;
	unsigned n;

	for (n = 0; n < ARRAY_SIZE(names) && (row = verb_option(verb, n)); n++)
		names[n] = row->name;
	near = text_nearest(name, names, n);
	if (near)
		return error_set(err, -EINVAL, "'carve %s' has no option --%s: did you mean --%s?",
			verb->name, name, near);
	return error_set(err, -EINVAL, "'carve %s' has no option --%s: see 'carve %s --help'",
		verb->name, name, verb->name);
}

static int keep(struct invocation *invocation, const struct request_option_row *row,
	const char *value, struct error *err)
{
	struct error why = ERROR_NONE;

	if (invocation->n_said == SAID_MAX)
		return error_set(err, -EINVAL, "too many options");
	invocation->said[invocation->n_said].name = row->name;
	invocation->said[invocation->n_said].value = value;
	invocation->n_said++;
	if (!is_of_request(row))
		return 0;
	/* Its sentences begin with the option's name, as in the API. */
	if (request_option(&invocation->request, row->name, value, &why) != 0)
		return error_set(err, -EINVAL, "--%s", why.text);
	return 0;
}

/* One option at argv[*at], with its value; *at is moved beyond both. */
static int take_option(
	struct invocation *invocation, int argc, char **argv, int *at, struct error *err)
{
	const struct verb *verb = invocation->verb;
	char *equals = strchr(argv[*at], '=');
	const char *value = equals ? equals + 1 : NULL;
	const struct request_option_row *row;
	char name[64];
	size_t n = equals ? (size_t)(equals - argv[*at]) - 2 : strlen(argv[*at]) - 2;

	if (n >= sizeof(name))
		return error_set(err, -EINVAL, "'%.60s...' is no option", argv[*at]);
	memcpy(name, argv[*at] + 2, n);
	name[n] = '\0';
	row = row_find(verb, name);
	if (!row)
		return say_unknown(verb, name, err);
	if (value && option_value_use(row) == VALUE_NONE)
		return error_set(err, -EINVAL, "--%s takes no value", name);
	if (!value && option_value_use(row) == VALUE_NEEDED) {
		if (++*at >= argc)
			return error_set(err, -EINVAL, "--%s needs a value: --%s %s", name, name,
				row->argument);
		value = argv[*at];
	}
	++*at;
	return keep(invocation, row, value, err);
}

/* What was saved comes first, and all that was typed after it: the later one wins. A profile or a
 * virtual machine says by itself what the size was said for. */
static int apply_like(struct invocation *invocation, const char *name, struct error *err)
{
	struct request request;
	int r = saved_request(
		name, &request, invocation->like_product, sizeof(invocation->like_product), err);

	if (r < 0)
		return r;
	if (said(invocation, "profile") || said(invocation, "vm")) {
		request.memory_bytes = request.memory_label = request.compute_percent = 0;
		request.mechanism = REQUEST_ANY_MECHANISM;
	}
	for (unsigned i = 0; i < invocation->n_said; i++)
		request_option(&request, invocation->said[i].name, invocation->said[i].value, NULL);
	invocation->request = request;
	return 0;
}

static bool needs_command(const struct invocation *invocation)
{
	AUTO_FREE char *words = must_strdup(invocation->verb->instead ?: "");
	char *rest = words, *word;

	while ((word = strsep(&rest, " ")))
		if (said(invocation, word))
			return false;
	return invocation->verb->takes_command;
}

static int check_arity(const struct invocation *invocation, struct error *err)
{
	const struct verb *verb = invocation->verb;
	int n = (int)invocation->n_args;

	if (needs_command(invocation) && !invocation->command)
		return error_set(err, -EINVAL, "'carve %s' needs a command: carve %s %s",
			verb->name, verb->name, verb->synopsis);
	if (n < verb->min_args)
		return error_set(err, -EINVAL, "'carve %s' needs %s: carve %s %s", verb->name,
			verb->min_args == 1 ? "an argument" : "more arguments", verb->name,
			verb->synopsis);
	if (verb->max_args >= 0 && n > verb->max_args)
		return error_set(err, -EINVAL, "'carve %s' does not take '%s': carve %s %s",
			verb->name, invocation->args[verb->max_args], verb->name, verb->synopsis);
	return 0;
}

int options_parse(const struct verb *verb, int argc, char **argv, struct invocation *ret_invocation,
	struct error *err)
{
	struct invocation invocation = { .verb = verb, .args = argv };
	int at = 0, r;

	request_init(&invocation.request);
	while (at < argc) {
		char *word = argv[at];

		if (text_eq(word, "--") || (verb->takes_command && word[0] != '-')) {
			at += word[0] == '-';
			break;
		}
		if (text_eq(word, "-h"))
			word = argv[at] = (char *)"--help";
		if (word[0] != '-' || !word[1]) {
			argv[invocation.n_args++] = word;
			at++;
			continue;
		}
		if (word[1] != '-')
			return error_set(err, -EINVAL, "'%s' is no option: see 'carve %s --help'",
				word, verb->name);
		r = take_option(&invocation, argc, argv, &at, err);
		if (r < 0)
			return r;
		if (said(&invocation, "help")) {
			*ret_invocation = invocation;
			return 0;
		}
	}
	if (verb->takes_command && at < argc)
		invocation.command = argv + at;
	for (; !verb->takes_command && at < argc; at++)
		argv[invocation.n_args++] = argv[at];
	r = check_arity(&invocation, err);
	if (r == 0 && said_value(&invocation, "like"))
		r = apply_like(&invocation, said_value(&invocation, "like"), err);
	if (r == 0 && verb->takes_request)
		r = request_check(&invocation.request, err);
	if (r < 0)
		return r;
	*ret_invocation = invocation;
	return 0;
}

bool said(const struct invocation *invocation, const char *option)
{
	for (unsigned i = 0; i < invocation->n_said; i++)
		if (text_eq(invocation->said[i].name, option))
			return true;
	return false;
}

const char *said_value(const struct invocation *invocation, const char *option)
{
	const char *value = NULL;

	for (unsigned i = 0; i < invocation->n_said; i++)
		if (text_eq(invocation->said[i].name, option))
			value = invocation->said[i].value;
	return value;
}
