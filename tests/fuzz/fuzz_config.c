/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration file. */
#include "fuzz.h"
#include "model/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct error err = ERROR_NONE;
	struct config config;
	int r = config_parse("f", (const char *)data, size, &config, &err);

	if (r < 0) {
		must_be_told(&err, r, "f:");
		return 0;
	}
	MUST(config.driver_timeout_ns >= 1000000000 && config.health_interval_ns >= 100000000);
	MUST(config.connections_max >= 16 && config.connections_max <= 65536);
	for (unsigned i = 0; i < config.n_manage; i++)
		MUST(config.manage[i][0]);
	for (unsigned i = 0; i < config.n_quotas; i++)
		MUST(config.quota[i].is_default + !!config.quota[i].user[0] +
				!!config.quota[i].group[0] <=
			1);
	config_done(&config);
	return 0;
}
