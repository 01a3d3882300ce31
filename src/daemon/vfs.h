/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * GPUs' virtual functions in the daemon: whose they are, and what they are to be for ever.
 *
 * That is each GPU's intent (struct vf_intent): durable, changed by the steps of transactions that
 * ended well, and forgotten when nothing of it is Carve's own. VFs that vanished are made again
 * from it; VFs that no lease and no layout wants any more go.
 */

#include "daemon/daemon.h"
#include "model/plan.h"

struct error;

/* Once the GPU's uuid is known: reads its intent, which must be of this board in this slot. */
void vfs_recall(struct daemon *daemon, unsigned gpu);
/* New facts know the types that VFs told before, too: written down, as VFs that are off tell none.
 */
void vfs_keep_types(struct daemon *daemon, unsigned gpu);
/* Marks in the view whose the VFs are (gpu_rebuild calls it). */
void vfs_show(struct daemon *daemon, unsigned gpu);
/* A step of VFs has been done: the intent is what it made. Kept by vfs_keep. */
void vfs_record(struct daemon *daemon, unsigned gpu, const struct step *step);
/* Writes the intent down, or drops it if nothing is left in it. */
void vfs_keep(struct daemon *daemon, unsigned gpu);
/* The VFs stay as they are; none is Carve's any more. */
void vfs_forget(struct daemon *daemon, unsigned gpu);
/* Takes over seen.vfs.vf[at] as it is, pinned. -EEXIST, -EBUSY, -ENOENT with the sentence. */
int vfs_adopt(struct daemon *daemon, unsigned gpu, unsigned at, struct error *err);
/* A layout wants (or no longer wants) a VF as it is, or REPIN_COUNT: that they are on. */
void vfs_pin(struct daemon *daemon, unsigned gpu, int vf, enum share_origin origin);

/* The VF is set up as the intent has it. */
bool vfs_is_as_meant(const struct daemon *daemon, unsigned gpu, uint32_t number);
/* GPUs some of whose VFs have to be made again: nobody else gets these GPUs meanwhile. */
uint32_t vfs_owing(const struct daemon *daemon);
/* Why they could not be made again last time; NULL. */
const char *vfs_why(const struct daemon *daemon, unsigned gpu);

/* At the start: makes again what is owed, on all GPUs at the same time (NVIDIA's take turns where
 * they must: daemon/alone.h); `done` is called once that is done, or cannot be done now. */
void vfs_restore(struct daemon *daemon, void (*done)(struct daemon *daemon));
/* Makes again what is owed on the GPU, or lets go what nobody needs; a failure is tried again
 * later. */
void vfs_mend(struct daemon *daemon, unsigned gpu);
/* The same for all GPUs in a later round of the loop: after those who wait for VFs had their turn.
 */
void vfs_soon(struct daemon *daemon);
void vfs_done(struct daemon *daemon);

/* Shows a step of VFs that is not done yet as done. */
void vf_view_step(const struct step *step, struct gpu_seen *seen);
