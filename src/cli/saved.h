/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Profiles that were saved, in the user's own directory: $XDG_DATA_HOME/carve/profiles, else
 * ~/.local/share/carve/profiles. One file each, of the JSON that `carve profile --json` prints.
 */

#include "model/request.h"

struct error;
struct invocation;

/* How a report is written: readable, and without digits that mean nothing. */
#define REPORT_JSON (JSON_INDENT(2) | JSON_REAL_PRECISION(12))

enum { SAVED_NAME_MAX = 64, SAVED_VERSION = 1 };

/* -EINVAL unless it is 1 to 63 letters, digits, '.', '_' and '-', and does not begin with '.' or
 * '-'. */
int saved_name_check(const char *name, struct error *err);

/* Whether one can be saved by that name: -EEXIST where there is one and it is not to be replaced;
 * -EACCES and the like where the directory cannot be made or written. Makes the directory. */
int saved_prepare(const char *name, bool replaces, struct error *err);
int saved_write(const char *name, const json_t *report, struct error *err);

/* The file, understood: its report is taken over by the caller. -ENOENT names those that there are;
 * -EBADMSG says where it is damaged, or that a newer Carve wrote it. */
int saved_read(const char *name, json_t **ret_report, struct error *err);
/* What it proposes, and on which product it was measured. */
int saved_request(const char *name, struct request *ret_request, char *ret_product, size_t size,
	struct error *err);

/* The names of all, in order; none where there is no directory. */
struct saved_names {
	char **at;
	size_t n, room;
};
struct saved_names saved_names(void);
void saved_names_done(struct saved_names *names);

int saved_remove(const char *name, struct error *err);
/* All of them, as a table, or their names alone; as JSON {"version":1,"profiles":[...]}. */
void saved_list(const struct invocation *invocation);

/* Says in one line on standard error that what `--like` names was measured on another product; NULL
 * or "": it is not known which this one is. */
void saved_warn(const struct invocation *invocation, const char *product);
