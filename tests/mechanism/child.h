/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A worker process as the daemon has it: orders go to it, answers come back. */

#include "test.h"

#include "mechanism/worker.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

struct child {
	pid_t pid;
	int fd;
	uint64_t number;
};

static struct work_answer answer;

static inline struct child start(const char *what)
{
	struct child child = { 0 };
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		exit(1);
	child.pid = fork();
	if (child.pid == 0) {
		if (fds[1] == WORKER_FD)
			fds[1] = dup(fds[1]);
		dup2(fds[1], WORKER_FD);
		for (int fd = WORKER_FD + 1; fd < 64; fd++)
			close(fd);
		_exit(worker_main(what));
	}
	close(fds[1]);
	child.fd = fds[0];
	return child;
}

static inline void order(struct child *child, struct work_order *wanted)
{
	wanted->number = ++child->number;
	CHECK(send(child->fd, wanted, sizeof(*wanted), MSG_NOSIGNAL) == sizeof(*wanted));
}

/* The answer is in `answer`; its result, or -ETIME without one. */
static inline int await(struct child *child, int milliseconds)
{
	struct pollfd p = { .fd = child->fd, .events = POLLIN };

	if (poll(&p, 1, milliseconds) != 1)
		return -ETIME;
	if (recv(child->fd, &answer, sizeof(answer), 0) != (ssize_t)work_answer_size(&answer))
		return -EPIPE;
	CHECK_EQ(answer.number, child->number);
	return answer.result;
}

static inline int ask(struct child *child, enum work_op op)
{
	struct work_order wanted = {
		.op = op, .gi = UINT32_MAX, .ci = UINT32_MAX, .vf = UINT32_MAX
	};

	order(child, &wanted);
	return await(child, 20000);
}

static inline int ask_do(struct child *child, struct step step)
{
	struct work_order wanted = { .op = WORK_DO, .step = step };

	order(child, &wanted);
	return await(child, 40000);
}

static inline void stop(struct child *child)
{
	int status = -1;

	close(child->fd);
	CHECK_EQ(waitpid(child->pid, &status, 0), child->pid);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}
