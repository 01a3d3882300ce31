/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Intrusive double-linked lists, and growing arrays. */

#include "base/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

struct list {
	struct list *next, *prev;
};

#define LIST_INIT(name)                                                                            \
	{                                                                                          \
		&(name), &(name)                                                                   \
	}
#define container_of(pointer, type, member) ((type *)((char *)(pointer)-offsetof(type, member)))

static inline void list_init(struct list *list)
{
	list->next = list->prev = list;
}

static inline bool list_is_empty(const struct list *list)
{
	return list->next == list;
}

static inline void list_add_tail(struct list *list, struct list *item)
{
	item->prev = list->prev;
	item->next = list;
	list->prev->next = item;
	list->prev = item;
}

/* Takes the item out of its list; harmless on one that is in none (list_init'ed). */
static inline void list_remove(struct list *item)
{
	item->prev->next = item->next;
	item->next->prev = item->prev;
	list_init(item);
}

#define list_for_each(item, list, member)                                                          \
	for (item = container_of((list)->next, __typeof__(*item), member);                         \
		&item->member != (list);                                                           \
		item = container_of(item->member.next, __typeof__(*item), member))
/* As list_for_each, but `item` may be removed (and freed) in the body; `after` is its successor. */
#define list_for_each_safe(item, after, list, member)                                              \
	for (item = container_of((list)->next, __typeof__(*item), member),                         \
	    after = container_of(item->member.next, __typeof__(*item), member);                    \
		&item->member != (list);                                                           \
		item = after, after = container_of(item->member.next, __typeof__(*item), member))

/*
 * A growing array: VEC(struct step) steps; { 0 } is the empty one, `at` its items, `n` their
 * number. vec_add returns the address of a new, zeroed item at the end.
 */
#define VEC(type)                                                                                  \
	struct {                                                                                   \
		type *at;                                                                          \
		size_t n, room;                                                                    \
	}
#define vec_add(vec)                                                                               \
	({                                                                                         \
		if ((vec)->n == (vec)->room) {                                                     \
			(vec)->room = (vec)->room ? 2 * (vec)->room : 8;                           \
			(vec)->at = must_realloc((vec)->at, (vec)->room, sizeof((vec)->at[0]));    \
		}                                                                                  \
		memset(&(vec)->at[(vec)->n], 0, sizeof((vec)->at[0]));                             \
		&(vec)->at[(vec)->n++];                                                            \
	})
#define vec_done(vec)                                                                              \
	do {                                                                                       \
		free((vec)->at);                                                                   \
		(vec)->at = NULL;                                                                  \
		(vec)->n = (vec)->room = 0;                                                        \
	} while (0)
/* An empty array has no address that could be counted from. */
#define vec_for_each(item, vec) for (item = (vec)->at; item && item < (vec)->at + (vec)->n; item++)
