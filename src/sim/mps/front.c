/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/mps/front.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "sim/mps/v3.h"
#include "sim/mps/wire.h"

#include <stdio.h>
#include <stdlib.h>

enum told { TOLD_MORE, TOLD_FAILURE, TOLD_END, TOLD_BROKEN };

/* Sends a line and prints its answer; at the end *ret_status is the daemon's. */
static enum told command_send(int fd, const char *text, int *ret_status)
{
	char told[WIRE_TEXT_MAX];

	if (wire_send(fd, text, -1) < 0 || wire_receive(fd, told, NULL) <= 0)
		return TOLD_BROKEN;
	if (told[0] == 'Q') {
		*ret_status = atoi(told + 1);
		return TOLD_END;
	}
	fputs(told + 1, told[0] == 'E' ? stderr : stdout);
	fflush(stdout);
	return told[0] == 'E' ? TOLD_FAILURE : TOLD_MORE;
}

static int front_open(const char *pipe_dir)
{
	AUTO_CLOSE int fd = -1;
	char path[160];

	snprintf(path, sizeof(path), "%.140s/control", pipe_dir);
	fd = wire_connect(path);
	if (fd < 0 || wire_send(fd, "UI", -1) < 0) {
		fprintf(stderr, "Cannot find MPS control daemon process\n");
		return -1;
	}
	return TAKE_FD(fd);
}

static int broken(void)
{
	fprintf(stderr, "Cannot send command to MPS control daemon process\n");
	return EXIT_FAILURE;
}

int front_run(const char *pipe_dir)
{
	AUTO_CLOSE int fd = front_open(pipe_dir);
	AUTO_FREE char *line = NULL;
	int status = EXIT_SUCCESS;
	size_t room = 0;

	if (fd < 0)
		return EXIT_FAILURE;
	while (getline(&line, &room, stdin) > 0) {
		AUTO_FREE char *text = NULL;

		line[strcspn(line, "\n")] = '\0';
		text = must_asprintf("C%s", line);
		switch (command_send(fd, text, &status)) {
		case TOLD_MORE:
		case TOLD_FAILURE:
			break;
		case TOLD_END:
			return status;
		default:
			return broken();
		}
	}
	return EXIT_SUCCESS;
}

int front_run_line(const char *pipe_dir, int n, char **words)
{
	AUTO_CLOSE int fd = front_open(pipe_dir);
	AUTO_BUF text = { 0 };
	int status = EXIT_SUCCESS;

	if (fd < 0)
		return EXIT_FAILURE;
	buf_add(&text, "M");
	for (int i = 0; i < n; i++)
		buf_addf(&text, "%s%s", i ? V3_SEPARATOR : "", words[i]);
	switch (command_send(fd, buf_text(&text), &status)) {
	case TOLD_MORE:
		return EXIT_SUCCESS;
	case TOLD_FAILURE:
		return EXIT_FAILURE;
	case TOLD_END:
		return status;
	default:
		return broken();
	}
}
