/* SPDX-License-Identifier: Apache-2.0 */
/* NAME=value lines: for eval, --env-file and EnvironmentFile=. No value of a VF has a space. */
#include "adapters/handover.h"
#include "base/text.h"
#include "client/json.h"

static void add_number(struct buf *out, const char *name, const json_t *number)
{
	if (json_is_integer(number))
		buf_addf(out, "%s=%lld\n", name, (long long)json_integer_value(number));
}

static void add_text(struct buf *out, const char *name, const char *value)
{
	if (*value)
		buf_addf(out, "%s=%s\n", name, value);
}

void env_write(const struct handover *handover, struct buf *out)
{
	const json_t *binding = json_object_get(handover->lease, "binding"), *value;
	const json_t *vf = json_object_get(binding, "vf");
	const char *name;

	buf_addf(out, "CARVE_LEASE=%s\n", json_text(handover->lease, "id"));
	json_object_foreach((json_t *)json_object_get(binding, "env"), name,
		value) if (!text_eq(name, "CARVE_LEASE") && !text_starts(name, "CARVE_VF"))
		buf_addf(out, "%s=%s\n", name, json_string_value(value) ?: "");
	add_text(out, "CARVE_VF", json_text(vf, "pci"));
	add_text(out, "CARVE_VF_GPU", json_text(vf, "gpu_pci"));
	add_text(out, "CARVE_VF_DRIVER", json_text(vf, "driver"));
	add_text(out, "CARVE_VF_MDEV", json_text(vf, "mdev"));
	add_number(out, "CARVE_VF_GROUP", json_object_get(vf, "group"));
	add_number(out, "CARVE_VF_NUMA", json_object_get(vf, "numa"));
}
