#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""carve run: what the command sees, and what becomes of it and of the lease."""
import json
import os
import pty
import select
import signal
import subprocess
import sys
import threading
import time

import claims
import fake
import machines
from claims import contains, lacks, same


def claim_the_command_gets_its_environment(t):
    lease = t.lease()
    r = t.carve("run", "--memory", "10G", "--", "sh", "-c", "echo $CUDA_VISIBLE_DEVICES $CARVE_LEASE")
    same(r.returncode, 0)
    same(r.stdout, f"{lease['got'][0]['uuid']} L1\n")
    same(r.stderr, "")


def claim_the_request_and_the_holder_are_told(t):
    t.lease()
    t.carve("run", "--memory", "10G", "--compute", "25%", "--name", "web1", "--", "true", "a b")
    body = t.posts("/v1/leases")[0]
    same(body["request"]["memory"], "10G")
    same(body["request"]["compute"], 25)
    same(body["holder"]["kind"], "run")
    same(body["holder"]["command"], "true a b")
    same(body["holder"]["name"], "web1")
    assert body["wait_reply"] <= 1


def claim_the_lease_is_given_back_once(t):
    t.lease()
    t.carve("run", "true")
    same(len(t.posts("/leave")), 1)
    same(len(t.posts("/v1/leases")), 1)


def claim_exits_as_the_command_does(t):
    t.lease()
    for status in (0, 1, 42, 125, 255):
        same(t.carve("run", "sh", "-c", f"exit {status}").returncode, status)


def claim_ends_by_the_signal_that_ended_the_command(t):
    t.lease()
    for number in (signal.SIGTERM, signal.SIGKILL, signal.SIGSEGV, signal.SIGINT):
        same(t.carve("run", "sh", "-c", f"kill -{number.value} $$").returncode, -number)
    same(len(t.posts("/leave")), 4)
    same([f for f in os.listdir(t.dir) if "core" in f], [])


def claim_a_command_that_is_not_there_asks_for_no_lease(t):
    r = t.carve("run", "no-such-command-anywhere")
    same(r.returncode, 127)
    contains(r.stderr, "no such command")
    same(t.fake.seen, [])


def claim_a_command_that_cannot_be_run_is_126(t):
    t.lease()
    path = os.path.join(t.dir, "plain")
    open(path, "w").write("#!/bin/sh\n")
    same(t.carve("run", path).returncode, 126)
    same(t.carve("run", t.dir + "/nothing").returncode, 127)
    r = t.carve("run", "plain", env={"PATH": t.dir})
    same(r.returncode, 126)
    same(len(t.posts("/leave")), 2)


def claim_refusals_are_125_and_say_why(t):
    t.fake.answers["POST /v1/leases"] = fake.refuse(422, "no GPU here has 900G")
    r = t.carve("run", "--memory", "900G", "--", "true")
    same(r.returncode, 125)
    same(r.stderr, "carve: no GPU here has 900G\n")


def claim_waiting_too_long_is_124(t):
    t.fake.answers["POST /v1/leases"] = fake.refuse(504, "waited 1 s")
    same(t.carve("run", "--wait=1s", "--", "true").returncode, 124)


def waiting_lease(t, answers):
    """A lease that is asked for again and again: each time the next answer."""
    node = machines.Node("dgx-h100")
    active = node.lease(1, shares=[node.instance(0, "1g.10gb", 0)])
    t.serve_lease(active)
    queued = dict(active, state="queued", got=[], binding=None, queue_position=2, waits_for="1g.10gb on any GPU")
    left = list(answers)

    def ask(request):
        time.sleep(0.05)
        change = left.pop(0) if left else None
        return {"version": 1, "lease": dict(queued, **change) if change is not None else active}

    t.fake.answers["POST /v1/leases"] = (202, {"version": 1, "lease": queued})
    t.fake.answers["GET /v1/leases/L1"] = ask


def claim_waiting_is_told_when_it_changes(t):
    waiting_lease(t, [{}, {}, {"queue_position": 1}])
    r = t.carve("run", "true")
    same(r.returncode, 0)
    same(r.stderr.count("number 2 in the queue"), 1)
    same(r.stderr.count("number 1 in the queue"), 1)
    contains(r.stderr, "1g.10gb on any GPU")


def claim_a_lease_that_fails_while_waiting_is_125(t):
    waiting_lease(t, [{"state": "failed", "reason": "GPU 0 was lost"}])
    r = t.carve("run", "true")
    same(r.returncode, 125)
    contains(r.stderr, "GPU 0 was lost")


def claim_time_that_ran_out_in_the_queue_is_124(t):
    waiting_lease(t, [{}, {"state": "failed", "reason": "waited 100 ms"}])
    same(t.carve("run", "--wait=100ms", "true").returncode, 124)


def claim_a_missing_fence_is_told(t):
    t.lease(fenced=False, fence_text="not fenced: no cgroup v2 here")
    r = t.carve("run", "true")
    same(r.returncode, 0)
    same(r.stderr, "carve: warning: lease L1: not fenced: no cgroup v2 here\n")


def claim_reasons_are_told_when_asked_for(t):
    t.lease(why="GPU 0: an idle 1g.10gb is there\nGPU 1: would have to make one")
    lacks(t.carve("run", "true").stderr, "idle")
    r = t.carve("run", "--explain", "--", "true")
    contains(r.stderr, "carve: GPU 0: an idle 1g.10gb is there\ncarve: GPU 1: would")


def claim_several_mig_instances_for_one_process_are_refused(t):
    node = machines.Node("dgx-h100")
    t.serve_lease(node.lease(1, shares=[node.instance(0, "1g.10gb", 0), node.instance(1, "1g.10gb", 0)]))
    r = t.carve("run", "--gpus", "2", "true")
    same(r.returncode, 125)
    contains(r.stderr, "only one of them")
    same(len(t.posts("/release")), 1)


def claim_container_clients_are_warned_of(t):
    t.lease()
    tool = os.path.join(t.dir, "docker")
    open(tool, "w").write("#!/bin/sh\n")
    os.chmod(tool, 0o755)
    for command in (["docker"], [tool, "run"], ["env", "A=b", "docker", "ps"], ["nice", "-n", "1", "docker"]):
        r = t.carve("run", *command, env={"PATH": t.dir + ":" + t.env["PATH"]})
        same(r.returncode, 0, command)
        if command[0] != "nice":
            contains(r.stderr, "outside this lease")
    same(t.carve("run", "sh", "-c", ": docker").stderr, "")


def claim_open_gpu_nodes_are_closed_and_others_are_not(t):
    t.lease()
    root = os.path.join(t.dir, "root")
    os.makedirs(root + "/dev/nvidia-caps")
    os.makedirs(root + "/dev/dri")
    inside = [root + p for p in ("/dev/nvidia0", "/dev/nvidiactl", "/dev/nvidia-caps/nvidia-cap3", "/dev/dri/card0")]
    others = [root + "/dev/null", t.dir + "/nvidia0"]
    fds = [os.open(p, os.O_RDWR | os.O_CREAT) for p in inside + others]
    for fd in fds:
        os.set_inheritable(fd, True)
    r = t.carve("run", "ls", "-l", "/proc/self/fd", env={"CARVE_SYSTEM_ROOT": root}, pass_fds=fds)
    for p in inside:
        lacks(r.stdout, p)
    for p in others:
        contains(r.stdout, p)
    for fd in fds:
        os.close(fd)


def claim_a_signal_sent_to_carve_reaches_the_command(t):
    t.lease()
    script = 'trap "echo got; exit 7" %s; echo ready; while :; do sleep 0.05; done'
    for name in ("TERM", "HUP", "INT", "USR1", "USR2", "QUIT", "WINCH"):
        p = t.start("run", "sh", "-c", script % name, stdout=subprocess.PIPE)
        same(p.stdout.readline(), "ready\n")
        p.send_signal(getattr(signal, "SIG" + name))
        same(p.stdout.read(), "got\n", name)
        same(p.wait(10), 7)


def state(pid):
    return open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[0]


def wait_for(condition, what):
    end = time.time() + 20
    while not condition():
        if time.time() > end:
            raise AssertionError(f"never: {what}")
        time.sleep(0.02)


def claim_stops_and_goes_on_with_the_command(t):
    t.lease()
    p = t.start("run", "sh", "-c", "echo $$; while :; do sleep 0.05; done", stdout=subprocess.PIPE, start_new_session=True)
    child = int(p.stdout.readline())
    os.kill(child, signal.SIGSTOP)
    wait_for(lambda: state(p.pid) == "T", "carve stops")
    p.send_signal(signal.SIGCONT)
    wait_for(lambda: state(p.pid) != "T" and state(child) != "T", "both go on")
    p.send_signal(signal.SIGTERM)
    same(p.wait(10), -signal.SIGTERM)


class Terminal:
    """A shell with job control on a terminal of its own."""

    def __init__(self, t):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ.clear()
            os.environ.update(t.env, PS1="$ ", TERM="xterm")
            os.execvp("bash", ["bash", "--norc", "--noediting", "-i"])
        self.text = ""
        self.wait("$ ")

    def send(self, text):
        os.write(self.fd, text.encode())

    def wait(self, text, seconds=10):
        end = time.time() + seconds
        while text not in self.text:
            if not select.select([self.fd], [], [], max(0, end - time.time()))[0]:
                raise AssertionError(f"no {text!r} in {self.text!r}")
            self.text += os.read(self.fd, 4096).decode()
        at = self.text.index(text) + len(text)
        before, self.text = self.text[:at], self.text[at:]
        return before

    def close(self):
        os.kill(self.pid, signal.SIGKILL)
        os.close(self.fd)
        os.waitpid(self.pid, 0)


def claim_job_control_works_as_with_the_command_alone(t):
    t.lease()
    shell = Terminal(t)
    try:
        script = os.path.join(t.dir, "patient.py")
        open(script, "w").write("import signal, sys\nsignal.signal(2, lambda *_: sys.exit('interrupted'))\n"
                                "print('ready', flush=True)\nwhile True: signal.pause()\n")
        shell.send(f"{t.program} run {sys.executable} {script}\n")
        shell.wait("ready")
        shell.send("\x1a")
        shell.wait("Stopped")
        shell.wait("$ ")
        shell.send("fg\n")
        wait_for(lambda: os.tcgetpgrp(shell.fd) != shell.pid, "it is in front")
        shell.send("\x03")
        same(shell.wait("interrupted").count("interrupted"), 1)
        shell.wait("$ ")
        shell.send("echo status $?\n")
        shell.wait("status 1")
        shell.wait("$ ")
        shell.send(f"{t.program} run sh -c 'echo rea\"\"dy; exec cat'\n")
        shell.wait("ready")
        shell.send("hello\n")
        shell.wait("hello\r\nhello")
        shell.send("\x04")
        shell.wait("$ ")
        shell.send(f"{t.program} run tty\n")
        shell.wait("/dev/pts/")
    finally:
        shell.close()


def claim_a_command_can_be_stopped_before_it_runs(t):
    lease = t.lease()
    lease["holder"]["cgroup_dir"] = os.path.join(t.dir, "no-cgroup")
    enters, may_enter = threading.Event(), threading.Event()

    def enter(_):
        enters.set()
        may_enter.wait(10)
        return {"version": 1}

    t.fake.answers["POST /v1/leases/L1/enter"] = enter
    shell = Terminal(t)
    try:
        shell.send(f"{t.program} run echo r''an\n")
        assert enters.wait(10)
        shell.send("\x1a")
        shell.wait("^Z")
        may_enter.set()
        shell.wait("Stopped")
        shell.wait("$ ")
        shell.send("fg\n")
        shell.wait("ran\r\n")
    finally:
        may_enter.set()
        shell.close()


def start_reader(t):
    """A command that runs until its standard input is closed, and ends with 9 then."""
    p = t.start("run", "sh", "-c", "echo up; read x; exit 9", stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=subprocess.PIPE)
    same(p.stdout.readline(), "up\n")
    return p


def claim_a_lease_that_ends_while_the_command_runs_is_told(t):
    lease = t.lease()
    asked, gone = threading.Event(), threading.Event()

    def follow(_):
        asked.set()
        gone.wait(10)
        return {"version": 1, "lease": dict(lease, state="failed", reason="GPU 0 fell off the bus")}

    t.fake.answers["GET /v1/leases/L1"] = follow
    p = start_reader(t)
    assert asked.wait(10)
    gone.set()
    same(p.stderr.readline(), "carve: lease L1 is over while its command runs: GPU 0 fell off the bus\n")
    p.stdin.close()
    same(p.wait(10), 9)
    same(p.stderr.read(), "")


def claim_a_lease_that_ends_with_its_command_is_no_news(t):
    lease = t.lease()
    over = {"version": 1, "lease": dict(lease, state="releasing", reason=None)}
    p = start_reader(t)

    def follow(_):
        threading.Timer(0.1, p.stdin.close).start()
        return over

    # carved saw the cgroup empty before carve saw its child end
    t.fake.answers["GET /v1/leases/L1"] = follow
    same(p.wait(10), 9)
    same(p.stderr.read(), "")
    # while a command that has left its cgroup goes on
    t.fake.answers["GET /v1/leases/L1"] = over
    p = start_reader(t)
    same(p.stderr.readline(), "carve: lease L1 is over while its command runs: no process is in its cgroup any more\n")
    p.stdin.close()
    same(p.wait(10), 9)
    same(p.stderr.read(), "")


def claim_short_commands_do_not_watch_their_lease(t):
    t.lease()
    for _ in range(50):
        t.fake.seen.clear()
        begin = time.time()
        t.carve("run", "true")
        if not [s for s in t.fake.seen if s[0] == "GET"]:
            return
        # On a busy machine it may not have been short.
        assert time.time() - begin >= 0.2
    raise AssertionError("all of them are watched")


def claim_a_restart_of_carved_does_not_disturb_a_command(t):
    t.lease()
    asked = threading.Event()

    def follow(_):
        asked.set()
        time.sleep(20)

    t.fake.answers["GET /v1/leases/L1"] = follow
    p = start_reader(t)
    for _ in range(2):
        assert asked.wait(10)
        t.fake.stop()
        asked.clear()
        time.sleep(0.3)
        t.fake.start()
    p.stdin.close()
    same(p.wait(10), 9)
    same(p.stderr.read(), "")
    same(len(t.posts("/leave")), 1)


def claim_the_command_ends_well_without_carved(t):
    t.lease()
    p = start_reader(t)
    t.fake.stop()
    begin = time.time()
    p.stdin.close()
    same(p.wait(10), 9)
    assert time.time() - begin < 5  # half as long as it would wait for carved to come back
    same(p.stderr.read(), "")


def claim_a_lost_answer_is_looked_for_before_it_is_asked_again(t):
    node = machines.Node("dgx-h100")
    lease = node.lease(1, shares=[node.instance(0, "1g.10gb", 0)])
    t.serve_lease(lease)
    asked = []

    def lose(request):
        asked.append(request.pid)
        lease["holder"] = {"kind": "run", "pid": request.pid}
        t.fake.answers["GET /v1/leases"] = {"version": 1, "leases": [lease]}
        t.fake.stop()
        threading.Timer(0.2, t.fake.start).start()
        return b""

    t.fake.answers["POST /v1/leases"] = lose
    same(t.carve("run", "true").returncode, 0)
    same(len(asked), 1)


def claim_an_answer_lost_before_it_was_kept_is_asked_for_again(t):
    lease = t.lease()
    asked = []

    def lose(request):
        asked.append(1)
        if len(asked) > 1:
            return 201, {"version": 1, "lease": lease}
        t.fake.answers["GET /v1/leases"] = {"version": 1, "leases": []}
        t.fake.stop()
        threading.Timer(0.2, t.fake.start).start()
        return b""

    t.fake.answers["POST /v1/leases"] = lose
    same(t.carve("run", "true").returncode, 0)
    same(len(asked), 2)


def claim_nothing_runs_before_the_child_is_in_its_cgroup(t):
    lease = t.lease()
    lease["holder"]["cgroup_dir"] = os.path.join(t.dir, "no-cgroup")
    entered = []

    def enter(request):
        entered.append(request.pid)
        time.sleep(0.2)
        entered.append(os.path.exists(t.dir + "/ran"))
        return {"version": 1}

    t.fake.answers["POST /v1/leases/L1/enter"] = enter
    r = t.carve("run", "sh", "-c", f"echo $$; touch {t.dir}/ran")
    same(r.returncode, 0)
    same(entered, [int(r.stdout), False])


def claim_a_child_that_may_not_enter_does_not_run(t):
    lease = t.lease()
    lease["holder"]["cgroup_dir"] = os.path.join(t.dir, "no-cgroup")
    t.fake.answers["POST /v1/leases/L1/enter"] = fake.refuse(409, "lease L1 is releasing")
    r = t.carve("run", "touch", t.dir + "/ran")
    same(r.returncode, 125)
    contains(r.stderr, "cannot enter lease L1: lease L1 is releasing")
    assert not os.path.exists(t.dir + "/ran")
    same(len(t.posts("/leave")), 1)


def claim_signals_that_were_ignored_stay_so(t):
    t.lease()
    code = "import signal,subprocess,sys; signal.signal(signal.SIGCHLD, signal.SIG_IGN); import os; os.execv(sys.argv[1], sys.argv[1:])"
    r = subprocess.run([sys.executable, "-c", code, t.program, "run", "grep", "SigIgn", "/proc/self/status"],
                       env=t.env, capture_output=True, text=True)
    same(r.returncode, 0)
    ignored = int(r.stdout.split()[1], 16)
    assert ignored >> (signal.SIGCHLD - 1) & 1
    r = t.carve("run", "grep", "SigBlk", "/proc/self/status")
    same(int(r.stdout.split()[1], 16), 0)


def claim_options_of_the_command_are_its_own(t):
    t.lease()
    same(t.carve("run", "--memory", "1G", "echo", "--help", "--memory").stdout, "--help --memory\n")
    same(t.carve("run", "--", "echo", "--", "x").stdout, "-- x\n")
    same(t.carve("run").returncode, 64)
    same(t.carve("run", "--memory", "1G", "--").returncode, 64)


claims.main(globals())
