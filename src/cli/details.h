/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* One GPU, share or lease with all that is known of it; and a lease's environment. */

#include "cli/terminal.h"

#include <jansson.h>

/* `node`: for MPS shares, and leases of them and of VFs; may be NULL for all else. */
void gpu_details(const json_t *gpu, const json_t *node, const struct terminal *terminal, FILE *out);
void share_details(
	const json_t *share, const json_t *node, const struct terminal *terminal, FILE *out);
void lease_details(
	const json_t *lease, const json_t *node, const struct terminal *terminal, FILE *out);

/* CARVE_LEASE and the binding's variables, one NAME=value per line. */
void env_print(const json_t *lease, FILE *out);

/* One line "name   value"; nothing where the value is empty. */
void detail_line(const struct terminal *terminal, FILE *out, const char *name, const char *format,
	...) __attribute__((format(printf, 4, 5)));
/* Text of several lines: the first beside the name, the others below it. */
void detail_paragraph(
	const struct terminal *terminal, FILE *out, const char *name, const char *text);

/* vf_details.c: what a GPU, a share and a lease have of VFs; nothing where they have none. */
void vf_gpu_details(const json_t *gpu, const struct terminal *terminal, FILE *out);
void vf_share_details(const json_t *share, const struct terminal *terminal, FILE *out);
void vf_lease_details(
	const json_t *lease, const json_t *node, const struct terminal *terminal, FILE *out);
