/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * libcarve: shares of this machine's GPUs for C programs.
 *
 *	struct carve *carve = carve_new(NULL);
 *	struct carve_request *request = carve_request_new();
 *	struct carve_lease *lease = NULL;
 *
 *	carve_request_set(request, "memory", "10G");
 *	if (carve_lease_acquire(carve, request, &lease) == 0)
 *		for (unsigned i = 0; i < carve_lease_n_env(lease); i++)
 *			setenv(carve_lease_env_name(lease, i), carve_lease_env_value(lease, i), 1);
 *	else
 *		fprintf(stderr, "%s\n", carve_error(carve));
 *	...
 *	carve_lease_release(lease, -1);
 *	carve_lease_free(lease);
 *
 * Results. A function that returns int returns 0 when it is done, a positive enum carve_refusal
 * when carved said no, and a negative errno when carved could not be asked or understood (-ENOENT
 * and -ECONNREFUSED: nobody listens; -ENOMEM; -ETIMEDOUT: no answer; -EBADMSG: not an answer). The
 * sentence for people, with the way out, is carve_error(). Outputs (ret_...) are untouched unless 0
 * is returned.
 *
 * Restarts of carved. Connections are made when they are needed and made again when carved was
 * restarted; questions that may be repeated are repeated for up to ten seconds. Leases live on
 * while carved is away.
 *
 * Threads. One struct carve and what was made from it belong to one thread at a time. The library
 * has no global state, prints nothing, never exits and installs no signal handler. After a fork the
 * child must not use the parent's objects: it makes its own.
 */

#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct carve;
struct carve_request;
struct carve_lease;

/*
 * Why carved said no: the codes of its API. Values are only ever added.
 * Since: 0.1
 */
enum carve_refusal {
	CARVE_REFUSED = 1,   /* a code that this library does not know */
	CARVE_BAD_REQUEST,   /* option, value or layout that cannot be understood */
	CARVE_NOT_PERMITTED, /* who asks may not */
	CARVE_NOT_FOUND,     /* no such GPU, share or lease */
	CARVE_CONFLICT,	     /* in use, in the way, or in the wrong state */
	CARVE_TOO_LARGE,     /* more than carved reads */
	CARVE_NEVER,	     /* no managed GPU of this node could ever serve the request */
	CARVE_QUOTA,	     /* the tenant's quota is used up */
	CARVE_NO_ROOM,	     /* nothing is free, and the request does not wait */
	CARVE_DRIVER,	     /* the driver refused or failed */
	CARVE_TIMEOUT,	     /* waited too long */
	CARVE_INTERNAL,	     /* a fault of carved's own */
	CARVE_NOT_YET,	     /* carve_lease_wait: the lease still waits */
	CARVE_OVER,	     /* carve_lease_wait: the lease ended or failed */
};

/*
 * The name of a refusal as in the API ("no-room"); "refused" for what is none. Never NULL.
 * Since: 0.1
 */
const char *carve_refusal_name(int refusal);

/*
 * Makes the object that everything else starts from; nothing is connected yet. `socket` is the path
 * of carved's socket, NULL for the usual one: $CARVE_SOCKET, else $CARVE_RUN_DIR/api.sock, else
 * /run/carve/api.sock, else $XDG_RUNTIME_DIR/carve/api.sock where the former is not there. NULL
 * when there is no memory.
 * Since: 0.1
 */
struct carve *carve_new(const char *socket);

/*
 * Closes and frees; NULL is allowed. Leases made from it must have been freed. Leases themselves
 * are not released. Returns NULL.
 * Since: 0.1
 */
struct carve *carve_free(struct carve *carve);

/*
 * Connects now and asks whether carved is well: 0 if so.
 * Since: 0.1
 */
int carve_connect(struct carve *carve);

/*
 * The socket's path. Owned by the object.
 * Since: 0.1
 */
const char *carve_socket(const struct carve *carve);

/*
 * How long, in seconds, a carved that went away in the middle is waited for; 10 at the start, 0 for
 * not at all.
 * Since: 0.1
 */
void carve_set_patience(struct carve *carve, double seconds);

/*
 * The sentence of the last failure, "" if there was none. Owned by the object, valid until its next
 * use.
 * Since: 0.1
 */
const char *carve_error(const struct carve *carve);

/*
 * One call of the API as text: `method` is "GET" or "POST", `path` begins with "/v1/", `body` is
 * JSON or NULL. *ret_json is the answer, to be released with free(). See protocol.md.
 * Since: 0.1
 */
int carve_call(struct carve *carve, const char *method, const char *path, const char *body,
	char **ret_json);

/*
 * The whole node (GPUs, shares, leases) as JSON: GET /v1/node. To be released with free().
 * Since: 0.1
 */
int carve_node(struct carve *carve, char **ret_json);

/*
 * A request as it is when nothing was said: one share, any mechanism, waits for ever, held by the
 * calling process. NULL when there is no memory.
 * Since: 0.1
 */
struct carve_request *carve_request_new(void);

/*
 * Frees; NULL is allowed. Returns NULL.
 * Since: 0.1
 */
struct carve_request *carve_request_free(struct carve_request *request);

/*
 * Sets one option by its name on the command line of `carve run`, without dashes: ("memory",
 * "10G"), ("compute", "25%"), ("profile", "1g.10gb"), ("gpus", "2"), ("wait", "5m"), ("no-wait",
 * NULL), ... Values are in the same notation. CARVE_BAD_REQUEST if there is no such option or the
 * value is no good: carve_request_error() has the sentence.
 * Since: 0.1
 */
int carve_request_set(struct carve_request *request, const char *option, const char *value);

/*
 * The sentence of the last carve_request_set() that failed, else "". Owned by the request.
 * Since: 0.1
 */
const char *carve_request_error(const struct carve_request *request);

/*
 * Who holds the lease, the last one said counts: a process (the lease ends with it), a cgroup (it
 * ends when that is empty; an absolute path below /sys/fs/cgroup), or a name (it ends when it is
 * released or its option "time" is over). A request with the option "vm" is held by the virtual
 * machine's name, and is kept over reboots. -ENOMEM; -EINVAL for a pid that is none or an empty
 * text. Since: 0.1
 */
int carve_request_held_by_pid(struct carve_request *request, pid_t pid);
int carve_request_held_by_cgroup(struct carve_request *request, const char *cgroup);
int carve_request_held_by_name(struct carve_request *request, const char *name);

/*
 * Asks for a lease and waits until it is active, for as long as the request's option "wait" says.
 * The lease is to be freed with carve_lease_free(), which does not release it.
 * Since: 0.1
 */
int carve_lease_acquire(
	struct carve *carve, const struct carve_request *request, struct carve_lease **ret_lease);

/*
 * Asks for a lease and returns once it is active, or after `seconds` with the lease as it stands
 * then: for callers that want to show progress. Go on with carve_lease_wait().
 * Since: 0.1
 */
int carve_lease_ask(struct carve *carve, const struct carve_request *request, double seconds,
	struct carve_lease **ret_lease);

/*
 * Waits until the lease is active, at most `seconds`. 0 once it is; CARVE_NOT_YET when the time is
 * over; CARVE_OVER when it ended or failed (carve_error() says why). The lease is refreshed.
 * Since: 0.1
 */
int carve_lease_wait(struct carve_lease *lease, double seconds);

/*
 * Looks a lease up by its id ("L3") or name.
 * Since: 0.1
 */
int carve_lease_find(struct carve *carve, const char *id, struct carve_lease **ret_lease);

/*
 * Asks carved again how the lease stands.
 * Since: 0.1
 */
int carve_lease_refresh(struct carve_lease *lease);

/*
 * The lease as it stood when carved was last asked. All texts are owned by the lease and valid
 * until it is refreshed, waited for, extended, released or freed; never NULL. carve_lease_state():
 * "queued", "active", "ended", ... carve_lease_why_over(): why it ended or failed, "" while it
 * lives. carve_lease_queue_position(): 1 for the next one, 0 when it does not wait.
 * carve_lease_is_fenced(): nonzero when the kernel keeps the holder from all other GPUs.
 * carve_lease_json(): the whole object.
 * Since: 0.1
 */
const char *carve_lease_id(const struct carve_lease *lease);
const char *carve_lease_state(const struct carve_lease *lease);
const char *carve_lease_why_over(const struct carve_lease *lease);
unsigned carve_lease_queue_position(const struct carve_lease *lease);
int carve_lease_is_fenced(const struct carve_lease *lease);
const char *carve_lease_json(struct carve_lease *lease);

/*
 * The environment that a process of the holder needs (CUDA_VISIBLE_DEVICES, ...): `i` below
 * carve_lease_n_env(); "" beyond.
 * Since: 0.1
 */
unsigned carve_lease_n_env(const struct carve_lease *lease);
const char *carve_lease_env_name(const struct carve_lease *lease, unsigned i);
const char *carve_lease_env_value(const struct carve_lease *lease, unsigned i);

/*
 * The device nodes that a process of the holder opens, for who builds a container or a sandbox.
 * -EINVAL beyond the last.
 * Since: 0.1
 */
unsigned carve_lease_n_nodes(const struct carve_lease *lease);
int carve_lease_node(const struct carve_lease *lease, unsigned i, const char **ret_path,
	unsigned *ret_major, unsigned *ret_minor);

/*
 * The virtual function of a virtual machine's lease: its PCI address ("0000:41:00.4"), "" where
 * there is none, or while it is made again after a reboot. carve_lease_json() has the rest of its
 * binding. Since: 0.1
 */
const char *carve_lease_vf(const struct carve_lease *lease);

/*
 * What was got: the shares by name ("0:2g.20gb@0"), their memory in bytes and compute in percent of
 * one GPU. -EINVAL beyond the last.
 * Since: 0.1
 */
unsigned carve_lease_n_shares(const struct carve_lease *lease);
int carve_lease_share(const struct carve_lease *lease, unsigned i, const char **ret_name,
	unsigned long long *ret_memory, double *ret_compute);

/*
 * Ends the lease that many seconds from now.
 * Since: 0.1
 */
int carve_lease_extend(struct carve_lease *lease, double seconds);

/*
 * Ends the lease now. `grace` is the time in seconds between SIGTERM and SIGKILL for the processes
 * of a lease that `carve run` made; negative: as configured.
 * Since: 0.1
 */
int carve_lease_release(struct carve_lease *lease, double grace);

/*
 * Forgets the lease here; it goes on. NULL is allowed. Returns NULL.
 * Since: 0.1
 */
struct carve_lease *carve_lease_free(struct carve_lease *lease);

#ifdef __cplusplus
}
#endif
