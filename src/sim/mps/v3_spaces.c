/* SPDX-License-Identifier: Apache-2.0 */
/* Namespaces. */
#include "sim/mps/v3_words.h"

#include "base/error.h"

static struct space *space_or_say(
	struct visitor *visitor, struct named *named, const struct words *words)
{
	struct space *space = words->n ? space_find(named, words->at[0]) : NULL;

	if (!words->n)
		v3_fail(visitor, "A namespace name is required");
	else if (!space)
		v3_fail(visitor, "Namespace '%s' not found on server '%s'", words->at[0],
			named->name);
	return space;
}

void v3_space_create(struct control *control, struct visitor *visitor, const struct words *words)
{
	struct named *named = v3_named(control, visitor, v3_option(words, "server"));
	struct error err = ERROR_NONE;

	if (named && v3_may_change(visitor, named->uid) &&
		!space_new(named, words->at[0] ?: "", &err))
		v3_fail(visitor, "%s", err.text);
}

void v3_space_delete(struct control *control, struct visitor *visitor, const struct words *words)
{
	struct named *named = v3_named(control, visitor, v3_option(words, "server"));
	struct space *space = named ? space_or_say(visitor, named, words) : NULL;

	if (!space || !v3_may_change(visitor, named->uid))
		return;
	if (text_eq(space->name, V3_DEFAULT))
		v3_fail(visitor, "The default namespace cannot be deleted");
	else if (space->n_clients && !v3_option(words, "force"))
		v3_fail(visitor, "Namespace '%s' has active clients", space->name);
	else
		space_free(control, space);
}

static void space_row(struct visitor *visitor, const struct named *named, const struct space *space)
{
	char memory[LIMITS_TEXT_MAX], percentage[LIMITS_TEXT_MAX];

	space_get(space, "pinned-memory-limit", memory);
	space_get(space, "active-thread-percentage", percentage);
	buf_addf(&visitor->answer, "%s,%s,%s,%s,%s,%u,%s\n", space->name, named->name,
		v3_status(named), memory, percentage, space->priority, space->dir);
}

void v3_space_list(struct control *control, struct visitor *visitor, const struct words *words)
{
	const char *server = v3_option(words, "server");
	const struct named *named;
	const struct space *space;

	if (server && !v3_named(control, visitor, server))
		return;
	v3_list_begin(visitor, words,
		"name,server,server-status,pinned-memory-limit,active-thread-percentage,"
		"client-priority,pipe-directory");
	list_for_each (named, &control->named, item) {
		if (server && !text_eq(named->name, server))
			continue;
		list_for_each (space, &named->spaces, item)
			if (!words->n || text_eq(space->name, words->at[0]))
				space_row(visitor, named, space);
	}
}

void v3_space_set_limits(
	struct control *control, struct visitor *visitor, const struct words *words)
{
	struct named *named = v3_named(control, visitor, v3_option(words, "server"));
	struct space *space = named ? space_or_say(visitor, named, words) : NULL;

	if (space && v3_may_change(visitor, named->uid))
		v3_set_limits(visitor, space, words);
}

void v3_space_get_field(struct control *control, struct visitor *visitor, const struct words *words)
{
	struct named *named =
		v3_named(control, visitor, words->at[1] ?: v3_option(words, "server"));
	struct space *space = named ? space_or_say(visitor, named, words) : NULL;
	const char *field = words->at[2] ?: "";
	char value[LIMITS_TEXT_MAX];

	if (!space)
		return;
	if (text_eq(field, "name"))
		answer(visitor, "%s", space->name);
	else if (text_eq(field, "server"))
		answer(visitor, "%s", named->name);
	else if (text_eq(field, "server-status"))
		answer(visitor, "%s", v3_status(named));
	else if (text_eq(field, "pipe-directory"))
		answer(visitor, "%s", space->dir);
	else if (space_get(space, field, value))
		answer(visitor, "%s", value);
	else
		v3_fail(visitor, "Unknown field '%s'", field);
}
