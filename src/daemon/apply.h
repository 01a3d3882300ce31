/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Applies: a layout brought about as one operation that a caller can follow. Services in the way
 *are stopped first and started again whatever happens, a killed daemon included.
 *
 *	stop services --> steps (executor) --> pins --> start services --> done
 */

#include "daemon/daemon.h"
#include "model/layout.h"
#include "model/plan.h"

#include <jansson.h>

struct error;
struct peer;

enum operation_state { OPERATION_RUNNING, OPERATION_DONE, OPERATION_FAILED };
enum { OPERATIONS_KEPT = 16 };

/* An instance by its place: indices change while steps are done. */
struct pin {
	uint32_t gpu, profile_id, start;
	enum share_origin origin;
};

struct operation {
	struct daemon *daemon;
	struct list link; /* in daemon->operations */
	uint64_t id;
	enum operation_state state;
	unsigned steps_done, n_steps;
	char *text;   /* what is being done */
	char *error;  /* why it failed; NULL */
	json_t *plan; /* as the API shows it */
	struct layout layout;
	bool may_reset;
	VEC(struct pin) pins; /* what changes its origin once the steps are done */
	char **unit;	      /* services to stop */
	unsigned n_units, next_unit;
	bool failed_units;
	uint32_t unmanage; /* mask of GPUs that are unmanaged once it is done */
};

/*
 * Starts an operation for a layout (moved into it) whose plan, shown in `plan`, has no blockers.
 * Refused
 * (-EBUSY, -EPERM, with the sentence) while a GPU of it is being changed, or where a reset is
 * needed and not allowed. `units` are services to stop for it.
 */
int operation_start(struct daemon *daemon, struct layout *layout, const struct plan *plan,
	json_t *plan_json, char **units, unsigned n_units, bool may_reset,
	struct operation **ret_operation, struct error *err);
/* Unmanages the GPU once the operation is done; at once if it is done already. */
void operation_unmanages(struct operation *operation, unsigned gpu);
struct operation *operation_find(struct daemon *daemon, uint64_t id);
json_t *operation_render(const struct operation *operation);
void operations_done(struct daemon *daemon);

/* After a restart: starts the services that an apply had stopped. */
void services_recover(struct daemon *daemon);
/* At boot: applies the layout that was applied last. */
void layout_restore(struct daemon *daemon);
/* Remembers a layout for the next boot. */
void layout_remember(struct daemon *daemon, const char *file, const char *text, const char *name);
