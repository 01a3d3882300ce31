/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* One GPU, share or lease with all that is known of it; and a lease's environment. */

#include "cli/terminal.h"

#include <jansson.h>

/* `node`: for MPS shares, and leases of them; may be NULL for all else. */
void gpu_details(const json_t *gpu, const json_t *node, const struct terminal *terminal, FILE *out);
void share_details(
	const json_t *share, const json_t *node, const struct terminal *terminal, FILE *out);
void lease_details(
	const json_t *lease, const json_t *node, const struct terminal *terminal, FILE *out);

/* CARVE_LEASE and the binding's variables, one NAME=value per line. */
void env_print(const json_t *lease, FILE *out);
