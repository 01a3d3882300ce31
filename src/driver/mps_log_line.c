/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lines of NVIDIA's MPS logs.
 *
 *	[2022-04-28 15:54:11.565 Other 11570] Volta MPS Server is handling a fatal GPU error.
 *	[2026-05-31 23:48:21.748 Control 11107] NEW SERVER 11803: Ready
 *
 * The header names who wrote the line and its pid: "Control", or (in server.log) "Server" or
 * "Other". Words were put before the sentences and taken away again from version to version, so a
 * sentence is looked for anywhere in the line.
 */
#include "base/text.h"
#include "driver/mps_log.h"

#include <stdlib.h>

/* What the numbers of a sentence are: the one after `before`, and the one after `after`. */
enum { SERVER = 's', CLIENT = 'c', STATUS = 'x', NOTHING = '-' };

static const struct pattern {
	const char *before; /* the text before the first number */
	const char *after;  /* what follows it in the line; NULL: anything */
	const char *numbers;
	enum mps_log_kind kind;
	const char *source;
} patterns[] = {
	{ "Starting new server ", NULL, "s", MPS_LOG_SERVER_STARTED, "control, R470 to R580" },
	{ "NEW SERVER ", ": Ready", "s", MPS_LOG_SERVER_READY, "control, R470 to R580" },
	{ "Server ", "exited with status ", "sx", MPS_LOG_SERVER_EXITED, "control, R470 to R580" },
	{ "Server encountered a fatal exception", NULL, "", MPS_LOG_FAULT,
		"control, R470 to R580" },
	{ "is handling a fatal GPU error", NULL, "", MPS_LOG_FAULT,
		"server, R470 (\"Volta MPS Server ...\"), R535 and R550 (libcuda)" },
	{ "Client process ", "encountered a fatal GPU error", "c", MPS_LOG_FAULT,
		"server, R470 to R550 (libcuda)" },
	{ "Creating server context on device", NULL, "-", MPS_LOG_SERVER_READY,
		"server, R470 to R580: after a fault it is back" },
	{ "New client ", "connected", "c", MPS_LOG_CLIENT_CONNECTED,
		"server, R319 (NVIDIA's guide)" },
	{ "Client {PID: ", "connected", "c", MPS_LOG_CLIENT_CONNECTED, "server, R580" },
	{ "tatus of client {", "is ACTIVE", "c", MPS_LOG_CLIENT_CONNECTED,
		"server, R470 (\"Volta MPS: status ...\") to R580" },
	{ "Client {", "exit", "c", MPS_LOG_CLIENT_ENDED, "server, R535 to R580" },
	{ "Client ", "disconnected", "c", MPS_LOG_CLIENT_ENDED, "server, R319 to R550 (libcuda)" },
};

/* The number that begins at `at`, blanks left out: -1 if there is none that is a pid or status. */
static int32_t number_at(const char *at, const char **ret_end)
{
	char *end;
	long value = strtol(at, &end, 10);

	if (end == at || value < 0 || value > INT32_MAX)
		return -1;
	*ret_end = end;
	return (int32_t)value;
}

/* The sentence after the header, and the header's pid (0: it has none). */
static const char *after_header(const char *line, bool *ret_is_control, int32_t *ret_pid)
{
	const char *close = line[0] == '[' ? strchr(line, ']') : NULL;
	const char *digits = close;
	const char *end;

	*ret_is_control = false;
	*ret_pid = 0;
	if (!close)
		return line;
	while (digits > line && digits[-1] >= '0' && digits[-1] <= '9')
		digits--;
	if (digits < close && number_at(digits, &end) > 0)
		*ret_pid = number_at(digits, &end);
	*ret_is_control =
		memmem(line, (size_t)(close - line), "Control", strlen("Control")) != NULL;
	return close + 1 + strspn(close + 1, " ");
}

static bool matches(const struct pattern *pattern, const char *text, struct mps_log_event *event)
{
	const char *at = strstr(text, pattern->before);
	const char *end;

	if (!at)
		return false;
	end = at + strlen(pattern->before);
	if (pattern->numbers[0]) {
		int32_t number = number_at(end, &end);

		if (number < 0)
			return false;
		if (pattern->numbers[0] == CLIENT)
			event->client = number;
		else if (pattern->numbers[0] == SERVER)
			event->server = number;
	}
	if (!pattern->after)
		return true;
	at = strstr(end, pattern->after);
	if (at && pattern->numbers[0] && pattern->numbers[1] == STATUS)
		event->status = number_at(at + strlen(pattern->after), &end);
	return at != NULL;
}

bool mps_log_parse(const char *line, int32_t faulty, struct mps_log_event *ret_event)
{
	bool is_control;
	int32_t pid;
	const char *text = after_header(line, &is_control, &pid);

	for (unsigned i = 0; i < ARRAY_SIZE(patterns); i++) {
		struct mps_log_event event = { .kind = patterns[i].kind };

		if (patterns[i].numbers[0] == NOTHING && (faulty == 0 || pid != faulty))
			continue;
		event.server = is_control ? 0 : pid;
		if (!matches(&patterns[i], text, &event))
			continue;
		text_copy(event.line, sizeof(event.line), text);
		text_clean(event.line);
		*ret_event = event;
		return true;
	}
	return false;
}
