/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/program/program.h"

#include "base/error.h"
#include "base/text.h"
#include "sim/node/identity.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>

#define LIBRARY "libnvidia-ml.so.1"

const char *where_self(void)
{
	static char path[512];
	ssize_t n;

	if (!path[0]) {
		n = readlink("/proc/self/exe", path, sizeof(path) - 1);
		path[n > 0 ? n : 0] = '\0';
	}
	return path;
}

int where_library(char *ret_path, size_t size, struct error *err)
{
	/* Beside the program as it is built; from the build's top; installed. */
	static const char *const places[] = { "lib", "src/sim/lib", "../lib/carve-sim",
		"../lib/x86_64-linux-gnu/carve-sim", "../lib64/carve-sim" };
	const char *self = where_self(), *slash = strrchr(self, '/');
	char file[700];

	for (unsigned i = 0; slash && i < ARRAY_SIZE(places); i++) {
		snprintf(ret_path, size, "%.*s/%s", (int)(slash - self), self, places[i]);
		snprintf(file, sizeof(file), "%s/" LIBRARY, ret_path);
		if (access(file, R_OK) == 0)
			return 0;
	}
	return error_set(err, -ENOENT, "the simulated " LIBRARY " is not beside %s", self);
}

int where_node(const char *dir, struct node **ret_node, struct error *err)
{
	dir = dir ?: getenv("CARVE_SIM_NODE");
	if (!dir || !*dir)
		return error_set(err, -ENOENT,
			"which node? Say --dir DIR, or run this under 'carve-sim run'");
	return node_open(dir, ret_node, err);
}

int where_gpu(const struct node *node, const char *name, unsigned *ret_gpu, struct error *err)
{
	const char *pci = text_starts(name, "00000000:") ? name + 4 : name;
	char text[PCI_TEXT_MAX];
	uint32_t index;

	if (parse_u32(name, &index) == 0 && index < node->n_gpus) {
		*ret_gpu = index;
		return 0;
	}
	for (unsigned i = 0; i < node->n_gpus; i++) {
		identity_pci_text(&node->gpus[i], text);
		if (text_eq(node->gpus[i].uuid, name) || strcasecmp(text, pci) == 0 ||
			strcasecmp(text + 5, pci) == 0) {
			*ret_gpu = i;
			return 0;
		}
	}
	return error_set(err, -ENODEV, "no GPU '%s' on this node (it has %u: 0 to %u)", name,
		node->n_gpus, node->n_gpus - 1);
}
