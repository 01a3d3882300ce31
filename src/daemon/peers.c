/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/peers.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "daemon/daemon.h"
#include "driver/process.h"

#include <errno.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77 /* Linux 6.5 */
#endif

/* What a user without a row in the quotas may have asked for at once: an end to what a program that
 * has gone wrong can pile up. */
enum { LEASES_DEFAULT = 1024 };

struct tenant_row {
	struct tenant tenant;
	struct list link;
	char name[33];
	unsigned n_groups;
	gid_t *group;
};

void peers_start(struct daemon *daemon)
{
	const struct group *group = getgrnam("carve");

	daemon->admin_gid = group ? group->gr_gid : (gid_t)-1;
}

static void look_groups(const struct daemon *daemon, int fd, struct peer *peer)
{
	socklen_t length = sizeof(peer->group);
	AUTO_FREE gid_t *many = NULL;
	const gid_t *all = peer->group;
	int r = getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, peer->group, &length);

	if (r < 0 && errno == ERANGE) {
		all = many = must_alloc(1, length);
		r = getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, many, &length);
	}
	if (r < 0)
		return;
	for (unsigned i = 0; i < length / sizeof(gid_t); i++) {
		peer->is_admin |= daemon->admin_gid != (gid_t)-1 && all[i] == daemon->admin_gid;
		if (i < ARRAY_SIZE(peer->group))
			peer->group[peer->n_groups++] = all[i];
	}
}

int peer_look(const struct daemon *daemon, int fd, struct peer *ret_peer)
{
	struct peer peer = { .socket = fd };
	struct ucred credentials;
	socklen_t length = sizeof(credentials);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &length) < 0)
		return -errno;
	peer.pid = credentials.pid;
	peer.uid = credentials.uid;
	peer.gid = credentials.gid;
	process_started(peer.pid, &peer.start_ticks);
	peer.is_admin = peer.uid == 0 || peer.uid == geteuid();
	if (daemon->admin_gid != (gid_t)-1)
		peer.is_admin |= peer.gid == daemon->admin_gid;
	look_groups(daemon, fd, &peer);
	*ret_peer = peer;
	return 0;
}

bool peer_is_alive(const struct peer *peer)
{
	AUTO_CLOSE int pidfd = -1;
	socklen_t length = sizeof(pidfd);
	struct pollfd ended;

	if (getsockopt(peer->socket, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &length) < 0) {
		if (errno != ENOPROTOOPT)
			return false;
		pidfd = process_open(peer->pid); /* an older kernel: as good as it gets */
	}
	ended = (struct pollfd){ .fd = pidfd, .events = POLLIN };
	return pidfd >= 0 && poll(&ended, 1, 0) == 0;
}

static bool row_applies(const struct config_quota *quota, const struct tenant_row *row)
{
	const struct group *group;

	if (quota->is_default)
		return true;
	if (quota->user[0])
		return text_eq(quota->user, row->name);
	if (!quota->group[0])
		return quota->uid == row->tenant.uid;
	group = getgrnam(quota->group);
	for (unsigned i = 0; group && i < row->n_groups; i++)
		if (row->group[i] == group->gr_gid)
			return true;
	return false;
}

/* The user's own row, else the first group's that applies, else the default one, else none but on
 * the number of leases, and for root not that. */
static void set_limit(struct daemon *daemon, struct tenant_row *row)
{
	const struct config_quota *best = NULL;
	int best_rank = 0;

	for (unsigned i = 0; i < daemon->config.n_quotas; i++) {
		const struct config_quota *quota = &daemon->config.quota[i];
		int rank = quota->is_default ? 1 : quota->group[0] ? 2 : 3;

		if (rank > best_rank && row_applies(quota, row)) {
			best = quota;
			best_rank = rank;
		}
	}
	row->tenant.limit = (struct quota){ row->tenant.uid ? LEASES_DEFAULT : QUOTA_UNLIMITED,
		QUOTA_UNLIMITED, QUOTA_UNLIMITED, QUOTA_UNLIMITED };
	if (best)
		row->tenant.limit = best->limit;
}

static struct tenant_row *find_row(struct daemon *daemon, uid_t uid)
{
	struct tenant_row *row;

	list_for_each (row, &daemon->tenants, link)
		if (row->tenant.uid == uid)
			return row;
	return NULL;
}

static struct tenant_row *make_row(struct daemon *daemon, uid_t uid)
{
	struct tenant_row *row = must_alloc(1, sizeof(*row));
	const struct passwd *user = getpwuid(uid);

	row->tenant.uid = uid;
	if (user)
		text_copy(row->name, sizeof(row->name), user->pw_name);
	else
		snprintf(row->name, sizeof(row->name), "%u", (unsigned)uid);
	list_add_tail(&daemon->tenants, &row->link);
	return row;
}

static bool is_in_same_groups(const struct tenant_row *row, const struct peer *peer)
{
	return row->n_groups == peer->n_groups + 1 && row->group[peer->n_groups] == peer->gid &&
	       memcmp(row->group, peer->group, peer->n_groups * sizeof(gid_t)) == 0;
}

struct tenant *tenant_get(struct daemon *daemon, const struct peer *peer)
{
	struct tenant_row *row = find_row(daemon, peer->uid);

	if (row && is_in_same_groups(row, peer))
		return &row->tenant;
	if (!row)
		row = make_row(daemon, peer->uid);
	free(row->group);
	row->n_groups = peer->n_groups + 1;
	row->group = must_alloc(row->n_groups, sizeof(gid_t));
	memcpy(row->group, peer->group, peer->n_groups * sizeof(gid_t));
	row->group[peer->n_groups] = peer->gid;
	set_limit(daemon, row);
	return &row->tenant;
}

struct tenant *tenant_by_uid(struct daemon *daemon, uid_t uid)
{
	struct tenant_row *row = find_row(daemon, uid);

	if (!row) {
		row = make_row(daemon, uid);
		set_limit(daemon, row);
	}
	return &row->tenant;
}

const char *tenant_name(struct daemon *daemon, uid_t uid)
{
	struct tenant_row *row = find_row(daemon, uid);

	return (row ?: make_row(daemon, uid))->name;
}

void tenants_reload(struct daemon *daemon)
{
	struct tenant_row *row;

	list_for_each (row, &daemon->tenants, link)
		set_limit(daemon, row);
}

void tenants_done(struct daemon *daemon)
{
	struct tenant_row *row, *after;

	list_for_each_safe (row, after, &daemon->tenants, link) {
		list_remove(&row->link);
		free(row->group);
		free(row);
	}
}
