# SPDX-License-Identifier: Apache-2.0
"""MPS shares on a simulated node: carved and carve as they are, the simulated node's own control daemons, servers and
clients, which speak NVIDIA's language and can be made to fault, hang and be late.
"""
import contextlib
import glob
import os
import random
import re
import signal
import subprocess
import sys
import time

from daemon import apply
from kills import is_over
from node import NOBODY, SIM, Node, PATIENCE, Skip, acting_as, claim, equal, is_root, run_claims, true

# One GPU that has no MIG mode on, and one of the same; MPS servers that come at once and go soon.
TWO = """version: carve-sim/v1
driver: %s
gpus:
- product: H100-80
  pci: ["1b:00.0", "43:00.0"]
"""
CONFIG = "health-interval: 200ms\ngrace: 2s\nmps: {idle: 300ms, start-timeout: 5s}\n"
OLD, USUAL, NEW = "535.261.03", "580.65.06", "615.10.01"
# The first that has static partitions.
PARTED = "595.45.04"
STATIC = CONFIG.replace("mps: {", "mps: {compute: static, ")


def started(driver=USUAL, config=CONFIG, text=TWO, start="0"):
    machine = "/tmp/carve-mps-%d.yaml" % os.getpid()
    with open(machine, "w", encoding="utf-8") as file:
        file.write(text % driver)
    node = Node(machine, config=config, options=("--mps-start", start))
    os.unlink(machine)
    node.start()
    return node


class Job:
    """carve run with a client of MPS; `got` is what that said it got."""

    count = 0

    def __init__(self, node, *request, hold=(), wait=True, user=None):
        Job.count += 1
        self.node = node
        self.path = "%s/job-%d" % (node.dir, Job.count)
        with open(self.path, "w", encoding="utf-8") as output:
            self.child = node.spawn("run", "--mechanism", "mps", *request, "--", SIM, "hold", "--print", *hold,
                                    stdout=output, stderr=output, user=user, extra_groups=[] if user else None)
        if wait:
            self.wait_held()

    @property
    def got(self):
        with open(self.path, encoding="utf-8") as file:
            return file.read()

    def wait_held(self):
        self.node.wait_for(self.holds, "a job to hold its share")
        return self

    def holds(self):
        if self.child.poll() is not None:
            raise AssertionError("the job ended with %d: %s" % (self.child.returncode, self.got))
        return self.lease() and "mps server=" in self.got

    def lease(self):
        for lease in self.node.leases().values():
            if lease["holder"]["pid"] == self.child.pid and lease["state"] == "active":
                return lease
        return None

    def pid(self):
        """The client itself: the last in the lease's process tree."""
        with open(self.lease()["holder"]["cgroup_dir"] + "/cgroup.procs", encoding="ascii") as file:
            return int(file.read().split()[-1])

    def end(self):
        self.child.send_signal(signal.SIGINT)
        return self.wait()

    def wait(self):
        return self.child.wait(30 * PATIENCE)


def held_over_a_kill(node, seconds, *request):
    """A job that holds its share, though carved was killed and started again so long after it had been started. A carve
    that had not met carved before that may find nobody to ask: its user would try again."""
    job = Job(node, *request, wait=False)
    time.sleep(seconds)
    node.kill()
    node.start()
    while True:
        try:
            return job.wait_held()
        except AssertionError:
            if job.child.poll() is None or "nobody answers" not in job.got:
                raise
            job = Job(node, *request, wait=False)


def gpu(node, index=0):
    return node.get("/v1/gpus/%d" % index)["gpu"]


def servers(node, index=0):
    return gpu(node, index)["mps"]["servers"]


def mode(node, index=0):
    return gpu(node, index)["mps"]["compute_mode"]


def shares(node):
    return [share for share in node.get("/v1/shares")["shares"] if share["mechanism"] == "mps"]


def events(node, kind):
    return [e["text"] for e in node.get("/v1/events?since=0")["events"] if e["kind"] == kind]


def mps_processes(node):
    """Control daemons and servers of this node that live."""
    run_dir = node.env["CARVE_RUN_DIR"]
    found = []
    for path in glob.glob("/proc/[0-9]*/environ"):
        try:
            with open(path, "rb") as file:
                variables = file.read().split(b"\0")
            with open(os.path.dirname(path) + "/comm", encoding="utf-8") as file:
                name = file.read().strip()
        except OSError:
            continue
        if name.startswith("nvidia-cuda-mps") and any(
                v.startswith(b"CUDA_MPS_PIPE_DIRECTORY=" + run_dir.encode()) for v in variables):
            found.append(int(path.split("/")[2]))
    return found


def gpu_workers(node):
    """The processes of this carved that speak to a GPU's driver."""
    found = []
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        try:
            with open(path, "rb") as file:
                words = file.read().split(b"\0")
            with open(os.path.dirname(path) + "/status", encoding="utf-8") as file:
                parent = int(re.search(r"PPid:\s+(\d+)", file.read()).group(1))
        except (OSError, AttributeError):
            continue
        if b"--worker" in words and parent == node.carved.pid and not any(w.startswith(b"mps:") for w in words):
            found.append(words)
    return found


class LeftOver:
    """What is left when all should be gone: looked at when it is to be said."""

    def __init__(self, node):
        self.node = node

    def __str__(self):
        text = "all leases to end:"
        for lease in self.node.leases().values():
            directory = lease["holder"]["cgroup_dir"]
            pids = open(directory + "/cgroup.procs", encoding="ascii").read().split() if directory else None
            text += "\n%s %s %s, processes %s" % (lease["id"], lease["state"], lease["reason"], pids)
            for pid in pids or ():
                text += "\n  " + subprocess.run(["ps", "-o", "pid,ppid,stat,wchan,args", "-p", pid],
                                                stdout=subprocess.PIPE, universal_newlines=True, check=False).stdout
        return text


def check_gone(node):
    """Nothing of MPS is left: no lease, server, process, directory, and the GPUs are as they were."""
    node.wait_for(lambda: not node.leases(), LeftOver(node))
    node.wait_for(lambda: not servers(node) and not servers(node, 1), "the servers to be gone")
    node.wait_for(lambda: mode(node) == mode(node, 1) == "default", "the compute modes to be put back")
    equal(mps_processes(node), [])
    equal(glob.glob(node.env["CARVE_RUN_DIR"] + "/mps/*"), [])
    equal([g["processes"] for g in node.state()["gpus"]], [[], []])
    equal(shares(node), [])


def limits_are(job, gib, percent):
    """What the client says that it got."""
    true(re.search(r"memory=%d percentage=%d\b" % (gib << 30, percent), job.got), job.got)


@claim
def a_job_gets_its_part_and_all_is_as_before_when_it_is_over():
    for driver in (OLD, USUAL, NEW):
        with started(driver) as node:
            job = Job(node, "--memory", "8Gi", "--compute", "30%")
            share = shares(node)[0]
            equal((share["id"], share["memory"], share["compute"], share["lease"]),
                  ("0:mps1", 8 << 30, 30.0, job.lease()["id"]))
            equal(mode(node), "exclusive-process")
            equal([(s["state"], s["tenant"]["uid"], s["leases"]) for s in servers(node)], [("ready", 0, 1)])
            env = job.lease()["binding"]["env"]
            true(env["CUDA_MPS_PIPE_DIRECTORY"].startswith(node.env["CARVE_RUN_DIR"] + "/mps/0-0/"), env)
            limits_are(job, 8, 30)
            job.end()
            check_gone(node)


@claim
def shares_of_unequal_sizes_are_used_at_once_and_the_sums_are_kept():
    with started() as node:
        jobs = [Job(node, "--gpu", "0", "--memory", size, "--compute", part)
                for size, part in (("40Gi", "50%"), ("20Gi", "30%"), ("4Gi", "15%"))]
        equal(len(servers(node)), 1)
        equal(servers(node)[0]["leases"], 3)
        limits_are(jobs[1], 20, 30)
        late = node.carve("run", "--mechanism", "mps", "--gpu", "0", "--memory", "30Gi", "--no-wait", "--", "true")
        equal(late.returncode, 125)
        true("GPU 0" in late.stderr, late.stderr)
        late = node.carve("run", "--mechanism", "mps", "--gpu", "0", "--compute", "20%", "--memory", "1Gi", "--no-wait",
                          "--", "true")
        equal(late.returncode, 125)
        waiting = Job(node, "--gpu", "0", "--memory", "30Gi", "--compute", "20%", wait=False)
        node.wait_for(lambda: any(lease["state"] == "queued" for lease in node.leases().values()), "it to wait")
        jobs[0].end()
        waiting.wait_held()
        for job in jobs[1:] + [waiting]:
            job.end()
        check_gone(node)


@claim
def a_client_gets_no_more_than_its_share():
    for driver in (OLD, USUAL, NEW):
        with started(driver) as node:
            job = node.carve("run", "--mechanism", "mps", "--memory", "4Gi", "--compute", "10%", "--", SIM, "hold",
                             "--memory", "5Gi", "--time", "1s")
            equal(job.returncode, 102)
            true("out of memory" in job.stdout + job.stderr, job.stdout + job.stderr)
            check_gone(node)


def got_sms(job):
    return int(re.search(r"sm=(\d+)", job.got).group(1))


@claim
def static_partitions_give_each_share_sms_of_its_own_and_no_fewer_than_asked():
    with started(PARTED, STATIC) as node:
        jobs = [Job(node, "--gpu", "0", "--memory", "8Gi", "--compute", part) for part in ("30%", "60%")]
        equal([s["interface"] for s in servers(node)], ["v2-static"])
        # of 132 SMs in chunks of 8: 39.6 and 79.2
        equal([got_sms(job) for job in jobs], [40, 80])
        equal({s["enforced_by"]["compute"] for s in shares(node)}, {"mps"})
        parts = [job.lease()["binding"]["env"]["CUDA_MPS_SM_PARTITION"] for job in jobs]
        true(len(set(parts)) == 2, parts)
        late = node.carve("run", "--mechanism", "mps", "--gpu", "0", "--memory", "8Gi", "--compute", "10%", "--no-wait",
                          "--", "true")
        equal(late.returncode, 125)  # one chunk is left, and it takes two
        node.kill()
        node.start()
        jobs[0].end()
        node.wait_for(lambda: len(node.leases()) == 1, "the lease to end")
        # its chunks are free again
        again = Job(node, "--gpu", "0", "--memory", "8Gi", "--compute", "30%")
        equal(got_sms(again), 40)
        again.end()
        jobs[1].end()
        check_gone(node)


@claim
def with_v3_each_client_of_unequal_shares_keeps_to_its_own_limit():
    with started(NEW) as node:
        large = Job(node, "--gpu", "0", "--memory", "40Gi", "--compute", "50%")
        past = node.carve("run", "--mechanism", "mps", "--gpu", "0", "--memory", "4Gi", "--compute", "10%", "--",
                          "env", "-u", "CUDA_MPS_PINNED_DEVICE_MEM_LIMIT", "-u", "CUDA_MPS_ACTIVE_THREAD_PERCENTAGE",
                          SIM, "hold", "--memory", "5Gi", "--time", "1s")
        true(past.returncode != 0 and "out of memory" in past.stdout + past.stderr, past)
        small = Job(node, "--gpu", "0", "--memory", "4Gi", "--compute", "10%", hold=("--memory", "3Gi"))
        equal(sorted(s["enforced_by"]["memory"] for s in shares(node)), ["mps", "mps"])
        true(large.lease() and large.child.poll() is None, "the large one goes on")
        small.end()
        large.end()
        check_gone(node)


@claim
def who_enforces_what_is_told_as_it_is():
    def held(node):
        return sorted((s["memory"] >> 30, s["enforced_by"]["memory"], s["enforced_by"]["compute"],
                       s["enforced_by"]["faults"]) for s in shares(node))

    with started() as node:
        one = Job(node, "--gpu", "0", "--memory", "8Gi", "--compute", "20%")
        two = Job(node, "--gpu", "0", "--memory", "8Gi", "--compute", "20%")
        equal(held(node), [(8, "mps", "mps", "nobody")] * 2)
        three = Job(node, "--gpu", "0", "--memory", "16Gi", "--compute", "40%")
        equal(held(node), [(8, "nobody", "nobody", "nobody")] * 2 + [(16, "mps", "mps", "nobody")])
        # what a client of a small share leaves out is not held against it
        lease = one.lease()
        limit = {k: v for k, v in lease["binding"]["env"].items() if "LIMIT" in k}
        true(limit, lease["binding"])
        for job in (one, two, three):
            job.end()
        check_gone(node)
    with started(NEW) as node:
        jobs = [Job(node, "--gpu", "0", "--memory", size, "--compute", "20%") for size in ("8Gi", "16Gi")]
        equal(held(node), [(8, "mps", "mps", "nobody"), (16, "mps", "mps", "nobody")])
        for job in jobs:
            job.end()
        check_gone(node)


@claim
def who_drops_the_pipe_directory_does_not_get_past_the_share():
    with started() as node:
        job = Job(node, "--gpu", "0", "--memory", "8Gi")
        past = node.carve("run", "--mechanism", "mps", "--gpu", "0", "--memory", "1Gi", "--", "env", "-u",
                          "CUDA_MPS_PIPE_DIRECTORY", SIM, "hold", "--time", "1s")
        true(past.returncode not in (0, 125), past)
        true("exclusive" in past.stderr + past.stdout, past)
        job.end()
        check_gone(node)


@claim
def different_users_never_share_a_server():
    if not is_root():
        raise Skip("becoming another user takes root")
    with started() as node:
        mine = Job(node, "--memory", "8Gi")
        theirs = Job(node, "--memory", "8Gi", user=NOBODY)
        equal([s["tenant"]["uid"] for s in servers(node) + servers(node, 1)], [0, NOBODY])
        third = node.carve("run", "--mechanism", "mps", "--gpu", "1", "--memory", "1Gi", "--no-wait", "--", "true")
        equal(third.returncode, 125)
        true("user" in third.stderr, third.stderr)
        directory = theirs.lease()["binding"]["env"]["CUDA_MPS_PIPE_DIRECTORY"]
        equal(subprocess.run(["ls", directory], user=NOBODY, extra_groups=[], stdout=subprocess.DEVNULL).returncode, 0)
        mine_dir = mine.lease()["binding"]["env"]["CUDA_MPS_PIPE_DIRECTORY"]
        equal(subprocess.run(["ls", mine_dir], user=NOBODY, extra_groups=[], stderr=subprocess.DEVNULL).returncode, 2)
        # and when the first has gone, its place is free for others
        waits = Job(node, "--gpu", "0", "--memory", "8Gi", user=NOBODY, wait=False)
        node.wait_for(lambda: any(lease["state"] == "queued" for lease in node.leases().values()), "it to wait")
        mine.end()
        waits.wait_held()
        waits.child.send_signal(signal.SIGINT)
        theirs.child.send_signal(signal.SIGINT)
        check_gone(node)


@claim
def servers_of_two_users_share_a_gpu_by_time_only_where_that_is_allowed():
    if not is_root():
        raise Skip("becoming another user takes root")
    with started(config=CONFIG.replace("idle: 300ms", "idle: 300ms, servers: time-sliced")) as node:
        mine = Job(node, "--gpu", "0", "--memory", "8Gi")
        theirs = Job(node, "--gpu", "0", "--memory", "8Gi", user=NOBODY)
        equal(sorted(s["tenant"]["uid"] for s in servers(node)), [0, NOBODY])
        equal(mode(node), "default")
        true(gpu(node)["mps"]["time_sliced"])
        equal({s["enforced_by"]["memory"] for s in shares(node)}, {"nobody"})
        mine.end()
        theirs.end()
        check_gone(node)


@claim
def a_fatal_fault_ends_the_leases_of_that_server_only_and_it_comes_back():
    for driver in (OLD, USUAL, NEW):
        with started(driver) as node:
            jobs = [Job(node, "--gpu", "0", "--memory", "8Gi", hold=("--stay",)) for _ in range(3)]
            other = Job(node, "--gpu", "1", "--memory", "8Gi")
            culprit = jobs[1].pid()
            ids = [job.lease()["id"] for job in jobs]
            node.sim("inject", "mps-fault:client=%d" % culprit)
            for job in jobs:
                job.wait()
            failed = node.wait_for(lambda: len(events(node, "lease-failed")) == 3 and events(node, "lease-failed"),
                                   "the leases to fail")
            for lease, text in zip(sorted(ids), sorted(failed)):
                true(text.startswith(lease + " failed:") and "fault" in text, text)
                true("process %d" % culprit in text and ids[1] in text, text)
            for job, lease in zip(jobs, ids):
                true("carve: lease %s failed:" % lease in job.got or "is over while" in job.got, job.got)
            node.wait_for(lambda: events(node, "mps-back"), "the server to come back")
            print("#", driver, events(node, "mps-back")[0])
            again = Job(node, "--gpu", "0", "--memory", "8Gi")
            true(other.lease() and other.child.poll() is None, "the other GPU's job goes on")
            again.end()
            other.end()
            check_gone(node)


@claim
def a_client_that_is_gone_at_once_is_named_with_its_lease():
    with started() as node:
        jobs = [Job(node, "--gpu", "0", "--memory", "8Gi") for _ in range(3)]
        culprit, lease = jobs[1].pid(), jobs[1].lease()["id"]
        node.wait_for(lambda: culprit in [p["pid"] for p in gpu(node)["processes"]], "the GPU to be looked at")
        node.sim("inject", "mps-fault:client=%d" % culprit)
        for job in jobs:
            job.wait()
        told = node.wait_for(lambda: events(node, "mps-fault"), "the fault to be told")[0]
        true("process %d of lease %s;" % (culprit, lease) in told, told)
        check_gone(node)


@claim
def a_server_of_ours_is_never_told_as_use_without_a_lease():
    with started(start="300") as node:
        for _ in range(3):
            job = Job(node, "--gpu", "0", "--memory", "8Gi")
            job.end()
            check_gone(node)
        equal(events(node, "unleased-use"), [])


@claim
def a_fault_that_names_nobody_is_told_all_the_same():
    with started() as node:
        job = Job(node, "--gpu", "0", "--memory", "8Gi", hold=("--stay",))
        node.sim("inject", "mps-fault:client=%d,unnamed" % job.pid())
        job.wait()
        node.wait_for(lambda: events(node, "mps-fault"), "the fault to be told")
        true("caused by" not in events(node, "mps-fault")[0], events(node, "mps-fault"))
        check_gone(node)


@claim
def nothing_is_placed_on_a_faulty_server_until_it_is_back():
    with started(start="1500") as node:
        job = Job(node, "--gpu", "0", "--memory", "8Gi", hold=("--stay",))
        node.sim("inject", "mps-fault:client=%d" % job.pid())
        node.wait_for(lambda: events(node, "mps-fault"), "the fault")
        job.wait()
        late = Job(node, "--gpu", "0", "--memory", "8Gi", wait=False)
        late.wait_held()
        true(events(node, "mps-back"), "it waited for the server to be back")
        late.end()
        check_gone(node)


@claim
def a_server_that_hangs_is_ended_by_force_and_its_clients_with_it():
    for driver in (USUAL, NEW):
        with started(driver) as node:
            job = Job(node, "--gpu", "0", "--memory", "8Gi", hold=("--stay",))
            other = Job(node, "--gpu", "1", "--memory", "8Gi")
            pid = servers(node)[0]["server_pid"]
            node.sim("inject", "mps-hang:server=%d" % pid)
            job.wait()
            node.wait_for(lambda: is_over(pid), "the server to be ended", 40)
            true(any("does not answer" in text for text in events(node, "lease-failed")), events(node, "lease-failed"))
            true(other.lease() and other.child.poll() is None, "the other GPU's job goes on")
            node.sim("inject", "--clear")
            other.end()
            check_gone(node)


@claim
def a_control_daemon_that_hangs_is_found_and_its_jobs_go_on():
    with started() as node:
        job = Job(node, "--gpu", "0", "--memory", "8Gi")
        control = servers(node)[0]["control_pid"]
        os.kill(control, signal.SIGSTOP)
        node.wait_for(lambda: servers(node)[0]["state"] == "faulty", "it to be noticed", 40)
        true(any("does not answer" in text for text in events(node, "mps-fault")), events(node, "mps-fault"))
        true(job.lease() and job.child.poll() is None, "what has its share goes on")
        job.end()
        node.wait_for(lambda: is_over(control), "the control daemon to be ended", 40)
        check_gone(node)


@claim
def a_look_that_fails_ends_nobodys_work():
    with started() as node:
        job = Job(node, "--gpu", "0", "--memory", "8Gi")
        node.sim("inject", "mps-version=550.163.01")  # as when NVIDIA's programs are replaced under a running driver
        time.sleep(1.5)
        equal(servers(node)[0]["state"], "ready")
        true(job.lease() and job.child.poll() is None, "the job goes on")
        node.sim("inject", "mps-version")
        job.end()
        check_gone(node)


@claim
def a_killed_server_fails_its_leases_and_a_killed_control_daemon_does_not():
    with started() as node:
        job = Job(node, "--gpu", "0", "--memory", "8Gi")
        os.kill(servers(node)[0]["server_pid"], signal.SIGKILL)
        true(job.wait() != 0, "the job failed")
        node.wait_for(lambda: any("process ended" in t for t in events(node, "lease-failed")), "its lease to fail")
        job = Job(node, "--gpu", "0", "--memory", "8Gi")
        os.kill(servers(node)[0]["control_pid"], signal.SIGKILL)
        node.wait_for(lambda: servers(node)[0]["state"] == "faulty", "it to be noticed")
        time.sleep(0.5)
        true(job.child.poll() is None and job.lease(), "what has its share goes on")
        job.end()
        again = Job(node, "--gpu", "0", "--memory", "8Gi")
        again.end()
        check_gone(node)


@claim
def a_killed_carved_finds_its_servers_again_and_no_job_notices():
    with started() as node:
        jobs = [Job(node, "--gpu", "0", "--memory", "8Gi"), Job(node, "--gpu", "0", "--memory", "16Gi")]
        before = [(s["control_pid"], s["server_pid"]) for s in servers(node)]
        node.kill()
        node.start()
        node.wait_for(lambda: servers(node) and servers(node)[0]["state"] == "ready", "the server to be taken up")
        equal([(s["control_pid"], s["server_pid"]) for s in servers(node)], before)
        equal(sorted(share["memory"] >> 30 for share in shares(node)), [8, 16])
        true(all(job.child.poll() is None and job.lease() for job in jobs), "the jobs go on")
        jobs.append(Job(node, "--gpu", "0", "--memory", "16Gi"))
        for job in jobs:
            job.end()
        check_gone(node)


@claim
def a_server_that_died_while_carved_was_away_is_noticed():
    with started() as node:
        job = Job(node, "--gpu", "0", "--memory", "8Gi", hold=("--stay",))
        pids = [servers(node)[0][key] for key in ("control_pid", "server_pid")]
        node.kill()
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        node.start()
        job.wait()
        node.wait_for(lambda: events(node, "lease-failed"), "its lease to fail")
        check_gone(node)


@claim
def a_revoked_holder_is_taken_off_the_gpu_before_it_is_killed():
    with started() as node:
        job = Job(node, "--gpu", "0", "--memory", "8Gi")
        neighbour = Job(node, "--gpu", "0", "--memory", "8Gi")
        os.kill(job.pid(), signal.SIGSTOP)  # deaf to SIGTERM
        lease = job.lease()["id"]
        equal(node.post("/v1/leases/%s/release" % lease, {}).status in (200, 202), True)
        node.wait_for(lambda: lease not in node.leases(), "the lease to end")
        job.child.send_signal(signal.SIGCONT)  # carve stopped with its command
        job.wait()
        with open(glob.glob(node.env["CARVE_RUN_DIR"] + "/mps/0-0/log/control.log")[0], encoding="utf-8") as file:
            text = file.read()
            true("terminate_client" in text, text + node.log())
        true(neighbour.lease() and neighbour.child.poll() is None, "its neighbour goes on")
        neighbour.end()
        check_gone(node)


@claim
def a_server_that_does_not_start_leaves_nothing_behind_and_is_tried_again():
    with started() as node:
        node.sim("inject", "mps-start:times=all")
        job = node.carve("run", "--mechanism", "mps", "--memory", "8Gi", "--no-wait", "--", "true")
        equal(job.returncode, 125)
        true("MPS" in job.stderr.strip().splitlines()[-1], job.stderr)
        check_gone(node)
        node.sim("inject", "--clear")
        job = Job(node, "--memory", "8Gi")
        job.end()
        check_gone(node)


@claim
def without_the_control_binary_it_is_said_what_to_install():
    with started() as node:
        node.stop()
        path = node.env["PATH"]
        node.env["PATH"] = ":".join(p for p in path.split(":")
                                    if not os.path.exists(p + "/nvidia-cuda-mps-control"))
        node.start()
        job = node.carve("run", "--mechanism", "mps", "--memory", "8Gi", "--no-wait", "--", "true")
        equal(job.returncode, 125)
        true("nvidia-cuda-mps-control" in job.stderr and "nvidia-cuda-mps" in job.stderr, job.stderr)
        check_gone(node)


@claim
def programs_of_another_driver_version_are_refused():
    with started() as node:
        node.sim("inject", "mps-version=550.163.01")
        job = node.carve("run", "--mechanism", "mps", "--memory", "8Gi", "--no-wait", "--", "true")
        equal(job.returncode, 125)
        true("550.163.01" in job.stderr and USUAL in job.stderr, job.stderr)
        check_gone(node)


@claim
def an_idle_server_makes_room_at_once_for_who_wants_the_gpu():
    with started(config=CONFIG.replace("idle: 300ms", "idle: 1h")) as node:
        for index in ("0", "1"):
            Job(node, "--gpu", index, "--memory", "8Gi").end()
        node.wait_for(lambda: not node.leases(), "the leases to end")
        equal(len(servers(node)), 1)
        whole = node.carve("run", "--gpus", "2", "--no-wait", "--", "true")
        equal((whole.returncode, whole.stderr), (0, ""))
        check_gone(node)


@claim
def a_layout_has_shares_that_are_pinned_and_nothing_is_left_to_do():
    text = ("version: carve/v1\nlayouts:\n  day:\n  - gpus: [0]\n"
            "    mps: [{memory: 16Gi, compute: 30%, count: 2}, {memory: 8Gi, compute: 20%}]\n")
    with started() as node:
        equal(node.post("/v1/plan", {"text": text})["verdict"], "changes")
        equal(apply(node, text)["operation"]["state"], "done")
        equal(node.post("/v1/plan", {"text": text})["verdict"], "nothing")
        export = node.get("/v1/layout")["layout"]
        equal(node.post("/v1/plan", {"text": export})["verdict"], "nothing")
        equal(sorted((s["memory"] >> 30, s["origin"]) for s in shares(node)),
              [(8, "pinned"), (16, "pinned"), (16, "pinned")])
        equal(mode(node), "default")  # nobody uses it yet
        job = Job(node, "--gpu", "0", "--memory", "12Gi", "--compute", "25%")
        equal(shares(node)[[s["lease"] is not None for s in shares(node)].index(True)]["memory"], 16 << 30)
        plan = node.post("/v1/plan", {"text": text.replace("count: 2", "count: 1")})
        equal(plan["verdict"], "changes")
        empty = "version: carve/v1\nlayouts:\n  none:\n  - gpus: [0]\n    mig: off\n    mps: []\n"
        plan = node.post("/v1/plan", {"text": empty})
        equal(plan.get("verdict", plan), "cannot")
        true(any(b["lease"] == job.lease()["id"] for b in plan["blockers"]), plan)
        node.kill()
        node.start()
        equal(len(shares(node)), 3)
        job.end()
        node.wait_for(lambda: not servers(node), "the server to be gone")
        equal(len(shares(node)), 3)
        equal(apply(node, empty)["operation"]["state"], "done")
        check_gone(node)


@claim
def what_is_in_the_way_of_a_layout_is_each_lease_with_its_own_processes():
    text = "version: carve/v1\nlayouts:\n  day:\n  - {gpus: [0], mig: [3g.40gb]}\n"
    with started() as node:
        jobs = [Job(node, "--gpu", "0", "--memory", "8Gi") for _ in range(3)]
        ours = {job.lease()["id"]: job.pid() for job in jobs}
        node.wait_for(lambda: set(ours.values()) <= {p["pid"] for p in gpu(node)["processes"]}, "the GPU to be looked at")
        plan = node.post("/v1/plan", {"text": text})
        equal(plan["verdict"], "cannot")
        equal({b["lease"]: [p["pid"] for p in b["processes"]] for b in plan["blockers"]},
              {lease: [pid] for lease, pid in ours.items()})
        for job in jobs:
            job.end()
        check_gone(node)


@claim
def shares_within_a_mig_instance_are_used_like_others():
    text = ("version: carve/v1\nlayouts:\n  day:\n  - gpus: [0]\n"
            "    mig: [{profile: 3g.40gb, at: 4, mps: [{memory: 10Gi, compute: 20%, count: 2}]}, 2g.20gb@0]\n")
    with started() as node:
        equal(apply(node, text)["operation"]["state"], "done")
        equal(node.post("/v1/plan", {"text": text})["verdict"], "nothing")
        true("3g.40gb MPS pinned" in node.carve("list").stdout, "its shares are drawn, idle as they are")
        jobs = [Job(node, "--memory", "10Gi", "--compute", "20%") for _ in range(2)]
        equal({s["place"] for s in shares(node)}, {"0:3g.40gb@4"})
        true(all(s["uuid"].startswith("MIG-") for s in shares(node)), shares(node))
        equal({s["enforced_by"]["memory"] for s in shares(node)}, {"nobody"})
        true(all(job.lease()["binding"]["env"]["CUDA_VISIBLE_DEVICES"].startswith("MIG-") for job in jobs))
        mig = node.carve("run", "--profile", "2g.20gb", "--no-wait", "--", "true")
        equal((mig.returncode, mig.stderr), (0, ""))
        mig = node.carve("run", "--profile", "3g.40gb", "--gpu", "0", "--no-wait", "--", "true")
        equal(mig.returncode, 125)
        for job in jobs:
            job.end()
        node.wait_for(lambda: not servers(node), "the server to be gone")
        off = "version: carve/v1\nlayouts:\n  none:\n  - gpus: [0]\n    mig: off\n"
        done = apply(node, off)
        equal(done.get("operation", done).get("state", done), "done")
        check_gone(node)


@claim
def auto_takes_mps_for_those_who_trust_each_other():
    with started() as node:
        job = node.carve("run", "--tenants", "same", "--memory", "8Gi", "--compute", "20%", "--explain", "--", "env")
        equal(job.returncode, 0)
        true("CUDA_MPS_PIPE_DIRECTORY=" in job.stdout, job.stdout + job.stderr)
        job = node.carve("run", "--tenants", "same", "--isolation", "fault", "--memory", "8Gi", "--", "env")
        true("CUDA_MPS_PIPE_DIRECTORY=" not in job.stdout, job.stdout + job.stderr)
        check_gone(node)


@claim
def an_administrators_daemon_is_shown_and_left_alone():
    with started() as node:
        pipes = node.dir + "/theirs"
        os.mkdir(pipes)
        env = dict(node.env, CUDA_MPS_PIPE_DIRECTORY=pipes, CUDA_MPS_LOG_DIRECTORY=pipes,
                   CUDA_VISIBLE_DEVICES=gpu(node)["uuid"])
        subprocess.run(["nvidia-cuda-mps-control", "-d"], env=env, check=True)
        client = subprocess.Popen([SIM, "hold"], env=env)
        try:
            found = node.wait_for(lambda: gpu(node)["mps"]["foreign"], "it to be found", 30)
            true(pipes in [f["pipe_directory"] for f in found], found)
            true(pipes not in [f["pipe_directory"] for f in gpu(node, 1)["mps"]["foreign"]], "only where it is")
            node.wait_for(lambda: gpu(node)["processes"], "its client to be seen")
            job = Job(node, "--memory", "8Gi")
            equal(job.lease()["got"][0]["gpu"], 1)
            job.end()
            true(client.poll() is None, "it was left alone")
        finally:
            client.kill()
            client.wait()
            subprocess.run(["nvidia-cuda-mps-control"], env=env, input=b"quit\n", check=False)
        node.wait_for(lambda: not servers(node, 1), "the server to be gone")
        check_gone(node)


@claim
def drained_from_the_driver_no_server_is_left():
    with started(config=CONFIG.replace("idle: 300ms", "idle: 1h")) as node:
        Job(node, "--memory", "8Gi").end()
        drained = node.carve("drain", "--driver")
        equal(drained.returncode, 0)
        check_gone(node)
        equal(node.carve("undrain", "--driver").returncode, 0)
        Job(node, "--memory", "8Gi").end()


def reload(node, config):
    with open(node.config_path, "w", encoding="utf-8") as file:
        file.write(config)
    equal(node.post("/v1/reload", {}).status, 200)


@claim
def the_driver_is_let_go_of_with_the_last_server():
    for servers_are in ("one", "time-sliced"):
        with started(config=CONFIG.replace("idle: 300ms", "idle: 1h, servers: " + servers_are)) as node:
            Job(node, "--memory", "8Gi").end()
            node.wait_for(lambda: not node.leases(), "the lease to end")
            node.post("/v1/driver/drain", {})
            node.wait_for(lambda: not mps_processes(node), "the server to end")
            node.wait_for(lambda: not gpu_workers(node), "the GPUs' workers to end")


@claim
def a_drained_gpu_keeps_no_idle_server():
    config = CONFIG.replace("idle: 300ms", "idle: 1h")
    with started(config=config) as node:
        Job(node, "--gpu", "0", "--memory", "8Gi").end()
        node.wait_for(lambda: not node.leases(), "the lease to end")
        equal(len(servers(node)), 1)
        node.post("/v1/gpus/0/drain", {})
        check_gone(node)
        node.post("/v1/gpus/0/undrain", {})
        job = Job(node, "--gpu", "0", "--memory", "8Gi")
        node.post("/v1/gpus/0/drain", {})
        job.end()
        check_gone(node)


@claim
def a_reload_counts_for_servers_that_run():
    long = CONFIG.replace("idle: 300ms", "idle: 1h")
    with started(config=long) as node:
        Job(node, "--gpu", "0", "--memory", "8Gi").end()
        node.wait_for(lambda: not node.leases(), "the lease to end")
        reload(node, CONFIG)
        check_gone(node)
    if not is_root():
        raise Skip("becoming another user takes root")
    with started(config=long.replace("idle: 1h", "idle: 1h, servers: time-sliced")) as node:
        mine = Job(node, "--gpu", "0", "--memory", "8Gi")
        theirs = Job(node, "--gpu", "0", "--memory", "8Gi", user=NOBODY)
        reload(node, long)
        late = node.carve("run", "--mechanism", "mps", "--gpu", "0", "--memory", "1Gi", "--no-wait", "--", "true")
        equal(late.returncode, 125)  # not beside another user's any more
        true(theirs.lease() and mine.lease(), "who is there stays")
        theirs.child.send_signal(signal.SIGINT)
        node.wait_for(lambda: len(node.leases()) == 1, "their lease to end")
        again = Job(node, "--gpu", "0", "--memory", "8Gi")
        node.wait_for(lambda: [s["tenant"]["uid"] for s in servers(node)] == [0], "the other server to go")
        true(mine.lease() and mine.child.poll() is None, "the first job goes on")
        again.end()
        mine.end()
        reload(node, CONFIG)
        check_gone(node)


@claim
def from_a_reload_on_servers_may_take_turns_on_a_gpu_in_use():
    if not is_root():
        raise Skip("becoming another user takes root")
    with started() as node:
        mine = Job(node, "--gpu", "0", "--memory", "8Gi")
        reload(node, CONFIG.replace("idle: 300ms", "idle: 300ms, servers: time-sliced"))
        theirs = Job(node, "--gpu", "0", "--memory", "8Gi", user=NOBODY)
        equal(mode(node), "default")
        equal(events(node, "mps-failed"), [])
        true(mine.lease() and mine.child.poll() is None, "the first job goes on")
        theirs.child.send_signal(signal.SIGINT)
        mine.end()
        check_gone(node)


@claim
def a_server_that_does_not_come_back_after_a_fault_is_not_tried_without_end():
    with started() as node:
        job = Job(node, "--gpu", "0", "--memory", "8Gi", hold=("--stay",))
        node.sim("inject", "mps-start:times=all")
        os.kill(servers(node)[0]["server_pid"], signal.SIGKILL)
        job.wait()
        late = Job(node, "--gpu", "0", "--memory", "8Gi", wait=False)
        time.sleep(4)
        tried = [text for text in events(node, "mps-failed") if "started" in text]
        true(1 <= len(tried) <= 4, tried)
        node.sim("inject", "--clear")
        late.child.send_signal(signal.SIGINT)
        late.wait()
        check_gone(node)


@claim
def a_lost_gpu_and_one_whose_server_was_killed_end_with_nothing_left():
    with started() as node:
        job = Job(node, "--gpu", "0", "--memory", "8Gi", hold=("--stay",))
        node.sim("lose", "0")
        node.wait_for(lambda: gpu(node)["health"] == "lost", "the GPU to be lost")
        job.end()
        node.wait_for(lambda: not node.leases(), "the lease to end")
        node.sim("recover", "0")
        node.wait_for(lambda: gpu(node)["health"] == "healthy", "the GPU to be back")
        check_gone(node)


@claim
def a_compute_mode_that_cannot_be_put_back_is_told_once_and_put_back_when_it_can_be():
    with started() as node:
        job = Job(node, "--gpu", "0", "--memory", "8Gi")
        node.sim("inject", "nvmlDeviceSetComputeMode:code=UNKNOWN,times=all")
        job.end()
        node.wait_for(lambda: events(node, "mps-mode"), "it to be told")
        time.sleep(1)
        equal(len(events(node, "mps-mode")), 1)
        Job(node, "--gpu", "0", "--memory", "8Gi").end()  # it serves all the same
        node.sim("inject", "--clear")
        check_gone(node)


@claim
def what_cannot_be_is_refused_in_one_sentence():
    with started() as node:
        for request, words in (
                (("--compute", "130%"), "100%"), (("--memory", "200Gi"), "200"), ((), "--memory"),
                (("--memory", "8Gi", "--gpus", "2"), "one MPS server"), (("--memory", "8Gi", "--isolation", "fault"), "fault")):
            job = node.carve("run", "--mechanism", "mps", *request, "--no-wait", "--", "true")
            true(job.returncode in (64, 125), "%s: %s" % (request, job))
            true(len(job.stderr.strip().splitlines()) <= 2, job.stderr)
            true(words.lstrip("-") in job.stderr, "%s: %s" % (request, job.stderr))
        # more clients than the hardware serves
        for k in range(48):
            equal(node.lease("n%d" % k, mechanism="mps", gpu="0", memory="1Gi", compute=2).status, 201)
        late = node.lease("late", mechanism="mps", gpu="0", memory="1Gi", compute=2, wait=0)
        true(late.status >= 400 and "48" in late["error"]["message"], late)
        for k in range(48):
            node.post("/v1/leases/n%d/release" % k, {})
        check_gone(node)


@claim
def a_pipe_directory_that_cannot_be_made_leaves_nothing_half_made():
    with started() as node:
        with open(node.env["CARVE_RUN_DIR"] + "/mps", "w", encoding="ascii"):
            pass
        job = node.carve("run", "--mechanism", "mps", "--memory", "8Gi", "--no-wait", "--", "true")
        equal(job.returncode, 125)
        true("/mps" in job.stderr, job.stderr)
        os.unlink(node.env["CARVE_RUN_DIR"] + "/mps")
        check_gone(node)



def check_shares(node):
    """What must be true at any moment, of what carved says."""
    for index in range(2):
        there = [s for s in shares(node) if s["gpu"] == index]
        true(sum(s["memory"] for s in there) <= 80 << 30, there)
        true(sum(s["compute"] for s in there) <= 100, there)
        true(len({s["tenant"]["uid"] for s in servers(node, index) if s["state"] == "ready"}) <= 1, servers(node, index))


class Walk:
    """A random walk: jobs of two users come and go, servers break, carved is killed."""

    def __init__(self, node, source, settings):
        self.node, self.source, self.settings, self.jobs = node, source, settings, []

    def begin(self):
        self.jobs.append(Job(self.node, "--memory", "%dGi" % self.source.choice((2, 8, 20, 60)), "--compute",
                             "%d%%" % self.source.choice((5, 10, 30, 60)), wait=False,
                             user=self.source.choice((None, NOBODY)) if is_root() else None))

    def end(self):
        if self.jobs:
            self.source.choice(self.jobs).child.send_signal(self.source.choice((signal.SIGTERM, signal.SIGKILL)))

    def victim(self, key):
        there = [s[key] for index in range(2) for s in servers(self.node, index) if s[key]]
        return self.source.choice(there) if there else None

    def kill_server(self):
        pid = self.victim(self.source.choice(("server_pid", "control_pid")))
        if pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def fault(self):
        pid = self.victim("server_pid")
        if pid:
            self.node.sim("inject", "mps-fault:server=%d" % pid, check=False)

    def fail_start(self):
        self.node.sim("inject", "mps-start:times=1", check=False)

    def kill_carved(self):
        self.node.kill()
        self.node.start()

    def drain(self):
        index = self.source.choice("01")
        self.node.post("/v1/gpus/%s/drain" % index, {})
        time.sleep(self.source.uniform(0, 0.05))
        self.node.post("/v1/gpus/%s/undrain" % index, {})

    def reload(self):
        idle = self.source.choice(("idle: 0s", "idle: 300ms", "idle: 1h"))
        reload(self.node, self.settings.replace("idle: 300ms", idle))

    def step(self):
        action = self.source.choice([self.begin] * 6 + [self.end] * 3 + [self.kill_server, self.fault, self.fail_start,
                                                                         self.kill_carved, self.drain, self.reload])
        action()
        time.sleep(self.source.uniform(0, 0.15))
        check_shares(self.node)
        self.jobs = [job for job in self.jobs if job.child.poll() is None]


@claim
def whatever_is_killed_nothing_leaks_and_no_two_users_meet():
    seed = int(os.environ.get("CARVE_SEED") or time.time())
    source = random.Random(seed)
    driver, config = source.choice(((OLD, CONFIG), (USUAL, CONFIG), (PARTED, STATIC), (NEW, CONFIG)))
    print("# seed %d, driver %s" % (seed, driver))
    with started(driver, config, start="30") as node:
        walk = Walk(node, source, config)
        for _ in range(int(os.environ.get("CARVE_STEPS", "120"))):
            walk.step()
        node.sim("inject", "--clear")
        reload(node, config)
        for job in walk.jobs:
            job.child.terminate()
        for job in walk.jobs:
            job.wait()
        # a command whose carve was killed goes on, and keeps its share
        for lease in node.leases():
            node.post("/v1/leases/%s/release" % lease, {})
        check_gone(node)


@claim
def carved_killed_at_any_moment_of_a_servers_start_or_end_leaves_nothing():
    with started(start="100") as node:
        for k in range(24):
            job = held_over_a_kill(node, 0.012 * k, "--gpu", "0", "--memory", "8Gi")
            job.end()
            node.wait_for(lambda: not node.leases(), "the lease to end")
            time.sleep(0.3 + 0.01 * k)
            node.kill()
            node.start()
            check_gone(node)


@claim
def carved_killed_at_any_moment_of_a_shares_making_hinders_nobody():
    for driver, config in ((USUAL, CONFIG), (PARTED, STATIC), (NEW, CONFIG)):
        with started(driver, config) as node:
            steady = Job(node, "--gpu", "0", "--memory", "8Gi", "--compute", "10%")
            for k in range(12):
                job = held_over_a_kill(node, 0.008 * k, "--gpu", "0", "--memory", "8Gi", "--compute", "10%")
                job.end()
                node.wait_for(lambda: len(node.leases()) == 1, "the lease to end")
            # all that it had is there for the next
            rest = Job(node, "--gpu", "0", "--memory", "60Gi", "--compute", "80%")
            rest.end()
            steady.end()
            check_gone(node)


if __name__ == "__main__":
    run_claims(sys.modules[__name__])
