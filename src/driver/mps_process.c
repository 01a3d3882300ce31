/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NVIDIA's processes in /proc: known by the name they were started under and by the pipe directory
 * in the environment that they were started with. A pid alone says nothing: it may be another
 * process's by now.
 */
#include "base/cleanup.h"
#include "base/io.h"
#include "driver/mps_calls.h"
#include "driver/process.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

enum { WORDS_MAX = 1 << 20 };

/* Where the administrator's daemon is without a pipe directory of its own. */
#define DEFAULT_PIPE "/tmp/nvidia-mps"

static char *read_words(pid_t pid, const char *file, size_t *ret_length)
{
	AUTO_FREE char *path = must_asprintf("/proc/%d/%s", (int)pid, file);
	char *text = NULL;

	return read_file_at(AT_FDCWD, path, WORDS_MAX, &text, ret_length) < 0 ? NULL : text;
}

static bool is_called(const char *word, const char *name)
{
	const char *slash = strrchr(word, '/');

	return text_eq(slash ? slash + 1 : word, name);
}

bool mps_process_is_dying(pid_t pid)
{
	size_t length = 0;
	AUTO_FREE char *words = read_words(pid, "cmdline", &length);

	return !words || length == 0;
}

bool mps_process_is(pid_t pid, const char *name)
{
	size_t length = 0, first;
	AUTO_FREE char *words = read_words(pid, "cmdline", &length);

	if (!words || length == 0)
		return false;
	/* the second word is the program's name where the first is an interpreter's */
	first = strlen(words) + 1;
	return is_called(words, name) || (first < length && is_called(words + first, name));
}

char *mps_process_variable(pid_t pid, const char *name)
{
	size_t length = 0, n = strlen(name);
	AUTO_FREE char *words = read_words(pid, "environ", &length);

	for (size_t at = 0; words && at < length; at += strlen(words + at) + 1) {
		if (text_starts(words + at, name) && words[at + n] == '=')
			return must_strdup(words + at + n + 1);
	}
	return NULL;
}

/* Calls each process of that name until `each` says that it has enough. */
static void for_each(const char *name, bool (*each)(pid_t pid, void *context), void *context)
{
	DIR *proc = opendir("/proc");
	uint32_t pid;

	for (struct dirent *entry; proc && (entry = readdir(proc));) {
		if (parse_u32(entry->d_name, &pid) == 0 && mps_process_is((pid_t)pid, name) &&
			!each((pid_t)pid, context))
			break;
	}
	if (proc)
		closedir(proc);
}

struct search {
	const char *pipe;
	struct mps_process *found;
	unsigned n, max;
};

static bool add_with_pipe(pid_t pid, void *context)
{
	struct search *search = context;
	struct mps_process process = { .pid = pid };
	AUTO_FREE char *pipe = NULL;

	/* the start first: what is read after it is this process's, or it is gone at the end */
	if (process_started(pid, &process.start_ticks) < 0)
		return true;
	pipe = mps_process_variable(pid, "CUDA_MPS_PIPE_DIRECTORY");
	if (text_eq(pipe, search->pipe))
		search->found[search->n++] = process;
	return search->n < search->max;
}

unsigned mps_process_find(
	const char *name, const char *pipe, struct mps_process *ret_processes, unsigned max)
{
	struct search search = { .pipe = pipe, .found = ret_processes, .max = max };

	for_each(name, add_with_pipe, &search);
	return search.n;
}

/* ---- those of others ---- */

struct foreign_search {
	const char *run_dir;
	struct mps_foreign *found;
	unsigned n, max;
};

/* A daemon, not the front end that somebody talks to one with. */
static bool is_daemon(pid_t pid)
{
	size_t length = 0;
	AUTO_FREE char *words = read_words(pid, "cmdline", &length);

	for (size_t at = 0; words && at < length; at += strlen(words + at) + 1) {
		const char *word = words + at;

		if (text_eq(word, "--daemon") || text_eq(word, "--foreground") ||
			(word[0] == '-' && word[1] != '-' && strpbrk(word, "df")))
			return true;
	}
	return false;
}

static bool add_foreign(pid_t pid, void *context)
{
	struct foreign_search *search = context;
	struct mps_foreign foreign = { .pid = pid };
	AUTO_FREE char *pipe = mps_process_variable(pid, "CUDA_MPS_PIPE_DIRECTORY");
	AUTO_FREE char *devices = mps_process_variable(pid, "CUDA_VISIBLE_DEVICES");
	AUTO_FREE char *directory = must_asprintf("/proc/%d", (int)pid);
	size_t n = strlen(search->run_dir);
	struct stat st;

	if (!is_daemon(pid) || stat(directory, &st) < 0)
		return true;
	if (pipe && strncmp(pipe, search->run_dir, n) == 0 && pipe[n] == '/')
		return true;
	foreign.uid = st.st_uid;
	text_copy(foreign.pipe_dir, sizeof(foreign.pipe_dir), pipe ?: DEFAULT_PIPE);
	text_copy(foreign.devices, sizeof(foreign.devices), devices ?: "");
	text_clean(foreign.pipe_dir);
	text_clean(foreign.devices);
	search->found[search->n++] = foreign;
	return search->n < search->max;
}

int mps_find_foreign(const char *run_dir, struct mps_foreign *ret_foreign, unsigned max)
{
	struct foreign_search search = {
		.run_dir = run_dir,
		.found = ret_foreign,
		.max = max,
	};

	if (max > 0)
		for_each(MPS_CONTROL_NAME, add_foreign, &search);
	return (int)search.n;
}
