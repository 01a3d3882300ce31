#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A stand-in for carved: answers on a unix socket from a table of canned answers.

As a program, `fake.py SOCKET MACHINE [busy]` serves that machine's listings until it is killed.
As a module: Fake(path) with .answers, a dictionary from "METHOD /path" (query left off) to a value,
or to a function of the request that returns one: JSON (status 200), or (status, JSON). What came in is in
.seen, as (method, path with query, body).
"""
import json
import os
import socket
import sys
import threading
import time
import urllib.parse

import machines

CODES = {400: "bad-request", 403: "not-permitted", 404: "not-found", 409: "conflict", 422: "never", 429: "quota",
         502: "driver", 503: "no-room", 504: "timeout", 500: "internal"}


def refuse(status, message):
    return status, {"version": 1, "error": {"code": CODES[status], "message": message}}


class Request:
    def __init__(self, method, path, body, pid):
        self.method, self.path, self.pid = method, path, pid
        parts = urllib.parse.urlsplit(path)
        self.bare = urllib.parse.unquote(parts.path)
        self.query = dict(urllib.parse.parse_qsl(parts.query))
        self.body = json.loads(body) if body else None


class Fake:
    def __init__(self, path, answers=None):
        self.path = path
        self.answers = answers or {}
        self.seen = []
        self.connections = set()
        self.start()

    def start(self):
        if os.path.exists(self.path):
            os.unlink(self.path)
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(self.path)
        os.chmod(self.path, 0o666)
        self.socket.listen(128)
        threading.Thread(target=self.accept, args=(self.socket,), daemon=True).start()

    def stop(self):
        """As if carved had been killed: connections end in the middle."""
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # stopped before
        self.socket.close()
        for connection in list(self.connections):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def accept(self, listener):
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            self.connections.add(connection)
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        pid = int.from_bytes(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)[:4], "little")
        stream = connection.makefile("rb")
        try:
            while line := stream.readline():
                method, path, _ = line.decode().split(" ", 2)
                length = 0
                while (header := stream.readline().strip()):
                    name, value = header.decode().split(":", 1)
                    if name.lower() == "content-length":
                        length = int(value)
                request = Request(method, path, stream.read(length), pid)
                self.seen.append((method, path, request.body))
                self.reply(connection, request)
        except (OSError, ValueError):
            pass
        finally:
            self.connections.discard(connection)
            connection.close()

    def reply(self, connection, request):
        answer = self.answers.get(f"{request.method} {request.bare}")
        if callable(answer):
            answer = answer(request)
        if answer is None:
            answer = refuse(404, f"there is nothing at {request.bare}")
        if isinstance(answer, bytes):
            connection.sendall(answer)
            return
        status, body = answer if isinstance(answer, tuple) else (200, answer)
        text = json.dumps(body).encode()
        connection.sendall(b"HTTP/1.1 %d OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % (status, len(text)) + text)


def reading(node):
    """The answers of the paths that only read."""
    answers = {"GET /v1/node": node, "GET /v1/health": {"version": 1, "status": "ok", "gpus": len(node["gpus"])}}
    for one, key in (("gpu", "index"), ("share", "id"), ("lease", "id")):
        answers[f"GET /v1/{one}s"] = {"version": 1, f"{one}s": node[f"{one}s"]}
        for item in node[f"{one}s"]:
            answers[f"GET /v1/{one}s/{item[key]}"] = {"version": 1, one: item}
    return answers


if __name__ == "__main__":
    machine = sys.argv[2]
    node = machines.busy_node(machine) if "busy" in sys.argv[3:] else machines.Node(machine)
    Fake(sys.argv[1], reading(node.copy()))
    while True:
        time.sleep(3600)
