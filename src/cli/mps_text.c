/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/mps_text.h"

#include "base/text.h"
#include "cli/node.h"

static const json_t *servers_of(const json_t *gpu)
{
	return json_object_get(json_object_get(gpu, "mps"), "servers");
}

static const char *user_of(const json_t *server)
{
	return json_text(json_object_get(server, "tenant"), "user");
}

bool mps_is_share_at(const json_t *share, const json_t *gpu, const char *place)
{
	return text_eq(json_text(share, "mechanism"), "mps") &&
	       json_whole(share, "gpu") == json_whole(gpu, "index") &&
	       text_eq(json_text(share, "place"), place ?: "");
}

bool mps_is_used(const json_t *node, const json_t *gpu)
{
	const json_t *share;
	size_t i;

	json_array_foreach(json_object_get(node, "shares"), i,
		share) if (mps_is_share_at(share, gpu, NULL)) return true;
	return mps_server_at(gpu, NULL, 0) != NULL;
}

const json_t *mps_server_in_trouble(const json_t *gpu)
{
	const json_t *server, *found = NULL;
	size_t i;

	json_array_foreach(servers_of(gpu), i, server)
	{
		const char *state = json_text(server, "state");

		if (text_eq(state, "faulty"))
			return server;
		if (!found && !text_eq(state, "ready"))
			found = server;
	}
	return found;
}

const json_t *mps_server_at(const json_t *gpu, const char *place, unsigned i)
{
	const json_t *server;
	size_t k;

	json_array_foreach(
		servers_of(gpu), k, server) if (text_eq(json_text(server, "place"), place ?: "") &&
						i-- == 0) return server;
	return NULL;
}

bool mps_is_server(const json_t *gpu, const json_t *process)
{
	long long pid = json_whole(process, "pid");
	const json_t *server;
	size_t i;

	json_array_foreach(servers_of(gpu), i,
		server) if (pid > 0 &&
			    (json_whole(server, "server_pid") == pid ||
				    json_whole(server, "control_pid") == pid)) return true;
	return false;
}

unsigned mps_add_tenants(struct buf *buf, const json_t *gpu, const char *comma)
{
	const json_t *server;
	unsigned n = 0;

	/* one user has one server at a place */
	while ((server = mps_server_at(gpu, NULL, n)))
		buf_addf(buf, "%s%s", n++ ? comma : "", user_of(server));
	return n;
}

void mps_add_notes(struct buf *buf, const json_t *gpu)
{
	long long index = json_whole(gpu, "index");
	const json_t *server;
	size_t i;

	json_array_foreach(servers_of(gpu), i, server)
	{
		const char *place = json_text(server, "place"), *text = json_text(server, "text");

		if (text_eq(json_text(server, "state"), "ready"))
			continue;
		buf_addf(buf, "GPU %lld: the MPS server of %s%s%s is %s%s%s\n", index,
			user_of(server), *place ? " in " : "", place, json_text(server, "state"),
			*text ? ": " : "", text);
	}
	if (json_flag(json_object_get(gpu, "mps"), "time_sliced"))
		buf_addf(buf, "GPU %lld: MPS " MPS_TIME_SLICED "\n", index);
}

static bool has_foreign(const json_t *gpu, long long pid)
{
	const json_t *mps = json_object_get(gpu, "mps"), *foreign;
	size_t i;

	json_array_foreach(json_object_get(mps, "foreign"), i,
		foreign) if (json_whole(foreign, "pid") == pid) return true;
	return false;
}

void mps_add_foreign(struct buf *buf, const json_t *gpus)
{
	const json_t *gpu, *foreign, *other;
	size_t g, i, k;

	json_array_foreach(gpus, g, gpu) json_array_foreach(
		json_object_get(json_object_get(gpu, "mps"), "foreign"), i, foreign)
	{
		long long pid = json_whole(foreign, "pid");
		const char *where = json_text(foreign, "pipe_directory");
		bool is_told = false;
		AUTO_BUF on = { 0 };
		size_t n = 0;

		json_array_foreach(gpus, k, other)
		{
			if (!has_foreign(other, pid))
				continue;
			is_told |= k < g;
			n++;
			buf_addf(&on, "%s%lld", on.length ? ", " : "", json_whole(other, "index"));
		}
		if (!is_told)
			buf_addf(buf,
				"%s%s: an MPS control daemon that Carve did not start (process "
				"%lld, uid %lld%s%s) is left alone\n",
				n == json_array_size(gpus) ? "All GPUs" : "GPU ",
				n == json_array_size(gpus) ? "" : buf_text(&on), pid,
				json_whole(foreign, "uid"), *where ? ", in " : "", where);
	}
}

void mps_add_server(struct buf *buf, const json_t *mps, const json_t *server)
{
	const char *place = json_text(server, "place"), *text = json_text(server, "text");
	char memory[32];

	buf_addf(buf, "%s%s%s: %s", user_of(server), *place ? " in " : "", place,
		json_text(server, "state"));
	if (*text)
		buf_addf(buf, " (%s)", text);
	buf_addf(buf, ", %lld lease%s, %lld client%s", json_whole(server, "leases"),
		json_whole(server, "leases") == 1 ? "" : "s", json_whole(server, "clients"),
		json_whole(server, "clients") == 1 ? "" : "s");
	if (!*place)
		buf_addf(buf, " of %lld", json_whole(mps, "clients_max"));
	if (json_number(server, "memory_limit") > 0)
		buf_addf(buf, ", each at most %s",
			memory_text(json_number(server, "memory_limit"), memory));
	if (json_number(server, "compute_limit") > 0)
		buf_addf(buf, "%s%.0f%%",
			json_number(server, "memory_limit") > 0 ? " and " : ", each at most ",
			json_number(server, "compute_limit"));
	if (json_whole(server, "control_pid") > 0)
		buf_addf(buf, "; %s, control daemon %lld, server %lld",
			json_text(server, "interface"), json_whole(server, "control_pid"),
			json_whole(server, "server_pid"));
}

const char *mps_why_nobody(const json_t *node, const json_t *share, const char *limit)
{
	const json_t *gpu =
		json_array_get(json_object_get(node, "gpus"), (size_t)json_whole(share, "gpu"));
	const char *mode = json_text(json_object_get(gpu, "mps"), "compute_mode");

	if (!text_eq(json_text(share, "mechanism"), "mps") ||
		!text_eq(json_text(json_object_get(share, "enforced_by"), limit), "nobody"))
		return "";
	if (text_eq(limit, "faults"))
		return "a fatal fault ends all clients of the same server";
	if (*json_text(share, "place"))
		return "in MIG mode there is no exclusive mode, so a process can get past the "
		       "server";
	if (!text_eq(mode, "exclusive-process"))
		return "servers may take turns (time-sliced), so a process can get past them";
	return "the server's one limit is that of a larger share; this one's stands in its "
	       "client's "
	       "environment";
}
