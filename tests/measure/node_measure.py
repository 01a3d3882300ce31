# SPDX-License-Identifier: Apache-2.0
"""carve measure through a real carved: leases of whole GPUs, of MPS shares and of instances, on a node that is not said to
be simulated, with the stand-in for CUDA's driver library. Its figures are the stand-in's; what is tested is the way."""
import json
import os
import signal
import subprocess
import sys

from daemon import apply
from node import CARVE, Node, SIM, claim, equal, run_claims, true

LAYOUT = "version: carve/v1\nlayouts:\n  x:\n  - gpus: [0]\n    mig: %s\n"
KINDS = {"compute", "bandwidth", "launch"}


class Measured(Node):
    def __init__(self, machine="h100-l40s"):
        super().__init__(machine)
        folder = os.path.join(self.dir, "cuda")
        os.mkdir(folder)
        os.symlink(os.environ["STANDIN"], os.path.join(folder, "libcuda.so.1"))
        self.log_of_cuda = os.path.join(self.dir, "cuda.log")
        self.env |= {"LD_LIBRARY_PATH": folder + ":" + self.env["LD_LIBRARY_PATH"], "STANDIN_ROUND": "200000",
                     "STANDIN_LOG": self.log_of_cuda}
        del self.env["CARVE_SIMULATED"]

    def begin(self, gpu):
        self.start()
        self.carve("manage", str(gpu), check=True)
        self.uuid = self.get("/v1/gpus/%d" % gpu)["gpu"]["uuid"]
        return self

    def measure(self, *words, status=0):
        answer = self.carve("measure", "--seconds", "0.1", *words, timeout=200)
        true(answer.returncode == status, "%s: %s" % (answer.returncode, answer.stderr))
        return answer

    def kept(self):
        return self.get("/v1/measurements")["measurements"]

    def is_as_before(self):
        self.wait_for(lambda: not self.get("/v1/leases")["leases"], "no lease to be left")

    def events(self):
        return [event for event in self.get("/v1/events?since=0")["events"]]


@claim
def all_ways_go_through_carveds_leases():
    with Measured() as node:
        node.begin(1)
        text = node.measure("--gpu", "1", "--copies", "3").stdout
        true("Not measured: mig: " in text, text)
        figures = node.kept()
        equal({one["gpu"] for one in figures}, {node.uuid})
        equal({(one["way"], one["count"]) for one in figures},
              {("whole", 1), ("time", 2), ("time", 3), ("mps", 2), ("mps", 3)})
        equal({one["kind"] for one in figures}, KINDS)
        node.is_as_before()
        active = [event["text"] for event in node.events() if event["kind"] == "lease-active"]
        true(len(active) >= 3, active)
        # And advice goes by it.
        answer = node.carve("advise", "--gpu", "1", "--mechanism", "mps", "--compute", "33%", "--count", "3", "--tenants", "same",
                            "--json", check=True)
        way = next(way for way in json.loads(answer.stdout)["workloads"][0]["ways"] if way["way"] == "mps")
        equal(way["expected"]["source"], "measured")
        true("3 MPS shares of 33 %, all busy, bound by compute, bandwidth or launch" in way["expected"]["text"], way["expected"])


@claim
def instances_are_measured_where_mig_mode_is_on_and_stay():
    with Measured() as node:
        node.begin(0)
        node.measure("--gpu", "0", "--only", "whole")
        apply(node, LAYOUT % "[3g.40gb@4]")
        text = node.measure("--gpu", "0").stdout
        true("Not measured: mps: MIG mode is on" in text, text)
        true("Not measured: mig: some profiles have no room beside what is pinned" in text, text)
        figures = [one for one in node.kept() if one["way"] == "mig"]
        equal({(one["profile"], one["count"]) for one in figures if one["beside"] == "alike"},
              {("1g.10gb", 4), ("1g.20gb", 2), ("2g.20gb", 2), ("3g.40gb", 2)})
        equal({(one["profile"], one["count"]) for one in figures if one["count"] == 1}, {("4g.40gb", 1)})
        node.is_as_before()
        pinned = [(one["profile"], one["start"]) for one in node.get("/v1/gpus/0")["gpu"]["instances"] if one["origin"] == "pinned"]
        equal(pinned, [("3g.40gb", 4)])


@claim
def who_is_there_is_named_and_goes_on():
    with Measured() as node:
        node.begin(1)
        with subprocess.Popen([CARVE, "run", "--gpu", "1", "--", "sleep", "1000"], env=node.env) as job:
            node.wait_for(lambda: [one for one in node.get("/v1/leases")["leases"] if one["state"] == "active"], "the lease")
            answer = node.measure("--gpu", "1", status=75)
            true("GPU 1 is in use by lease L1 of " in answer.stderr and "(sleep 1000)" in answer.stderr, answer.stderr)
            equal(job.poll(), None)
            job.terminate()
        node.is_as_before()
        user = subprocess.Popen([SIM, "hold", "--time", "100s"], stdout=subprocess.DEVNULL,
                                env=dict(node.env, CUDA_VISIBLE_DEVICES=node.uuid))
        node.children.append(user)
        node.wait_for(lambda: node.get("/v1/gpus/1")["gpu"]["processes"], "the process to be seen")
        answer = node.measure("--gpu", "1", status=75)
        true("process %d of " % user.pid in answer.stderr, answer.stderr)
        equal(user.poll(), None)
        equal(node.kept(), [])


@claim
def however_it_ends_no_lease_is_left():
    with Measured() as node:
        node.begin(1)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
            if os.path.exists(node.log_of_cuda):
                os.unlink(node.log_of_cuda)
            child = node.spawn("measure", "--gpu", "1", "--seconds", "600", stderr=subprocess.DEVNULL)
            node.wait_for(lambda: os.path.exists(node.log_of_cuda), "a copy to begin")
            child.send_signal(number)
            equal(child.wait(60), -number)
            node.is_as_before()
        equal(node.kept(), [])


if __name__ == "__main__":
    run_claims(sys.modules[__name__])
