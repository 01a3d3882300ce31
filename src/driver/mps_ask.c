/* SPDX-License-Identifier: Apache-2.0 */
/* Running NVIDIA's control program: as the daemon, or as the front end that speaks to it. */
#include "base/cleanup.h"
#include "base/error.h"
#include "base/list.h"
#include "base/spawn.h"
#include "driver/mps_calls.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* What it must not get from us: other GPUs, other MPS directories, our own service manager. */
static bool is_inherited(const char *variable)
{
	static const char *const not_inherited[] = { "CUDA_", "NVIDIA_",
		"NOTIFY_SOCKET=", "LISTEN_", "WATCHDOG_", "MAINPID=", "PATH=" };

	for (unsigned i = 0; i < ARRAY_SIZE(not_inherited); i++) {
		if (text_starts(variable, not_inherited[i]))
			return false;
	}
	return true;
}

/* The words of its environment; the last five are the caller's to free. */
struct environment {
	VEC(const char *) word;
	char *own[5];
};

static void environment_done(struct environment *environment)
{
	for (unsigned i = 0; i < ARRAY_SIZE(environment->own); i++)
		free(environment->own[i]);
	vec_done(&environment->word);
}

static void environment_init(struct environment *environment, const struct mps_control *control)
{
	*environment = (struct environment){ 0 };
	for (char **p = environ; *p; p++) {
		if (is_inherited(*p))
			*vec_add(&environment->word) = *p;
	}
	/* the daemon finds its server on PATH */
	environment->own[0] =
		must_asprintf("PATH=%s:/usr/bin:/usr/sbin:/sbin", getenv("PATH") ?: "/bin");
	environment->own[1] = must_asprintf("CUDA_MPS_PIPE_DIRECTORY=%s", control->pipe);
	environment->own[2] = must_asprintf("CUDA_MPS_LOG_DIRECTORY=%s", control->log);
	environment->own[3] = must_asprintf("CUDA_VISIBLE_DEVICES=%s", control->spec->device);
	environment->own[4] = must_asprintf(
		"CUDA_MPS_PROTOCOL_VERSION=%d", control->dialect->interface == MPS_V3 ? 3 : 2);
	for (unsigned i = 0; i < ARRAY_SIZE(environment->own); i++)
		*vec_add(&environment->word) = environment->own[i];
	vec_add(&environment->word);
}

static void trim(struct buf *text)
{
	while (text->length > 0 && text->text[text->length - 1] == '\n')
		text->text[--text->length] = '\0';
}

const char *mps_words(const struct buf *answer, char ret_text[200])
{
	text_copy(ret_text, 200, buf_text(answer));
	text_clean(ret_text);
	return ret_text[0] ? ret_text : "nothing";
}

int mps_run(struct mps_control *control, const struct spawn *what, struct buf *answer,
	struct error *err)
{
	CLEANUP(environment_done) struct environment environment = { 0 };
	struct spawn spawn = *what;
	uint64_t left_ns = mps_control_left(control);
	int r;

	if (left_ns == 0)
		return error_set(err, -ETIMEDOUT,
			"the MPS control daemon of %s did not answer in time", control->spec->dir);
	environment_init(&environment, control);
	spawn.environment = environment.word.at;
	r = spawn_run(&spawn, left_ns, answer, err);
	if (r == -ETIMEDOUT)
		return error_set(err, -ETIMEDOUT,
			"the MPS control daemon of %s (process %d) does not answer",
			control->spec->dir, (int)control->process.pid);
	trim(answer);
	return r;
}

int mps_ask(struct mps_control *control, const char *input, const char *const *words,
	struct buf *answer, struct error *err)
{
	VEC(const char *) argv = { 0 };
	char text[200];
	int r;

	*vec_add(&argv) = control->program.path;
	for (; words && *words; words++)
		*vec_add(&argv) = *words;
	vec_add(&argv);
	buf_clear(answer);
	r = mps_run(control, &(struct spawn){ .argv = argv.at, .input = input }, answer, err);
	vec_done(&argv);
	if (r <= 0)
		return r;
	if (strstr(buf_text(answer), "Cannot find MPS control daemon"))
		return error_set(
			err, -ENOENT, "no MPS control daemon listens in %s", control->pipe);
	return error_set(
		err, -EIO, "NVIDIA's MPS control program says \"%s\"", mps_words(answer, text));
}

int mps_refused(const struct buf *answer, struct error *err, const char *format, ...)
{
	char what[256], text[200];
	va_list args;

	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	return error_set(err, -EINVAL, "%s: NVIDIA's MPS control program says \"%s\"", what,
		mps_words(answer, text));
}
