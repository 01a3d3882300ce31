/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A CUDA program's side of MPS. */

#include "sim/node/identity.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct error;

/* What a client got. */
struct mps_session {
	int fd; /* to its server; -1: this program is no client */
	pid_t server;
	char device[UUID_TEXT_MAX];
	uint64_t memory; /* bytes at most; 0: no limit */
	double percentage;
	unsigned sm;
};

#define MPS_SESSION_NONE ((struct mps_session){ .fd = -1 })

/*
 * Becomes a client where a control daemon listens in $CUDA_MPS_PIPE_DIRECTORY (/tmp/nvidia-mps), as
 * libcuda does, and waits until there is a server. `device` is a name as device_open() takes it, or
 * NULL for that of the environment. 0: it is, or there is none (ret_session->fd is -1); else a CUDA
 * error, with the sentence.
 */
int mps_session_open(const char *device, struct mps_session *ret_session, struct error *err);

/* What the server says later: 0 nothing, or the CUDA error that ends this client. */
int mps_session_hear(struct mps_session *session, struct error *err);

/* CUDA's own words for its errors, with their number. */
int mps_error_set(struct error *err, int code);
