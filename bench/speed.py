# SPDX-License-Identifier: Apache-2.0
"""What Carve takes, as one table: make bench.

Unchanged binaries on a simulated node (bench/node16.yaml), whose driver answers at once; only for
apply it takes its time, as hardware does. What is compared was measured in the same run, in turn.
The daemon's run directory is in memory, as /run is.
"""
import contextlib
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import node as system
from node import Node

HERE = os.path.dirname(os.path.abspath(__file__))
TOOLS = os.path.join(system.BUILD, "bench")
SHARE = {"profile": "1g.10gb"}
LEASED, QUEUED = 100, 900
# 100 places for SHARE, and no room to make another.
HUNDRED = ("version: carve/v1\nlayouts:\n  hundred:\n  - gpus: [%s]\n    mig: [1g.10gb*7]\n"
           "  - gpus: [14, 15]\n    mig: [4g.40gb@0, 2g.20gb@4, 1g.10gb@6]\n" % ", ".join(map(str, range(14))))
BEFORE = "[3g.40gb@4, 2g.20gb@0, 1g.10gb@2, 1g.10gb@3]"
VF_GPU, VF_TYPE, VF_TYPE_ID = "0000:41:00.0", "NVIDIA L40S-3Q", "1149"
DELAYS = 1.1  # the kernel's own: 0.1 s when VFs come, 1 s when they go
KERNEL_TIME = os.path.join(tempfile.gettempdir(), "carve-kernel-time-%d" % os.getpid())
AFTER = "[3g.40gb@4, 2g.20gb@0, 2g.20gb@2]"

rows = []
notes = []


def row(claim, measured, bound, holds, beside=""):
    rows.append((claim, measured, bound, "" if holds is None else "holds" if holds else "OVER", beside))


def layout(gpus, mig):
    return "version: carve/v1\nlayouts:\n  x:\n  - gpus: %s\n    mig: %s\n" % (gpus, mig)


@contextlib.contextmanager
def started(machine, sim=("--plain",), preload=None, **options):
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    run_dir = tempfile.mkdtemp(prefix="carve-bench-", dir=memory)
    try:
        # --plain: through FUSE the files of /proc and /sys would take a hundred times what a kernel takes
        with Node(machine, options=list(sim), **options) as node:
            node.env["CARVE_RUN_DIR"] = run_dir
            if preload:
                node.env.update(LD_PRELOAD=preload, CARVE_KERNEL_TIME=KERNEL_TIME)
            node.socket = os.path.join(run_dir, "api.sock")
            node.start()
            yield node
    finally:
        shutil.rmtree(run_dir, ignore_errors=True)


def apply(node, text):
    """Applies a layout; how many instances that destroyed."""
    operation = node.post("/v1/apply", {"file": "bench.yaml", "text": text, "remember": False})["operation"]
    destroyed = sum(step["kind"] == "destroy" for step in operation["plan"]["steps"])
    while operation["state"] == "running":
        operation = node.get("/v1/operations/%s?wait=10&seen=%d" % (operation["id"], operation["steps_done"]))["operation"]
    if operation["state"] != "done":
        raise AssertionError(operation)
    return destroyed


def tool(name, *arguments, **options):
    out = subprocess.run([os.path.join(TOOLS, name), *map(str, arguments)], stdout=subprocess.PIPE, check=True,
                         universal_newlines=True, **options).stdout
    return out.strip()


def numbers(text):
    return {name: float(value) for name, value in (line.split() for line in text.splitlines())}


def decisions():
    got = numbers(tool("bench_model"))
    beside = "processor time, %d runs; %.2f µs where there is no room" % (got["runs"], got["place-full"] / 1e3)
    row("place one request on 16 GPUs", "%.2f µs" % (got["place"] / 1e3), "1 µs", got["place"] <= 1e3, beside)
    row("a plan for 16 GPUs, with reading its file", "%.3f ms" % (got["plan"] / 1e6), "1 ms", got["plan"] <= 1e6,
        "%d runs" % got["runs"])


def leases(node, runs=7, seconds=1):
    rate = {1: [], 64: []}
    for _ in range(runs):
        for clients in rate:
            rate[clients].append(float(tool("bench_load", node.socket, SHARE["profile"], clients, seconds)))
    one, many = statistics.median(rate[1]), statistics.median(rate[64])
    row("lease and release, calls of one client", "%.0f/s" % (2 * one), "5000/s", 2 * one >= 5000,
        "%d runs of %d s; %.0f pairs" % (runs, seconds, one))
    row("lease and release, calls of 64 clients in sum", "%.0f/s" % (2 * many), "%.0f/s" % (2 * one), many >= one,
        "%.2f of one client's" % (many / one))


def run_true(node, runs=300):
    carve = [system.CARVE, "run", "--profile", SHARE["profile"], "--"]
    if not system.is_root() or not system.own_cgroup():
        notes.append("carve run is measured without a cgroup and a fence: making them takes root and cgroup v2")
    got = numbers(tool("bench_start", runs, system.own_cgroup() or "-", *carve, env=node.env))
    more = (got["carve"] - got["plain"]) / 1e3
    beside = "%d runs; true: %.2f ms" % (runs, got["plain"] / 1e3)
    if "moved" in got:
        beside += ", in a cgroup made for it: %.2f ms" % (got["moved"] / 1e3)
    row("carve run true, more than true", "%.2f ms" % more, "5 ms", more <= 5, beside)


def anonymous(node):
    with open("/proc/%d/status" % node.carved.pid, encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("RssAnon:")) / 1024


def fill(node):
    for number in range(LEASED + QUEUED):
        answer = node.lease("bench-%d" % number, wait_reply=0, **SHARE)
        if answer.status != (201 if number < LEASED else 202):
            raise AssertionError(answer)


def memory(node):
    waiting = []
    fill(node)
    used = anonymous(node)
    for number in range(LEASED, LEASED + QUEUED):
        connection = system.UnixConnection(node.socket, 60)
        connection.request("GET", "/v1/leases/bench-%d?wait=60&not=queued" % number)
        waiting.append(connection)
    node.get("/v1/health")
    beside = "%.1f MiB with %d more connections that wait for an answer" % (anonymous(node), QUEUED)
    row("carved's memory, 16 GPUs, 100 leases, 900 queued", "%.1f MiB" % used, "4 MiB", used <= 4, beside)
    for connection in waiting:
        connection.close()


def restart(node, runs=9):
    times = []
    for _ in range(runs):
        node.kill()
        begun = time.monotonic()
        node.start(wait=False)
        while not node.answers():
            time.sleep(0.002)
        times.append((time.monotonic() - begun) * 1e3)
        there = node.get("/v1/health")
        if (there["leases"], there["queue"]) != (LEASED + QUEUED, QUEUED):
            raise AssertionError(there)
    took = statistics.median(times)
    row("back in service after kill -9 with them", "%.0f ms" % took, "200 ms", took <= 200,
        "%d runs, %.0f to %.0f ms" % (runs, min(times), max(times)))


def changes(runs=3):
    took, anew_took = [], []
    with started("dgx-h100", fast=False) as node:
        for _ in range(runs):
            apply(node, layout("all", BEFORE))
            begun = time.monotonic()
            destroyed = apply(node, layout("all", AFTER))
            took.append(time.monotonic() - begun)
            apply(node, layout("all", BEFORE))
            begun = time.monotonic()
            anew = 0
            for gpu in range(8):
                anew += apply(node, layout("[%d]" % gpu, "[]"))
                apply(node, layout("[%d]" % gpu, AFTER))
            anew_took.append(time.monotonic() - begun)
    ours, theirs = statistics.median(took), statistics.median(anew_took)
    row("apply: one pair of shares becomes one on 8 GPUs", "%.2f s, %d destroyed" % (ours, destroyed), "", None,
        "%d runs; cleared and made anew, GPU by GPU: %.2f s, %d destroyed (%.2f of it)"
        % (runs, theirs, anew, ours / theirs))


def run_mps(node, runs=100):
    """A job in a server that runs already, of one size with the others and of another."""
    node.lease("keeps", mechanism="mps", gpu="0", memory="4Gi", compute=10)
    for what, size in (("like the others", "4Gi"), ("larger than all others", "8Gi")):
        carve = [system.CARVE, "run", "--mechanism", "mps", "--gpu", "0", "--memory", size, "--compute", "10%", "--"]
        got = numbers(tool("bench_start", runs, system.own_cgroup() or "-", *carve, env=node.env))
        more = (got["carve"] - got["plain"]) / 1e3
        row("a job in a running MPS share, %s: more than true" % what, "%.2f ms" % more, "10 ms", more <= 10,
            "%d runs; true: %.2f ms" % (runs, got["plain"] / 1e3))
    node.post("/v1/leases/keeps/release", {})


def start_by_hand(node):
    """What a control daemon and its server take to start, the front end's way: milliseconds."""
    with tempfile.TemporaryDirectory() as folder:
        env = dict(node.env, CUDA_MPS_PIPE_DIRECTORY=folder, CUDA_MPS_LOG_DIRECTORY=folder,
                   CUDA_VISIBLE_DEVICES=node.get("/v1/gpus/1")["gpu"]["uuid"])

        def ask(words):
            return subprocess.run(["nvidia-cuda-mps-control"], env=env, input=words + "\n", stdout=subprocess.PIPE,
                                  universal_newlines=True, check=True).stdout

        begin = time.monotonic()
        subprocess.run(["nvidia-cuda-mps-control", "-d"], env=env, check=True)
        ask("start_server -uid %d" % os.getuid())
        while not ask("get_server_list").strip():
            pass
        while "ACTIVE" not in ask("get_server_status " + ask("get_server_list").split()[0]):
            pass
        took = (time.monotonic() - begin) * 1e3
        ask("quit")
    return took


def recovery(node, runs=9):
    """From a client's fatal fault until its server takes clients again."""
    ours, theirs = [], []
    for _ in range(runs):
        theirs.append(start_by_hand(node))
        job = node.spawn("run", "--mechanism", "mps", "--gpu", "0", "--memory", "4Gi", "--", system.SIM, "hold", "--stay",
                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        server = node.wait_for(lambda: (node.get("/v1/gpus/0")["gpu"]["mps"]["servers"] or [{}])[0].get("clients") and
                               node.get("/v1/gpus/0")["gpu"]["mps"]["servers"][0]["server_pid"], "a client")
        begin = time.monotonic()
        node.sim("inject", "mps-fault:server=%d" % server)
        node.wait_for(lambda: [s for s in node.get("/v1/gpus/0")["gpu"]["mps"]["servers"]
                               if s["state"] == "ready" and s["server_pid"] != server], "it to be back")
        ours.append((time.monotonic() - begin) * 1e3)
        job.wait()
    took, own = statistics.median(ours), statistics.median(theirs)
    row("an MPS server after a fatal fault: back in service", "%.0f ms" % took, "%.0f + 500 ms" % own,
        took <= own + 500, "%d runs, %.0f to %.0f ms; started by hand: %.0f ms" % (runs, min(ours), max(ours), own))


def vfs_by_hand(node, on):
    """16 VFs made and typed, or made free and removed, as an administrator's script does it: seconds."""
    words = "sriov-manage -e $gpu && for vf in %s; do echo $type > $vf/nvidia/current_vgpu_type; done"
    if not on:
        words = "for vf in %s; do echo 0 > $vf/nvidia/current_vgpu_type; done && sriov-manage -d $gpu"
    links = " ".join("%s/sys/bus/pci/devices/%s/virtfn%d" % (node.env["CARVE_SYSTEM_ROOT"], VF_GPU, number)
                     for number in range(16))
    begun = time.monotonic()
    subprocess.run(["sh", "-ec", words % links], env=dict(node.env, gpu=VF_GPU, type=VF_TYPE_ID), check=True,
                   stdout=subprocess.DEVNULL)
    return time.monotonic() - begun


def kernel_time(seconds=None):
    """What carved's writes to the node's files took, in seconds; or that from now on it counts from there."""
    with open(KERNEL_TIME, "r+", encoding="ascii") as file:
        if seconds is None:
            return int(file.read()) / 1e9
        file.write("%022d\n" % (seconds * 1e9))
    return seconds


def virtual_functions(node, without_carve, runs=7):
    """What Carve takes beyond the kernel, which itself sleeps 0.1 s when VFs are turned on, 1 s when they are turned
    off, and works in the writes to its files."""
    made, removed, kernel, by_hand = [], [], [], []
    for _ in range(runs):
        kernel_time(DELAYS)
        begun = time.monotonic()
        apply(node, "version: carve/v1\nlayouts:\n  x:\n  - gpus: [0]\n    vf: [{type: %s, count: 16}]\n" % VF_TYPE)
        made.append(time.monotonic() - begun)
        begun = time.monotonic()
        apply(node, "version: carve/v1\nlayouts:\n  x:\n  - gpus: [0]\n    vf: []\n")
        removed.append(time.monotonic() - begun)
        kernel.append(kernel_time())
        by_hand.append(vfs_by_hand(without_carve, True) + vfs_by_hand(without_carve, False))
    took = [on + off for on, off in zip(made, removed)]
    ours = statistics.median(all_ - its for all_, its in zip(took, kernel))
    row("16 VFs made, typed and removed again: more than the kernel", "%.3f s" % ours, "%.2f s" % (DELAYS / 10),
        ours <= DELAYS / 10, "%d runs; made %.3f, removed %.3f s; in the kernel %.3f s of it, its delays: %.1f s; "
        "a script: %.3f s" % (runs, statistics.median(made), statistics.median(removed), statistics.median(kernel),
                              DELAYS, statistics.median(by_hand)))


def show():
    head = ("what", "measured", "bound", "", "beside it")
    widths = [max(len(line[i]) for line in [head, *rows]) for i in range(len(head))]
    for line in [head, *rows]:
        print("  ".join(text.ljust(width) for text, width in zip(line, widths)).rstrip())
    print("\nMedians. Load before and after: %s. Simulated driver; apply: 0.25 s to create, 0.1 s to destroy." % loads)
    for note in notes:
        print(note[0].upper() + note[1:] + ".")


loads = "%.1f" % os.getloadavg()[0]
decisions()
with started(os.path.join(HERE, "node16.yaml")) as full:
    apply(full, HUNDRED)
    leases(full)
    run_true(full)
    memory(full)
    restart(full)
changes()
with started(os.path.join(HERE, "node-mps.yaml"), config="mps: {idle: 1h}\nhealth-interval: 100ms\n",
             sim=["--plain", "--mps-start", "0"]) as node:
    run_mps(node)
    recovery(node)
with open(KERNEL_TIME, "w", encoding="ascii") as file:
    file.write("%022d\n" % 0)
with started("vgpu", sim=(), fast=False, preload=os.path.join(system.BUILD, "tests/guest/vf/kernel_time.so")) as node, \
        Node("vgpu", fast=False) as another:
    virtual_functions(node, another)
os.unlink(KERNEL_TIME)
loads += ", %.1f" % os.getloadavg()[0]
show()
sys.exit(0)
