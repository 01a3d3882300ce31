/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What the commands of v2 share; and those about limits, for the table in commands.c. */

#include "sim/mps/daemon.h"

/* Whether the front end is root's or the owner's; else it is told so, and what only they may. */
bool command_is_privileged(struct visitor *visitor, uid_t owner, const char *what);
/* The same for the daemon's settings. */
bool command_may_set(struct visitor *visitor);
/* NULL: there is none, and the answer says so. */
struct mps_server *command_find_server(struct control *control, struct visitor *visitor, int pid);
/* The number that it begins with, or 0. */
int command_number(const char *rest);

void command_get_default_percentage(
	struct control *control, struct visitor *visitor, const char *rest);
void command_set_default_percentage(
	struct control *control, struct visitor *visitor, const char *rest);
void command_get_percentage(struct control *control, struct visitor *visitor, const char *rest);
void command_set_percentage(struct control *control, struct visitor *visitor, const char *rest);
void command_get_default_memory(struct control *control, struct visitor *visitor, const char *rest);
void command_set_default_memory(struct control *control, struct visitor *visitor, const char *rest);
void command_get_memory(struct control *control, struct visitor *visitor, const char *rest);
void command_set_memory(struct control *control, struct visitor *visitor, const char *rest);
void command_get_priority(struct control *control, struct visitor *visitor, const char *rest);
void command_set_priority(struct control *control, struct visitor *visitor, const char *rest);
