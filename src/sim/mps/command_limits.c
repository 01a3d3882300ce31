/* SPDX-License-Identifier: Apache-2.0 */
/* Limits: the defaults of servers to come, and those of a server for its clients to come. */
#include "sim/mps/commands.h"

#include "sim/mps/journal.h"

#include <stdio.h>

void command_get_default_percentage(
	struct control *control, struct visitor *visitor, const char *rest)
{
	answer(visitor, "%.1f", control->defaults.percentage);
}

void command_set_default_percentage(
	struct control *control, struct visitor *visitor, const char *rest)
{
	if (!command_may_set(visitor))
		return;
	if (!limits_percentage_parse(rest, &control->defaults.percentage))
		journal("Control", "Invalid percentage, expected between (0.0, 100.0]");
	answer(visitor, "%.1f", control->defaults.percentage);
}

static bool may_set_of(struct visitor *visitor, const struct mps_server *server)
{
	return command_is_privileged(visitor, server->uid,
		"Only the root user may change settings for another user's server.");
}

void command_get_percentage(struct control *control, struct visitor *visitor, const char *rest)
{
	const struct mps_server *server =
		command_find_server(control, visitor, command_number(rest));

	if (server)
		answer(visitor, "%.1f", server->limits.percentage);
}

void command_set_percentage(struct control *control, struct visitor *visitor, const char *rest)
{
	struct mps_server *server;
	int pid = 0, at = 0;

	sscanf(rest, "%d%n", &pid, &at);
	server = command_find_server(control, visitor, pid);
	if (!server || !may_set_of(visitor, server))
		return;
	if (!limits_percentage_parse(rest + at, &server->limits.percentage))
		journal("Control", "Invalid percentage, expected between (0.0, 100.0]");
	server_tell_limits(server);
	answer(visitor, "%.1f", server->limits.percentage);
}

static bool is_device(int device)
{
	if (device >= 0 && device < LIMITS_DEVICES)
		return true;
	journal("Control", "Invalid device ordinal!");
	return false;
}

static void say_memory(struct visitor *visitor, uint64_t bytes, const char *otherwise)
{
	char text[LIMITS_TEXT_MAX];

	if (bytes)
		answer(visitor, "%s", limits_memory_text(bytes, text));
	else
		journal("Control", "%s", otherwise);
}

void command_get_default_memory(struct control *control, struct visitor *visitor, const char *rest)
{
	int device = command_number(rest);

	if (is_device(device))
		say_memory(visitor, control->defaults.memory[device],
			"No default pinned memory limit set for the device!");
}

void command_set_default_memory(struct control *control, struct visitor *visitor, const char *rest)
{
	char value[64] = "";
	int device = 0;

	sscanf(rest, "%d %63s", &device, value);
	if (command_may_set(visitor) && is_device(device))
		control->defaults.memory[device] = limits_memory_parse(value);
}

void command_get_memory(struct control *control, struct visitor *visitor, const char *rest)
{
	int pid = 0, device = 0;
	const struct mps_server *server;

	sscanf(rest, "%d %d", &pid, &device);
	server = command_find_server(control, visitor, pid);
	if (server && is_device(device))
		say_memory(visitor, server->limits.memory[device],
			"No pinned memory limit set for the device!");
}

void command_set_memory(struct control *control, struct visitor *visitor, const char *rest)
{
	int pid = 0, device = 0;
	struct mps_server *server;
	char value[64] = "";

	sscanf(rest, "%d %d %63s", &pid, &device, value);
	server = command_find_server(control, visitor, pid);
	if (!server || !may_set_of(visitor, server) || !is_device(device))
		return;
	server->limits.memory[device] = limits_memory_parse(value);
	server_tell_limits(server);
}

void command_get_priority(struct control *control, struct visitor *visitor, const char *rest)
{
	answer(visitor, "%u", control->defaults.priority);
}

void command_set_priority(struct control *control, struct visitor *visitor, const char *rest)
{
	int priority = command_number(rest);

	if (!command_may_set(visitor))
		return;
	if (priority < 0 || priority > 1)
		answer(visitor, "Invalid priority value - must be 0 or 1!");
	else
		control->defaults.priority = (unsigned)priority;
}
