/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Events of the node (XIDs, ECC errors, lost GPUs): a ring that any number of readers follow. */

#include "sim/node/node.h"

/* Adds an event and wakes whoever waits. */
void event_publish(struct node *node, const struct event *event);

/* The number of events so far: where a new reader begins. */
uint32_t event_now(struct node *node);

/*
 * The event after *cursor, which moves on; false if there is none yet. A reader that fell more than
 * the ring behind loses the oldest, as with the driver's queue.
 */
bool event_next(struct node *node, uint32_t *cursor, struct event *ret_event);

/* Sleeps until there are events after `cursor`, at most timeout_ns; may wake early. */
void event_wait(struct node *node, uint32_t cursor, uint64_t timeout_ns);
