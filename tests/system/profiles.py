# SPDX-License-Identifier: Apache-2.0
"""carve profile on a simulated node: jobs whose use of the GPU is known, held against what is told of them."""
import json
import os
import signal
import subprocess
import sys
import time

from daemon import apply
from node import SIM, Node, claim, equal, needs_fence, run_claims, true

GIB = 1 << 30
DYNAMIC = """version: carve/v1
layouts:
  day:
  - gpus: [0, 1]
    mig: [dynamic]
"""
# 30 % of the time, in bursts.
BURSTS = ["--memory", "12Gi", "--busy", "100", "--sms", "60", "--bandwidth", "40", "--copy-in", "2Gi", "--burst", "300ms/1s"]


def hold(*words, seconds=4):
    return [SIM, "hold", *words, "--time", "%ss" % seconds]


def report_of(node, *words, status=0, stderr=""):
    """Runs the command profiled and returns the report."""
    path = os.path.join(node.dir, "report.json")
    answer = node.carve("profile", "--json=" + path, *words)
    equal((answer.returncode, answer.stderr), (status, stderr))
    with open(path, encoding="utf-8") as file:
        return json.load(file)["profile"]


def between(value, low, high, what):
    true(low <= value <= high, "%s: %s, wanted %s to %s" % (what, value, low, high))


def check_bursts(usage):
    """As BURSTS says; what lies before and after the command is a part of it, too."""
    equal(usage["memory"]["peak"], 12 * GIB)
    equal(usage["memory"]["biggest"], 12 * GIB)
    equal(usage["processes"], 1)
    between(usage["busy"]["mean"], 22, 34, "busy")
    between(usage["sm"]["mean"], 13, 20, "SMs")
    between(usage["sm"]["peak"], 45, 60.5, "SMs at most")
    between(usage["bandwidth"]["mean"], 8, 14, "bandwidth")
    between(usage["copy_in"]["mean"], 0.22 * 2 * GIB, 0.34 * 2 * GIB, "copies")
    equal(usage["copy_out"]["peak"], 0)
    between(usage["busy"]["busy"]["runs"], 3, 6, "bursts")
    true(usage["busy"]["idle"]["longest"] > 0.3, "a pause")
    equal(usage["failed"], 0)


@claim
def a_job_that_is_busy_in_bursts_on_a_whole_gpu_is_told_as_such():
    with Node("dgx-h100") as node:
        node.start()
        report = report_of(node, "--", *hold(*BURSTS))
        check_bursts(report["usage"])
        equal(report["proposal"]["memory"], 14 * GIB + GIB // 2)
        between(report["proposal"]["compute"], 45, 60, "compute")
        true(not report["proposal"]["is_upper_bound"], "SMs were counted")
        equal((report["share"]["mechanism"], report["product"]), ("whole", "NVIDIA H100 80GB HBM3"))
        node.wait_for(lambda: not node.leases(), "the lease to end")


@claim
def a_mig_share_is_seen_without_its_neighbour_and_its_profile_is_what_the_next_run_gets():
    with Node("dgx-h100") as node:
        node.start()
        apply(node, DYNAMIC)
        node.env["XDG_DATA_HOME"] = node.dir
        neighbour = node.spawn("run", "--profile", "3g.40gb", "--gpu", "0", "--", SIM, "hold", "--memory", "30Gi", "--busy", "95",
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        node.wait_for(lambda: node.get("/v1/gpus/0")["gpu"]["lease"] or node.leases(), "the neighbour")
        report = report_of(node, "--profile", "3g.40gb", "--gpu", "0", "--save", "train", "--", *hold(*BURSTS))
        check_bursts(report["usage"])
        true(not report["usage"]["encoder"]["seen"] and "MIG" in report["usage"]["encoder"]["why"], "no encoders")
        # of three slices of seven
        between(report["proposal"]["compute"], 19, 26, "compute")
        equal(report["proposal"]["request"]["mechanism"], "mig")
        neighbour.kill()
        neighbour.wait()
        answer = node.carve("lease", "--like", "train", "--name", "next", "--json")
        equal((answer.returncode, answer.stderr), (0, ""))
        got = json.loads(answer.stdout)["lease"]["got"][0]
        equal((got["mechanism"], got["profile"]), ("mig", "2g.20gb"))
        true(got["memory"] >= 12 * GIB * 1.2, got)


@claim
def in_an_mps_share_only_the_jobs_own_processes_count():
    needs_fence()
    with Node("dgx-h100") as node:
        node.start()
        words = ["--mechanism", "mps", "--gpu", "0", "--compute", "40%", "--memory"]
        neighbour = node.spawn("run", *words, "30Gi", "--", SIM, "hold", "--memory", "25Gi", "--busy", "90",
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        node.wait_for(lambda: any(p["memory"] == 25 * GIB for p in node.get("/v1/gpus/0")["gpu"]["processes"]) or
                      [lease for lease in node.leases().values() if lease["state"] == "active"], "the neighbour")
        report = report_of(node, *words, "20Gi", "--", *hold("--memory", "6Gi", "--busy", "20", seconds=2))
        usage = report["usage"]
        equal((usage["memory"]["peak"], usage["processes"], usage["failed"]), (6 * GIB, 1, 0))
        between(usage["busy"]["mean"], 12, 21, "busy")
        for kind in ("sm", "bandwidth", "copy_in", "copy_out"):
            true(not usage[kind]["seen"] and "others" in usage[kind]["why"], usage[kind])
        between(report["proposal"]["compute"], 15, 20, "compute, of the GPU")
        true(report["proposal"]["is_upper_bound"], "by the time alone")
        neighbour.kill()
        neighbour.wait()


@claim
def a_gpu_without_counters_says_so_and_makes_no_number_up():
    with Node("h100-l40s") as node:
        node.start()
        report = report_of(node, "--gpu", "1", "--", *hold(*BURSTS))
        usage = report["usage"]
        equal((usage["memory"]["peak"], usage["processes"]), (12 * GIB, 1))
        between(usage["busy"]["mean"], 22, 34, "busy")
        for kind in ("sm", "bandwidth"):
            true(not usage[kind]["seen"] and "Hopper" in usage[kind]["why"], usage[kind])
        true(usage["copy_in"]["seen"] and usage["memory_busy"]["seen"], "what older GPUs tell")
        equal(report["product"], "NVIDIA L40S")


@claim
def memory_is_the_most_of_all_processes_together():
    with Node("dgx-h100") as node:
        node.start()
        one, other = (" ".join(hold("--memory", size, seconds=2)) for size in ("5Gi", "9Gi"))
        usage = report_of(node, "--", "sh", "-c", "%s & %s; wait" % (one, other))["usage"]
        equal((usage["memory"]["peak"], usage["memory"]["biggest"], usage["processes"]), (14 * GIB, 9 * GIB, 2))
        usage = report_of(node, "--", "sh", "-c", "%s; %s" % (one, other))["usage"]
        equal((usage["memory"]["peak"], usage["processes"]), (9 * GIB, 1))


@claim
def a_job_that_dies_at_once_keeps_its_status_and_gets_no_numbers():
    with Node("dgx-h100") as node:
        node.start()
        report = report_of(node, "--", "sh", "-c", "exit 3", status=3)
        true(report["proposal"]["is_short"], report["proposal"])
        equal((report["status"], report["proposal"]["request"], report["proposal"]["compute"]), (3, None, None))
        answer = node.carve("profile", "--", "sh", "-c", "kill -9 $$")
        equal(answer.returncode, -signal.SIGKILL)
        true("too short a run" in answer.stderr and "proposal: none" in answer.stderr, answer.stderr)
        answer = node.carve("profile", "--", "/no/such/program")
        equal(answer.returncode, 127)
        true("profile of" not in answer.stderr, answer.stderr)
        node.wait_for(lambda: not node.leases(), "the leases to end")


def samples(node):
    leases = list(node.leases().values())
    return leases[0]["profile"]["samples"] if leases and leases[0]["profile"] else 0


@claim
def when_carved_is_killed_the_figures_go_on_and_the_gap_is_told():
    with Node("dgx-h100") as node:
        node.start()
        path = os.path.join(node.dir, "report.json")
        child = node.spawn("profile", "--json=" + path, "--", SIM, "hold", "--memory", "7Gi", "--busy", "50", "--time", "9s",
                           stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        # what was written down, which is every two seconds
        node.wait_for(lambda: samples(node) > 25, "figures")
        node.kill()
        time.sleep(1.5)  # nobody looks: that is what the gap is to be
        node.start()
        true(samples(node) > 10, "the figures of before")
        node.wait_for(lambda: samples(node) > 30, "figures to go on")
        stderr = child.communicate(timeout=60)[1]
        equal((child.returncode, stderr), (0, b""))
        with open(path, encoding="utf-8") as file:
            usage = json.load(file)["profile"]["usage"]
        equal((usage["memory"]["peak"], usage["gaps"]), (7 * GIB, 1))
        true(usage["unseen"] >= 1.5, usage["unseen"])
        between(usage["busy"]["mean"], 40, 50.5, "busy")


@claim
def when_carved_is_killed_before_it_wrote_figures_down_they_have_a_gap_and_do_not_begin_later():
    with Node("dgx-h100") as node:
        node.start()
        path = os.path.join(node.dir, "report.json")
        child = node.spawn("profile", "--json=" + path, "--", SIM, "hold", "--memory", "7Gi", "--time", "4s",
                           stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        node.wait_for(lambda: samples(node) > 1, "figures")
        node.kill()
        time.sleep(1.5)  # the gap
        node.start()
        equal((child.communicate(timeout=60)[1], child.returncode), (b"", 0))
        with open(path, encoding="utf-8") as file:
            usage = json.load(file)["profile"]["usage"]
        true(usage["gaps"] >= 1 and usage["unseen"] >= 1.5, usage)


@claim
def a_driver_call_that_hangs_costs_samples_and_not_the_job():
    with Node("dgx-h100", config="driver-timeout: 1s\n") as node:
        node.start()
        path = os.path.join(node.dir, "report.json")
        child = node.spawn("profile", "--json=" + path, "--", SIM, "hold", "--memory", "7Gi", "--busy", "50", "--time", "5s",
                           stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        node.wait_for(lambda: samples(node) > 3, "figures")
        node.sim("inject", "nvmlGpmSampleGet:hang,times=1")
        before = samples(node)
        equal(child.wait(60 * 5), 0)
        with open(path, encoding="utf-8") as file:
            usage = json.load(file)["profile"]["usage"]
        true(usage["failed"] >= 1 and "did not answer" in usage["failed_why"], usage["failed_why"])
        true(usage["samples"] > before, "samples afterwards")
        equal(usage["memory"]["peak"], 7 * GIB)


if __name__ == "__main__":
    run_claims(sys.modules[__name__])
