# SPDX-License-Identifier: Apache-2.0
"""carved is killed (SIGKILL) between any two steps and at random moments under load, with failing and
hanging driver calls mixed in. After each kill: every live job has exactly its share, no instance is
without owner except the cache, and what the ledger says is what is there. CARVE_KILLS, CARVE_SEED and
CARVE_MACHINE say how often, how and on what.
"""
import os
import random
import subprocess
import sys
import time

from node import CARVE, PATIENCE, Node, SIM, carve_cgroups, claim, is_root, run_claims, true

KILLS = int(os.environ.get("CARVE_KILLS", "25"))
SEED = int(os.environ.get("CARVE_SEED", "7"))
MACHINE = os.environ.get("CARVE_MACHINE", "dgx-h100")


class Load:
    """Jobs that come and go for ever: each holds its share and says which device it was given."""

    def __init__(self, node, random_source):
        self.node = node
        self.random = random_source
        self.jobs = {}  # process -> file that the job wrote its device to
        self.number = 0
        gpus = node.get("/v1/gpus")["gpus"]
        self.n_gpus = len(gpus)
        profiles = [p for p in gpus[0]["mig"]["profiles"] if "+" not in p["name"]]
        profiles.sort(key=lambda p: (p["slices"], p["size"]))
        names = [p["name"] for p in profiles]
        self.requests = [["--profile", name] for name in names]
        self.requests += [["--memory", str(profiles[0]["memory"] * 3 // 2)], ["--compute", "25%"]]
        self.layouts = ["[%s@%d, %s@0]" % (names[1], profiles[1]["starts"][-1], names[0]),
                        "[%s*3, dynamic]" % names[0], "[dynamic]", "[%s*2]" % names[1]]

    def add(self):
        self.number += 1
        path = os.path.join(self.node.dir, "job%d" % self.number)
        seconds = self.random.choice(["0.05", "0.3", "1", "3"])
        script = 'echo "$CUDA_VISIBLE_DEVICES $CARVE_LEASE" >%s.new && mv %s.new %s && exec %s hold --time %ss' % (
            path, path, path, SIM, seconds)
        child = subprocess.Popen([CARVE, "run", *self.random.choice(self.requests), "--wait=20s", "--", "sh", "-c", script],
                                 env=self.node.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.jobs[child] = path

    def tick(self):
        for child in [child for child in self.jobs if child.poll() is not None]:
            if os.path.exists(self.jobs[child]):
                os.unlink(self.jobs[child])
            del self.jobs[child]
        while len(self.jobs) < 12:
            self.add()
        if self.random.random() < 0.1:
            self.random.choice(list(self.jobs)).kill()  # carve itself dies: its job goes on

    def apply(self):
        path = os.path.join(self.node.dir, "layout.yaml")
        with open(path, "w", encoding="utf-8") as file:
            file.write("version: carve/v1\nlayouts:\n  x:\n  - gpus: [%d]\n    mig: %s\n" % (
                self.random.randrange(self.n_gpus), self.random.choice(self.layouts)))
        with open(path, encoding="utf-8") as file:
            self.node.post("/v1/apply", {"file": path, "text": file.read()})

    def end(self):
        for child in self.jobs:
            child.kill()
        for child in self.jobs:
            child.wait()
        self.jobs = {}


def holders(node):
    """pid -> uuid of the MIG device or GPU that the process uses, as the simulated driver has it."""
    found = {}
    for gpu in node.state()["gpus"]:
        uuids = {(instance["id"], compute["id"]): compute["uuid"]
                 for instance in gpu["gpu_instances"] for compute in instance["compute_instances"]}
        for process in gpu["processes"]:
            place = (process.get("gpu_instance"), process.get("compute_instance"))
            found[process["pid"]] = uuids.get(place, gpu["uuid"])
    return found


def is_over(pid):
    """True for a process that has ended, also if nobody has waited for it yet."""
    try:
        with open("/proc/%d/stat" % pid, encoding="ascii", errors="replace") as file:
            return file.read().rpartition(")")[2].split()[0] in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return True


def places(node):
    return {(gpu["index"], instance["profile"], instance["start"])
            for gpu in node.state()["gpus"] for instance in gpu["gpu_instances"]}


def quiet(node):
    """True when nothing is being changed."""
    view = node.get("/v1/node")
    return all(gpu["busy"] is None for gpu in view["gpus"])


def check(node):
    """The invariants, at a moment at which nothing is being changed."""
    for _ in range(100):
        node.wait_for(lambda: quiet(node), "the GPUs to be at rest", 30)
        before = places(node)
        view = node.get("/v1/node")
        if before == places(node) and all(gpu["busy"] is None for gpu in view["gpus"]):
            break
    shares = {share["id"]: share for share in view["shares"]}
    leases = {lease["id"]: lease for lease in view["leases"]}

    seen = {(gpu["index"], i["profile"], i["start"]) for gpu in view["gpus"] for i in gpu["instances"]}
    true(seen == before, "carved sees what is there: %s" % sorted(seen ^ before))
    for gpu in view["gpus"]:
        true(gpu["health"] in ("healthy", "sick"), "GPU %d is %s: %s" % (gpu["index"], gpu["health"],
                                                                        gpu["health_text"]))
        for instance in gpu["instances"]:
            true(instance["origin"] != "foreign", "instance %s of GPU %d has an owner" % (instance, gpu["index"]))
            true(instance["shares"], "instance %s of GPU %d has a compute instance" % (instance, gpu["index"]))
    held = {}
    for lease in leases.values():
        if lease["state"] in ("active", "releasing"):
            true(lease["got"], "lease %s holds something" % lease["id"])
        for got in lease["got"]:
            if lease["state"] not in ("active", "releasing"):
                continue
            true(got["share"] in shares, "the share %s of %s is there" % (got["share"], lease["id"]))
            true(got["share"] not in held, "%s is held once" % got["share"])
            held[got["share"]] = lease["id"]
    for share in shares.values():
        if share["lease"]:
            lease = leases[share["lease"]]
            true(lease["state"] in ("placed", "active", "releasing"), "%s marks a living lease" % share["id"])
    for pid, uuid in holders(node).items():
        try:
            with open("/proc/%d/environ" % pid, "rb") as file:
                environ = dict(pair.split(b"=", 1) for pair in file.read().split(b"\0") if b"=" in pair)
        except (FileNotFoundError, ProcessLookupError):
            continue
        if not environ:
            continue
        lease = environ[b"CARVE_LEASE"].decode()
        true(environ[b"CUDA_VISIBLE_DEVICES"].decode() == uuid, "process %d is on its own share" % pid)
        now = node.leases()
        if lease in now:
            true(uuid in [got["uuid"] for got in now[lease]["got"]], "%s of process %d holds %s: %s" % (
                lease, pid, uuid, now[lease]))
        else:
            node.wait_for(lambda: is_over(pid), "process %d, whose lease %s has ended, to be gone" % (pid, lease), 5)


def check_empty(node):
    """All jobs are gone: nothing is held, nothing is left."""
    node.wait_for(lambda: not node.leases(), "all leases to end: %s" % list(node.leases().values())[:2], 30)
    node.wait_for(lambda: quiet(node), "the GPUs to be at rest")
    true(not holders(node), "no process is left on a GPU")
    if is_root():
        node.wait_for(lambda: not carve_cgroups(), "no cgroup of a lease is left: %s" % carve_cgroups())


def disturb(node, source):
    """Driver calls that fail or hang, now and then."""
    what = source.choice(["fail", "fail", "hang", "none", "none", "none", "none"])
    call = source.choice(["nvmlDeviceCreateGpuInstanceWithPlacement", "nvmlGpuInstanceDestroy",
                          "nvmlGpuInstanceCreateComputeInstance", "nvmlComputeInstanceDestroy"])
    if what == "fail":
        node.sim("inject", "%s:code=%s" % (call, source.choice(["IN_USE", "INSUFFICIENT_RESOURCES", "UNKNOWN"])))
    elif what == "hang":
        node.sim("inject", "%s:hang" % call)


def kill_under_load(kills, seed):
    source = random.Random(seed)
    with Node(MACHINE, fast=False, options=["--create", "20", "--destroy", "10"],
              config="driver-timeout: %ds\ngrace: 1s\nhealth-interval: 1s\n" % (5 * PATIENCE)) as node:
        node.start()
        text = "version: carve/v1\nlayouts:\n  on:\n  - gpus: all\n    mig: [dynamic]\n"
        answer = node.post("/v1/apply", {"text": text, "reset": True})
        node.wait_for(lambda: node.get("/v1/operations/%s" % answer["operation"]["id"])["operation"]["state"] == "done",
                      "MIG to be on")
        load = Load(node, source)
        try:
            for number in range(kills):
                until = time.monotonic() + source.random() * 0.25
                load.tick()
                if source.random() < 0.3:
                    disturb(node, source)
                if source.random() < 0.2:
                    load.apply()
                while time.monotonic() < until:
                    load.tick()
                    time.sleep(0.01)
                if node.carved.poll() is not None:
                    raise AssertionError("carved ended by itself before kill %d (seed %d), with %s\n%s" % (
                        number, seed, node.carved.poll(), node.log()[-4000:]))
                node.kill()
                node.sim("inject", "--clear")
                node.start()
                try:
                    check(node)
                except (AssertionError, OSError) as problem:
                    raise AssertionError("after kill %d (seed %d): %s, carved's status is %s\n%s" % (
                        number, seed, problem, node.carved.poll(), node.log()[-4000:])) from problem
        finally:
            load.end()
        for gpu in node.state()["gpus"]:
            for process in gpu["processes"]:
                try:
                    os.kill(process["pid"], 9)
                except ProcessLookupError:
                    pass
        check_empty(node)


@claim
def no_kill_of_the_daemon_loses_or_leaks_a_share():
    kill_under_load(KILLS, SEED)


if __name__ == "__main__":
    run_claims(sys.modules[__name__])
