/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/mps/dialect.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"
#include "sim/node/trailer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <unistd.h>

#define FROM_STATUS	    550
#define FROM_BINARY_VERSION 580
#define FROM_PARTITIONS	    590
#define FROM_V3		    615

static bool read_trailer(char ret_version[32])
{
	AUTO_CLOSE int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	struct trailer trailer;

	if (fd < 0 || lseek(fd, -(off_t)sizeof(trailer), SEEK_END) < 0 ||
		read(fd, &trailer, sizeof(trailer)) != sizeof(trailer) ||
		memcmp(trailer.mark, TRAILER_MARK, sizeof(trailer.mark)) != 0)
		return false;
	return text_copy(ret_version, 32, trailer.version) == 0;
}

void dialect_read(const struct node *node, struct dialect *ret_dialect)
{
	long branch;

	*ret_dialect = (struct dialect){ 0 };
	if (!read_trailer(ret_dialect->version))
		text_copy(ret_dialect->version, sizeof(ret_dialect->version),
			node->settings.driver_version);
	branch = strtol(ret_dialect->version, NULL, 10);
	ret_dialect->has_status = branch >= FROM_STATUS;
	ret_dialect->has_binary_version = branch >= FROM_BINARY_VERSION;
	ret_dialect->has_partitions = branch >= FROM_PARTITIONS;
	ret_dialect->has_v3 = branch >= FROM_V3;
}

int dialect_node(struct node **ret_node, struct error *err)
{
	const char *dir = getenv("CARVE_SIM_NODE");
	/* As it was called: a link is not followed. */
	const char *file = (const char *)getauxval(AT_EXECFN);
	char place[512], *slash;

	if (dir && *dir)
		return node_open(dir, ret_node, err);
	if (!file || text_copy(place, sizeof(place), file) < 0 || !(slash = strrchr(place, '/')))
		return error_set(err, -ENOENT, "no simulated node: $CARVE_SIM_NODE is not set");
	text_copy(slash, sizeof(place) - (size_t)(slash - place), "/..");
	return node_open(place, ret_node, err);
}
