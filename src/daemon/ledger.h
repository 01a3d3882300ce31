/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What the daemon must not forget: two SQLite files of the same kind.
 *
 * The ledger (RUN_DIR/ledger.db) is of this boot: leases, who made which instance, transactions
 * with the intent and the result of each step, services that were stopped. It is never synced to
 * disk: it has to survive a killed daemon, not a dead machine. The store (STATE_DIR/state.db) is
 * durable: what is managed and drained, what a GPU was like before it was managed, and the last
 * applied layout.
 *
 * Writes either work or end the daemon (a daemon that cannot record must not act; it is started
 * again, and says why). Texts that callbacks get are borrowed.
 */

#include "model/plan.h"

#include <stdint.h>

struct error;
struct ledger;

/* Opens both, making what is missing. A file that is damaged is moved aside and said so. */
int ledger_open(
	const char *run_dir, const char *state_dir, struct ledger **ret_ledger, struct error *err);
struct ledger *ledger_close(struct ledger *ledger);

/* Several writes as one: all of them are there after a kill, or none. May be nested. */
void ledger_begin(struct ledger *ledger);
void ledger_commit(struct ledger *ledger);

/* A short random word of this ledger's own, "3f9a2c": for names that two daemons must not share. */
const char *ledger_tag(const struct ledger *ledger);

/* Leases: `body` is a JSON text. */
void ledger_lease_put(struct ledger *ledger, uint64_t id, const char *body);
void ledger_lease_drop(struct ledger *ledger, uint64_t id);
void ledger_leases(struct ledger *ledger,
	void (*each)(void *context, uint64_t id, const char *body), void *context);
/* The last id ever given in this boot, so that ids are not given twice. */
uint64_t ledger_last_lease(struct ledger *ledger);

/* Who made an instance: known by its GPU's uuid and place. Foreign ones have no row. */
void ledger_origin_put(struct ledger *ledger, const char *uuid, uint32_t profile_id, uint32_t start,
	enum share_origin origin);
void ledger_origin_drop(
	struct ledger *ledger, const char *uuid, uint32_t profile_id, uint32_t start);
void ledger_origins(struct ledger *ledger,
	void (*each)(void *context, const char *uuid, uint32_t profile_id, uint32_t start,
		enum share_origin origin),
	void *context);

/* Pinned MPS shares, by their GPU's uuid and number. */
void ledger_mps_share_put(
	struct ledger *ledger, const char *uuid, const struct mps_share *share, bool is_there);
void ledger_mps_shares(struct ledger *ledger,
	void (*each)(void *context, const char *uuid, const struct mps_share *share),
	void *context);

/* MPS servers by their name: `body` is a JSON text. */
void ledger_mps_put(struct ledger *ledger, const char *name, const char *body);
void ledger_mps_drop(struct ledger *ledger, const char *name);
void ledger_mps_all(struct ledger *ledger,
	void (*each)(void *context, const char *name, const char *body), void *context);

/* The compute mode that a GPU was in before MPS; mode NULL: it is in it again. */
void ledger_former_mode_put(struct ledger *ledger, const char *uuid, const enum compute_mode *mode);
bool ledger_former_mode(struct ledger *ledger, const char *uuid, enum compute_mode *ret_mode);

/* GPUs by their PCI address: what is known of one that does not answer. The uuid, which the caller
 * frees; NULL if it was not seen in this boot. */
void ledger_gpu_put(struct ledger *ledger, const char *pci, const char *uuid);
char *ledger_gpu_uuid(struct ledger *ledger, const char *pci);

/* GPUs that could not be put back, until somebody has looked at them; why NULL: he has. */
void ledger_broken_put(struct ledger *ledger, const char *uuid, const char *why);
/* Why, which the caller frees; NULL if it is not broken. */
char *ledger_broken(struct ledger *ledger, const char *uuid);

/* Transactions: `what` says for whom ("lease 12", "apply A1"); steps are numbered from 0. */
enum step_record { STEP_INTENDED, STEP_DONE, STEP_UNDONE };
uint64_t ledger_txn_begin(struct ledger *ledger, const char *what);
void ledger_step_put(struct ledger *ledger, uint64_t txn, unsigned number, const char *uuid,
	const struct step *step, enum step_record record);
void ledger_step_mark(
	struct ledger *ledger, uint64_t txn, unsigned number, enum step_record record);
void ledger_txn_end(struct ledger *ledger, uint64_t txn);
/* Steps of transactions that have not ended, newest transaction first, last step first. */
void ledger_open_steps(struct ledger *ledger,
	void (*each)(void *context, uint64_t txn, unsigned number, const char *uuid,
		const struct step *step, enum step_record record),
	void *context);

/* Services stopped for an apply, to be started again whatever happens. */
void ledger_service_put(struct ledger *ledger, const char *unit);
void ledger_service_drop(struct ledger *ledger, const char *unit);
void ledger_services(
	struct ledger *ledger, void (*each)(void *context, const char *unit), void *context);

/* Durable values by key ("managed/GPU-...", "layout/text"); value NULL deletes. */
void store_put(struct ledger *ledger, const char *key, const char *value);
/* All whose key begins so, shorter keys first, then in their order. Not to be changed meanwhile. */
void store_each(struct ledger *ledger, const char *prefix,
	void (*each)(void *context, const char *key, const char *value), void *context);
/* The value, which the caller frees; NULL if there is none. */
char *store_get(struct ledger *ledger, const char *key);
/* Whether the last applied layout was made again in this boot, or need not be. */
void ledger_layout_made(struct ledger *ledger);
bool ledger_layout_is_made(struct ledger *ledger);
