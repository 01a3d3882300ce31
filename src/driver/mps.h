/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * NVIDIA's MPS: one control daemon (nvidia-cuda-mps-control) for one GPU or MIG instance and one
 * tenant, the server that it starts for the tenant's uid, and the server's clients.
 *
 * All calls run NVIDIA's program and may take as long as their deadline; they are made in a process
 * that may be lost. Every function answers 0 or a negative errno with the sentence:
 *
 *	-ENOENT	 there is no control program (what to install), no such server, share or client
 *	-ELIBBAD the program belongs to another driver version
 *	-EEXIST	 a control daemon that is not ours has the directory
 *	-EINVAL	 NVIDIA's program did not take a value
 *	-ENOTSUP this program or driver has no such thing
 *	-ETIMEDOUT it did not answer until the deadline
 *	-ENODEV	 the server ended while it started (no GPU that it can use)
 *	others	 as the system said
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct error;

enum {
	MPS_DIR_MAX = 80, /* a socket below it has 107 bytes for its whole path: v3 leaves 62 */
	MPS_NAME_MAX = 24,
	MPS_PARTITION_MAX = 96,
	MPS_CLIENTS_MAX = 64, /* the hardware's limit is 48 */
	MPS_FOREIGN_MAX = 8,
	MPS_ENVIRONMENT_MAX = 512,
	MPS_KEEP_MAX = 64 * 96,
};

/* The language in which the control daemon is spoken to. */
enum mps_interface {
	MPS_INTERFACE_ANY, /* v3 where program and driver have it, else v2 */
	MPS_V2,
	MPS_V2_STATIC, /* with static SM partitions (-S): only where it is asked for */
	MPS_V3,
	MPS_INTERFACE_N,
};
extern const char *const mps_interface_names[MPS_INTERFACE_N]; /* "any", "v2", "v2-static", "v3" */

/* What every client gets at most; 0: no limit. */
struct mps_limits {
	uint32_t memory_mib;
	uint32_t millipercent; /* of the device's SMs: 100000 is all */
};

struct mps_spec {
	char dir[MPS_DIR_MAX]; /* "/run/carve/mps/0-1000"; pipe/ and log/ are below it */
	char device[48];       /* GPU or MIG uuid */
	uint32_t uid;	       /* the tenant */
	int32_t server; /* pid of its server as last seen, which saves questions; 0 unknown */
	enum mps_interface interface;
	char driver[32]; /* the loaded driver's version; "" unknown: then nothing is compared */
	struct mps_limits limits;
};

/* One share with limits of its own. */
struct mps_part {
	char name[MPS_NAME_MAX]; /* [a-z0-9_]: a v3 namespace is called so */
	struct mps_limits limits;
	uint32_t chunks;		   /* v2-static: SM chunks of the partition */
	char partition[MPS_PARTITION_MAX]; /* v2-static: its id, as mps_add told it */
};

/* NVIDIA's control program. */
struct mps_program {
	char path[256];
	char version[32]; /* of the driver that it belongs to: "535.261.03"; "" if it tells none */
	bool has_status;  /* get_server_status (R550 on) */
	bool has_static;  /* -S (CUDA 13.1 on) */
	bool has_v3;	  /* -p 3 (R615 on) */
};
/* Finds it in PATH. -ENOENT says what to install; -ELIBBAD where `driver` ("": not compared) is of
 * another version says both versions and the way out. */
int mps_find(const char *driver, struct mps_program *ret_program, struct error *err);

enum mps_seen_state {
	MPS_SEEN_GONE,	    /* no control daemon of ours runs there */
	MPS_SEEN_NO_SERVER, /* it runs, and no server */
	MPS_SEEN_STARTING,
	MPS_SEEN_READY,
	MPS_SEEN_HUNG,	/* the control daemon answers, and the server did not until the deadline */
	MPS_SEEN_FAULT, /* a client broke it: it takes no new ones until all have left */
};
extern const char *const mps_seen_names[];

/* A process that stays the same: pid and start (driver/process.h). pid 0: none. */
struct mps_process {
	int32_t pid;
	uint64_t start_ticks;
};

/* What one look saw. */
struct mps_seen {
	enum mps_seen_state state;
	enum mps_interface interface; /* in use; MPS_INTERFACE_ANY if gone */
	struct mps_process control, server;
	bool holds_memory, holds_compute; /* the server holds each share's own limits */
	uint32_t n_clients;
	int32_t client[MPS_CLIENTS_MAX]; /* pids */
};

/*
 * Makes the directories, starts the control daemon or adopts ours that runs there (in whatever
 * language), sets the limits and starts the server; returns when it is ready, or is found in a
 * fault (seen.state). On an error a control daemon that was started here is ended and its
 * directories are removed; one that was adopted stays as it was. Only root can do it for another
 * user.
 */
int mps_start(const struct mps_spec *spec, uint64_t deadline_ns, struct mps_seen *ret_seen,
	struct error *err);
/* State and clients: MPS_SEEN_GONE is an answer, no error. */
int mps_look(const struct mps_spec *spec, uint64_t deadline_ns, struct mps_seen *ret_seen,
	struct error *err);
/* The limits (spec->limits) of all clients that come from now on; read back, as far as NVIDIA's
 * program shows them (tenths of a percent, whole gigabytes). v3 takes whole percents. */
int mps_set_limits(const struct mps_spec *spec, uint64_t deadline_ns, struct error *err);
/*
 * A share of the server: a v3 namespace, a static partition (part->partition is filled in); with
 * v2 nothing is made. A namespace of that name without clients is made anew. What binds a client to
 * it is written to ret_environment, "NAME=value" by lines.
 */
int mps_add(const struct mps_spec *spec, struct mps_part *part, uint64_t deadline_ns,
	char ret_environment[MPS_ENVIRONMENT_MAX], struct error *err);
/* v2-static: removes the partitions that are not among these ids (by lines) and have no clients:
 * who had them made was killed before he was told. Nothing to do with the others. */
int mps_keep(const struct mps_spec *spec, const char *partitions, uint64_t deadline_ns,
	struct error *err);
/* -ENOENT if there is none, -EBUSY while it has clients. */
int mps_remove(const struct mps_spec *spec, const struct mps_part *part, uint64_t deadline_ns,
	struct error *err);
/* Ends these clients' use of the GPU (they get CUDA error 810); those that are none are passed
 * over.
 */
int mps_terminate(const struct mps_spec *spec, const int32_t *pids, unsigned n,
	uint64_t deadline_ns, struct error *err);
/*
 * Ends server and control daemon, gently for half of the deadline and then by force, and removes
 * the directories. Nothing running there is 0.
 */
int mps_stop(const struct mps_spec *spec, uint64_t deadline_ns, struct error *err);

/* A control daemon that Carve did not start. */
struct mps_foreign {
	int32_t pid;
	uint32_t uid;
	char pipe_dir[128]; /* "" if it cannot be read */
	char devices[128];  /* its CUDA_VISIBLE_DEVICES; "" all */
};
/* Those on this machine whose pipe directory is not below `run_dir`; returns how many. */
int mps_find_foreign(const char *run_dir, struct mps_foreign *ret_foreign, unsigned max);
