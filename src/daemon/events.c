/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/events.h"

#include "base/io.h"
#include "base/log.h"
#include "daemon/api.h"
#include "daemon/daemon.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

void event_add(
	struct daemon *daemon, const char *kind, int gpu, uint64_t lease, const char *format, ...)
{
	struct events *events = &daemon->events;
	struct event *event;
	va_list args;
	char *text;

	if (events->last == 0)
		events->last = wall_ns() / 1000;
	event = &events->ring[++events->last % EVENTS_KEPT];
	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	va_end(args);
	free(event->text);
	*event = (struct event){ .number = events->last,
		.wall_ns = wall_ns(),
		.kind = kind,
		.gpu = gpu,
		.lease = lease,
		.text = text };
	if (lease)
		log_info("%s lease=L%" PRIu64 " %s", kind, lease, text ?: "");
	else
		log_info("%s %s", kind, text ?: "");
	api_events_changed(daemon);
}

const struct event *event_get(const struct events *events, uint64_t number)
{
	const struct event *event = &events->ring[number % EVENTS_KEPT];

	return number > 0 && event->number == number ? event : NULL;
}

void events_done(struct events *events)
{
	for (unsigned i = 0; i < EVENTS_KEPT; i++)
		free(events->ring[i].text);
}
