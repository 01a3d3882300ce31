/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/options.h"

#include "base/error.h"
#include "base/text.h"
#include "cli/verb.h"

#include <errno.h>
#include <stdio.h>

static const struct request_option_row help_row = { "help", NULL, "shows this", NULL };

enum value_use { VALUE_NONE, VALUE_OPTIONAL, VALUE_NEEDED };

static enum value_use row_value_use(const struct request_option_row *row)
{
	if (!row->argument)
		return VALUE_NONE;
	return row->argument[0] == '[' ? VALUE_OPTIONAL : VALUE_NEEDED;
}

/* The row of that option for this verb, and whether it belongs to the request. */
static const struct request_option_row *row_find(
	const struct verb *verb, const char *name, bool *ret_is_request)
{
	*ret_is_request = false;
	for (const struct request_option_row *row = verb->options; row && row->name; row++)
		if (text_eq(row->name, name))
			return row;
	for (unsigned i = 0; verb->takes_request && i < request_options_n; i++)
		if (text_eq(request_options[i].name, name)) {
			*ret_is_request = true;
			return &request_options[i];
		}
	return text_eq(name, "help") ? &help_row : NULL;
}

static int say_unknown(const struct verb *verb, const char *name, struct error *err)
{
	const char *names[SAID_MAX + 1] = { "help" }, *near;
	size_t n = 1;

	for (const struct request_option_row *row = verb->options; row && row->name; row++)
		if (n < ARRAY_SIZE(names))
			names[n++] = row->name;
	for (unsigned i = 0; verb->takes_request && i < request_options_n; i++)
		if (n < ARRAY_SIZE(names))
			names[n++] = request_options[i].name;
	near = text_nearest(name, names, n);
	if (near)
		return error_set(err, -EINVAL, "'carve %s' has no option --%s: did you mean --%s?",
			verb->name, name, near);
	return error_set(err, -EINVAL, "'carve %s' has no option --%s: see 'carve %s --help'",
		verb->name, name, verb->name);
}

static int keep(struct invocation *invocation, const struct request_option_row *row,
	bool is_request, const char *value, struct error *err)
{
	if (invocation->n_said == SAID_MAX)
		return error_set(err, -EINVAL, "too many options");
	invocation->said[invocation->n_said].name = row->name;
	invocation->said[invocation->n_said].value = value;
	invocation->n_said++;
	if (!is_request)
		return 0;
	if (request_option(&invocation->request, row->name, value, err) != 0)
		return error_prefix(err, -EINVAL, "--%s", row->name);
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
	bool is_request;
	size_t n = equals ? (size_t)(equals - argv[*at]) - 2 : strlen(argv[*at]) - 2;

	if (n >= sizeof(name))
		return error_set(err, -EINVAL, "'%.60s...' is no option", argv[*at]);
	memcpy(name, argv[*at] + 2, n);
	name[n] = '\0';
	row = row_find(verb, name, &is_request);
	if (!row)
		return say_unknown(verb, name, err);
	if (value && row_value_use(row) == VALUE_NONE)
		return error_set(err, -EINVAL, "--%s takes no value", name);
	if (!value && row_value_use(row) == VALUE_NEEDED) {
		if (++*at >= argc)
			return error_set(err, -EINVAL, "--%s needs a value: --%s %s", name, name,
				row->argument);
		value = argv[*at];
	}
	++*at;
	return keep(invocation, row, is_request, value, err);
}

static int check_arity(const struct invocation *invocation, struct error *err)
{
	const struct verb *verb = invocation->verb;
	int n = (int)invocation->n_args;

	if (verb->takes_command && !invocation->command)
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
