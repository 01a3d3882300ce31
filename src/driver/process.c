/* SPDX-License-Identifier: Apache-2.0 */
#include "driver/process.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "base/text.h"
#include "driver/root.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>

enum { PROC_FILE_MAX = 1 << 20, STAT_START_TIME = 22 };

static char *read_proc(pid_t pid, const char *name)
{
	AUTO_FREE char *path = must_asprintf("/proc/%d/%s", (int)pid, name);
	char *text = NULL;
	size_t length = 0;

	if (read_file_at(AT_FDCWD, path, PROC_FILE_MAX, &text, &length) < 0)
		return NULL;
	/* cmdline: its words end with NUL */
	for (size_t i = 0; i < length; i++) {
		if (text[i] == '\0')
			text[i] = ' ';
	}
	return text;
}

/* "4711 (a name (with) brackets) S 1 ...": the name, and field 22. */
static int look_stat(pid_t pid, char *ret_name, size_t size, uint64_t *ret_start)
{
	AUTO_FREE char *stat = read_proc(pid, "stat");
	char *open = stat ? strchr(stat, '(') : NULL;
	char *close = stat ? strrchr(stat, ')') : NULL;
	char *at;

	if (!open || !close || close < open)
		return -ESRCH;
	*close = '\0';
	text_copy(ret_name, size, open + 1);
	at = close + 1; /* before field 3 */
	for (unsigned field = 3; field < STAT_START_TIME && at; field++)
		at = strchr(at + 1, ' ');
	if (!at)
		return -ESRCH;
	*ret_start = strtoull(at, NULL, 10);
	return 0;
}

static uid_t look_uid(pid_t pid)
{
	AUTO_FREE char *status = read_proc(pid, "status");
	const char *at = status ? strstr(status, "\nUid:") : NULL;

	return at ? (uid_t)strtoul(at + strlen("\nUid:"), NULL, 10) : (uid_t)-1;
}

static void look_user(uid_t uid, char *ret_user, size_t size)
{
	char room[4096];
	struct passwd entry, *found = NULL;

	if (getpwuid_r(uid, &entry, room, sizeof(room), &found) == 0 && found)
		text_copy(ret_user, size, found->pw_name);
	else
		snprintf(ret_user, size, "%u", (unsigned)uid);
	text_clean(ret_user);
}

/* It goes to terminals, into JSON and into the ledger: nothing but text may be in it. */
static void make_printable(char *text)
{
	size_t length;

	text_clean(text);
	length = strlen(text);
	while (length > 0 && text[length - 1] == ' ')
		text[--length] = '\0';
}

static void look_command(pid_t pid, const char *name, char *ret_command, size_t size)
{
	AUTO_FREE char *words = read_proc(pid, "cmdline");

	if (words && words[strspn(words, " ")])
		text_copy(ret_command, size, words);
	else
		snprintf(ret_command, size, "[%s]", name);
	make_printable(ret_command);
}

/* The last component of a cgroup path that is a unit running something. */
static void look_service(const char *path, char *ret_service, size_t size)
{
	AUTO_FREE char *copy = must_strdup(path);
	char *rest = copy, *part;

	ret_service[0] = '\0';
	while ((part = strsep(&rest, "/"))) {
		const char *ending = strrchr(part, '.');

		if (text_eq(ending, ".service") || text_eq(ending, ".scope"))
			text_copy(ret_service, size, part);
	}
	text_clean(ret_service);
}

/* 64 hexadecimal digits, as docker, containerd, podman and cri-o name theirs; or LXC's word. */
static void look_container(const char *path, char *ret_container, size_t size)
{
	enum { ID_LENGTH = 64 };
	const char *lxc = strstr(path, "/lxc.payload.");

	ret_container[0] = '\0';
	for (const char *p = path; *p; p++) {
		size_t n = strspn(p, "0123456789abcdef");

		if (n == ID_LENGTH) {
			snprintf(ret_container, size, "%.*s", ID_LENGTH, p);
			return;
		}
		if (n > 0)
			p += n - 1;
	}
	if (lxc) {
		lxc += strlen("/lxc.payload.");
		snprintf(ret_container, size, "%.*s", (int)strcspn(lxc, "/"), lxc);
	}
	text_clean(ret_container);
}

/* The path of the line of /proc/PID/cgroup that begins with `what`; the caller frees; or NULL. */
static char *cgroup_line(const char *text, const char *what)
{
	for (const char *at = text; at && *at;
		at = strchr(at, '\n') ? strchr(at, '\n') + 1 : NULL) {
		const char *after = strchr(at, ':');

		if (after && text_starts(after, what)) {
			after += strlen(what);
			return must_asprintf("%.*s", (int)strcspn(after, "\n"), after);
		}
	}
	return NULL;
}

static void look_unit(pid_t pid, struct process_info *info)
{
	AUTO_FREE char *text = read_proc(pid, "cgroup");
	AUTO_FREE char *unified = text ? cgroup_line(text, "::") : NULL;
	AUTO_FREE char *named = text ? cgroup_line(text, ":name=systemd:") : NULL;

	/* on hybrid hierarchies systemd's own tree is always there, the unified one maybe not in
	 * use */
	look_service(unified ?: "", info->service, sizeof(info->service));
	look_container(unified ?: "", info->container, sizeof(info->container));
	if (!info->service[0])
		look_service(named ?: "", info->service, sizeof(info->service));
	if (!info->container[0])
		look_container(named ?: "", info->container, sizeof(info->container));
}

int process_look(pid_t pid, struct process_info *ret_info)
{
	struct process_info info = { .pid = pid };
	char name[64];
	int r = look_stat(pid, name, sizeof(name), &info.start_ticks);

	if (r < 0)
		return r;
	info.uid = look_uid(pid);
	if (info.uid == (uid_t)-1)
		return -ESRCH;
	look_user(info.uid, info.user, sizeof(info.user));
	look_command(pid, name, info.command, sizeof(info.command));
	look_unit(pid, &info);
	*ret_info = info;
	return 0;
}

int process_started(pid_t pid, uint64_t *ret_start_ticks)
{
	char name[64];

	return look_stat(pid, name, sizeof(name), ret_start_ticks);
}

const char *process_text(const struct process_info *info, char *ret_text, unsigned size)
{
	if (info->service[0])
		snprintf(ret_text, size, "%d (%s) %s [%s]", (int)info->pid, info->user,
			info->command, info->service);
	else
		snprintf(ret_text, size, "%d (%s) %s", (int)info->pid, info->user, info->command);
	return ret_text;
}

int process_open(pid_t pid)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);

	return fd < 0 ? -errno : fd;
}

/* A container sees the node under another file system: what counts is which device it is. */
static bool is_same_file(const struct stat *a, const struct stat *b)
{
	if (S_ISCHR(a->st_mode))
		return S_ISCHR(b->st_mode) && a->st_rdev == b->st_rdev;
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

static bool has_open(const char *pid, const char *path, const struct stat *wanted)
{
	AUTO_FREE char *directory = must_asprintf("/proc/%s/fd", pid);
	DIR *dir = opendir(directory);
	bool found = false;

	for (struct dirent *entry; dir && !found && (entry = readdir(dir));) {
		char target[PATH_MAX];
		ssize_t n = readlinkat(dirfd(dir), entry->d_name, target, sizeof(target) - 1);
		struct stat st;

		if (n < 0)
			continue;
		target[n] = '\0';
		/* no stat of what cannot be it: it might be on a network that does not answer */
		if (!text_starts(target, "/dev/") && !text_eq(target, path))
			continue;
		found = fstatat(dirfd(dir), entry->d_name, &st, 0) == 0 &&
			is_same_file(wanted, &st);
	}
	if (dir)
		closedir(dir);
	return found;
}

int process_find_users(const char *device_path, pid_t *ret_pids, unsigned max)
{
	AUTO_FREE char *path = must_asprintf("%s%s", root_path(), device_path);
	struct stat wanted;
	unsigned n = 0;
	DIR *proc;

	if (stat(path, &wanted) < 0)
		return -errno;
	proc = opendir("/proc");
	if (!proc)
		return -errno;
	for (struct dirent *entry; n < max && (entry = readdir(proc));) {
		uint32_t pid;

		if (parse_u32(entry->d_name, &pid) == 0 && has_open(entry->d_name, path, &wanted))
			ret_pids[n++] = (pid_t)pid;
	}
	closedir(proc);
	return (int)n;
}
