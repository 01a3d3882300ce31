/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The files of /proc and /sys, each computed from the node when it is looked at: nothing is cached,
 * here or by the kernel. Errors are those that the kernel's own files give: procfs lets root open a
 * file for writing and refuses the write (EIO), sysfs refuses to open it (EACCES); neither has room
 * for what others make (ENOENT, EPERM); what is read after its instance has gone is EIO.
 */
#define FUSE_USE_VERSION 32
#include "sim/program/kernel.h"

#include "base/text.h"
#include "sim/node/tree.h"

#include <errno.h>
#include <fuse3/fuse.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#define CAPABILITIES	 8192
#define CAPABILITY_WRITE 127 /* what the driver takes from one opening */

static struct node *node;

/* DeviceFileModify as somebody wrote it, as long as the instance is the same. */
static struct {
	uint32_t serial;
	int modify;
	bool is_set;
} written[CAPABILITIES];
static pthread_mutex_t written_lock = PTHREAD_MUTEX_INITIALIZER;

struct opened {
	uint32_t serial;
	/* What was read from its beginning: a reader that goes on gets the rest of just that. */
	pthread_mutex_t shown_lock;
	struct buf shown;
	size_t length;
	char text[CAPABILITY_WRITE + 1];
};

static bool is_proc(const char *path)
{
	return text_starts(path, "/proc");
}

static int find(const char *path, struct tree_entry *ret_entry)
{
	struct tree_entry entry;
	int r;

	/* Nodes are real files: DIR/root/dev. */
	if (text_starts(path, "/dev"))
		return -ENOENT;
	r = tree_find(node, path + 1, &entry);
	if (r < 0)
		return r;
	pthread_mutex_lock(&written_lock);
	if (entry.writes == TREE_CAPABILITY && written[entry.minor_no % CAPABILITIES].is_set &&
		written[entry.minor_no % CAPABILITIES].serial == entry.serial)
		entry.modify = written[entry.minor_no % CAPABILITIES].modify;
	pthread_mutex_unlock(&written_lock);
	*ret_entry = entry;
	return 0;
}

static int get_attributes(const char *path, struct stat *st, struct fuse_file_info *info)
{
	struct tree_entry entry;
	AUTO_BUF text = { 0 };
	int r = find(path, &entry);

	(void)info;
	if (r < 0)
		return r;
	memset(st, 0, sizeof(*st));
	st->st_uid = node->settings.owner;
	st->st_nlink = entry.type == TREE_DIR ? 2 : 1;
	clock_gettime(CLOCK_REALTIME, &st->st_mtim);
	st->st_atim = st->st_ctim = st->st_mtim;
	switch (entry.type) {
	case TREE_DIR:
		st->st_mode = S_IFDIR | (is_proc(path) ? 0555u : 0755u);
		break;
	case TREE_LINK:
		tree_text(node, &entry, &text);
		st->st_mode = S_IFLNK | 0777;
		st->st_size = (off_t)text.length;
		break;
	default:
		st->st_mode = S_IFREG | entry.mode;
		st->st_size = is_proc(path) ? 0 : 4096;
	}
	return 0;
}

static int read_link(const char *path, char *ret_target, size_t size)
{
	struct tree_entry entry;
	AUTO_BUF text = { 0 };
	int r = find(path, &entry);

	if (r < 0 || entry.type != TREE_LINK)
		return r < 0 ? r : -EINVAL;
	tree_text(node, &entry, &text);
	text_copy(ret_target, size, buf_text(&text));
	return 0;
}

struct listing {
	void *to;
	fuse_fill_dir_t fill;
	bool is_top;
};

static void list_one(void *context, const char *name)
{
	struct listing *listing = context;

	if (!listing->is_top || !text_eq(name, "dev"))
		listing->fill(listing->to, name, NULL, 0, 0);
}

static int read_dir(const char *path, void *to, fuse_fill_dir_t fill, off_t offset,
	struct fuse_file_info *info, enum fuse_readdir_flags flags)
{
	struct listing listing = { to, fill, text_eq(path, "/") };
	struct tree_entry entry;
	int r = find(path, &entry);

	(void)offset;
	(void)info;
	(void)flags;
	if (r < 0)
		return r;
	list_one(&listing, ".");
	list_one(&listing, "..");
	tree_list(node, path + 1, list_one, &listing);
	return 0;
}

static int open_file(const char *path, struct fuse_file_info *info)
{
	int access_mode = info->flags & O_ACCMODE;
	struct tree_entry entry;
	struct opened *opened;
	int r = find(path, &entry);

	if (r < 0)
		return r;
	if (!is_proc(path) && ((access_mode != O_RDONLY && !(entry.mode & 0222)) ||
				      (access_mode != O_WRONLY && !(entry.mode & 0444))))
		return -EACCES;
	opened = must_alloc(1, sizeof(*opened));
	opened->serial = entry.serial;
	pthread_mutex_init(&opened->shown_lock, NULL);
	info->fh = (uint64_t)(uintptr_t)opened;
	info->direct_io = 1;
	return 0;
}

static struct opened *opened_of(const struct fuse_file_info *info)
{
	return (struct opened *)(uintptr_t)info->fh;
}

static int find_opened(
	const char *path, const struct fuse_file_info *info, struct tree_entry *ret_entry)
{
	struct tree_entry entry;

	if (find(path, &entry) < 0 || entry.serial != opened_of(info)->serial)
		return -EIO;
	*ret_entry = entry;
	return 0;
}

/* Copies what of the text lies at the offset: how much. */
static int give(const struct buf *text, char *to, size_t size, off_t offset)
{
	if ((size_t)offset >= text->length)
		return 0;
	if (size > text->length - (size_t)offset)
		size = text->length - (size_t)offset;
	memcpy(to, text->text + offset, size);
	return (int)size;
}

static int read_file(
	const char *path, char *to, size_t size, off_t offset, struct fuse_file_info *info)
{
	struct opened *opened = opened_of(info);
	struct tree_entry entry;
	struct buf text = { 0 };
	int r = find_opened(path, info, &entry);

	if (r < 0)
		return r;
	r = tree_ready(node, &entry);
	if (r < 0)
		return r;
	tree_text(node, &entry, &text);
	pthread_mutex_lock(&opened->shown_lock);
	if (offset == 0 || opened->shown.length == 0) {
		buf_done(&opened->shown);
		opened->shown = text;
	} else {
		buf_done(&text);
	}
	r = give(&opened->shown, to, size, offset);
	pthread_mutex_unlock(&opened->shown_lock);
	return r;
}

static int write_file(
	const char *path, const char *from, size_t size, off_t offset, struct fuse_file_info *info)
{
	struct opened *opened = opened_of(info);
	struct tree_entry entry;
	char text[128];
	int r = find_opened(path, info, &entry);

	(void)offset;
	if (r < 0)
		return r;
	switch (entry.writes) {
	case TREE_CAPABILITY:
		if (size > CAPABILITY_WRITE - opened->length)
			return -ENOSPC;
		memcpy(opened->text + opened->length, from, size);
		opened->length += size;
		return (int)size;
	case TREE_STORE:
		snprintf(text, sizeof(text), "%.*s", (int)size, from);
		r = tree_store(node, &entry, text);
		return r < 0 ? r : (int)size;
	case TREE_READ_ONLY:
		break;
	}
	return -EIO;
}

/* Opening for writing may cut a file short, which means nothing here, as in the kernel. */
static int cut_file(const char *path, off_t size, struct fuse_file_info *info)
{
	struct tree_entry entry;

	(void)size;
	(void)info;
	return find(path, &entry);
}

static int close_file(const char *path, struct fuse_file_info *info)
{
	struct opened *opened = opened_of(info);
	struct tree_entry entry;
	int modify;

	if (opened->length && find_opened(path, info, &entry) == 0 &&
		sscanf(opened->text, "DeviceFileModify: %d", &modify) == 1) {
		pthread_mutex_lock(&written_lock);
		written[entry.minor_no % CAPABILITIES].serial = entry.serial;
		written[entry.minor_no % CAPABILITIES].modify = modify;
		written[entry.minor_no % CAPABILITIES].is_set = true;
		pthread_mutex_unlock(&written_lock);
	}
	buf_done(&opened->shown);
	pthread_mutex_destroy(&opened->shown_lock);
	free(opened);
	return 0;
}

/* ---- what neither procfs nor sysfs lets anyone do ---- */

static int no_room(const char *path)
{
	return is_proc(path) ? -ENOENT : -EPERM;
}

static int make_file(const char *path, mode_t mode, struct fuse_file_info *info)
{
	(void)mode;
	(void)info;
	return is_proc(path) ? -ENOENT : -EACCES;
}

static int make_dir(const char *path, mode_t mode)
{
	(void)mode;
	return no_room(path);
}

static int make_node(const char *path, mode_t mode, dev_t device)
{
	(void)mode;
	(void)device;
	return no_room(path);
}

static int make_symlink(const char *target, const char *path)
{
	(void)target;
	return no_room(path);
}

static int make_link(const char *from, const char *path)
{
	(void)from;
	return no_room(path);
}

static int move(const char *from, const char *to, unsigned flags)
{
	(void)from;
	(void)flags;
	return no_room(to);
}

static int remove_it(const char *path)
{
	(void)path;
	return -EPERM;
}

static void *begin(struct fuse_conn_info *connection, struct fuse_config *config)
{
	(void)connection;
	config->entry_timeout = config->negative_timeout = 0;
	config->attr_timeout = 3600;
	/* Open files of what has gone keep their path, so that they can say EIO. */
	config->hard_remove = 1;
	return NULL;
}

const struct fuse_operations *kernel_files(struct node *of)
{
	static const struct fuse_operations operations = {
		.init = begin,
		.getattr = get_attributes,
		.readlink = read_link,
		.readdir = read_dir,
		.open = open_file,
		.read = read_file,
		.write = write_file,
		.truncate = cut_file,
		.release = close_file,
		.create = make_file,
		.mknod = make_node,
		.mkdir = make_dir,
		.symlink = make_symlink,
		.link = make_link,
		.rename = move,
		.unlink = remove_it,
		.rmdir = remove_it,
	};

	node = of;
	return &operations;
}
