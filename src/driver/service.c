/* SPDX-License-Identifier: Apache-2.0 */
#include "driver/service.h"

#include "base/error.h"
#include "base/spawn.h"

#include <errno.h>

#define ASK_DEADLINE_NS 5000000000ull
enum { SYSTEMCTL_INACTIVE = 3, SYSTEMCTL_UNKNOWN = 4 };

static int systemctl(const char *verb, const char *unit, uint64_t deadline_ns, struct error *err)
{
	const char *argv[] = { "systemctl", verb, "--", unit, NULL };
	AUTO_BUF output = { 0 };
	int r = spawn_wait(argv, deadline_ns, &output, err);

	if (r < 0)
		return error_prefix(err, r, "cannot %s %s", verb, unit);
	if (r > 0) {
		/* its words may fill several lines */
		for (char *p = output.text; p && *p; p++) {
			if (*p == '\n')
				*p = p[1] ? ' ' : '\0';
		}
		return error_set(err, -EIO, "cannot %s %s: %s", verb, unit,
			output.length ? buf_text(&output) : "systemctl failed");
	}
	return 0;
}

int service_stop(const char *unit, uint64_t deadline_ns, struct error *err)
{
	return systemctl("stop", unit, deadline_ns, err);
}

int service_start(const char *unit, uint64_t deadline_ns, struct error *err)
{
	return systemctl("start", unit, deadline_ns, err);
}

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
