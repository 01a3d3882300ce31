/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Who asks, as the kernel says it (SO_PEERCRED, SO_PEERGROUPS), and tenants with their quotas. */

#include "model/tenant.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct daemon;

struct peer {
	int socket; /* the connection, borrowed */
	pid_t pid;
	uint64_t start_ticks; /* of that process; 0 where it cannot be seen */
	uid_t uid;
	gid_t gid;
	bool is_admin; /* root, the daemon's own user, or in the group carve */
	unsigned n_groups;
	gid_t group[64]; /* supplementary; more are looked at for is_admin only */
};

/* Reads the credentials of a connected socket. */
int peer_look(const struct daemon *daemon, int fd, struct peer *ret_peer);

/*
 * Does the process that connected live still? While it does, `pid` means it and nobody else: pids
 * are used again, and a connection may outlive who made it.
 */
bool peer_is_alive(const struct peer *peer);

/* A tenant of the daemon, by uid; made when first seen. Its limits follow the configuration. */
struct tenant_row;
struct tenant *tenant_get(struct daemon *daemon, const struct peer *peer);
struct tenant *tenant_by_uid(struct daemon *daemon, uid_t uid);
/* The user's name, or the number where it has none; borrowed. */
const char *tenant_name(struct daemon *daemon, uid_t uid);
/* Applies the limits of a new configuration. */
void tenants_reload(struct daemon *daemon);
void tenants_done(struct daemon *daemon);
/* Finds the gid of the group that may manage. */
void peers_start(struct daemon *daemon);
