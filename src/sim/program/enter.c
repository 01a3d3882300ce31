/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/program/enter.h"

#include "base/error.h"
#include "base/text.h"
#include "sim/program/namespace.h"
#include "sim/program/program.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define EXIT_CANNOT_RUN 126
#define EXIT_NOT_FOUND	127

static void set_in_front(const char *name, const char *dir)
{
	const char *rest = getenv(name);
	AUTO_BUF text = { 0 };

	buf_addf(&text, "%s%s%s", dir, rest && *rest ? ":" : "", rest ?: "");
	setenv(name, buf_text(&text), 1);
}

static void set_below(const struct node *node, const char *name, const char *below)
{
	char path[300];

	snprintf(path, sizeof(path), "%s/%s", node->dir, below);
	setenv(name, path, 1);
}

/* What points a command at the node. The CARVE_ names but the first are the product's. */
static int environment_set(const struct node *node, struct error *err)
{
	char library[600], bin[300];
	int r = where_library(library, sizeof(library), err);

	if (r < 0)
		return r;
	snprintf(bin, sizeof(bin), "%s/bin", node->dir);
	set_in_front("LD_LIBRARY_PATH", library);
	set_in_front("PATH", bin);
	setenv("CARVE_SIM_NODE", node->dir, 1);
	set_below(node, "CARVE_SYSTEM_ROOT", "root");
	set_below(node, "CARVE_RUN_DIR", "run");
	set_below(node, "CARVE_STATE_DIR", "state");
	setenv("CARVE_SIMULATED", "1", 1);
	return 0;
}

int node_enter(const struct verb *verb, const struct node *node, bool in_namespace, char **command)
{
	struct error err = ERROR_NONE;

	/* Only root can put the node's files where unchanged programs look. */
	if (in_namespace && geteuid() == 0 && namespace_enter(node, &err) < 0)
		fprintf(stderr,
			"carve-sim %s: %s; the node's files are below $CARVE_SYSTEM_ROOT only\n",
			verb->name, err.text);
	if (environment_set(node, &err) < 0)
		return report(verb, &err);
	execvp(command[0], command);
	fprintf(stderr, "carve-sim %s: cannot run %s: %m\n", verb->name, command[0]);
	return errno == ENOENT ? EXIT_NOT_FOUND : EXIT_CANNOT_RUN;
}
