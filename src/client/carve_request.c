/* SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"
#include "carve/carve.h"
#include "client/carve_private.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

struct carve_request *carve_request_new(void)
{
	struct carve_request *request = calloc(1, sizeof(*request));

	if (!request)
		return NULL;
	request_init(&request->request);
	carve_request_held_by_pid(request, getpid());
	return request;
}

struct carve_request *carve_request_free(struct carve_request *request)
{
	if (request) {
		free(request->text);
		free(request);
	}
	return NULL;
}

int carve_request_set(struct carve_request *request, const char *option, const char *value)
{
	struct request changed = request->request;
	int r;

	request->error = ERROR_NONE;
	r = request_option(&changed, option, value, &request->error);
	if (r == REQUEST_E_UNKNOWN)
		return error_set(
			&request->error, CARVE_BAD_REQUEST, "a request has no option '%s'", option);
	if (r < 0)
		return CARVE_BAD_REQUEST;
	request->request = changed;
	return 0;
}

const char *carve_request_error(const struct carve_request *request)
{
	return request->error.text;
}

static int hold(struct carve_request *request, const char *kind, pid_t pid, const char *text)
{
	char *copy = text ? strdup(text) : NULL;

	if (text && !copy)
		return -ENOMEM;
	text_copy(request->kind, sizeof(request->kind), kind);
	request->pid = pid;
	free(request->text);
	request->text = copy;
	return 0;
}

int carve_request_held_by_pid(struct carve_request *request, pid_t pid)
{
	return pid > 0 ? hold(request, "pid", pid, NULL) : -EINVAL;
}

int carve_request_held_by_cgroup(struct carve_request *request, const char *cgroup)
{
	return cgroup && *cgroup ? hold(request, "cgroup", 0, cgroup) : -EINVAL;
}

int carve_request_held_by_name(struct carve_request *request, const char *name)
{
	return name && *name ? hold(request, "name", 0, name) : -EINVAL;
}
