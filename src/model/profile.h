/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The names of MIG profiles as people and NVIDIA's tools write them: "1g.10gb", "1g.10gb+me",
 * "1g.24gb+me.all", "1g.24gb-me", and for compute instances "1c.3g.40gb".
 */

#include "model/mig.h"

struct profile_name {
	unsigned ci_slices;    /* the number before the c; 0 where there is none or it is all */
	char gi[MIG_NAME_MAX]; /* of the GPU instance: "3g.40gb" */
};

/* -EINVAL if it is not written as a profile's name is. Whether a GPU has it is another question. */
int profile_name_parse(const char *text, struct profile_name *ret_name);

/* How such a name is written, for messages. */
#define PROFILE_NAME_EXAMPLES "1g.10gb, 1g.10gb+me, 3g.40gb or 1c.3g.40gb"
