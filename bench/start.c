/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What it takes to run a command, in turn:
 *
 *	bench_start RUNS CGROUP CARVE...
 *
 * plain: `true` as it is; moved: `true` in a cgroup below CGROUP that is made for it, entered by
 * it, and removed again; carve: `CARVE... true`. One run of each after the other, so that what
 * disturbs disturbs all. Prints the median of each in microseconds. CGROUP "-": none can be made.
 */
#include "base/io.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { RUNS_MAX = 10000, WORDS_MAX = 64 };

/* fork(), into the cgroup if there is one. */
static pid_t start_in(int cgroup_fd)
{
	struct clone_args request = { .exit_signal = SIGCHLD };

	if (cgroup_fd >= 0) {
		request.flags = CLONE_INTO_CGROUP;
		request.cgroup = (uint64_t)cgroup_fd;
	}
	return (pid_t)syscall(SYS_clone3, &request, sizeof(request));
}

static void run(char **words, int cgroup_fd)
{
	pid_t pid = start_in(cgroup_fd);
	int status;

	if (pid == 0) {
		execvp(words[0], words);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0) {
		fprintf(stderr, "bench_start: %s did not run\n", words[0]);
		exit(1);
	}
}

static void run_moved(char **words, const char *parent)
{
	char *path = must_asprintf("%s/bench-%d", parent, (int)getpid());
	int fd;

	if (mkdir(path, 0755) < 0 || (fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0) {
		fprintf(stderr, "bench_start: %s: %m\n", path);
		exit(1);
	}
	run(words, fd);
	close(fd);
	while (rmdir(path) < 0 && errno == EBUSY)
		;
	free(path);
}

static int compare(const void *left, const void *right)
{
	uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;

	return (a > b) - (a < b);
}

static void tell(const char *name, uint64_t *values, unsigned n)
{
	qsort(values, n, sizeof(*values), compare);
	printf("%s %.0f\n", name, (double)values[n / 2] / 1000);
}

int main(int argc, char **argv)
{
	static uint64_t values[3][RUNS_MAX];
	char name[] = "true", *plain_words[] = { name, NULL };
	char *carve_words[WORDS_MAX + 2] = { NULL };
	int n = argc > 1 ? atoi(argv[1]) : 0;
	bool has_cgroup;

	if (argc < 4 || argc - 3 > WORDS_MAX || n < 1 || n > RUNS_MAX) {
		fprintf(stderr, "Usage: bench_start RUNS CGROUP CARVE...\n");
		return 64;
	}
	has_cgroup = !text_eq(argv[2], "-");
	for (int i = 3; i < argc; i++)
		carve_words[i - 3] = argv[i];
	carve_words[argc - 3] = name;
	for (int i = 0; i < n; i++)
		for (int k = 0; k < 3; k++) { /* each follows each of the others equally often */
			int which = (i % 2 ? k : 2 - k);
			uint64_t begun = now_ns();

			if (which == 1 && has_cgroup)
				run_moved(plain_words, argv[2]);
			else if (which == 2)
				run(carve_words, -1);
			else
				run(plain_words, -1);
			values[which][i] = now_ns() - begun;
		}
	tell("plain", values[0], (unsigned)n);
	if (has_cgroup)
		tell("moved", values[1], (unsigned)n);
	tell("carve", values[2], (unsigned)n);
	return 0;
}
