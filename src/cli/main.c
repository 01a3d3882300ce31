/* SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"
#include "base/text.h"
#include "cli/help.h"
#include "cli/options.h"
#include "cli/verb.h"
#include "measure/copy.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

int status_of(const struct invocation *invocation, int result)
{
	if (result == 0)
		return EXIT_DONE;
	if (invocation->verb->takes_request && result == CARVE_TIMEOUT)
		return EXIT_TIMEOUT;
	return invocation->verb->takes_command ? EXIT_CARVE : EXIT_FAILED;
}

static int say_unknown_verb(const char *word, struct error *err)
{
	const char *names[64], *near;
	unsigned n;

	for (n = 0; n < verbs_n && n < ARRAY_SIZE(names); n++)
		names[n] = verbs[n].name;
	near = text_nearest(word, names, n);
	if (near)
		error_set(err, -EINVAL, "'%s' is no verb of carve: did you mean '%s'?", word, near);
	else
		error_set(err, -EINVAL, "'%s' is no verb of carve: see 'carve help'", word);
	return EXIT_USAGE;
}

/* The words that stand for a verb at its place. */
static const char *verb_word(const char *word)
{
	if (text_eq(word, "--help") || text_eq(word, "-h"))
		return "help";
	return text_eq(word, "--version") ? "version" : word;
}

static int run_verb(int argc, char **argv, int *ret_signal, struct error *err)
{
	const struct verb *verb = verb_find(verb_word(argv[1]));
	struct invocation invocation;
	int status;

	if (!verb)
		return say_unknown_verb(argv[1], err);
	if (options_parse(verb, argc - 2, argv + 2, &invocation, err) < 0)
		return EXIT_USAGE;
	if (said(&invocation, "help")) {
		help_verb(verb);
		return EXIT_DONE;
	}
	if (client_init(&invocation.client, NULL, err) < 0)
		return status_of(&invocation, -EINVAL);
	status = verb->run(&invocation, err);
	client_done(&invocation.client);
	*ret_signal = invocation.end_signal;
	return status;
}

/* Ends as the command did, so that a shell sees the same; it leaves no core of its own. */
static void end_by_signal(int number)
{
	sigset_t set;

	setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
	signal(number, SIG_DFL);
	sigemptyset(&set);
	sigaddset(&set, number);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	raise(number);
}

int main(int argc, char **argv)
{
	struct error err = ERROR_NONE;
	int end_signal = 0, status;

	if (argc > 1 && text_eq(argv[1], COPY_OPTION))
		return copy_main(argc - 2, argv + 2);
	if (argc < 2) {
		help_overview();
		status = EXIT_USAGE;
	} else {
		status = run_verb(argc, argv, &end_signal, &err);
	}
	if (fflush(stdout) != 0 || ferror(stdout)) {
		if (errno != EPIPE && !err.text[0])
			error_set(&err, -errno, "cannot write: %s", strerror(errno));
		status = status ?: EXIT_FAILED;
	}
	if (err.text[0])
		fprintf(stderr, "carve: %s\n", err.text);
	if (end_signal > 0)
		end_by_signal(end_signal);
	return status;
}
