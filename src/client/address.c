/* SPDX-License-Identifier: Apache-2.0 */
#include "client/address.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int join(char ret_path[ADDRESS_MAX], const char *directory, const char *name)
{
	char path[ADDRESS_MAX];
	int n = snprintf(path, sizeof(path), "%s%s", directory, name);

	if (n < 0 || (size_t)n >= sizeof(path))
		return -ENAMETOOLONG;
	snprintf(ret_path, ADDRESS_MAX, "%s", path);
	return 0;
}

int address_find(char ret_path[ADDRESS_MAX])
{
	static const char system_path[] = "/run/carve/api.sock";
	const char *said;

	said = getenv("CARVE_SOCKET");
	if (said && *said)
		return join(ret_path, said, "");
	said = getenv("CARVE_RUN_DIR");
	if (said && *said)
		return join(ret_path, said, "/api.sock");
	said = getenv("XDG_RUNTIME_DIR");
	if (said && *said && access(system_path, F_OK) < 0) {
		char own[ADDRESS_MAX];

		if (join(own, said, "/carve/api.sock") == 0 && access(own, F_OK) == 0)
			return join(ret_path, own, "");
	}
	return join(ret_path, system_path, "");
}
