#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""libcarve, through its example and through ctypes, against a stand-in for carved: test_client.py EXAMPLE LIBRARY"""
import ctypes
import json
import os
import re
import subprocess
import sys
import threading
import time

import claims
import fake
import machines
from claims import Skip, contains, same

LIBRARY = sys.argv.pop(2)
HEADER = os.path.join(os.path.dirname(os.path.realpath(__file__)), "../../include/carve/carve.h")


def library():
    try:
        lib = ctypes.CDLL(LIBRARY)
    except OSError as problem:
        if "__asan" in str(problem) or "__ubsan" in str(problem):
            raise Skip("python cannot load a library that is built with sanitizers") from problem
        raise
    lib.carve_new.restype = ctypes.c_void_p
    lib.carve_new.argtypes = [ctypes.c_char_p]
    for name in ("carve_error", "carve_socket"):
        getattr(lib, name).restype = ctypes.c_char_p
        getattr(lib, name).argtypes = [ctypes.c_void_p]
    lib.carve_refusal_name.restype = ctypes.c_char_p
    lib.carve_set_patience.argtypes = [ctypes.c_void_p, ctypes.c_double]
    return lib


class Carve:
    """Some of the library, for Python."""

    def __init__(self, t):
        self.lib = library()
        self.at = ctypes.c_void_p(self.lib.carve_new(t.socket.encode()))

    def call(self, path, method="GET", body=None):
        text = ctypes.c_char_p()
        r = self.lib.carve_call(self.at, method.encode(), path.encode(), body.encode() if body else None, ctypes.byref(text))
        return r, json.loads(text.value) if r == 0 else self.lib.carve_error(self.at).decode()


def claim_the_example_gets_a_share_and_gives_it_back(t):
    t.lease()
    r = t.carve("memory=10G", "compute=10%")
    same(r.returncode, 0, r.stderr)
    contains(r.stdout, "got 0:1g.10gb@0: 9.8 GiB, 14.3 % of a GPU")
    contains(r.stdout, "CUDA_VISIBLE_DEVICES=MIG-")
    same(t.posts("/v1/leases")[0]["holder"]["kind"], "pid")
    same(t.posts("/v1/leases")[0]["request"]["memory"], "10G")
    same(len(t.posts("/release")), 1)


def claim_the_example_waits(t):
    active = t.lease()
    queued = dict(active, state="queued", queue_position=3, got=[], binding=None)
    answers = [queued, active]
    t.fake.answers["POST /v1/leases"] = (202, {"version": 1, "lease": queued})
    t.fake.answers["GET /v1/leases/L1"] = lambda request: {"version": 1, "lease": answers.pop(0)}
    r = t.carve("profile=1g.10gb")
    same(r.returncode, 0, r.stderr)
    contains(r.stdout, "number 3 in the queue\ngot 0:1g.10gb@0")


def claim_the_example_says_what_is_wrong(t):
    contains(t.carve("memory=lots").stderr, "'lots' is not a size")
    contains(t.carve("colour=red").stderr, "no option 'colour'")
    t.fake.answers["POST /v1/leases"] = fake.refuse(429, "2 of 2 leases used")
    same(t.carve().stderr, "2 of 2 leases used\n")


def claim_what_is_declared_is_exported_and_nothing_else(t):
    code = re.sub(r"/\*.*?\*/", "", open(HEADER).read(), flags=re.S)
    declared = set(re.findall(r"\b(carve_\w+)\(", code))
    lines = subprocess.run(["nm", "-D", "--defined-only", LIBRARY], capture_output=True, text=True).stdout.splitlines()
    exported = {line.split()[2].split("@")[0] for line in lines if line.split()[1] in "TDBR"}
    assert len(declared) > 30
    same(exported, declared)


def claim_every_function_says_since_when(t):
    for comment, code in re.findall(r"/\*(.*?)\*/\n([^/]*)", open(HEADER).read(), flags=re.S):
        if re.search(r"\bcarve_\w+\(", code):
            contains(comment, "Since: ")


def claim_refusals_have_codes(t):
    carve = Carve(t)
    for status, code in fake.CODES.items():
        t.fake.answers["GET /v1/x"] = fake.refuse(status, "no")
        r, text = carve.call("/v1/x")
        same((carve.lib.carve_refusal_name(r).decode(), text), (code, "no"))
    t.fake.answers["GET /v1/x"] = (418, {"version": 1, "error": {"code": "teapot", "message": "short and stout"}})
    same(carve.call("/v1/x"), (1, "short and stout"))


def claim_nobody_listening_is_told_with_the_way_out(t):
    t.fake.stop()
    os.unlink(t.socket)
    times = []
    for _ in range(10):
        begin = time.time()
        r, text = Carve(t).call("/v1/node")
        times.append(time.time() - begin)
        same(r, -2)
        contains(text, "systemctl start carved")
    assert min(times) < 0.2, times  # who waits for carved does so every time


def claim_a_restart_is_survived_by_questions_that_may_be_repeated(t):
    t.serve(machines.Node("h200").copy())
    carve = Carve(t)
    same(carve.call("/v1/node")[0], 0)
    t.fake.stop()
    threading.Timer(0.5, t.fake.start).start()
    same(carve.call("/v1/node")[0], 0)


def claim_patience_ends(t):
    t.serve(machines.Node("h200").copy())
    carve = Carve(t)
    same(carve.call("/v1/node")[0], 0)
    carve.lib.carve_set_patience(carve.at, 0.3)
    t.fake.stop()
    begin = time.time()
    r, text = carve.call("/v1/node")
    assert r < 0, r
    assert 0.2 < time.time() - begin < 2


def claim_what_may_not_be_repeated_is_sent_once(t):
    def cut(request):
        threading.Timer(0.05, t.fake.stop).start()
        threading.Timer(0.3, t.fake.start).start()
        return b"HTTP/1.1 200 OK\r\nContent-Le"

    t.fake.answers["POST /v1/reload"] = cut
    r, text = Carve(t).call("/v1/reload", "POST", "{}")
    assert r < 0
    time.sleep(0.4)
    same(len(t.posts("/reload")), 1)


def claim_a_connection_is_used_again_and_replaced_when_it_was_closed(t):
    t.serve(machines.Node("h200").copy())
    carve = Carve(t)
    for _ in range(5):
        same(carve.call("/v1/health")[0], 0)
    same(len(t.fake.connections), 1)
    for connection in list(t.fake.connections):
        connection.shutdown(2)
    time.sleep(0.1)
    same(carve.call("/v1/health")[0], 0)


def claim_bad_answers_are_errors_and_no_more(t):
    carve = Carve(t)
    ok = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s"
    bad = [b"garbage\r\n", ok % (4, b"nope"), ok % (2, b"{}{}"), ok % (2, b"[]"), ok % (999999999999, b""),
           b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"X" * 20000,
           ok % (10, b'{"b":"\xff\xfe"}'), ok % (13, b'{"a":1,"a":2}')]
    for answer in bad:
        t.fake.answers["GET /v1/x"] = answer
        r, text = carve.call("/v1/x")
        assert r < 0 and text, (answer[:60], r, text)
    t.serve(machines.Node("h200").copy())
    same(carve.call("/v1/health")[0], 0)


def claim_answers_may_come_in_pieces(t):
    body = json.dumps({"version": 1, "text": "x" * 100000}).encode()
    whole = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body

    def slowly(connection, request):
        at = 0
        for end in (1, 20, 30, 60, 70, 50000, len(whole)):
            connection.sendall(whole[at:end])
            at = end
            time.sleep(0.01)

    t.fake.reply = slowly
    r, answer = Carve(t).call("/v1/x")
    same((r, len(answer["text"]) if r == 0 else answer), (0, 100000))


def claim_sockets_are_found_in_their_order(t):
    run = os.path.join(t.dir, "run")
    os.makedirs(run + "/xdg/carve")
    open(run + "/xdg/carve/api.sock", "w").close()
    code = f"import ctypes; l=ctypes.CDLL('{LIBRARY}'); l.carve_new.restype=ctypes.c_void_p; " \
           "l.carve_socket.restype=ctypes.c_char_p; l.carve_socket.argtypes=[ctypes.c_void_p]; " \
           "print(l.carve_socket(l.carve_new(None)).decode())"

    def found(**env):
        kept = {k: v for k, v in os.environ.items() if "OPTIONS" in k or k in ("PATH", "LD_PRELOAD")}
        return subprocess.run([sys.executable, "-c", code], env=kept | env, capture_output=True, text=True).stdout.strip()

    same(found(CARVE_SOCKET="/a/b", CARVE_RUN_DIR="/c"), "/a/b")
    same(found(CARVE_RUN_DIR="/c", XDG_RUNTIME_DIR=run + "/xdg"), "/c/api.sock")
    if not os.path.exists("/run/carve/api.sock"):
        same(found(XDG_RUNTIME_DIR=run + "/xdg"), run + "/xdg/carve/api.sock")
        same(found(XDG_RUNTIME_DIR="/nowhere"), "/run/carve/api.sock")


def claim_too_long_a_path_is_told(t):
    t.socket = "/" + "a" * 200
    r, text = Carve(t).call("/v1/node")
    assert r < 0
    contains(text, "too long")


claims.main(globals())
