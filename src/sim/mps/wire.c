/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/mps/wire.h"

#include "base/cleanup.h"
#include "base/text.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static int address_of(const char *path, struct sockaddr_un *ret_address)
{
	*ret_address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	return text_copy(ret_address->sun_path, sizeof(ret_address->sun_path), path);
}

int wire_listen(const char *path, mode_t mode)
{
	AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	struct sockaddr_un address;

	if (fd < 0)
		return -errno;
	if (address_of(path, &address) < 0)
		return -ENAMETOOLONG;
	unlink(path);
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || chmod(path, mode) < 0 ||
		listen(fd, 128) < 0)
		return -errno;
	return TAKE_FD(fd);
}

int wire_connect(const char *path)
{
	AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	struct sockaddr_un address;

	if (fd < 0)
		return -errno;
	if (address_of(path, &address) < 0)
		return -ENAMETOOLONG;
	while (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		if (errno != EINTR)
			return -errno;
	return TAKE_FD(fd);
}

int wire_send(int fd, const char *text, int passed)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec part = { .iov_base = (void *)(uintptr_t)text, .iov_len = strlen(text) };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };

	if (passed >= 0) {
		message.msg_control = control.space;
		message.msg_controllen = sizeof(control.space);
		control.header = (struct cmsghdr){ .cmsg_len = CMSG_LEN(sizeof(int)),
			.cmsg_level = SOL_SOCKET,
			.cmsg_type = SCM_RIGHTS };
		memcpy(CMSG_DATA(&control.header), &passed, sizeof(passed));
	}
	return sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -errno : 0;
}

static ssize_t receive(int fd, char ret_text[WIRE_TEXT_MAX], int *ret_passed, int flags)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec part = { .iov_base = ret_text, .iov_len = WIRE_TEXT_MAX - 1 };
	struct msghdr message = { .msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = control.space,
		.msg_controllen = sizeof(control.space) };
	const struct cmsghdr *found;
	int passed = -1;
	ssize_t n;

	while ((n = recvmsg(fd, &message, MSG_CMSG_CLOEXEC | flags)) < 0 && errno == EINTR)
		;
	if (n < 0)
		return -errno;
	ret_text[n] = '\0';
	found = CMSG_FIRSTHDR(&message);
	if (found && found->cmsg_type == SCM_RIGHTS)
		memcpy(&passed, CMSG_DATA(found), sizeof(passed));
	if (ret_passed)
		*ret_passed = passed;
	else if (passed >= 0)
		close(passed);
	return n;
}

ssize_t wire_receive(int fd, char ret_text[WIRE_TEXT_MAX], int *ret_passed)
{
	return receive(fd, ret_text, ret_passed, 0);
}

ssize_t wire_receive_now(int fd, char ret_text[WIRE_TEXT_MAX])
{
	return receive(fd, ret_text, NULL, MSG_DONTWAIT);
}

bool wire_peer(int fd, pid_t *ret_pid, uid_t *ret_uid)
{
	struct ucred peer;
	socklen_t size = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
		return false;
	*ret_pid = peer.pid;
	*ret_uid = peer.uid;
	return true;
}

const char *wire_value(const char *text, const char *key, char *ret_value, size_t size)
{
	size_t n = strlen(key);

	while (text && *text) {
		size_t length = strcspn(text, "\n");

		if (length > n && strncmp(text, key, n) == 0 && text[n] == '=') {
			snprintf(ret_value, size, "%.*s", (int)(length - n - 1), text + n + 1);
			return ret_value;
		}
		text += length + (text[length] == '\n');
	}
	return NULL;
}
