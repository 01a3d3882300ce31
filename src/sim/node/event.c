/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/node/event.h"

#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

void event_publish(struct node *node, const struct event *event)
{
	node_lock(node);
	node->events[node->event_count % NODE_EVENTS] = *event;
	__atomic_store_n(&node->event_count, node->event_count + 1, __ATOMIC_RELEASE);
	node_unlock(node);
	syscall(SYS_futex, &node->event_count, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

uint32_t event_now(struct node *node)
{
	return __atomic_load_n(&node->event_count, __ATOMIC_ACQUIRE);
}

bool event_next(struct node *node, uint32_t *cursor, struct event *ret_event)
{
	bool found;

	if (event_now(node) == *cursor)
		return false;
	node_lock(node);
	if (node->event_count - *cursor > NODE_EVENTS)
		*cursor = node->event_count - NODE_EVENTS;
	found = node->event_count != *cursor;
	if (found)
		*ret_event = node->events[(*cursor)++ % NODE_EVENTS];
	node_unlock(node);
	return found;
}

void event_wait(struct node *node, uint32_t cursor, uint64_t timeout_ns)
{
	struct timespec timeout = { (time_t)(timeout_ns / 1000000000),
		(long)(timeout_ns % 1000000000) };

	syscall(SYS_futex, &node->event_count, FUTEX_WAIT, cursor, &timeout, NULL, 0);
}
