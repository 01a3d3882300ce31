# SPDX-License-Identifier: Apache-2.0
"""carve measure on a real GPU, in its mode of now. What it proves: NVIDIA's driver takes the kernels, each is bound by what
it claims to be, copies share the GPU as the way that they go by says, nothing of it is left behind, and no mode, clock or
instance is changed. The figures are printed: they are this GPU's, and belong into docs/proof.md with their day.

Needs the driver with libcuda, a GPU that nobody uses, and for MPS NVIDIA's control daemon."""
import json
import os
import signal
import subprocess
import sys
import time

from node import CARVE, PATIENCE, Skip, claim, equal, run_claims, true
from observe import Observed, settings, smi

COPIES = 4
before = settings() if os.path.exists("/proc/driver/nvidia/version") else None


class Measured(Observed):
    """GPU 0, managed and in use by nobody."""

    def __enter__(self):
        super().__enter__()
        gpu = self.gpus()[0]
        if gpu["processes"]:
            self.__exit__()
            raise Skip("GPU 0 is in use")
        equal(self.carve("manage", "0").returncode, 0)
        return self

    def __exit__(self, *what):
        self.carve("unmanage", "0", "--keep")
        super().__exit__(*what)

    def measure(self, *words, timeout=1800):
        return subprocess.run([CARVE, "measure", "--gpu", "0", *words], env=self.env, capture_output=True, text=True,
                              timeout=timeout * PATIENCE, check=False)

    def figures(self, *words):
        answer = self.measure(*words, "--json")
        true(answer.returncode == 0, answer.stderr)
        print(self.carve("measure", "--show").stdout, flush=True)
        return json.loads(answer.stdout)["measurements"]


def part(figure):
    """Of the whole GPU: the copies' together."""
    return sum(copy["items_per_s"] for copy in figure["copies"]) / figure["alone"]["items_per_s"]


def whole_or_skip(node):
    if node.gpus()[0]["mig"]["on"]:
        raise Skip("GPU 0 is in MIG mode, and stays in it")


@claim
def each_kind_is_bound_by_what_it_says():
    with Measured() as node:
        whole_or_skip(node)
        figures = {one["kind"]: one for one in node.figures("--only", "whole", "--seconds", "2")}
        equal(set(figures), {"compute", "bandwidth", "launch"})
        for one in figures.values():
            true(1e6 < one["alone"]["p50_ns"] < 5e6, "an item takes about 2 ms: %s" % one)
        row = smi("-i", "0", "--query-gpu=clocks.max.mem", "--format=csv,noheader,nounits")
        item, rate = figures["bandwidth"]["item"], figures["bandwidth"]["alone"]["items_per_s"]
        bytes_per_s = item["bytes"] * item["rounds"] * rate
        item, rate = figures["compute"]["item"], figures["compute"]["alone"]["items_per_s"]
        flops = 64 * 256 * item["blocks"] * item["rounds"] * rate
        item, rate = figures["launch"]["item"], figures["launch"]["alone"]["items_per_s"]
        print("%.0f GB/s (memory at %s MHz), %.1f TFLOP/s, %.1f us for a launch and its wait"
              % (bytes_per_s / 1e9, row.strip(), flops / 1e12, 1e6 / (item["rounds"] * rate)), flush=True)
        true(bytes_per_s > 5e10 and flops > 1e11 and item["rounds"] * rate > 1e4)


@claim
def copies_share_the_gpu_by_turns_and_by_mps():
    with Measured() as node:
        whole_or_skip(node)
        figures = node.figures("--copies", str(COPIES), "--seconds", "2")
        ways = {one["way"] for one in figures}
        true({"whole", "time"} <= ways, ways)
        for one in figures:
            if one["beside"] != "alike" or one["kind"] == "launch":
                continue
            # Work that fills the GPU: together no more than the whole, and not much less.
            true(0.5 < part(one) < 1.15, "%s of the whole: %s" % (part(one), one))
            speeds = [copy["items_per_s"] for copy in one["copies"]]
            true(min(speeds) > 0.5 * max(speeds), "turns are fair: %s" % one)
        for one in figures:
            if (one["way"], one["kind"], one["beside"]) == ("mps", "compute", "nobody"):
                true(0.4 < part(one) < 0.65, "half of the multiprocessors: %s" % one)
        if "mps" not in ways:
            raise Skip("there is no MPS here: whole and time were measured")


@claim
def instances_are_measured_where_mig_mode_is_on():
    with Measured() as node:
        if not node.gpus()[0]["mig"]["on"]:
            raise Skip("MIG mode is off, and stays off")
        answer = node.measure("--only", "mig")
        if answer.returncode == 1 and "not measured with this driver" in answer.stderr:
            raise Skip("the whole GPU has to be measured first, with MIG mode off")
        true(answer.returncode == 0, answer.stderr)


@claim
def who_is_on_the_gpu_is_named_and_goes_on():
    with Measured() as node:
        whole_or_skip(node)
        with subprocess.Popen([CARVE, "run", "--mechanism", "whole", "--gpu", "0", "--", "sleep", "1000"], env=node.env) as job:
            while not json.loads(node.carve("list", "leases", "--json").stdout)["leases"]:
                time.sleep(0.1)
            answer = node.measure()
            true(answer.returncode == 75, answer.stderr)
            true("in use by lease L" in answer.stderr and "sleep 1000" in answer.stderr, answer.stderr)
            equal(job.poll(), None)
            job.terminate()


@claim
def a_signal_leaves_nothing_on_the_gpu():
    with Measured() as node:
        whole_or_skip(node)
        with subprocess.Popen([CARVE, "measure", "--gpu", "0", "--seconds", "600"], env=node.env, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL) as child:
            until = time.monotonic() + 60 * PATIENCE
            while not smi("-i", "0", "--query-compute-apps=pid", "--format=csv,noheader").strip():
                true(time.monotonic() < until, "a copy computes")
                time.sleep(0.1)
            child.send_signal(signal.SIGINT)
            equal(child.wait(60 * PATIENCE), -signal.SIGINT)
        equal(smi("-i", "0", "--query-compute-apps=pid", "--format=csv,noheader").strip(), "")
        equal(node.carve("measure", "--show").stdout, "Nothing was measured on this node: 'carve measure' does it.\n")


@claim
def no_mode_clock_or_instance_was_changed():
    if before is None:
        raise Skip("no NVIDIA driver is loaded")
    equal(settings(), before)


if __name__ == "__main__":
    run_claims(sys.modules[__name__])
