/* SPDX-License-Identifier: Apache-2.0 */
#include "driver/service.h"

#include "base/spawn.h"

#include <errno.h>

#define ASK_DEADLINE_NS 5000000000ull
enum { SYSTEMCTL_INACTIVE = 3, SYSTEMCTL_UNKNOWN = 4 };

int service_is_active(const char *unit)
{
	const char *argv[] = { "systemctl", "is-active", "--quiet", "--", unit, NULL };
	int r = spawn_wait(argv, ASK_DEADLINE_NS, NULL, NULL);

	if (r < 0)
		return r;
	if (r == 0)
		return 1;
	return r == SYSTEMCTL_INACTIVE || r == SYSTEMCTL_UNKNOWN ? 0 : -EIO;
}
