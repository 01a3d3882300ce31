/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/ledger.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"
#include "base/log.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>
#include <sys/stat.h>

enum statement {
	SQL_BEGIN,
	SQL_COMMIT,
	SQL_LEASE_PUT,
	SQL_LEASE_DROP,
	SQL_LEASE_LAST,
	SQL_ORIGIN_PUT,
	SQL_ORIGIN_DROP,
	SQL_TXN_BEGIN,
	SQL_STEP_PUT,
	SQL_STEP_MARK,
	SQL_STEPS_END,
	SQL_TXN_END,
	SQL_GPU_PUT,
	SQL_BROKEN_PUT,
	SQL_BROKEN_DROP,
	SQL_LAYOUT_MADE,
	SQL_SERVICE_PUT,
	SQL_SERVICE_DROP,
	SQL_SHARE_PUT,
	SQL_SHARE_DROP,
	SQL_MPS_PUT,
	SQL_MPS_DROP,
	SQL_MODE_PUT,
	SQL_MODE_DROP,
	SQL_N,
};

/* Leases end in any order: the greatest number stays. */
static const char lease_last[] = "INSERT INTO meta VALUES ('last_lease', ?1) ON CONFLICT (key) "
				 "DO UPDATE SET value = max(value, excluded.value)";

static const char *const sql[SQL_N] = {
	[SQL_BEGIN] = "BEGIN",
	[SQL_COMMIT] = "COMMIT",
	[SQL_LEASE_PUT] = "INSERT OR REPLACE INTO lease VALUES (?1, ?2)",
	[SQL_LEASE_DROP] = "DELETE FROM lease WHERE id = ?1",
	[SQL_LEASE_LAST] = lease_last,
	[SQL_ORIGIN_PUT] = "INSERT OR REPLACE INTO origin VALUES (?1, ?2, ?3, ?4)",
	[SQL_ORIGIN_DROP] = "DELETE FROM origin WHERE uuid = ?1 AND profile = ?2 AND start = ?3",
	[SQL_TXN_BEGIN] = "INSERT INTO txn (what) VALUES (?1)",
	[SQL_STEP_PUT] = "INSERT OR REPLACE INTO step VALUES (?1, ?2, ?3, ?4, ?5)",
	[SQL_STEP_MARK] = "UPDATE step SET record = ?3 WHERE txn = ?1 AND number = ?2",
	[SQL_STEPS_END] = "DELETE FROM step WHERE txn = ?1",
	[SQL_TXN_END] = "DELETE FROM txn WHERE id = ?1",
	[SQL_GPU_PUT] = "INSERT OR REPLACE INTO gpu VALUES (?1, ?2)",
	[SQL_BROKEN_PUT] = "INSERT OR REPLACE INTO broken VALUES (?1, ?2)",
	[SQL_BROKEN_DROP] = "DELETE FROM broken WHERE uuid = ?1",
	[SQL_LAYOUT_MADE] = "INSERT OR REPLACE INTO meta VALUES ('layout_made', 1)",
	[SQL_SERVICE_PUT] = "INSERT OR REPLACE INTO service VALUES (?1)",
	[SQL_SERVICE_DROP] = "DELETE FROM service WHERE unit = ?1",
	[SQL_SHARE_PUT] =
		"INSERT OR REPLACE INTO mps_share VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
	[SQL_SHARE_DROP] = "DELETE FROM mps_share WHERE uuid = ?1 AND number = ?2",
	[SQL_MPS_PUT] = "INSERT OR REPLACE INTO mps VALUES (?1, ?2)",
	[SQL_MPS_DROP] = "DELETE FROM mps WHERE name = ?1",
	[SQL_MODE_PUT] = "INSERT OR REPLACE INTO former_mode VALUES (?1, ?2)",
	[SQL_MODE_DROP] = "DELETE FROM former_mode WHERE uuid = ?1",
};

static const char ledger_schema[] =
	"CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;"
	"CREATE TABLE IF NOT EXISTS lease (id INTEGER PRIMARY KEY, body TEXT NOT NULL);"
	"CREATE TABLE IF NOT EXISTS origin (uuid TEXT, profile INTEGER, start INTEGER, origin "
	"INTEGER,"
	" PRIMARY KEY (uuid, profile, start)) WITHOUT ROWID;"
	"CREATE TABLE IF NOT EXISTS txn (id INTEGER PRIMARY KEY AUTOINCREMENT, what TEXT NOT NULL);"
	"CREATE TABLE IF NOT EXISTS step (txn INTEGER, number INTEGER, uuid TEXT, body TEXT,"
	" record INTEGER, PRIMARY KEY (txn, number)) WITHOUT ROWID;"
	"CREATE TABLE IF NOT EXISTS gpu (pci TEXT PRIMARY KEY, uuid TEXT) WITHOUT ROWID;"
	"CREATE TABLE IF NOT EXISTS broken (uuid TEXT PRIMARY KEY, why TEXT) WITHOUT ROWID;"
	"CREATE TABLE IF NOT EXISTS mps_share (uuid TEXT, number INTEGER, profile INTEGER, start "
	"INTEGER, ci INTEGER, memory INTEGER, percent INTEGER, over_commit INTEGER,"
	" PRIMARY KEY (uuid, number)) WITHOUT ROWID;"
	"CREATE TABLE IF NOT EXISTS mps (name TEXT PRIMARY KEY, body TEXT NOT NULL) WITHOUT ROWID;"
	"CREATE TABLE IF NOT EXISTS former_mode (uuid TEXT PRIMARY KEY, mode INTEGER) WITHOUT "
	"ROWID;"
	"CREATE TABLE IF NOT EXISTS service (unit TEXT PRIMARY KEY) WITHOUT ROWID;";

static const char store_schema[] = "CREATE TABLE IF NOT EXISTS value (key TEXT PRIMARY KEY, value "
				   "TEXT NOT NULL) WITHOUT ROWID;";

struct ledger {
	sqlite3 *run, *state;
	sqlite3_stmt *statement[SQL_N];
	unsigned depth;
	char tag[8];
};

/* A daemon that cannot record must not act. */
static void __attribute__((noreturn)) give_up(sqlite3 *db, const char *what)
{
	log_error("cannot record (%s): %s; ending, so that nothing is done unrecorded", what,
		sqlite3_errmsg(db));
	_exit(70);
}

static sqlite3_stmt *prepared(struct ledger *ledger, enum statement which)
{
	sqlite3_stmt **statement = &ledger->statement[which];

	if (!*statement && sqlite3_prepare_v3(ledger->run, sql[which], -1,
				   SQLITE_PREPARE_PERSISTENT, statement, NULL) != SQLITE_OK)
		give_up(ledger->run, sql[which]);
	return *statement;
}

static void run(struct ledger *ledger, enum statement which)
{
	sqlite3_stmt *statement = prepared(ledger, which);
	int r = sqlite3_step(statement);

	if (r != SQLITE_DONE && r != SQLITE_ROW)
		give_up(ledger->run, sql[which]);
	sqlite3_reset(statement);
	sqlite3_clear_bindings(statement);
}

static void bind_number(struct ledger *ledger, enum statement which, int at, uint64_t value)
{
	sqlite3_bind_int64(prepared(ledger, which), at, (sqlite3_int64)value);
}

static void bind_text(struct ledger *ledger, enum statement which, int at, const char *text)
{
	sqlite3_bind_text(prepared(ledger, which), at, text, -1, SQLITE_STATIC);
}

/* Steps through a query whose rows go to `row`. */
static void query(sqlite3 *db, const char *text, void (*row)(sqlite3_stmt *, void *), void *context)
{
	sqlite3_stmt *statement = NULL;

	if (sqlite3_prepare_v2(db, text, -1, &statement, NULL) != SQLITE_OK)
		give_up(db, text);
	while (sqlite3_step(statement) == SQLITE_ROW)
		row(statement, context);
	sqlite3_finalize(statement);
}

static const char *column_text(sqlite3_stmt *statement, int column)
{
	return (const char *)sqlite3_column_text(statement, column) ?: "";
}

/* The text that a query of one key gives; the caller frees. NULL if it gives none. */
static char *look_up(sqlite3 *db, const char *text, const char *key)
{
	sqlite3_stmt *statement = NULL;
	char *value = NULL;

	if (sqlite3_prepare_v2(db, text, -1, &statement, NULL) != SQLITE_OK)
		give_up(db, text);
	sqlite3_bind_text(statement, 1, key, -1, SQLITE_STATIC);
	if (sqlite3_step(statement) == SQLITE_ROW)
		value = must_strdup(column_text(statement, 0));
	sqlite3_finalize(statement);
	return value;
}

static bool try_open(const char *path, const char *pragmas, const char *schema, sqlite3 **ret_db)
{
	if (sqlite3_open_v2(path, ret_db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL) ==
			SQLITE_OK &&
		sqlite3_exec(*ret_db, pragmas, NULL, NULL, NULL) == SQLITE_OK &&
		sqlite3_exec(*ret_db, schema, NULL, NULL, NULL) == SQLITE_OK &&
		sqlite3_exec(*ret_db, "PRAGMA quick_check(1)", NULL, NULL, NULL) == SQLITE_OK)
		return true;
	return false;
}

static int open_one(const char *dir, const char *name, const char *pragmas, const char *schema,
	sqlite3 **ret_db, struct error *err)
{
	AUTO_FREE char *path = must_asprintf("%s/%s", dir, name);
	AUTO_FREE char *aside = must_asprintf("%s.damaged", path);
	AUTO_FREE char *wal = must_asprintf("%s-wal", path);
	int r;

	r = make_dirs(dir, 0755, err);
	if (r < 0)
		return r;
	if (!try_open(path, pragmas, schema, ret_db)) {
		r = sqlite3_errcode(*ret_db);
		error_set(err, -EIO, "cannot open %s: %s", path, sqlite3_errmsg(*ret_db));
		sqlite3_close(*ret_db);
		*ret_db = NULL;
		if (r != SQLITE_CORRUPT && r != SQLITE_NOTADB)
			return -EIO;
		log_error("%s is damaged: moved aside to %s, a new one is made", path, aside);
		rename(path, aside);
		unlink(wal);
		if (!try_open(path, pragmas, schema, ret_db))
			return error_set(
				err, -EIO, "cannot make %s: %s", path, sqlite3_errmsg(*ret_db));
	}
	chmod(path, 0600);
	return 0;
}

static void tag_row(sqlite3_stmt *statement, void *context)
{
	struct ledger *ledger = context;

	text_copy(ledger->tag, sizeof(ledger->tag), column_text(statement, 0));
}

const char *ledger_tag(const struct ledger *ledger)
{
	return ledger->tag;
}

int ledger_open(
	const char *run_dir, const char *state_dir, struct ledger **ret_ledger, struct error *err)
{
	struct ledger *ledger = must_alloc(1, sizeof(*ledger));
	int r;

	sqlite3_config(SQLITE_CONFIG_LOOKASIDE, 0, 0);
	r = open_one(run_dir, "ledger.db",
		"PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF;"
		"PRAGMA cache_size=-128; PRAGMA temp_store=MEMORY",
		ledger_schema, &ledger->run, err);
	if (r == 0)
		r = open_one(state_dir, "state.db",
			"PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=DELETE; PRAGMA "
			"synchronous=FULL;"
			"PRAGMA cache_size=-64",
			store_schema, &ledger->state, err);
	if (r < 0) {
		ledger_close(ledger);
		return r;
	}
	sqlite3_exec(ledger->run,
		"INSERT OR IGNORE INTO meta VALUES ('tag', lower(hex(randomblob(3))))", NULL, NULL,
		NULL);
	query(ledger->run, "SELECT value FROM meta WHERE key = 'tag'", tag_row, ledger);
	*ret_ledger = ledger;
	return 0;
}

struct ledger *ledger_close(struct ledger *ledger)
{
	if (!ledger)
		return NULL;
	for (int i = 0; i < SQL_N; i++)
		sqlite3_finalize(ledger->statement[i]);
	sqlite3_close(ledger->run);
	sqlite3_close(ledger->state);
	free(ledger);
	return NULL;
}

void ledger_begin(struct ledger *ledger)
{
	if (ledger->depth++ == 0)
		run(ledger, SQL_BEGIN);
}

void ledger_commit(struct ledger *ledger)
{
	if (--ledger->depth == 0)
		run(ledger, SQL_COMMIT);
}

void ledger_lease_put(struct ledger *ledger, uint64_t id, const char *body)
{
	bind_number(ledger, SQL_LEASE_PUT, 1, id);
	bind_text(ledger, SQL_LEASE_PUT, 2, body);
	run(ledger, SQL_LEASE_PUT);
}

void ledger_lease_drop(struct ledger *ledger, uint64_t id)
{
	/* ids grow, so the greatest one that was dropped or is there is the last one given */
	ledger_begin(ledger);
	bind_number(ledger, SQL_LEASE_DROP, 1, id);
	run(ledger, SQL_LEASE_DROP);
	bind_number(ledger, SQL_LEASE_LAST, 1, id);
	run(ledger, SQL_LEASE_LAST);
	ledger_commit(ledger);
}

struct each {
	void *function, *context;
};

static void lease_row(sqlite3_stmt *statement, void *context)
{
	struct each *each = context;
	void (*function)(void *, uint64_t, const char *) = each->function;

	function(each->context, (uint64_t)sqlite3_column_int64(statement, 0),
		column_text(statement, 1));
}

void ledger_leases(
	struct ledger *ledger, void (*each)(void *, uint64_t, const char *), void *context)
{
	query(ledger->run, "SELECT id, body FROM lease ORDER BY id", lease_row,
		&(struct each){ each, context });
}

static void number_row(sqlite3_stmt *statement, void *context)
{
	*(uint64_t *)context = (uint64_t)sqlite3_column_int64(statement, 0);
}

uint64_t ledger_last_lease(struct ledger *ledger)
{
	uint64_t last = 0;

	query(ledger->run,
		"SELECT max(coalesce((SELECT value FROM meta WHERE key = 'last_lease'), 0),"
		" coalesce((SELECT max(id) FROM lease), 0))",
		number_row, &last);
	return last;
}

void ledger_origin_put(struct ledger *ledger, const char *uuid, uint32_t profile_id, uint32_t start,
	enum share_origin origin)
{
	bind_text(ledger, SQL_ORIGIN_PUT, 1, uuid);
	bind_number(ledger, SQL_ORIGIN_PUT, 2, profile_id);
	bind_number(ledger, SQL_ORIGIN_PUT, 3, start);
	bind_number(ledger, SQL_ORIGIN_PUT, 4, origin);
	run(ledger, SQL_ORIGIN_PUT);
}

void ledger_origin_drop(
	struct ledger *ledger, const char *uuid, uint32_t profile_id, uint32_t start)
{
	bind_text(ledger, SQL_ORIGIN_DROP, 1, uuid);
	bind_number(ledger, SQL_ORIGIN_DROP, 2, profile_id);
	bind_number(ledger, SQL_ORIGIN_DROP, 3, start);
	run(ledger, SQL_ORIGIN_DROP);
}

static void origin_row(sqlite3_stmt *statement, void *context)
{
	struct each *each = context;
	void (*function)(void *, const char *, uint32_t, uint32_t, enum share_origin) =
		each->function;

	function(each->context, column_text(statement, 0),
		(uint32_t)sqlite3_column_int(statement, 1),
		(uint32_t)sqlite3_column_int(statement, 2),
		(enum share_origin)sqlite3_column_int(statement, 3));
}

void ledger_origins(struct ledger *ledger,
	void (*each)(void *, const char *, uint32_t, uint32_t, enum share_origin), void *context)
{
	query(ledger->run, "SELECT uuid, profile, start, origin FROM origin", origin_row,
		&(struct each){ each, context });
}

uint64_t ledger_txn_begin(struct ledger *ledger, const char *what)
{
	bind_text(ledger, SQL_TXN_BEGIN, 1, what);
	run(ledger, SQL_TXN_BEGIN);
	return (uint64_t)sqlite3_last_insert_rowid(ledger->run);
}

void ledger_step_put(struct ledger *ledger, uint64_t txn, unsigned number, const char *uuid,
	const struct step *step, enum step_record record)
{
	json_t *json = step_to_json(step);
	AUTO_FREE char *body = json_dumps(json, JSON_COMPACT);

	json_decref(json);
	bind_number(ledger, SQL_STEP_PUT, 1, txn);
	bind_number(ledger, SQL_STEP_PUT, 2, number);
	bind_text(ledger, SQL_STEP_PUT, 3, uuid);
	bind_text(ledger, SQL_STEP_PUT, 4, body);
	bind_number(ledger, SQL_STEP_PUT, 5, record);
	run(ledger, SQL_STEP_PUT);
}

void ledger_step_mark(struct ledger *ledger, uint64_t txn, unsigned number, enum step_record record)
{
	bind_number(ledger, SQL_STEP_MARK, 1, txn);
	bind_number(ledger, SQL_STEP_MARK, 2, number);
	bind_number(ledger, SQL_STEP_MARK, 3, record);
	run(ledger, SQL_STEP_MARK);
}

void ledger_txn_end(struct ledger *ledger, uint64_t txn)
{
	ledger_begin(ledger);
	bind_number(ledger, SQL_STEPS_END, 1, txn);
	run(ledger, SQL_STEPS_END);
	bind_number(ledger, SQL_TXN_END, 1, txn);
	run(ledger, SQL_TXN_END);
	ledger_commit(ledger);
}

static void step_row(sqlite3_stmt *statement, void *context)
{
	struct each *each = context;
	void (*function)(void *, uint64_t, unsigned, const char *, const struct step *,
		enum step_record) = each->function;
	json_t *json = json_loads(column_text(statement, 3), 0, NULL);
	struct step step;

	if (json && step_from_json(json, &step) == 0)
		function(each->context, (uint64_t)sqlite3_column_int64(statement, 0),
			(unsigned)sqlite3_column_int(statement, 1), column_text(statement, 2),
			&step, (enum step_record)sqlite3_column_int(statement, 4));
	else
		log_error(
			"the ledger has a step that cannot be read: %s", column_text(statement, 3));
	json_decref(json);
}

void ledger_open_steps(struct ledger *ledger,
	void (*each)(
		void *, uint64_t, unsigned, const char *, const struct step *, enum step_record),
	void *context)
{
	query(ledger->run,
		"SELECT txn, number, uuid, body, record FROM step ORDER BY txn DESC, number DESC",
		step_row, &(struct each){ each, context });
}

void ledger_service_put(struct ledger *ledger, const char *unit)
{
	bind_text(ledger, SQL_SERVICE_PUT, 1, unit);
	run(ledger, SQL_SERVICE_PUT);
}

void ledger_service_drop(struct ledger *ledger, const char *unit)
{
	bind_text(ledger, SQL_SERVICE_DROP, 1, unit);
	run(ledger, SQL_SERVICE_DROP);
}

static void service_row(sqlite3_stmt *statement, void *context)
{
	struct each *each = context;
	void (*function)(void *, const char *) = each->function;

	function(each->context, column_text(statement, 0));
}

void ledger_services(struct ledger *ledger, void (*each)(void *, const char *), void *context)
{
	query(ledger->run, "SELECT unit FROM service ORDER BY unit", service_row,
		&(struct each){ each, context });
}

void ledger_mps_share_put(
	struct ledger *ledger, const char *uuid, const struct mps_share *share, bool is_there)
{
	enum statement which = is_there ? SQL_SHARE_PUT : SQL_SHARE_DROP;

	bind_text(ledger, which, 1, uuid);
	bind_number(ledger, which, 2, share->number);
	if (is_there) {
		bind_number(ledger, which, 3, share->place.profile_id);
		bind_number(ledger, which, 4, share->place.start);
		bind_number(ledger, which, 5, share->place.ci);
		bind_number(ledger, which, 6, share->memory_bytes);
		bind_number(ledger, which, 7, share->percent);
		bind_number(ledger, which, 8, share->over_commit);
	}
	run(ledger, which);
}

static void share_row(sqlite3_stmt *statement, void *context)
{
	struct each *each = context;
	void (*function)(void *, const char *, const struct mps_share *) = each->function;
	const struct mps_share share = {
		.number = (uint32_t)sqlite3_column_int64(statement, 1),
		.place = { (uint32_t)sqlite3_column_int64(statement, 2),
			(uint32_t)sqlite3_column_int64(statement, 3),
			(uint32_t)sqlite3_column_int64(statement, 4) },
		.memory_bytes = (uint64_t)sqlite3_column_int64(statement, 5),
		.percent = (uint32_t)sqlite3_column_int64(statement, 6),
		.over_commit = sqlite3_column_int(statement, 7) != 0,
		.is_pinned = true,
	};

	function(each->context, column_text(statement, 0), &share);
}

void ledger_mps_shares(struct ledger *ledger,
	void (*each)(void *, const char *, const struct mps_share *), void *context)
{
	query(ledger->run,
		"SELECT uuid, number, profile, start, ci, memory, percent, over_commit"
		" FROM mps_share ORDER BY uuid, number",
		share_row, &(struct each){ each, context });
}

void ledger_mps_put(struct ledger *ledger, const char *name, const char *body)
{
	bind_text(ledger, SQL_MPS_PUT, 1, name);
	bind_text(ledger, SQL_MPS_PUT, 2, body);
	run(ledger, SQL_MPS_PUT);
}

void ledger_mps_drop(struct ledger *ledger, const char *name)
{
	bind_text(ledger, SQL_MPS_DROP, 1, name);
	run(ledger, SQL_MPS_DROP);
}

static void mps_row(sqlite3_stmt *statement, void *context)
{
	struct each *each = context;
	void (*function)(void *, const char *, const char *) = each->function;

	function(each->context, column_text(statement, 0), column_text(statement, 1));
}

void ledger_mps_all(
	struct ledger *ledger, void (*each)(void *, const char *, const char *), void *context)
{
	query(ledger->run, "SELECT name, body FROM mps ORDER BY name", mps_row,
		&(struct each){ each, context });
}

void ledger_former_mode_put(struct ledger *ledger, const char *uuid, const enum compute_mode *mode)
{
	enum statement which = mode ? SQL_MODE_PUT : SQL_MODE_DROP;

	bind_text(ledger, which, 1, uuid);
	if (mode)
		bind_number(ledger, which, 2, *mode);
	run(ledger, which);
}

bool ledger_former_mode(struct ledger *ledger, const char *uuid, enum compute_mode *ret_mode)
{
	AUTO_FREE char *text =
		look_up(ledger->run, "SELECT mode FROM former_mode WHERE uuid = ?1", uuid);
	uint32_t mode;

	if (!text || parse_u32(text, &mode) < 0)
		return false;
	*ret_mode = (enum compute_mode)mode;
	return true;
}

void ledger_gpu_put(struct ledger *ledger, const char *pci, const char *uuid)
{
	bind_text(ledger, SQL_GPU_PUT, 1, pci);
	bind_text(ledger, SQL_GPU_PUT, 2, uuid);
	run(ledger, SQL_GPU_PUT);
}

char *ledger_gpu_uuid(struct ledger *ledger, const char *pci)
{
	return look_up(ledger->run, "SELECT uuid FROM gpu WHERE pci = ?1", pci);
}

void ledger_broken_put(struct ledger *ledger, const char *uuid, const char *why)
{
	enum statement which = why ? SQL_BROKEN_PUT : SQL_BROKEN_DROP;

	bind_text(ledger, which, 1, uuid);
	if (why)
		bind_text(ledger, which, 2, why);
	run(ledger, which);
}

char *ledger_broken(struct ledger *ledger, const char *uuid)
{
	return look_up(ledger->run, "SELECT why FROM broken WHERE uuid = ?1", uuid);
}

void ledger_layout_made(struct ledger *ledger)
{
	run(ledger, SQL_LAYOUT_MADE);
}

bool ledger_layout_is_made(struct ledger *ledger)
{
	AUTO_FREE char *made =
		look_up(ledger->run, "SELECT value FROM meta WHERE key = ?1", "layout_made");

	return made != NULL;
}

void store_put(struct ledger *ledger, const char *key, const char *value)
{
	sqlite3_stmt *statement = NULL;

	if (sqlite3_prepare_v2(ledger->state,
		    value ? "INSERT OR REPLACE INTO value VALUES (?1, ?2)"
			  : "DELETE FROM value WHERE key = ?1",
		    -1, &statement, NULL) != SQLITE_OK)
		give_up(ledger->state, key);
	sqlite3_bind_text(statement, 1, key, -1, SQLITE_STATIC);
	if (value)
		sqlite3_bind_text(statement, 2, value, -1, SQLITE_STATIC);
	if (sqlite3_step(statement) != SQLITE_DONE)
		give_up(ledger->state, key);
	sqlite3_finalize(statement);
}

char *store_get(struct ledger *ledger, const char *key)
{
	return look_up(ledger->state, "SELECT value FROM value WHERE key = ?1", key);
}

void store_each(struct ledger *ledger, const char *prefix,
	void (*each)(void *context, const char *key, const char *value), void *context)
{
	static const char text[] = "SELECT key, value FROM value WHERE substr(key, 1, length(?1)) "
				   "= ?1 ORDER BY length(key), key";
	sqlite3_stmt *statement = NULL;

	if (sqlite3_prepare_v2(ledger->state, text, -1, &statement, NULL) != SQLITE_OK)
		give_up(ledger->state, text);
	sqlite3_bind_text(statement, 1, prefix, -1, SQLITE_STATIC);
	while (sqlite3_step(statement) == SQLITE_ROW)
		each(context, column_text(statement, 0), column_text(statement, 1));
	sqlite3_finalize(statement);
}
