/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/mps/front.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "sim/mps/wire.h"

#include <stdio.h>
#include <stdlib.h>

enum told { TOLD_MORE, TOLD_END, TOLD_BROKEN };

/* Sends a line and prints its answer; at the end *ret_status is the daemon's. */
static enum told command_send(int fd, const char *line, int *ret_status)
{
	AUTO_FREE char *text = must_asprintf("C%s", line);
	char told[WIRE_TEXT_MAX];

	if (wire_send(fd, text, -1) < 0 || wire_receive(fd, told, NULL) <= 0)
		return TOLD_BROKEN;
	if (told[0] == 'Q') {
		*ret_status = atoi(told + 1);
		return TOLD_END;
	}
	fputs(told + 1, stdout);
	fflush(stdout);
	return TOLD_MORE;
}

int front_run(const char *pipe_dir)
{
	AUTO_FREE char *line = NULL;
	AUTO_CLOSE int fd = -1;
	int status = EXIT_SUCCESS;
	size_t room = 0;
	char path[160];
	ssize_t n;

	snprintf(path, sizeof(path), "%.140s/control", pipe_dir);
	fd = wire_connect(path);
	if (fd < 0 || wire_send(fd, "UI", -1) < 0) {
		fprintf(stderr, "Cannot find MPS control daemon process\n");
		return EXIT_FAILURE;
	}
	while ((n = getline(&line, &room, stdin)) > 0) {
		line[strcspn(line, "\n")] = '\0';
		switch (command_send(fd, line, &status)) {
		case TOLD_MORE:
			break;
		case TOLD_END:
			return status;
		default:
			fprintf(stderr, "Cannot send command to MPS control daemon process\n");
			return EXIT_FAILURE;
		}
	}
	return EXIT_SUCCESS;
}
