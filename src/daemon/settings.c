/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/settings.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"
#include "daemon/daemon.h"
#include "daemon/gpus.h"
#include "daemon/mps.h"
#include "daemon/peers.h"
#include "daemon/unleased.h"

#include <errno.h>
#include <fcntl.h>

enum { CONFIG_MAX = 1 << 20 };

int settings_load(struct daemon *daemon, struct error *err)
{
	AUTO_FREE char *text = NULL;
	struct config config;
	size_t length;
	int r = read_file_at(AT_FDCWD, daemon->config_path, CONFIG_MAX, &text, &length);

	if (r == -ENOENT && !daemon->config_required) {
		config_init(&config);
	} else if (r < 0) {
		errno = -r;
		return error_set(
			err, r, "cannot read the configuration %s: %m", daemon->config_path);
	} else {
		r = config_parse(daemon->config_path, text, length, &config, err);
		if (r < 0)
			return r;
	}
	config_done(&daemon->config);
	daemon->config = config;
	tenants_reload(daemon);
	for (unsigned i = 0; i < daemon->n_gpus; i++)
		worker_set_timeout(daemon->runtime[i].worker, config.driver_timeout_ns);
	if (daemon->is_restored) {
		mps_reload(daemon);
		unleased_update(daemon);
	}
	return 0;
}
