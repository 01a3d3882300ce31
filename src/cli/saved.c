/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/saved.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"
#include "base/list.h"
#include "base/text.h"
#include "client/json.h"

#include <dirent.h>
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define ENDING ".json"

static const char *home(void)
{
	const char *home = getenv("HOME");
	const struct passwd *user = home && *home == '/' ? NULL : getpwuid(geteuid());

	return user ? user->pw_dir : home && *home == '/' ? home : "/";
}

static char *directory(void)
{
	const char *data = getenv("XDG_DATA_HOME");

	/* its specification has relative ones ignored */
	return data && *data == '/' ? must_asprintf("%s/carve/profiles", data)
				    : must_asprintf("%s/.local/share/carve/profiles", home());
}

static char *path_of(const char *name)
{
	AUTO_FREE char *dir = directory();

	return must_asprintf("%s/%s" ENDING, dir, name);
}

static bool is_good_name(const char *name)
{
	size_t n =
		strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");

	return n > 0 && n < SAVED_NAME_MAX && !name[n] && *name != '.' && *name != '-';
}

int saved_name_check(const char *name, struct error *err)
{
	if (is_good_name(name))
		return 0;
	return error_set(err, -EINVAL,
		"'%.80s' is no name for a profile: 1 to 63 letters, digits, '.', '_' and '-', and "
		"a letter, digit or '_' first",
		name);
}

/* ---- which there are ---- */

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

struct saved_names saved_names(void)
{
	AUTO_FREE char *dir = directory();
	struct saved_names names = { 0 };
	DIR *stream = opendir(dir);
	const struct dirent *entry;

	while (stream && (entry = readdir(stream))) {
		size_t n = strlen(entry->d_name), e = strlen(ENDING);
		char name[SAVED_NAME_MAX];

		if (n <= e || n - e >= sizeof(name) || !text_eq(entry->d_name + n - e, ENDING))
			continue;
		memcpy(name, entry->d_name, n - e);
		name[n - e] = '\0';
		if (is_good_name(name))
			*vec_add(&names) = must_strdup(name);
	}
	if (stream)
		closedir(stream);
	if (names.n)
		qsort(names.at, names.n, sizeof(*names.at), compare);
	return names;
}

void saved_names_done(struct saved_names *names)
{
	for (size_t i = 0; i < names->n; i++)
		free(names->at[i]);
	vec_done(names);
}

static int say_missing(const char *name, struct error *err)
{
	struct saved_names names = saved_names();
	const char *near = text_nearest(name, (const char *const *)names.at, names.n);
	AUTO_BUF list = { 0 };

	for (size_t i = 0; i < names.n && list.length < 300; i++)
		buf_addf(&list, "%s%s", i ? ", " : "", names.at[i]);
	if (near && !text_eq(near, name))
		error_set(err, -ENOENT, "there is no profile '%s': did you mean '%s'?", name, near);
	else if (names.n)
		error_set(err, -ENOENT, "there is no profile '%s'; there are: %s", name,
			buf_text(&list));
	else
		error_set(err, -ENOENT,
			"there is no profile '%s', and none at all: 'carve profile --save %s -- "
			"COMMAND' makes it",
			name, name);
	saved_names_done(&names);
	return -ENOENT;
}

/* ---- one of them ---- */

int saved_prepare(const char *name, bool replaces, struct error *err)
{
	AUTO_FREE char *dir = directory(), *path = path_of(name);
	struct stat status;
	int r = make_dirs(dir, 0700, err);

	if (r < 0)
		return error_prefix(err, r, "the profile cannot be saved");
	if (access(dir, W_OK | X_OK) < 0)
		return error_set(
			err, -errno, "the profile cannot be saved: %s: %s", dir, strerror(errno));
	if (stat(path, &status) == 0 && !S_ISREG(status.st_mode))
		return error_set(err, -EEXIST,
			"the profile cannot be saved: %s is no file of Carve's", path);
	if (!replaces && access(path, F_OK) == 0)
		return error_set(err, -EEXIST,
			"there is a profile '%s' already: --replace saves over it, 'carve profile "
			"--remove %s' removes it",
			name, name);
	return 0;
}

int saved_write(const char *name, const json_t *report, struct error *err)
{
	AUTO_FREE char *path = path_of(name), *text = json_dumps(report, REPORT_JSON);
	AUTO_FREE char *line = text ? must_asprintf("%s\n", text) : NULL;
	int r;

	if (!line)
		return error_set(err, -ENOMEM, "no memory for the profile");
	r = write_file_atomic(path, line, strlen(line), 0600, err);
	return r < 0 ? error_prefix(err, r, "the profile cannot be saved") : 0;
}

static int check_version(const char *path, const json_t *report, struct error *err)
{
	const json_t *version = json_object_get(report, "version");

	if (json_is_integer(version) && json_integer_value(version) > SAVED_VERSION)
		return error_set(err, -EBADMSG,
			"%s is of a newer Carve (version %lld, this one reads %d): use that one, "
			"or make the profile again",
			path, (long long)json_integer_value(version), SAVED_VERSION);
	if (json_integer_value(version) == SAVED_VERSION &&
		json_is_object(json_object_get(report, "profile")))
		return 0;
	return error_set(err, -EBADMSG,
		"%s is no profile of Carve's: it says neither its version nor what was measured",
		path);
}

int saved_read(const char *name, json_t **ret_report, struct error *err)
{
	AUTO_FREE char *path = NULL;
	AUTO_JSON *report = NULL;
	json_error_t where;
	int r = saved_name_check(name, err);

	if (r < 0)
		return r;
	path = path_of(name);
	if (access(path, R_OK) < 0)
		return errno == ENOENT || errno == ENOTDIR
			       ? say_missing(name, err)
			       : error_set(err, -errno, "%s: %s", path, strerror(errno));
	report = json_load_file(path, JSON_REJECT_DUPLICATES, &where);
	if (!report)
		return error_set(err, -EBADMSG,
			"%s:%d:%d: %s: make the profile again (carve profile --save %s --replace)",
			path, where.line, where.column, where.text, name);
	r = check_version(path, report, err);
	if (r == 0)
		*ret_report = json_incref(report);
	return r;
}

int saved_request(const char *name, struct request *ret_request, char *ret_product, size_t size,
	struct error *err)
{
	AUTO_FREE char *path = NULL;
	AUTO_JSON *report = NULL;
	const json_t *profile, *request;
	struct error why = ERROR_NONE;
	int r = saved_read(name, &report, err);

	if (r < 0)
		return r;
	path = path_of(name);
	profile = json_object_get(report, "profile");
	request = json_object_get(json_object_get(profile, "proposal"), "request");
	if (json_is_null(request))
		return error_set(err, -ENODATA,
			"the profile '%s' proposes nothing: its run was not seen to use memory; "
			"make it again (carve profile --save %s --replace -- COMMAND)",
			name, name);
	r = request_from_json(request, ret_request, &why);
	if (r < 0)
		return error_set(err, -EBADMSG,
			"%s: its request: %s; make the profile again (carve profile --save %s "
			"--replace)",
			path, why.text, name);
	text_copy(ret_product, size, json_text(profile, "product"));
	return 0;
}

int saved_remove(const char *name, struct error *err)
{
	AUTO_FREE char *path = NULL;
	int r = saved_name_check(name, err);

	if (r < 0)
		return r;
	path = path_of(name);
	if (unlink(path) == 0)
		return 0;
	return errno == ENOENT || errno == ENOTDIR
		       ? say_missing(name, err)
		       : error_set(err, -errno, "%s: %s", path, strerror(errno));
}
