/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * QEMU's monitor for programs (QMP) on a unix socket: commands that wait for their answer until a
 * deadline (monotonic nanoseconds), and the events that come in between. Nothing blocks beyond its
 * deadline, whatever the other side does.
 */

#include "base/text.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct error;

enum {
	QMP_LINE_MAX = 4 * 1024 * 1024, /* a longer line is no answer of QEMU's */
	QMP_EVENTS_MAX = 64,		/* kept until somebody asks; older ones are dropped */
};

struct qmp {
	int fd; /* -1: closed */
	char path[108];
	struct buf in;	 /* what was received and not read */
	size_t searched; /* so much of it has no end of a line */
	uint64_t last_id;
	json_t *events; /* of devices, as they came */
};
#define QMP_NONE ((struct qmp){ .fd = -1 })

/* What QEMU says no with; its sentence stands in `err`. */
enum qmp_refusal {
	QMP_E_REFUSED = 1,
	QMP_E_NOT_FOUND, /* class DeviceNotFound */
};

/*
 * Connects, reads the greeting and agrees on capabilities. The sentence of a failure says the way
 * out: -ENOENT and -ECONNREFUSED: no QEMU there; -EACCES; -ETIMEDOUT: no greeting, as where another
 * program has the monitor; -EBADMSG: not QMP.
 */
int qmp_open(struct qmp *qmp, const char *path, uint64_t deadline_ns, struct error *err);
void qmp_close(struct qmp *qmp);

/*
 * Sends a command (`arguments` is taken over; NULL: none) and waits for its answer. 0 with what it
 * returns (a new reference; NULL: not wanted), a qmp_refusal, or a negative errno: -ETIMEDOUT, and
 * -ECONNRESET or -EBADMSG, after which only qmp_close() is left.
 */
int qmp_ask(struct qmp *qmp, const char *command, json_t *arguments, uint64_t deadline_ns,
	json_t **ret_value, struct error *err);

/*
 * Takes the first event that `is_it` says is the one, of those that came and, until the deadline,
 * of those that come. -ETIMEDOUT (without a sentence) if there is none; else as qmp_ask().
 */
int qmp_wait(struct qmp *qmp, bool (*is_it)(const json_t *event, const void *what),
	const void *what, uint64_t deadline_ns, json_t **ret_event, struct error *err);
