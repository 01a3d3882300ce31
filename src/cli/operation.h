/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Long work of carved's, followed to its end. */

#include <jansson.h>

struct error;
struct invocation;

/*
 * Prints each step as it is done and waits for the end: 0 if it was done, CARVE_CONFLICT or another
 * result of client_call() if not.
 */
int operation_follow(struct invocation *invocation, const json_t *operation, struct error *err);
