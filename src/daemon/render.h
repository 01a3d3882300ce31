/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Objects of the API as JSON (docs/protocol.md). All return new references. */

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct binding;
struct binding_vf;
struct daemon;
struct gpu;
struct lease;
struct mig_ci;
struct mig_instance;
struct mps_share;
struct peer;
struct plan;
struct vf;

json_t *render_gpu(struct daemon *daemon, unsigned index, const struct peer *peer);
json_t *render_shares(struct daemon *daemon, const struct peer *peer);
json_t *render_share(struct daemon *daemon, unsigned index, const struct mig_instance *instance,
	const struct mig_ci *ci);
/* MPS on a GPU: its compute mode, our servers, others' control daemons. */
json_t *render_mps(struct daemon *daemon, unsigned index);
json_t *render_mps_share(struct daemon *daemon, unsigned index, const struct mps_share *share);
/* The VFs of a GPU, and what they can be set to; one that is set up, as a share. */
json_t *render_vfs(const struct gpu *gpu);
json_t *render_vf_share(
	struct daemon *daemon, unsigned index, const struct vf *vf, const struct peer *peer);
json_t *render_binding_vf(const struct binding_vf *vf);
json_t *render_lease(struct lease *lease, const struct peer *peer);
json_t *render_binding(const struct binding *binding);
json_t *render_plan(struct daemon *daemon, const struct plan *plan, const struct peer *peer);
/* One process; null command for who may not see it. */
json_t *render_process(struct daemon *daemon, int32_t pid, const struct peer *peer);
/* The JSON string, or null for NULL or text that is not UTF-8. */
json_t *render_text(const char *text);
/* Seconds of a time in nanoseconds; null for 0. */
json_t *render_time(uint64_t ns);
