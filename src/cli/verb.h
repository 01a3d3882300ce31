/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * One row per verb: what it takes, what it says of itself, what it does. Help, completions and the
 * check of the manual pages are all made from this table.
 */

#include "client/client.h"
#include "model/request.h"

#include <stdbool.h>

struct error;

enum exit_status {
	EXIT_DONE = 0,
	EXIT_FAILED = 1,
	EXIT_CHANGES = 2, /* plan: there is something to do */
	EXIT_USAGE = 64,
	EXIT_IN_USE = 75,      /* measure: others are on the GPU; it may go later */
	EXIT_TIMEOUT = 124,    /* run, lease, attach, detach: waited too long */
	EXIT_CARVE = 125,      /* run: Carve failed, not the command */
	EXIT_CANNOT_RUN = 126, /* run: the command is there and cannot be run */
	EXIT_NO_COMMAND = 127, /* run: there is no such command */
	EXIT_SIGNAL = 128,     /* run: plus the signal that ended the command */
};

/* What an argument that is no option stands for: for completions. */
enum argument_kind {
	ARGUMENT_NONE,
	ARGUMENT_GPU,
	ARGUMENT_SHARE,
	ARGUMENT_LEASE,
	ARGUMENT_ANY_ID, /* GPU, share or lease */
	ARGUMENT_FILE,
	ARGUMENT_WORD, /* one of `words` */
	ARGUMENT_VERB,
	ARGUMENT_SAVED, /* a profile that was saved */
};

enum { SAID_MAX = 64 };

/* What somebody typed, understood. */
struct invocation {
	const struct verb *verb;
	unsigned n_args;
	char **args;	/* neither options nor their values */
	char **command; /* what is to be run, NULL at its end; NULL for verbs that run nothing */
	unsigned n_said;
	struct {
		const char *name, *value; /* value NULL: none */
	} said[SAID_MAX];
	struct request request; /* for verbs that take one */
	struct client client;
	int end_signal;	       /* run: end by this signal, as the command did */
	char like_product[96]; /* where what --like names was measured; "" without it */
};

struct verb {
	const char *name;
	const char *synopsis;	/* after the name: "ID [--as FORMAT]" */
	int min_args, max_args; /* -1: any number */
	bool takes_request;	/* the options of a request too */
	bool takes_command;	/* the first word that is no option begins it, or what stands
				   behind "--" */
	const char *instead;	/* options that need no command: "list remove"; NULL: none */
	enum argument_kind argument;
	const char *words;   /* ARGUMENT_WORD: "gpus shares leases" */
	const char *summary; /* one line, small letter, no full stop */
	const char *text;    /* what it does, in lines of at most 98 columns, each ending with \n */
	const char *examples;			  /* lines as typed, each ending with \n */
	const struct request_option_row *options; /* ends with a row without a name; NULL: none */
	/*
	 * Does it; the exit status. A sentence in `err` is printed by main(). What is printed on
	 * standard output is flushed and checked there too.
	 */
	int (*run)(struct invocation *invocation, struct error *err);
};

extern const struct verb verbs[];
extern const unsigned verbs_n;
const struct verb *verb_find(const char *name);

/* The options of a verb, the request's and --help among them: the i-th, NULL beyond the last. */
const struct request_option_row *verb_option(const struct verb *verb, unsigned i);
/* Whether an option takes a value, and whether that may be left out. */
enum value_use { VALUE_NONE, VALUE_OPTIONAL, VALUE_NEEDED };
enum value_use option_value_use(const struct request_option_row *row);

/* True if the option was given; its value (the last one said), or NULL. */
bool said(const struct invocation *invocation, const char *option);
const char *said_value(const struct invocation *invocation, const char *option);

/* The exit status for a result of libcarve's: by default EXIT_FAILED, for what run and lease do
 * EXIT_CARVE and EXIT_TIMEOUT. */
int status_of(const struct invocation *invocation, int result);

/* The functions behind the verbs, by file. */
int verb_list(struct invocation *invocation, struct error *err);
int verb_show(struct invocation *invocation, struct error *err);
int verb_manage(struct invocation *invocation, struct error *err);
int verb_unmanage(struct invocation *invocation, struct error *err);
int verb_adopt(struct invocation *invocation, struct error *err);
int verb_plan(struct invocation *invocation, struct error *err);
int verb_apply(struct invocation *invocation, struct error *err);
int verb_export(struct invocation *invocation, struct error *err);
int verb_run(struct invocation *invocation, struct error *err);
int verb_lease(struct invocation *invocation, struct error *err);
int verb_extend(struct invocation *invocation, struct error *err);
int verb_release(struct invocation *invocation, struct error *err);
int verb_attach(struct invocation *invocation, struct error *err);
int verb_detach(struct invocation *invocation, struct error *err);
int verb_drain(struct invocation *invocation, struct error *err);
int verb_undrain(struct invocation *invocation, struct error *err);
int verb_advise(struct invocation *invocation, struct error *err);
int verb_measure(struct invocation *invocation, struct error *err);
int verb_profile(struct invocation *invocation, struct error *err);
int verb_doctor(struct invocation *invocation, struct error *err);
int verb_events(struct invocation *invocation, struct error *err);
int verb_reload(struct invocation *invocation, struct error *err);
int verb_completion(struct invocation *invocation, struct error *err);
int verb_help(struct invocation *invocation, struct error *err);
int verb_version(struct invocation *invocation, struct error *err);
