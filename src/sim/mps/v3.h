/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The third interface: named servers with namespaces, each with a socket of its own.
 *
 *	PIPE/control			by uid
 *	PIPE/SERVER/control		the server's namespace "default"
 *	PIPE/SERVER/SPACE/control	a namespace
 */

#include "sim/mps/daemon.h"

struct error;

#define V3_NAME_MAX  65
#define V3_SEPARATOR "\x1f" /* between the words of a command line */
#define V3_DEFAULT   "default"

/* A namespace. */
struct space {
	struct list item;
	char name[V3_NAME_MAX];
	char dir[160];
	uint64_t memory;   /* bytes at most; 0: no limit */
	double percentage; /* 0: it says nothing */
	unsigned priority;
	int listeners[2]; /* the second one: the server's own, of the default */
	unsigned n_clients;
};

struct named {
	struct list item;
	char name[V3_NAME_MAX];
	char dir[160];
	uid_t uid;
	char allowed[1024]; /* devices, as CUDA_VISIBLE_DEVICES has them; "": all */
	struct list spaces;
	struct mps_server *process; /* NULL: it does not run */
};

struct named *named_find(struct control *control, const char *name);
/* The one of this user, which is made if there is none. */
struct named *named_of(struct control *control, uid_t uid);
/* NULL with a sentence. */
struct named *named_new(struct control *control, const char *name, uid_t uid, struct error *err);
struct named *named_free(struct control *control, struct named *named);
unsigned named_clients(const struct named *named);

struct space *space_find(struct named *named, const char *name);
struct space *space_new(struct named *named, const char *name, struct error *err);
struct space *space_free(struct control *control, struct space *space);
/* One of pinned-memory-limit, active-thread-percentage, client-priority: -EINVAL with a sentence.
 */
int space_set(struct space *space, const char *key, const char *value, struct error *err);
/* Its value as text; false: it is none of them. */
bool space_get(const struct space *space, const char *key, char ret_value[LIMITS_TEXT_MAX]);

/* Does what a command line says, whose words are separated so. */
void v3_run(
	struct control *control, struct visitor *visitor, const char *line, const char *separators);
/* Gives the answer the form that was asked for. */
void v3_shape(struct visitor *visitor);

/* toml.c: makes what a file says. */
int v3_apply(struct control *control, const char *path, struct error *err);
