# SPDX-License-Identifier: Apache-2.0
"""Clients that are broken, greedy or hostile: carved stays up, serves the others, and keeps nothing of them."""
import contextlib
import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
import time

from node import (CARVED, NOBODY, Node, SIM, Skip, UnixConnection, acting_as, claim, connected_by_a_child, equal, needs_fence,
                  own_cgroup, run_claims, true)

CLIENT_SECONDS = 10  # http.c: for a whole request, and to take the answer
GET = b"GET /v1/health HTTP/1.1\r\nHost: carve\r\n"


def started(machine="dgx-h100", **options):
    node = Node(machine, **options)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    node.env["MALLOC_PERTURB_"] = "165"  # what was freed does not look alive
    node.start()
    return node


def connect(node):
    one = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    one.settimeout(30)
    one.connect(node.socket)
    return one


def is_sanitized():
    with open(CARVED, "rb") as file:
        return b"__asan_init" in file.read()


def descriptors(node):
    return len(os.listdir("/proc/%d/fd" % node.carved.pid))


def resident_kib(node):
    with open("/proc/%d/status" % node.carved.pid, encoding="ascii") as file:
        return int([line for line in file if line.startswith("VmRSS")][0].split()[1])


def has_ended(one):
    """True once the other side has closed; what it said before is read and passed over."""
    one.setblocking(False)
    try:
        while True:
            if not one.recv(65536):
                return True
    except BlockingIOError:
        return False
    except ConnectionError:
        return True


def exchange(node, data):
    """All that carved answers to these bytes, until it closes or we have said all and it has."""
    with connect(node) as one:
        try:
            one.sendall(data)
            one.shutdown(socket.SHUT_WR)
        except ConnectionError:
            pass
        answer = b""
        try:
            while True:
                part = one.recv(65536)
                if not part:
                    return answer
                answer += part
        except ConnectionError:
            return answer


def post(path, body, headers=b""):
    return b"POST " + path + b" HTTP/1.1\r\nHost: carve\r\nContent-Length: %d\r\n" % len(body) + headers + b"\r\n" + body


def named(name, **more):
    return dict({"request": {}, "holder": {"kind": "name", "name": name}, "wait_reply": 0}, **more)


@claim
def whatever_bytes_come_the_daemon_answers_or_hangs_up_and_keeps_nothing():
    lease = json.dumps(named("x")).encode()
    deep = b'{"request":' + b"[" * 100000
    chunked = b"POST /v1/leases HTTP/1.1\r\nHost: carve\r\nTransfer-Encoding: chunked\r\n\r\n"
    cases = {
        "nothing": (b"", b""),
        "garbage": (bytes(range(256)) * 64, None),
        "a line without end": (b"GET /" + b"a" * 100000, None),
        "a header without end": (GET + b"X: " + b"a" * 100000 + b"\r\n\r\n", None),
        "ten thousand headers": (GET + b"X: y\r\n" * 10000 + b"\r\n", None),
        "a cut request line": (b"GET /v1/hea", b""),
        "cut headers": (GET, b""),
        "a cut body": (post(b"/v1/leases", lease)[:-5], b""),
        "no version": (b"GET /v1/health\r\n\r\n", None),
        "another version": (b"GET /v1/health HTTP/9.9\r\n\r\n", None),
        "HTTP/1.0": (b"GET /v1/health HTTP/1.0\r\n\r\n", b" 200 "),
        "HEAD": (GET.replace(b"GET", b"HEAD") + b"\r\n", b" 404 "),
        "PUT": (GET.replace(b"GET", b"PUT") + b"\r\n", b" 404 "),
        "an unknown method": (GET.replace(b"GET", b"BREW") + b"\r\n", b" 404 "),
        "no path": (b"GET  HTTP/1.1\r\nHost: carve\r\n\r\n", None),
        "an absolute path": (b"GET http://carve/v1/health HTTP/1.1\r\nHost: carve\r\n\r\n", None),
        "NUL in a header": (GET + b"X: a\0b\r\n\r\n", None),
        "two lengths": (post(b"/v1/leases", lease, b"Content-Length: 3\r\n"), None),
        "a negative length": (b"POST /v1/leases HTTP/1.1\r\nHost: carve\r\nContent-Length: -1\r\n\r\n", None),
        "a huge length": (b"POST /v1/leases HTTP/1.1\r\nHost: carve\r\nContent-Length: 99999999999999999999\r\n\r\n", None),
        "chunks": (chunked + b"%x\r\n%s\r\n0\r\n\r\n" % (len(lease), lease), b" 201 "),
        "bad chunks": (chunked + b"zz\r\n{}\r\n0\r\n\r\n", None),
        "a chunk of 2^64": (chunked + b"ffffffffffffffffff\r\n{}", None),
        "chunks over 1 MiB": (chunked + (b"10000\r\n" + b" " * 65536 + b"\r\n") * 20 + b"0\r\n\r\n", b" 413 "),
        "a body over 1 MiB": (post(b"/v1/leases", b" " * (3 << 20)), b" 413 "),
        "deep nesting": (post(b"/v1/leases", deep), b" 400 "),
        "duplicate keys": (post(b"/v1/leases", b'{"request":{},"request":{"gpus":2}}'), b" 400 "),
        "NUL in the body": (post(b"/v1/leases", b'{"request":\0{}}'), b" 400 "),
        "NUL as an escape": (post(b"/v1/leases", b'{"holder":{"kind":"name","name":"a\\u0000b"}}'), b" 400 "),
        "not UTF-8": (post(b"/v1/leases", b'{"holder":{"kind":"name","name":"\xff\xfe"}}'), b" 400 "),
        "a lone surrogate": (post(b"/v1/leases", b'{"holder":{"kind":"name","name":"\\ud800"}}'), b" 400 "),
        "not an object": (post(b"/v1/leases", b"[1]"), b" 400 "),
        "an unknown key": (post(b"/v1/leases", b'{"requestt":{},"holder":{"kind":"name","name":"a"}}'), b" 400 "),
        "1e400": (post(b"/v1/leases", b'{"wait_reply":1e400}'), b" 400 "),
        "NaN": (post(b"/v1/leases", b'{"wait_reply":NaN}'), b" 400 "),
        "NUL in a path": (b"GET /v1/gpus/0%00x HTTP/1.1\r\nHost: carve\r\n\r\n", b" 404 "),
        "not UTF-8 in a path": (b"GET /v1/gpus/%ff%c3 HTTP/1.1\r\nHost: carve\r\n\r\n", b" 404 "),
        "half an escape": (b"GET /v1/gpus/%4 HTTP/1.1\r\nHost: carve\r\n\r\n", b" 404 "),
        "a long id": (b"GET /v1/gpus/" + b"a" * 2000 + b" HTTP/1.1\r\nHost: carve\r\n\r\n", b" 404 "),
        "odd parameters": (b"GET /v1/events?since=-1&since=%ff&=&&wait=nan HTTP/1.1\r\nHost: carve\r\n\r\n", b" 400 "),
    }
    with started() as node:
        node.call("GET", "/v1/node")
        files, kib = descriptors(node), resident_kib(node)
        for _ in range(3):
            for name, (data, wanted) in cases.items():
                answer = exchange(node, data)
                true(wanted is None or (wanted in answer if wanted else not answer), "%s: %r" % (name, answer[:300]))
                if b"application/json" in answer.partition(b"\r\n\r\n")[0] and not data.startswith(b"HEAD"):
                    json.loads(answer.rpartition(b"\r\n\r\n")[2].split(b"\r\n")[0])
                if b" 201 " in answer:
                    node.post("/v1/leases/x/release")
        for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "\xff"):
            answer = exchange(node, post(b"/v1/leases", lease, b"Content-Type: " + kind.encode("latin-1") + b"\r\n"))
            true(b" 201 " in answer, (kind, answer))
            node.post("/v1/leases/x/release")
        answers = exchange(node, (GET + b"\r\n") * 200)
        equal(answers.count(b'"status":"ok"'), 200)
        node.wait_for(lambda: descriptors(node) <= files, "the descriptors to be given back")
        true(is_sanitized() or resident_kib(node) < kib + 16 * 1024, "memory is given back")
        equal(node.get("/v1/health")["status"], "ok")


@claim
def who_is_slow_is_cut_off_and_others_are_served_meanwhile():
    with started() as node:
        files = descriptors(node)
        begun = time.monotonic()
        idle = [connect(node) for _ in range(10)]
        drips = [connect(node) for _ in range(10)]
        endless = [connect(node) for _ in range(10)]
        for one in endless:
            one.sendall(b"POST /v1/leases HTTP/1.1\r\nHost: carve\r\nTransfer-Encoding: chunked\r\n\r\n")
        unread = connect(node)
        unread.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        unread.sendall(b"GET /v1/node HTTP/1.1\r\nHost: carve\r\n\r\n" * 20)
        waits = connect(node)  # not slow: it waits for an answer that is not due
        waits.sendall(b"GET /v1/leases/w?wait=300 HTTP/1.1\r\nHost: carve\r\n\r\n")
        alive = drips + endless
        while alive:
            for one in drips:
                with contextlib.suppress(OSError):
                    one.send(b"G")
            for one in endless:
                with contextlib.suppress(OSError):
                    one.send(b"1\r\n \r\n")
            alive = [one for one in alive if not has_ended(one)]
            equal(node.get("/v1/health")["status"], "ok")
            true(time.monotonic() - begun < (CLIENT_SECONDS + 60), "they are cut off")
            time.sleep(0.2)
        node.wait_for(lambda: all(has_ended(one) for one in idle), "idle connections to be closed")
        node.wait_for(lambda: descriptors(node) <= files + 2, "who does not read to be cut off", 60)
        true(time.monotonic() - begun > CLIENT_SECONDS - 1, "not before their time")
        for one in [*idle, *drips, *endless, unread, waits]:
            one.close()


@claim
def users_cannot_keep_an_administrator_or_each_other_out():
    with started(config="connections-max: 40\n") as node:
        held = []
        for uid in (NOBODY, NOBODY - 1, NOBODY - 2):
            with acting_as(uid):
                held.append([connect(node) for _ in range(40)])
        for users in held:
            node.wait_for(lambda: len([one for one in users if has_ended(one)]) >= 16, "those over the part to be closed")
        node.wait_for(node.answers, "an administrator to be served")
        for users in held:
            for one in users:
                one.close()
        node.wait_for(lambda: descriptors(node) < 60, "the connections to be given back")
        with acting_as(NOBODY):
            node.wait_for(node.answers, "a user to be served again")


@claim
def a_user_without_a_quota_cannot_pile_up_leases_without_end():
    with started("h200") as node:
        node.post("/v1/leases", named("all"))
        with acting_as(NOBODY):
            connection = UnixConnection(node.socket, 30)
            statuses = []
            for number in range(1026):
                connection.request("POST", "/v1/leases", json.dumps(named("n%d" % number)))
                reply = connection.getresponse()
                reply.read()
                statuses.append(reply.status)
            connection.close()
        equal((set(statuses[:1024]), set(statuses[1024:])), ({202}, {429}))
        equal(node.lease("root", wait_reply=0).status, 202)


@claim
def who_waits_and_hangs_up_is_forgotten():
    with started() as node:
        files = descriptors(node)
        node.post("/v1/leases", named("a"))
        number = node.get("/v1/events")["next"]
        for _ in range(100):
            one = connect(node)
            one.sendall(b"GET /v1/events?since=%d&wait=300 HTTP/1.1\r\nHost: carve\r\n\r\n" % number)
            other = connect(node)
            other.sendall(b"GET /v1/leases/a?wait=300&not=active HTTP/1.1\r\nHost: carve\r\n\r\n")
            node.get("/v1/health")
            one.close()
            other.close()
        node.wait_for(lambda: descriptors(node) <= files, "the descriptors to be given back")
        with connect(node) as one:
            one.sendall(b"GET /v1/events?since=%d&wait=300 HTTP/1.1\r\nHost: carve\r\n\r\n" % node.get("/v1/events")["next"])
            node.get("/v1/health")
            node.carved.terminate()
            equal(node.carved.wait(20), 0)
            true(b" 503 " in one.recv(65536), "who waits is told that carved ends")


@claim
def a_command_line_or_cgroup_that_is_not_text_ends_nobody():
    with started() as node:
        script = ("import sys; sys.path.insert(0, %r); from node import UnixConnection; import time\n"
                  "c = UnixConnection(%r, 20); c.request('POST', '/v1/leases', sys.argv[1])\n"
                  "print(c.getresponse().read().decode(), flush=True); time.sleep(100)\n") % (
                      os.path.dirname(os.path.abspath(__file__)), node.socket)
        child = None
        for kind in ("run", "name"):
            body = json.dumps({"request": {}, "holder": {"kind": kind, "name": "odd-" + kind}})
            where = None
            if own_cgroup() and kind == "run":
                where = os.path.join(own_cgroup().encode(), b"odd-\xff")
                os.mkdir(where)
            def enter(where=where):
                if where:
                    with open(os.path.join(where, b"cgroup.procs"), "wb", buffering=0) as file:
                        file.write(b"0")
            child = subprocess.Popen([b"odd-\xff\x1b[31m\xc2\x9b", b"-c", script.encode(), body.encode()],
                                     executable=sys.executable, stdout=subprocess.PIPE, preexec_fn=enter)
            answer = json.loads(child.stdout.readline())
            equal(answer["lease"]["state"], "active")
            command = answer["lease"]["holder"]["command"]
            if kind == "name":  # who asks is not who will use it
                equal(command, None)
            else:
                true(command.startswith("odd-?") and "\x1b" not in command and "\x9b" not in command, command)
            if where:
                true(not answer["lease"]["fenced"] and "UTF-8" in answer["lease"]["fence_text"], answer)
            node.kill()
            node.start()
            again = node.get("/v1/leases/odd-" + kind)
            true(again.get("lease", {}).get("state") == "active", "%s %s" % (again, node.log()[-2000:]))
            node.post("/v1/leases/odd-%s/release" % kind)
            child.kill()
            child.wait()
            child.stdout.close()
            if where:
                node.wait_for(lambda: node.get("/v1/leases")["leases"] == [], "the lease to end")
                os.rmdir(where)
        long = named("long")
        long["holder"]["command"] = "ä" * 100000
        true(len(node.post("/v1/leases", long)["lease"]["holder"]["command"]) < 1000, "a command is cut")


@claim
def names_are_text_that_means_one_lease():
    with started() as node:
        for bad in ("", "a b", "a/b", "a\tb", "\x1b[31m", "a\x7f", "a\u009b", "L7", "l7", "x" * 64):
            equal((bad, node.post("/v1/leases", named(bad)).status), (bad, 400))
        for good, path in (("50%41", "50%2541"), ("%", "%25"), ("ü", "%C3%BC"), ("Lx", "Lx"), ("a?b#c", "a%3Fb%23c")):
            equal((good, node.post("/v1/leases", named(good)).status), (good, 201))
            equal(node.get("/v1/leases/" + path)["lease"]["name"], good)
            equal(node.post("/v1/leases/%s/release" % path).status, 200)
        equal(node.get("/v1/leases/L0").status, 404)


@claim
def numbers_of_any_size_are_answered():
    with started() as node:
        for key, values in (("wait_reply", ("-1", "1e308", '"a"', "null")), ("grace", ("-1", "1e308", "1e19", '"a"')),
                            ("time", ("0", "-1", "1e308", "1e18", "null"))):
            for value in values:
                node.post("/v1/leases", named("n"))
                path = {"wait_reply": "", "grace": "/n/release", "time": "/n/extend"}[key]
                body = '{"%s":%s%s}' % (key, value, ',"holder":{"kind":"name","name":"m"}' if not path else "")
                answer = exchange(node, post(b"/v1/leases" + path.encode(), body.encode()))
                wanted = b" 201 " if (key, value) == ("wait_reply", "1e308") else b" 400 "
                true(wanted in answer, (key, value, answer))
                node.post("/v1/leases/m/release")
        for key, value in (("time", 1e300), ("wait", -1), ("wait", 1e18), ("memory", -1), ("memory", 1e300),
                           ("compute", 1e9), ("gpus", 1 << 62), ("gpus", -1), ("priority", 1e17), ("gpu", 1e17)):
            body = named("q", request={key: value})
            true(node.post("/v1/leases", body).status in (400, 404, 422), (key, value))
        for pid in (-1, 0, 1 << 32 | os.getpid(), 1 << 63 - 1, 1.5, "1"):
            answer = node.post("/v1/leases", {"holder": {"kind": "pid", "pid": pid}, "wait_reply": 0})
            equal((pid, answer.status), (pid, 400))
        for path in ("/v1/events?since=18446744073709551615", "/v1/events?wait=inf&since=0", "/v1/events?wait=-5"):
            equal(node.get(path).status, 200)
        equal(node.get("/v1/events?since=18446744073709551616").status, 400)


@claim
def what_is_answered_is_not_touched_again():
    with started() as node:
        for path in ("/v1/gpus/0/drain", "/v1/gpus/0/undrain", "/v1/driver/drain", "/v1/driver/undrain", "/v1/reload",
                     "/v1/gpus/0/unmanage", "/v1/gpus/0/manage"):
            true(node.post(path).status in (200, 202), path)
        equal(node.get("/v1/health")["status"], "ok")


@claim
def a_process_that_got_the_number_of_one_that_asked_is_left_alone():
    needs_fence()
    with started() as node:
        body = json.dumps({"request": {}, "holder": {"kind": "run", "name": "r"}})
        libc = ctypes.CDLL(None)
        libc.prctl(36, 1, 0, 0, 0)
        child, ready = connected_by_a_child(node.socket)
        ready.sendall(post(b"/v1/leases", body.encode()))
        ready.recv(65536)
        mover, its = connected_by_a_child(node.socket)
        os.kill(mover, 9)
        os.waitpid(mover, 0)
        bystander = process_of_number(mover)
        try:
            its.sendall(post(b"/v1/leases/r/enter", b""))
            answer = its.recv(65536)
            true(b" 409 " in answer, answer)
            with open("/proc/%d/cgroup" % bystander, encoding="utf-8") as file:
                true("carve-" not in file.read().rpartition("carve-test-")[2], "the bystander is where it was")
            its.sendall(post(b"/v1/leases", body.replace('"r"', '"s"').encode()))
            true(b" 400 " in its.recv(65536), "no lease for who is gone")
        finally:
            for pid in (bystander, child):
                os.kill(pid, 9)
                os.waitpid(pid, 0)
            its.close()
            ready.close()


def process_of_number(pid):
    try:
        for _ in range(100):
            with open("/proc/sys/kernel/ns_last_pid", "w", encoding="ascii") as file:
                file.write(str(pid - 1))
            child = os.fork()
            if child == 0:
                while True:
                    time.sleep(100)
            if child == pid:
                return child
            os.kill(child, 9)
            os.waitpid(child, 0)
    except OSError as problem:
        raise Skip("this kernel does not let one choose a pid: %s" % problem) from problem
    raise AssertionError("the number %d was not given again" % pid)


@claim
def a_member_of_very_many_groups_is_in_them():
    with started(config="quotas:\n- group: daemon\n  leases: 1\n") as node:
        for groups, second in (([1], 429), ([1, *range(2000, 2100)], 429), (range(2000, 2100), 201)):
            with acting_as(NOBODY, groups):
                equal(node.post("/v1/leases", named("a")).status, 201)
                equal((len(groups), node.post("/v1/leases", named("b")).status), (len(groups), second))
                node.post("/v1/leases/a/release")
                node.post("/v1/leases/b/release")


@claim
def others_see_neither_commands_nor_bindings():
    with started() as node:
        secret = named("mine")
        secret["holder"]["command"] = "train --token hunter2"
        true("hunter2" in json.dumps(node.post("/v1/leases", secret)), "its owner sees it")
        with acting_as(NOBODY):
            for path in ("/v1/node", "/v1/leases", "/v1/leases/mine", "/v1/gpus", "/v1/events?since=0"):
                text = json.dumps(node.get(path))
                true("hunter2" not in text and "CUDA_VISIBLE_DEVICES" not in text, path)
            equal(node.post("/v1/leases/mine/release").status, 403)
            equal(node.post("/v1/leases/mine/extend", {"time": 5}).status, 403)
            equal(node.post("/v1/leases/mine/enter").status, 403)
            equal(node.post("/v1/leases/mine/leave").status, 403)


@claim
def events_do_not_tell_command_lines():
    with started("h200", config="health-interval: 100ms\n") as node:
        user = subprocess.Popen([SIM, "hold", "--time", "100s"], env=node.env)
        node.children.append(user)
        told = node.wait_for(lambda: [e for e in node.get("/v1/events?since=0")["events"] if e["kind"] == "unleased-use"],
                             "the use to be told")
        true(str(user.pid) in told[0]["text"] and "hold" not in told[0]["text"], told)


if __name__ == "__main__":
    run_claims(sys.modules[__name__])
