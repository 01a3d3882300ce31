# SPDX-License-Identifier: Apache-2.0
"""A simulated node with carved on it, for the system tests: unchanged binaries, real sockets, real processes.

    with Node("dgx-h100") as node:
        node.start()
        lease = node.post("/v1/leases", {...})

Each claim is a function whose name says it; run_claims() runs them all and prints one line per claim.
"""
import atexit
import contextlib
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback

BUILD = os.path.abspath(os.environ.get("CARVE_BUILD", "build"))
CARVE = os.environ.get("CARVE_CLI") or os.path.join(BUILD, "src/cli/carve")
CARVED = os.path.join(BUILD, "src/daemon/carved")
SIM = os.path.join(BUILD, "src/sim/carve-sim")
PATIENCE = float(os.environ.get("CARVE_PATIENCE", "1"))

NOBODY = 65534

own = None


class Skip(Exception):
    pass


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("carve", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Answer(dict):
    status = 0


class Node:
    def __init__(self, machine="dgx-h100", fast=True, config=None, options=()):
        own_cgroup()
        self.dir = tempfile.mkdtemp(prefix="carve-node-", dir="/tmp")
        self.carved = None
        self.children = []
        self.log_path = os.path.join(self.dir, "carved.log")
        self.node_dir = os.path.join(self.dir, "node")
        command = [SIM, "run", machine, "--dir", self.node_dir] + (["--fast"] if fast else [])
        out = subprocess.run([*command, *options, "--", "env", "-0"], check=True, stdout=subprocess.PIPE).stdout
        self.env = dict(pair.split("=", 1) for pair in out.decode().split("\0") if pair)
        # other users are tenants of this node too
        for path in (self.dir, self.node_dir, self.env["CARVE_RUN_DIR"]):
            os.chmod(path, 0o755)
        self.config_path = os.path.join(self.dir, "carved.yaml")
        with open(self.config_path, "w", encoding="utf-8") as file:
            file.write(config or "")
        self.socket = os.path.join(self.env["CARVE_RUN_DIR"], "api.sock")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for child in self.children:
            if child.poll() is None:
                child.kill()
        for child in self.children:
            child.wait()
        self.stop()
        subprocess.run([SIM, "destroy", "--dir", self.node_dir], stdout=subprocess.DEVNULL, check=False)
        shutil.rmtree(self.dir, ignore_errors=True)

    # the daemon

    def start(self, wait=True, arguments=()):
        with open(self.log_path, "ab") as log:
            self.carved = subprocess.Popen([CARVED, "--config", self.config_path, *arguments], env=self.env,
                                           stdout=log, stderr=log, preexec_fn=enter_daemons_cgroup)
        if wait:
            self.wait_for(self.answers, "carved to answer")

    def answers(self):
        if self.carved and self.carved.poll() is not None:
            raise AssertionError("carved ended with %s:\n%s" % (self.carved.returncode, self.log()[-3000:]))
        try:
            return self.get("/v1/health").get("restored")
        except OSError:
            return False
        except http.client.HTTPException:
            return False

    def kill(self):
        self.carved.kill()
        self.carved.wait()

    def stop(self):
        if self.carved and self.carved.poll() is None:
            self.carved.terminate()
            try:
                self.carved.wait(20 * PATIENCE)
            except subprocess.TimeoutExpired:
                self.carved.kill()
                self.carved.wait()
        self.carved = None

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    # the API

    def call(self, method, path, body=None, timeout=60):
        connection = UnixConnection(self.socket, timeout)
        try:
            connection.request(method, path, None if body is None else json.dumps(body))
            reply = connection.getresponse()
            answer = Answer(json.loads(reply.read()))
            answer.status = reply.status
            return answer
        finally:
            connection.close()

    def get(self, path, **options):
        return self.call("GET", path, **options)

    def post(self, path, body=None, **options):
        return self.call("POST", path, body, **options)

    def lease(self, name, wait_reply=30, **request):
        return self.post("/v1/leases", {"request": request, "holder": {"kind": "name", "name": name},
                                        "wait_reply": wait_reply})

    def leases(self):
        return {lease["id"]: lease for lease in self.get("/v1/leases")["leases"]}

    # programs

    def carve(self, *arguments, check=False, timeout=60, **options):
        return subprocess.run([CARVE, *arguments], env=self.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              universal_newlines=True, check=check, timeout=timeout * PATIENCE, **options)

    def spawn(self, *arguments, **options):
        child = subprocess.Popen([CARVE, *arguments], env=self.env, **options)
        self.children.append(child)
        return child

    def sim(self, *arguments, check=True):
        return subprocess.run([SIM, *arguments], env=self.env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              universal_newlines=True, check=check, timeout=60 * PATIENCE)

    def state(self):
        """What is really there, as the simulated driver has it."""
        return json.loads(self.sim("state", "--json").stdout)

    def wait_for(self, condition, what, seconds=20):
        until = time.monotonic() + seconds * PATIENCE
        while True:
            value = condition()
            if value:
                return value
            if time.monotonic() > until:
                raise AssertionError("waited in vain for %s; carved said:\n%s" % (what, self.log()[-3000:]))
            time.sleep(0.02)


def is_root():
    return os.geteuid() == 0


@contextlib.contextmanager
def acting_as(uid, groups=()):
    """Connections made within are this user's."""
    if not is_root():
        raise Skip("becoming another user takes root")
    os.setgroups(list(groups))
    os.setegid(uid)
    os.seteuid(uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups([])


def connected_by_a_child(path, deaf=False):
    """A connection whose maker is another process than the one that has it then; a deaf one ignores SIGTERM."""
    one = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    one.settimeout(30)
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        if deaf:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        one.connect(path)
        os.write(write, b"x")
        while True:
            time.sleep(100)
    os.read(read, 1)
    os.close(read)
    os.close(write)
    return pid, one


def cgroup_mount():
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        for line in file:
            fields = line.split()
            if " - cgroup2 " in line:
                return fields[4]
    return None


def enter(path):
    os.makedirs(path, exist_ok=True)
    with open(os.path.join(path, "cgroup.procs"), "w", encoding="ascii") as file:
        file.write("0")


def own_cgroup():
    """The directory of the cgroup that these tests made for all of theirs; None where they could not. They live in
    one below it and daemons in another, so that what a daemon guards (all below its parent) ends with the test."""
    global own
    if own is None and is_root() and cgroup_mount():
        own = os.path.join(cgroup_mount(), "carve-test-%d" % os.getpid())
        enter(os.path.join(own, "tests"))
        atexit.register(leave_cgroup)
    return own


def enter_daemons_cgroup():
    if own:
        enter(os.path.join(own, "daemons"))


def leave_cgroup():
    enter(cgroup_mount())
    for path, _, _ in os.walk(own, topdown=False):
        try:
            os.rmdir(path)
        except OSError:
            pass


def carve_cgroups():
    """The cgroups of leases that these tests' jobs asked for."""
    return [path for path, _, _ in os.walk(own_cgroup() or "/nowhere")
            if re.fullmatch("carve-[0-9a-f]{6}-L[0-9]+", os.path.basename(path))]


def needs_fence():
    if not is_root():
        raise Skip("making cgroups takes root")
    if not cgroup_mount():
        raise Skip("no cgroup v2 tree is mounted")


def run_claims(module):
    failed = 0
    wanted = sys.argv[1:]
    claims = [(name, item) for name, item in vars(module).items()
              if callable(item) and getattr(item, "__module__", "") == module.__name__
              and name[0].islower() and getattr(item, "is_claim", False)]
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    for name, claim in claims:
        if wanted and name not in wanted:
            continue
        try:
            claim()
            print("ok", name, flush=True)
        except Skip as reason:
            print("skip %s: %s" % (name, reason), flush=True)
        except Exception:  # a claim that does not hold, however that shows
            failed += 1
            traceback.print_exc()
            print("not ok", name, flush=True)
    sys.exit(1 if failed else 0)


def claim(function):
    function.is_claim = True
    return function


def equal(got, wanted):
    if got != wanted:
        raise AssertionError("got %r, wanted %r" % (got, wanted))


def true(value, what=""):
    if not value:
        raise AssertionError("not so: %s" % what)
