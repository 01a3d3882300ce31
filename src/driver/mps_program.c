/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NVIDIA's control program: where it is, and what it can.
 *
 * It belongs to one driver version, which stands in it as text ("535.261.03"); another driver's
 * server cannot open the GPU. What it understands stands in it too, as the words of its commands; a
 * program that has the words of several versions is as old as the driver that it belongs to.
 */
#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"
#include "base/spawn.h"
#include "driver/mps_calls.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	PROGRAM_MAX = 16 << 20,
	STATIC_SINCE = 590, /* CUDA 13.1 */
	V3_SINCE = 615,
};
#define VERSION_DEADLINE_NS 2000000000ull

const char *const mps_interface_names[MPS_INTERFACE_N] = { "any", "v2", "v2-static", "v3" };
const char *const mps_seen_names[] = { "gone", "no server", "starting", "ready", "hung", "fault" };

static bool find_in(const char *directories, const char *name, char *ret_path, size_t size)
{
	AUTO_FREE char *copy = must_strdup(directories);
	char *rest = copy, *directory;

	while ((directory = strsep(&rest, ":"))) {
		AUTO_FREE char *path = must_asprintf("%s/%s", directory, name);

		if (directory[0] == '/' && access(path, X_OK) == 0)
			return text_copy(ret_path, size, path) == 0;
	}
	return false;
}

/* The first driver version in the text: three digits, two or three, maybe two more. */
static void version_in(const char *text, size_t length, char ret_version[32])
{
	for (size_t i = 1; i + 6 < length; i++) {
		unsigned major, minor, patch;
		int n = 0;

		if (!isdigit((unsigned char)text[i]) || isalnum((unsigned char)text[i - 1]) ||
			text[i - 1] == '.' || text[i + 3] != '.')
			continue;
		if (sscanf(text + i, "%3u.%3u.%2u%n", &major, &minor, &patch, &n) != 3)
			(void)(sscanf(text + i, "%3u.%3u%n", &major, &minor, &n) == 2);
		if (n < 6 || major < 390 || isalnum((unsigned char)text[i + n]) ||
			text[i + n] == '.')
			continue;
		snprintf(ret_version, 32, "%.*s", n, text + i);
		return;
	}
}

static void ask_version(struct mps_program *program)
{
	const char *argv[] = { program->path, "-v", NULL };
	AUTO_BUF output = { 0 };

	buf_add(&output, "\n");
	if (spawn_wait(argv, VERSION_DEADLINE_NS, &output, NULL) == 0)
		version_in(output.text, output.length, program->version);
}

static int read_program(struct mps_program *program, const char *driver, struct error *err)
{
	AUTO_FREE char *text = NULL;
	size_t length;
	int r = read_file_at(AT_FDCWD, program->path, PROGRAM_MAX, &text, &length);
	unsigned long major;

	if (r < 0) {
		errno = -r;
		return error_set(err, r, "cannot read %s: %m", program->path);
	}
	version_in(text, length, program->version);
	if (!program->version[0])
		ask_version(program);
	major = strtoul(program->version[0] ? program->version : driver, NULL, 10);
#define HAS(word) (memmem(text, length, word, strlen(word)) != NULL)
	program->has_status = HAS("get_server_status");
	program->has_static = HAS("sm_partition") && (major == 0 || major >= STATIC_SINCE);
	program->has_v3 = HAS("CUDA_MPS_PROTOCOL_VERSION") && (major == 0 || major >= V3_SINCE);
	return 0;
}

/* As read_program, but a file that is the same as the last time is not read again. */
static int read_known(struct mps_program *program, const char *driver,
	struct mps_program *ret_program, struct error *err)
{
	static struct mps_program known;
	static struct stat known_file;
	struct stat file = { 0 };
	int r;

	if (stat(program->path, &file) < 0 || !text_eq(known.path, program->path) ||
		file.st_ino != known_file.st_ino || file.st_dev != known_file.st_dev ||
		file.st_size != known_file.st_size ||
		file.st_mtim.tv_sec != known_file.st_mtim.tv_sec ||
		file.st_mtim.tv_nsec != known_file.st_mtim.tv_nsec) {
		r = read_program(program, driver, err);
		if (r < 0)
			return r;
		known = *program;
		known_file = file;
	}
	*ret_program = known;
	return 0;
}

int mps_program_open(const char *driver, struct mps_program *ret_program, struct error *err)
{
	struct mps_program program = { 0 };
	AUTO_FREE char *path =
		must_asprintf("%s:/usr/bin:/usr/sbin:/sbin", getenv("PATH") ?: "/usr/local/bin");
	char server[256], release[16] = "NNN";

	if (driver[0])
		snprintf(release, sizeof(release), "%.*s", (int)strcspn(driver, "."), driver);
	if (!find_in(path, MPS_CONTROL_NAME, program.path, sizeof(program.path)) ||
		!find_in(path, MPS_SERVER_NAME, server, sizeof(server)))
		return error_set(err, -ENOENT,
			"no " MPS_CONTROL_NAME
			" and -server here: install nvidia-cuda-mps (Debian), "
			"nvidia-compute-utils-%s (Ubuntu) or nvidia-driver-cuda (Enterprise Linux)",
			release);
	return read_known(&program, driver, ret_program, err);
}

int mps_program_fits(const struct mps_program *program, const char *driver, struct error *err)
{
	if (!driver[0] || !program->version[0] || text_eq(driver, program->version))
		return 0;
	return error_set(err, -ELIBBAD,
		"%s is of driver %s, but %s is loaded: install the one for it, or load the driver "
		"that "
		"is installed (reboot)",
		program->path, program->version, driver);
}

int mps_find(const char *driver, struct mps_program *ret_program, struct error *err)
{
	struct mps_program program;
	int r = mps_program_open(driver, &program, err);

	if (r == 0)
		r = mps_program_fits(&program, driver, err);
	if (r == 0)
		*ret_program = program;
	return r;
}
