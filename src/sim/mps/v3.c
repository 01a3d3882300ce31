/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/mps/v3.h"

#include "base/error.h"
#include "sim/mps/wire.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_name(const char *name)
{
	size_t n = strlen(name);

	return n && n < V3_NAME_MAX && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") == n;
}

/* A directory with a control socket in it. */
static int listen_in(const char *dir, struct error *err)
{
	char path[180];
	int fd;

	mkdir(dir, 0755);
	snprintf(path, sizeof(path), "%s/control", dir);
	fd = wire_listen(path, 0666);
	return fd < 0 ? error_set(err, fd, "Failed to create %s: %s", path, strerror(-fd)) : fd;
}

static void unlisten_in(const char *dir)
{
	static const char *const files[] = { "control", "log" };
	char path[180];

	for (unsigned i = 0; i < ARRAY_SIZE(files); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, files[i]);
		unlink(path);
	}
	rmdir(dir);
}

struct space *space_find(struct named *named, const char *name)
{
	struct space *space;

	list_for_each (space, &named->spaces, item)
		if (text_eq(space->name, name))
			return space;
	return NULL;
}

struct space *space_new(struct named *named, const char *name, struct error *err)
{
	struct space *space;
	char dir[160];
	int fd;

	if (!is_name(name)) {
		error_set(err, -EINVAL, "Invalid namespace name '%s'", name);
		return NULL;
	}
	if (space_find(named, name)) {
		error_set(err, -EEXIST, "Namespace '%s' already exists on server '%s'", name,
			named->name);
		return NULL;
	}
	snprintf(dir, sizeof(dir), "%.90s/%s", named->dir, name);
	fd = listen_in(dir, err);
	if (fd < 0)
		return NULL;
	space = must_alloc(1, sizeof(*space));
	*space = (struct space){ .listeners = { fd, -1 } };
	text_copy(space->name, sizeof(space->name), name);
	text_copy(space->dir, sizeof(space->dir), dir);
	list_add_tail(&named->spaces, &space->item);
	return space;
}

struct space *space_free(struct control *control, struct space *space)
{
	struct visitor *visitor, *after;

	list_for_each_safe (visitor, after, &control->visitors, item)
		if (visitor->space == space)
			visitor_free(visitor);
	for (unsigned i = 0; i < ARRAY_SIZE(space->listeners); i++)
		if (space->listeners[i] >= 0)
			close(space->listeners[i]);
	unlisten_in(space->dir);
	list_remove(&space->item);
	free(space);
	return NULL;
}

int space_set(struct space *space, const char *key, const char *value, struct error *err)
{
	char *end;

	if (text_eq(key, "pinned-memory-limit")) {
		uint64_t number = strtoull(value, &end, 10);

		if (end == value || !*end || !strchr("KMG", *end) || end[1])
			return error_set(err, -EINVAL, "Invalid pinned memory limit '%s'", value);
		space->memory = number << (*end == 'K' ? 10 : *end == 'M' ? 20 : 30);
		return 0;
	}
	if (text_eq(key, "active-thread-percentage")) {
		double percentage = strtod(value, &end);

		if (end == value || *end || percentage < 1 || percentage > 100)
			return error_set(
				err, -EINVAL, "Invalid active thread percentage '%s'", value);
		space->percentage = percentage;
		return 0;
	}
	if (text_eq(key, "client-priority")) {
		if (!text_eq(value, "0") && !text_eq(value, "1"))
			return error_set(err, -EINVAL, "Invalid client priority '%s'", value);
		space->priority = text_eq(value, "1");
		return 0;
	}
	return error_set(err, -EINVAL, "Unknown option '%s'", key);
}

/* The largest unit in which it is whole. */
static void memory_text(uint64_t bytes, char ret_value[LIMITS_TEXT_MAX])
{
	static const char units[] = "GMK";
	unsigned shift = 30, i = 0;

	while (i < 2 && bytes & ((1ull << shift) - 1)) {
		shift -= 10;
		i++;
	}
	snprintf(ret_value, LIMITS_TEXT_MAX, "%llu%c", (unsigned long long)(bytes >> shift),
		units[i]);
}

bool space_get(const struct space *space, const char *key, char ret_value[LIMITS_TEXT_MAX])
{
	if (text_eq(key, "pinned-memory-limit")) {
		text_copy(ret_value, LIMITS_TEXT_MAX, "-");
		if (space->memory)
			memory_text(space->memory, ret_value);
	} else if (text_eq(key, "active-thread-percentage")) {
		snprintf(ret_value, LIMITS_TEXT_MAX, "%g", space->percentage ?: 100);
	} else if (text_eq(key, "client-priority")) {
		snprintf(ret_value, LIMITS_TEXT_MAX, "%u", space->priority);
	} else {
		return false;
	}
	return true;
}

struct named *named_find(struct control *control, const char *name)
{
	struct named *named;

	list_for_each (named, &control->named, item)
		if (text_eq(named->name, name))
			return named;
	return NULL;
}

struct named *named_of(struct control *control, uid_t uid)
{
	char name[V3_NAME_MAX];
	struct named *named;

	list_for_each (named, &control->named, item)
		if (named->uid == uid)
			return named;
	snprintf(name, sizeof(name), "uid_%u", (unsigned)uid);
	return named_new(control, name, uid, NULL);
}

struct named *named_new(struct control *control, const char *name, uid_t uid, struct error *err)
{
	struct named *named;
	struct space *space;
	char path[180];

	if (!is_name(name)) {
		error_set(err, -EINVAL, "Invalid server name '%s'", name);
		return NULL;
	}
	if (named_find(control, name)) {
		error_set(err, -EEXIST, "Server '%s' already exists", name);
		return NULL;
	}
	named = must_alloc(1, sizeof(*named));
	*named = (struct named){ .uid = uid };
	text_copy(named->name, sizeof(named->name), name);
	snprintf(named->dir, sizeof(named->dir), "%.90s/%.64s", control->pipe_dir, name);
	list_init(&named->spaces);
	list_add_tail(&control->named, &named->item);
	mkdir(named->dir, 0755);
	space = space_new(named, V3_DEFAULT, err);
	if (space)
		space->listeners[1] = listen_in(named->dir, err);
	if (!space || space->listeners[1] < 0)
		return named_free(control, named);
	snprintf(path, sizeof(path), "%s/log", named->dir);
	mkfifo(path, 0777);
	return named;
}

struct named *named_free(struct control *control, struct named *named)
{
	struct space *space, *after;

	if (named->process)
		named->process->named = NULL;
	list_for_each_safe (space, after, &named->spaces, item)
		space_free(control, space);
	unlisten_in(named->dir);
	list_remove(&named->item);
	free(named);
	return NULL;
}

unsigned named_clients(const struct named *named)
{
	const struct space *space;
	unsigned n = 0;

	list_for_each (space, &named->spaces, item)
		n += space->n_clients;
	return n;
}
