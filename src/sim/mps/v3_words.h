/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A command line of v3, and what its commands share. */

#include "sim/mps/v3.h"

#define V3_FORCE_NS 2000000000ull /* so long a server has to end by itself */

struct words {
	const char *module, *verb, *at[3];
	unsigned n;
	struct {
		const char *key, *value; /* NULL: a flag */
	} options[8];
	unsigned n_options;
};

/* The answer is this sentence, and the front end's exit status 1. */
void v3_fail(struct visitor *visitor, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* The value of --KEY=VALUE, "" of --KEY, or NULL. */
const char *v3_option(const struct words *words, const char *key);
/* The server with this name; NULL: there is none, and the answer says so. */
struct named *v3_named(struct control *control, struct visitor *visitor, const char *name);
bool v3_may_change(struct visitor *visitor, uid_t owner);
const char *v3_status(const struct named *named);
/* The answer is a list: "--format=csv,noheader" and the like. */
void v3_list_begin(struct visitor *visitor, const struct words *words, const char *header);
/* Sets what the options say, all or nothing. */
void v3_set_limits(struct visitor *visitor, struct space *space, const struct words *words);

/* v3_servers.c, v3_spaces.c: the commands. */
void v3_server_create(struct control *control, struct visitor *visitor, const struct words *words);
void v3_server_delete(struct control *control, struct visitor *visitor, const struct words *words);
void v3_server_list(struct control *control, struct visitor *visitor, const struct words *words);
void v3_server_set(struct control *control, struct visitor *visitor, const struct words *words);
void v3_server_get(struct control *control, struct visitor *visitor, const struct words *words);
void v3_space_create(struct control *control, struct visitor *visitor, const struct words *words);
void v3_space_delete(struct control *control, struct visitor *visitor, const struct words *words);
void v3_space_list(struct control *control, struct visitor *visitor, const struct words *words);
void v3_space_set_limits(
	struct control *control, struct visitor *visitor, const struct words *words);
void v3_space_get_field(
	struct control *control, struct visitor *visitor, const struct words *words);
void v3_client_list(struct control *control, struct visitor *visitor, const struct words *words);
void v3_client_terminate(
	struct control *control, struct visitor *visitor, const struct words *words);
