/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* One GPU, share or lease with all that is known of it; and a lease's environment. */

#include "cli/terminal.h"

#include <jansson.h>

void gpu_details(const json_t *gpu, const struct terminal *terminal, FILE *out);
void share_details(const json_t *share, const struct terminal *terminal, FILE *out);
void lease_details(const json_t *lease, const struct terminal *terminal, FILE *out);

/* CARVE_LEASE and the binding's variables, one NAME=value per line. */
void env_print(const json_t *lease, FILE *out);
