/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The worker: the process in which one GPU's driver calls are made, so that a call that hangs or
 * crashes harms nobody else and the driver can be let go of. It is the daemon's own program started
 * again
 * ("carved --worker PCI"), speaks one order and one answer at a time over a SOCK_SEQPACKET socket
 * on descriptor 3, and ends when that closes.
 */

#include "mechanism/mps_work.h"
#include "model/gpu.h"
#include "model/plan.h"
#include "model/usage.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { WORKER_FD = 3 };

enum work_op {
	WORK_LIST,    /* the GPUs of the node (by a worker started for "-"): answer.list; those that
			 no driver library knows are the last */
	WORK_FACTS,   /* facts and capabilities: answer.facts */
	WORK_OBSERVE, /* shares, modes and processes: answer.seen */
	WORK_USERS,   /* processes on one compute instance, GPU instance or GPU, or that have a VF
			 open: answer.n_users */
	WORK_DO,      /* order.step; then what order.after says */
	WORK_EVENTS,  /* XID and ECC events since the last time, and whether the GPU answers:
			 answer.events */
	WORK_LET_GO, /* of the driver until the next order: somebody else must have the GPU alone */
	WORK_WATCH,  /* what a job used of its share since the last time: answer.sample */
	WORK_MPS,    /* order.mps (by a worker started for "mps:NAME"): answer.mps */
};

/* What is looked at when a step is done. */
enum work_after {
	WORK_AFTER_SEEN,    /* as by WORK_OBSERVE: answer.seen */
	WORK_AFTER_FACTS,   /* as by WORK_FACTS: answer.facts */
	WORK_AFTER_NOTHING, /* another step follows */
};

/* Of WORK_LIST: which PCI devices with VFs count as GPUs beside displays and accelerators. */
enum { WORK_CLASSES_MAX = 8 };
struct work_classes {
	uint32_t n;
	uint16_t class[WORK_CLASSES_MAX];
};

/* Of WORK_WATCH: a job, by a number of the one who asks. */
enum { WORK_PIDS_MAX = 256 };
struct work_watch {
	uint64_t id;
	uint32_t gi, ci; /* of its share; UINT32_MAX: the whole GPU */
	bool is_shared;	 /* others use the share too: only what its processes do is the job's */
	bool ends;	 /* it is over: forgotten, nothing is looked at */
	uint32_t n_pids;
	int32_t pid[WORK_PIDS_MAX];
};

struct work_order {
	uint64_t number; /* comes back in the answer */
	enum work_op op;
	enum work_after after; /* of WORK_DO */
	uint32_t gi, ci;       /* of WORK_USERS; UINT32_MAX: all */
	uint32_t vf; /* of WORK_USERS: number of the VF that is asked for; UINT32_MAX: none */
	union {
		struct work_classes classes;
		struct step step;
		struct work_watch watch;
		struct mps_order mps;
	};
};

enum { WORK_EVENTS_MAX = 16, WORK_TEXT_MAX = 400 };

struct work_event {
	enum { WORK_EVENT_XID, WORK_EVENT_ECC_DOUBLE } kind;
	uint64_t code;	 /* XID number */
	uint32_t gi, ci; /* UINT32_MAX: the whole GPU */
};

struct work_answer {
	uint64_t number;
	enum work_op op;
	int result;		  /* 0 or negative errno */
	char text[WORK_TEXT_MAX]; /* the sentence, if result < 0 */
	union {
		struct {
			uint32_t n;
			char pci[GPUS_MAX][16];
			char driver[32]; /* driver version */
		} list;
		struct {
			struct gpu_facts facts;
			struct gpu_seen seen;
			struct capability capability[MECHANISM_N];
		} facts;
		struct gpu_seen seen;
		uint32_t n_users;
		struct usage_sample sample;
		struct {
			uint32_t n;
			struct work_event event[WORK_EVENTS_MAX];
			bool is_lost; /* the driver answers "GPU is lost" or no longer knows it */
		} events;
		struct mps_answer mps;
	};
};

/* How much of an answer goes over the socket: all of it but where only a little is told. */
static inline size_t work_answer_size(const struct work_answer *answer)
{
	if (answer->op == WORK_USERS)
		return offsetof(struct work_answer, n_users) + sizeof(answer->n_users);
	if (answer->op == WORK_WATCH)
		return offsetof(struct work_answer, sample) + sizeof(answer->sample);
	if (answer->op == WORK_MPS)
		return offsetof(struct work_answer, mps) + sizeof(answer->mps);
	return sizeof(*answer);
}

/*
 * Runs a worker on descriptor WORKER_FD: exit status. `name` is the PCI address of a GPU, "-" for
 * the node, or "mps:NAME" for one MPS control daemon.
 */
int worker_main(const char *name);
