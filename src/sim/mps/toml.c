/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configuration file of v3, as much of TOML as NVIDIA's page about it shows: tables, and keys
 * whose values are a string, a number, true or false. What it does not know is an error, as there.
 */
#include "sim/mps/v3.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#define FILE_MAX 65536

struct toml {
	struct control *control;
	struct named *named; /* of the table */
	struct space *space;
	bool is_feature; /* a table of features: taken, without effect */
};

/* "a.b.c" into its parts, in place. */
static unsigned path_split(char *path, char *ret_parts[5])
{
	unsigned n = 0;

	while (path && n < 5)
		ret_parts[n++] = strsep(&path, ".");
	return n;
}

static struct named *table_server(struct toml *toml, const char *name, struct error *err)
{
	struct named *named = named_find(toml->control, name);

	return named ?: named_new(toml->control, name, geteuid(), err);
}

static int table_enter(struct toml *toml, char *path, struct error *err)
{
	char *parts[5];
	unsigned n = path_split(path, parts);

	toml->named = NULL;
	toml->space = NULL;
	toml->is_feature = n == 2 && text_eq(parts[0], "features");
	if (toml->is_feature)
		return 0;
	if (n < 2 || !text_eq(parts[0], "servers") || n == 3 || n > 4 ||
		(n == 4 && !text_eq(parts[2], "namespaces")))
		return error_set(err, -EINVAL, "unknown table");
	toml->named = table_server(toml, parts[1], err);
	if (!toml->named)
		return -EINVAL;
	toml->space = space_find(toml->named, n == 4 ? parts[3] : V3_DEFAULT);
	if (!toml->space)
		toml->space = space_new(toml->named, parts[3], err);
	return toml->space ? 0 : -EINVAL;
}

static int key_set(struct toml *toml, const char *key, const char *value, struct error *err)
{
	bool is_server = toml->space && text_eq(toml->space->name, V3_DEFAULT);
	char option[40];
	uint32_t uid;

	if (toml->is_feature || (!toml->space && text_eq(key, "schema_version")))
		return 0;
	if (!toml->space)
		return error_set(err, -EINVAL, "unknown key '%s'", key);
	if (is_server && text_eq(key, "allowed_devices"))
		return text_copy(toml->named->allowed, sizeof(toml->named->allowed), value);
	if (is_server && text_eq(key, "locality_domains"))
		return 0;
	if (is_server && text_eq(key, "uid")) {
		if (parse_u32(value, &uid) < 0)
			return error_set(err, -EINVAL, "invalid uid '%s'", value);
		toml->named->uid = uid;
		return 0;
	}
	text_copy(option, sizeof(option), key);
	for (char *at = option; (at = strchr(at, '_'));)
		*at = '-';
	return space_set(toml->space, option, value, err);
}

static char *trimmed(char *text)
{
	size_t n;

	text += strspn(text, " \t");
	n = strlen(text);
	while (n && strchr(" \t\r", text[n - 1]))
		text[--n] = '\0';
	return text;
}

static int line_read(struct toml *toml, char *line, struct error *err)
{
	char *value, *end;

	line = trimmed(line);
	if (!*line || *line == '#')
		return 0;
	if (*line == '[') {
		end = strchr(line, ']');
		if (line[1] == '[' || !end)
			return error_set(err, -EINVAL, "this table is not simulated");
		*end = '\0';
		return table_enter(toml, line + 1, err);
	}
	value = strchr(line, '=');
	if (!value)
		return error_set(err, -EINVAL, "a key and a value are wanted");
	*value++ = '\0';
	value = trimmed(value);
	if (*value == '"') {
		end = strchr(++value, '"');
		if (!end)
			return error_set(err, -EINVAL, "the string does not end");
		*end = '\0';
	} else {
		value[strcspn(value, " \t#")] = '\0';
	}
	return key_set(toml, trimmed(line), value, err);
}

int v3_apply(struct control *control, const char *path, struct error *err)
{
	struct toml toml = { .control = control };
	AUTO_FREE char *text = NULL;
	char *rest, *line;
	struct named *named;
	unsigned number = 0;
	int r = read_file_at(AT_FDCWD, path, FILE_MAX, &text, NULL);

	if (r < 0)
		return error_set(err, r, "cannot read %s: %s", path, strerror(-r));
	rest = text;
	while (r == 0 && (line = strsep(&rest, "\n"))) {
		number++;
		r = line_read(&toml, line, err);
	}
	if (r < 0)
		return error_prefix(err, r, "%s:%u", path, number);
	list_for_each (named, &control->named, item)
		server_launch(control, named->uid, named);
	return 0;
}
