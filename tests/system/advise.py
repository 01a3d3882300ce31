# SPDX-License-Identifier: Apache-2.0
"""Advice on a simulated node, held against what a lease then really gets."""
import itertools
import json
import sys

from daemon import apply
from node import Node, claim, equal, run_claims, true

STRENGTH = ["nobody", "scheduler", "shim", "mps", "kernel", "hardware"]
DYNAMIC = """version: carve/v1
layouts:
  day:
  - gpus: %s
    mig: [dynamic]
"""
SIZES = ([], ["--memory", "10G"], ["--memory", "5G", "--compute", "20%"], ["--compute", "50%"], ["--memory", "40G"])
TENANTS = (["--tenants", "strangers"], ["--tenants", "same"])
ISOLATIONS = ([], ["--isolation", "memory"], ["--isolation", "fault"], ["--isolation", "security"])


def advise(node, *words):
    answer = node.carve("advise", *words, "--json")
    equal((answer.returncode, answer.stderr), (0, ""))
    return json.loads(answer.stdout)["workloads"][0]["ways"]


def check_lease(node, way, request):
    """A lease by that way's mechanism gets the share that was promised, held by no less."""
    what = "%s for %s" % (way["way"], " ".join(request))
    words = [*request, "--mechanism", way["mechanism"], "--gpu", str(way["share"]["gpu"])]
    answer = node.carve("lease", *words, "--name", "advised", "--no-wait", "--json")
    true(answer.returncode == 0, "%s: %s" % (what, answer.stderr))
    got = node.get("/v1/leases/advised")["lease"]["got"][0]
    equal((got["gpu"], got["mechanism"]), (way["share"]["gpu"], way["mechanism"]))
    true(got["memory"] >= way["share"]["memory"] - (1 << 20), what)
    if way["way"] == "mig":
        equal((got["profile"], got["share"].split("@")[1]), (way["share"]["profile"], str(way["share"]["start"])))
    held = node.get("/v1/shares/%s" % got["share"])["share"]["enforced_by"]
    for part, by in way["enforced_by"].items():
        true(STRENGTH.index(held[part]) >= STRENGTH.index(by), "%s: %s is held by %s" % (what, part, held[part]))
    node.carve("release", "advised", check=True)
    node.wait_for(lambda: not node.get("/v1/leases")["leases"], "the lease to end")


def check_choice(node, ways, request):
    """Left to itself, a lease takes the first way that can be had now, and says why."""
    first = next((way for way in ways if way["verdict"] == "now"), None)
    answer = node.carve("lease", *request, "--name", "chosen", "--no-wait", "--json")
    equal(answer.returncode == 0, first is not None)
    if not first:
        return
    lease = node.get("/v1/leases/chosen")["lease"]
    equal((lease["got"][0]["mechanism"], " ".join(request)), (first["mechanism"], " ".join(request)))
    true(lease["choice"].split("; ")[-1].startswith(first["way"]), lease["choice"])
    node.carve("release", "chosen", check=True)
    node.wait_for(lambda: not node.get("/v1/leases")["leases"], "the lease to end")


def check_node(node):
    checked = 0
    for size, tenants, isolation in itertools.product(SIZES, TENANTS, ISOLATIONS):
        request = [*size, *tenants, *isolation]
        if isolation[-1:] == ["security"] and tenants[-1] == "same":
            continue
        ways = advise(node, *request)
        check_choice(node, ways, request)
        for way in ways:
            if way["verdict"] == "now" and way["way"] in ("mig", "mps", "whole"):
                check_lease(node, way, request)
                checked += 1
    return checked


@claim
def what_advice_says_can_be_had_now_is_what_a_lease_gets():
    with Node("h100-l40s") as node:
        node.start()
        true(check_node(node) > 40)


@claim
def in_mig_mode_too_beside_a_lease_that_is_there():
    with Node("h100-l40s") as node:
        node.start()
        apply(node, DYNAMIC % "[0]")
        node.carve("lease", "--profile", "3g.40gb", "--name", "there", check=True)
        before = node.get("/v1/leases")["leases"]
        checked = 0
        for size, tenants in itertools.product(SIZES[1:3], TENANTS):
            for way in advise(node, *size, *tenants):
                if way["way"] != "mig":
                    continue
                equal(way["verdict"], "now")
                name = node.carve("lease", *size, *tenants, "--mechanism", "mig", "--name", "advised", "--no-wait")
                equal(name.returncode, 0)
                got = node.get("/v1/leases/advised")["lease"]["got"][0]
                equal(got["share"], "0:%s@%d" % (way["share"]["profile"], way["share"]["start"]))
                node.carve("release", "advised", check=True)
                node.wait_for(lambda: len(node.get("/v1/leases")["leases"]) == len(before), "the lease to end")
                checked += 1
        equal(checked, 4)


@claim
def why_a_lease_got_its_mechanism_is_told_everywhere():
    with Node("h100-l40s") as node:
        node.start()
        apply(node, DYNAMIC % "[0]")
        words = ["--memory", "10G", "--tenants", "same", "--workload"]
        node.carve("lease", *words, "interactive", "--name", "bursts", check=True)
        node.carve("lease", *words, "training", "--name", "steady", check=True)
        choice = {name: node.get("/v1/leases/%s" % name)["lease"]["choice"] for name in ("bursts", "steady")}
        true(choice["bursts"].startswith("mps before mig, because of mps: "), choice)
        true(choice["steady"].startswith("mig before mps, because of mps: "), choice)
        listed = node.carve("list", "leases", check=True).stdout
        for name, why in choice.items():
            true(why in listed, listed)
            true(why in " ".join(node.carve("show", name, check=True).stdout.split()), why)
        explained = node.carve("run", *words, "training", "--explain", "--", "true", check=True).stderr
        true("carve: %s\n" % choice["steady"] in explained, explained)
        true("carve: mps: has room too, and ranks lower.\n" in explained, explained)
        node.kill()
        node.start()
        equal({name: node.get("/v1/leases/%s" % name)["lease"]["choice"] for name in choice}, choice)


@claim
def a_workload_that_no_share_serves_is_refused_with_the_reason():
    with Node("h100-l40s") as node:
        node.start()
        apply(node, DYNAMIC % "[0]")
        for words, part in ((["run", "--workload", "vdi", "--memory", "4G", "--", "true"], "a VF is for a virtual machine"),
                            (["run", "--workload", "rendering", "--mechanism", "mig", "--memory", "10G", "--", "true"],
                             "no MIG instance of this node has graphics"),
                            (["run", "--workload", "rendering", "--mechanism", "mps", "--memory", "4G", "--", "true"],
                             "contradict each other"),
                            (["run", "--workload", "gaming", "--", "true"], "none of inference, training")):
            answer = node.carve(*words)
            true(answer.returncode in (64, 125), answer.returncode)
            true(part in answer.stderr and answer.stderr.count("\n") == 1, answer.stderr)
        equal(node.get("/v1/leases")["leases"], [])


@claim
def what_would_have_to_go_is_named():
    with Node("h100-l40s") as node:
        node.start()
        apply(node, DYNAMIC % "[0]")
        lease = node.carve("lease", "--profile", "1g.10gb", "--name", "there", "--json", check=True)
        number = node.get("/v1/leases/there")["lease"]["id"]
        true(lease.returncode == 0)
        whole = next(way for way in advise(node, "--gpu", "0") if way["way"] == "whole")
        equal(whole["verdict"], "after")
        true(whole["disturbs"].startswith(number + " of "), whole["disturbs"])


@claim
def a_virtual_function_beside_others_is_what_a_lease_gets():
    with Node("vgpu") as node:
        node.start()
        for words in (["--vm", "--memory", "12G", "--workload", "rendering"], ["--vm", "--memory", "40G", "--isolation", "memory"]):
            ways = {way["way"]: way for way in advise(node, *words)}
            equal(ways["vf"]["verdict"], "after")
            true("first lease does it" in " ".join(ways["vf"]["first"]), ways["vf"]["first"])
        node.carve("lease", "--vm", "--memory", "12G", "--gpu", "0", "--name", "there", check=True)
        way = next(way for way in advise(node, *words[:1], "--memory", "12G", "--workload", "rendering") if way["way"] == "vf")
        equal((way["verdict"], way["share"]["gpu"], way["share"]["fit"]), ("now", 0, way["share"]["fit_empty"] - 1))
        for number in range(way["share"]["fit"] + 1):
            answer = node.carve("lease", "--vm", "--profile", way["share"]["profile"], "--gpu", "0", "--no-wait", "--name",
                                "advised%d" % number)
            equal(answer.returncode == 0, number < way["share"]["fit"])
        got = node.get("/v1/leases/advised0")["lease"]["got"][0]
        held = node.get("/v1/shares/%s" % got["share"])["share"]
        equal((held["profile"], held["enforced_by"]), (way["share"]["profile"], way["enforced_by"]))


if __name__ == "__main__":
    run_claims(sys.modules[__name__])
