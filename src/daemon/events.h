/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What happened: the last EVENTS_KEPT events in memory for `carve events`, each also a line in the
 * journal. */

#include <stdint.h>

struct daemon;

enum { EVENTS_KEPT = 512 };

struct event {
	/* Counts from the microsecond in which the daemon started: who followed the one before,
	 * with a number of its events, has all of this one's before him. */
	uint64_t number;
	uint64_t wall_ns;
	const char *kind; /* a constant: "lease-active" */
	int gpu;	  /* index; -1: none */
	uint64_t lease;	  /* 0: none */
	char *text;
};

struct events {
	uint64_t last; /* number of the newest */
	struct event ring[EVENTS_KEPT];
};

void event_add(struct daemon *daemon, const char *kind, int gpu, uint64_t lease, const char *format,
	...) __attribute__((format(printf, 5, 6)));
/* The event of that number; NULL if it is not (or no longer) kept. */
const struct event *event_get(const struct events *events, uint64_t number);
void events_done(struct events *events);
