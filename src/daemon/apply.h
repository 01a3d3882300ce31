/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Applies: a layout brought about as one operation that a caller can follow. Services in the way
 * are stopped first and started again whatever happens, a killed daemon included.
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

/* An instance by its place: indices change while steps are done. Or a VF by its number, as in
 * struct repin. */
struct pin {
	uint32_t gpu, profile_id, start;
	int vf;
	enum share_origin origin;
};

/* A layout as it was given: what is made again after a boot. */
struct remembered {
	char *file, *text, *name;
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
	struct remembered remembered; /* text NULL: it is not to be */
	bool is_restore;	      /* the last layout, made again after a boot */
	uint32_t unmanage;	      /* mask of GPUs that are unmanaged once it is done */
	sd_event_source *timer;	      /* while idle MPS servers end */
	uint64_t waited_ns;	      /* so long already */
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
/* Remembers its layout for the next boot once the operation is done; name may be NULL. */
void operation_remembers(
	struct operation *operation, const char *file, const char *text, const char *name);
/* Unmanages the GPU once the operation is done; at once if it is done already. */
void operation_unmanages(struct operation *operation, unsigned gpu);
struct operation *operation_find(struct daemon *daemon, uint64_t id);
json_t *operation_render(const struct operation *operation);
void operations_done(struct daemon *daemon);

/* After a restart: starts the services that an apply had stopped. */
void services_recover(struct daemon *daemon);
/* Applies the layout that was applied last, if that was not done since the boot. */
void layout_restore(struct daemon *daemon);
