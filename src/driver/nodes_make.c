/* SPDX-License-Identifier: Apache-2.0 */
#include "driver/nodes.h"

#include "base/cleanup.h"
#include "base/spawn.h"
#include "base/text.h"
#include "driver/root.h"

#include <unistd.h>

#define MODPROBE_DEADLINE_NS 10000000000ull

static void make(const char *capability)
{
	const char *argv[] = { "nvidia-modprobe", "-f", capability, NULL };

	if (access(capability, F_OK) == 0)
		spawn_wait(argv, MODPROBE_DEADLINE_NS, NULL, NULL);
}

void nodes_make(uint32_t gpu_minor, uint32_t gi, unsigned n_ci)
{
	AUTO_FREE char *directory =
		must_asprintf("/proc/driver/nvidia/capabilities/gpu%u/mig/gi%u", gpu_minor, gi);
	AUTO_FREE char *instance = must_asprintf("%s/access", directory);

	if (*root_path())
		return;
	make(instance);
	for (unsigned ci = 0; ci < n_ci; ci++) {
		AUTO_FREE char *compute = must_asprintf("%s/ci%u/access", directory, ci);

		make(compute);
	}
}
