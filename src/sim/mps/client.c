/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/mps/client.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"
#include "sim/mps/codes.h"
#include "sim/mps/wire.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define PIPE_DIR "/tmp/nvidia-mps"

static const struct {
	int code;
	const char *words;
} errors[] = { { CUDA_OUT_OF_MEMORY, "out of memory" },
	{ CUDA_NO_DEVICE, "no CUDA-capable device is detected" },
	{ CUDA_LAUNCH_FAILED, "unspecified launch failure" },
	{ CUDA_INVALID_RESOURCE_CONFIGURATION, "invalid resource configuration" },
	{ CUDA_MPS_CONNECTION_FAILED,
		"MPS client failed to connect to the MPS control daemon or the MPS server" },
	{ CUDA_MPS_RPC_FAILURE, "the remote procedural call between the MPS server and the MPS "
				"client failed" },
	{ CUDA_MPS_SERVER_NOT_READY, "MPS server is not ready to accept new MPS client requests" },
	{ CUDA_MPS_MAX_CLIENTS_REACHED,
		"the hardware resources required to support MPS client have been exhausted" },
	{ CUDA_MPS_CLIENT_TERMINATED, "the MPS client has been terminated by the server" } };

int mps_error_set(struct error *err, int code)
{
	const char *words = "unknown error";

	for (unsigned i = 0; i < ARRAY_SIZE(errors); i++)
		if (errors[i].code == code)
			words = errors[i].words;
	error_set(err, -EIO, "CUDA: error %d: %s", code, words);
	return code;
}

/* The environment that counts, as lines. */
static void add_wishes(struct buf *text, const char *device)
{
	static const struct {
		const char *key, *variable;
	} wishes[] = { { "memory", "CUDA_MPS_PINNED_DEVICE_MEM_LIMIT" },
		{ "percentage", "CUDA_MPS_ACTIVE_THREAD_PERCENTAGE" },
		{ "partition", "CUDA_MPS_SM_PARTITION" } };
	const char *visible = device ?: getenv("CUDA_VISIBLE_DEVICES");

	if (visible)
		buf_addf(text, "visible=%s\n", visible);
	for (unsigned i = 0; i < ARRAY_SIZE(wishes); i++)
		if (getenv(wishes[i].variable))
			buf_addf(text, "%s=%s\n", wishes[i].key, getenv(wishes[i].variable));
}

static void read_session(const char *text, struct mps_session *session)
{
	char value[64];

	if (wire_value(text, "server", value, sizeof(value)))
		session->server = atoi(value);
	if (wire_value(text, "memory", value, sizeof(value)))
		session->memory = strtoull(value, NULL, 10);
	if (wire_value(text, "percentage", value, sizeof(value)))
		session->percentage = strtod(value, NULL);
	if (wire_value(text, "sm", value, sizeof(value)))
		session->sm = (unsigned)atoi(value);
	wire_value(text, "device", session->device, sizeof(session->device));
}

static int code_of(const char *text)
{
	int code;

	return sscanf(text, "ERROR %d", &code) == 1 ? code : CUDA_MPS_RPC_FAILURE;
}

int mps_session_open(const char *device, struct mps_session *ret_session, struct error *err)
{
	const char *dir = getenv("CUDA_MPS_PIPE_DIRECTORY");
	AUTO_BUF request = { 0 };
	char path[160], text[WIRE_TEXT_MAX];
	AUTO_CLOSE int fd = -1;

	*ret_session = MPS_SESSION_NONE;
	snprintf(path, sizeof(path), "%.140s/control", dir && *dir ? dir : PIPE_DIR);
	fd = wire_connect(path);
	if (fd < 0)
		return 0;
	buf_add(&request, "CLIENT\n");
	add_wishes(&request, device);
	if (wire_send(fd, buf_text(&request), -1) < 0 || wire_receive(fd, text, NULL) <= 0)
		return mps_error_set(err, CUDA_MPS_CONNECTION_FAILED);
	if (!text_starts(text, "OK\n"))
		return mps_error_set(err, code_of(text));
	read_session(text, ret_session);
	ret_session->fd = TAKE_FD(fd);
	return 0;
}

int mps_session_hear(struct mps_session *session, struct error *err)
{
	char text[WIRE_TEXT_MAX];
	ssize_t n = wire_receive(session->fd, text, NULL);

	return mps_error_set(err, n > 0 ? code_of(text) : CUDA_MPS_RPC_FAILURE);
}
