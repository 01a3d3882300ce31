/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What front end, control daemon, server and clients of the simulated MPS say to each other: one
 * text a packet, over unix sockets. NVIDIA's own is not public; this is another one.
 *
 *	a front end to `control`: "UI", then a command a packet
 *	to a front end: a letter and the answer's text; after "Q" the daemon is gone, and the text's
 *	first line is the front end's exit status
 *	a client to `control`: "CLIENT\nkey=value\n..." (client.h)
 *	to a client: "OK\nkey=value\n...", then "ERROR code" when it cannot go on
 *	between daemon and server: "READY", "FAULT", "ACTIVE", the server's state; "CLIENT ..." with
 *	the client's socket; "ASK N command" and "ANSWER N text"
 */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum { WIRE_TEXT_MAX = 24576 };

/* A listening socket (-errno); what was in its place is replaced. */
int wire_listen(const char *path, mode_t mode);
/* A connected one: -ENOENT or -ECONNREFUSED if nobody listens there. */
int wire_connect(const char *path);

/* Sends a packet, with a descriptor (or -1), without waiting: 0 or -errno. */
int wire_send(int fd, const char *text, int passed);
/*
 * The next packet as a string: its length, 0 when the other side is gone (or the packet is empty,
 * which nobody sends), or -errno. A descriptor that came with it is the caller's (else -1).
 */
ssize_t wire_receive(int fd, char ret_text[WIRE_TEXT_MAX], int *ret_passed);
/* The same without waiting (-EAGAIN), and without descriptors. */
ssize_t wire_receive_now(int fd, char ret_text[WIRE_TEXT_MAX]);

/* Who is on the other side. */
bool wire_peer(int fd, pid_t *ret_pid, uid_t *ret_uid);

/* The value of a "key=value" line, or NULL; it is copied. */
const char *wire_value(const char *text, const char *key, char *ret_value, size_t size);
