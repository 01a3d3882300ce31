# SPDX-License-Identifier: Apache-2.0
"""carved, or one of its workers, is killed at every driver call of every kind of transaction: the k-th call
that changes something hangs, so that k - 1 are done and this one is not, and there the kill comes. carved is
started again, and then the GPUs are exactly as before or all is done, every job has its share, and nothing
is left over.
"""
import itertools
import os
import subprocess
import sys
import time

from daemon import MIG_ON, apply
from kills import check, check_empty, holders
from node import Node, SIM, claim, equal, needs_fence, run_claims, true

CONFIG = "driver-timeout: 60s\ngrace: 1s\nhealth-interval: 60s\n"
CHANGES = ["nvmlDeviceSetMigMode", "nvmlDeviceCreateGpuInstance*", "nvmlGpuInstanceCreateComputeInstance*",
           "nvmlComputeInstanceDestroy", "nvmlGpuInstanceDestroy"]


def layout(**gpus):
    """layout(_0="[1g.10gb*2]", _1="[]"): a layout file with these instances on these GPUs."""
    rows = "".join("  - gpus: [%s]\n    mig: %s\n" % (gpu[1:], mig) for gpu, mig in gpus.items())
    return "version: carve/v1\nlayouts:\n  x:\n" + rows


def shape(node):
    """All that a kill must not change: modes, instances in their places, compute instances, their names."""
    return [(gpu["mig"], gpu["mig_pending"],
             sorted((i["profile"], i["start"], tuple(sorted((c["profile"], c["uuid"])
                                                            for c in i["compute_instances"])))
                    for i in gpu["gpu_instances"])) for gpu in node.state()["gpus"]]


def struck(node):
    return sum(rule["struck"] for rule in node.state()["inject"])


def is_idle(node):
    return all(gpu["busy"] is None for gpu in node.get("/v1/node")["gpus"])


def hang(node, call, k, gpu=None):
    node.sim("inject", "%s:hang,call=%d%s" % (call, k, "" if gpu is None else ",gpu=%d" % gpu))


def reaches(node, action):
    """Starts the action; True once it hangs, False if it ends before."""
    action()
    node.wait_for(lambda: struck(node) or is_idle(node), "the call to hang, or the action to end")
    return struck(node) > 0


def restart(node):
    node.kill()
    node.sim("inject", "--clear")
    node.start()


def at_every_call(node, action, after, calls=None, step=1):
    """Kills carved before each call of `action` that changes something; after() puts the node back for the next."""
    kills = 0
    for call in calls or CHANGES:
        for k in itertools.count(1, step):
            hang(node, call, k)
            was_reached = reaches(node, action)
            if was_reached:
                restart(node)
                kills += 1
            node.sim("inject", "--clear")
            after(was_reached)
            if not was_reached:
                break
    true(kills > 0, "the action was never reached")


class Job:
    """A job that lives through it all in a share of its own."""

    def __init__(self, node, *arguments):
        self.node = node
        known = set(holders(node))
        self.child = node.spawn("run", *arguments, "--", "sh", "-c", "exec %s hold" % SIM,
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.pid, self.uuid = node.wait_for(
            lambda: [item for item in holders(node).items() if item[0] not in known], "the job to run")[0]

    def check(self):
        equal(holders(self.node).get(self.pid), self.uuid)
        check(self.node)

    def end(self):
        self.child.kill()
        self.child.wait()
        os.kill(self.pid, 9)
        self.node.wait_for(lambda: not self.node.leases(), "the job's lease to end")


def started(machine="dgx-h100", **options):
    node = Node(machine, config=CONFIG, **options)
    node.start()
    return node


@claim
def an_apply_killed_at_any_call_is_put_back_on_all_its_gpus():
    with started() as node:
        apply(node, MIG_ON)
        first = layout(_0="[3g.40gb@4, 2g.20gb@0]", _1="[4g.40gb, 1c.3g.40gb@4, 1c.3g.40gb@4]", _2="[]")
        second = layout(_0="[4g.40gb, 1g.10gb@6]", _1="[1g.10gb@0, 2g.20gb@2]", _2="[7g.80gb]")
        equal(apply(node, first)["operation"]["state"], "done")
        job = Job(node, "--gpu", "3", "--profile", "1g.10gb")
        before = shape(node)

        def after(was_reached):
            job.check()
            if was_reached:
                equal(shape(node), before)
            else:  # nothing was in its way: all is done
                node.wait_for(lambda: is_idle(node), "the apply to end")
                equal(node.post("/v1/plan", {"text": second})["verdict"], "nothing")
                equal(apply(node, first)["operation"]["state"], "done")
                equal(shape(node), before)

        at_every_call(node, lambda: apply(node, second, wait=False), after)
        job.end()


@claim
def a_mode_change_killed_at_any_call_is_put_back():
    with started() as node:
        before = shape(node)
        wanted = layout(_0="[1g.10gb]", _5="[]")

        def after(was_reached):
            if was_reached:
                equal(shape(node), before)
            else:
                equal(shape(node)[5][0], True)
                equal(apply(node, "version: carve/v1\nlayouts:\n  off:\n  - gpus: all\n    mig: off\n")
                      ["operation"]["state"], "done")
                equal(shape(node), before)

        at_every_call(node, lambda: apply(node, wanted, wait=False), after)


@claim
def an_ampere_mode_change_killed_before_in_and_after_its_reset_is_put_back():
    with started("dgx-a100-40", fast=False, options=["--create", "40", "--destroy", "5"]) as node:
        before = shape(node)
        wanted = layout(_1="[1g.5gb*2]")
        seen = set()
        for wait_for in ("turn MIG mode on", "reset the GPU", "create 1g.5gb"):
            apply(node, wanted, wait=False, reset=True)
            seen.add(node.wait_for(lambda: busy(node, 1, wait_for), wait_for))
            restart(node)
            equal(shape(node), before)
        equal(len(seen), 3)
        equal(apply(node, wanted, reset=True)["operation"]["state"], "done")


def busy(node, gpu, text):
    now = node.get("/v1/gpus/%d" % gpu)["gpu"]["busy"]
    return now if now and text in now else None


@claim
def a_lease_killed_at_any_call_of_its_making_comes_about_if_its_requester_lives():
    with started() as node:
        apply(node, MIG_ON)
        job = Job(node, "--gpu", "0", "--profile", "2g.20gb")
        node.lease("cache", gpu="1", profile="2g.20gb")
        node.post("/v1/leases/cache/release")

        def ask():
            node.lease("new", wait_reply=0, gpu="1", profile="7g.80gb")

        def after(was_reached):
            lease = node.wait_for(lambda: [l for l in node.leases().values()
                                           if l["name"] == "new" and l["state"] == "active"], "the lease")[0]
            equal(lease["got"][0]["profile"], "7g.80gb")
            job.check()
            node.post("/v1/leases/new/release")
            # room for the next: the cache as it was
            node.lease("cache", gpu="1", profile="2g.20gb")
            node.post("/v1/leases/cache/release")
            equal(len(node.leases()), 1)

        at_every_call(node, ask, after)
        job.end()


@claim
def a_lease_killed_between_any_two_calls_comes_about_all_the_same():
    with started("a30x2") as node:
        apply(node, MIG_ON, reset=True)

        def after(was_reached):
            lease = node.wait_for(lambda: active(node, "new"), "the lease")
            check(node)
            # all but the leased share is room for the next: taken from the other profile each time
            node.post("/v1/leases/new/release")
            profile[0] = {"4g.24gb": "2g.12gb", "2g.12gb": "4g.24gb"}[lease["got"][0]["profile"]]

        profile = ["4g.24gb"]
        # also those that only look, before and after each that changes something
        at_every_call(node, lambda: node.lease("new", wait_reply=0, gpu="0", profile=profile[0]), after, ["nvml*"], 13)


@claim
def a_lease_killed_with_its_requester_leaves_the_gpu_as_it_was():
    with started() as node:
        apply(node, layout(_0="[dynamic]"))
        node.lease("cache", profile="1g.10gb")
        node.post("/v1/leases/cache/release")
        before = shape(node)
        asking = []

        def ask():
            asking.append(node.spawn("run", "--profile", "7g.80gb", "--gpu", "0", "--", "true"))
            node.wait_for(lambda: struck(node) or asking[-1].poll() is not None, "it to ask")

        for call in CHANGES[1:]:
            hang(node, call, 1)
            true(reaches(node, ask), call)
            node.kill()
            asking[-1].kill()
            asking[-1].wait()
            node.sim("inject", "--clear")
            node.start()
            equal(node.leases(), {})
            equal(shape(node), before)
            check_empty(node)


@claim
def an_undo_killed_at_any_call_is_finished_by_the_next_carved():
    with started() as node:
        apply(node, MIG_ON)
        first = layout(_0="[3g.40gb@4, 2g.20gb@0]")
        apply(node, first)
        before = shape(node)
        second = layout(_0="[4g.40gb, 2g.20gb@4, 1g.10gb@6]")
        for call, k in (("nvmlGpuInstanceDestroy", 3), ("nvmlGpuInstanceDestroy", 4),
                        ("nvmlDeviceCreateGpuInstanceWithPlacement", 4),
                        ("nvmlDeviceCreateGpuInstanceWithPlacement", 5)):
            # the third create fails; what follows is the undo
            node.sim("inject", "nvmlDeviceCreateGpuInstanceWithPlacement:code=UNKNOWN,call=3")
            hang(node, call, k - (call.startswith("nvmlDevice")))
            true(reaches(node, lambda: apply(node, second, wait=False)), "%s %d" % (call, k))
            restart(node)
            equal(shape(node), before)
            check(node)


@claim
def a_recovery_killed_at_any_call_is_finished_by_the_next_carved():
    with started() as node:
        apply(node, MIG_ON)
        apply(node, layout(_0="[3g.40gb@4, 2g.20gb@0]", _1="[1g.10gb@0]"))
        before = shape(node)
        second = layout(_0="[4g.40gb, 2g.20gb@4, 1g.10gb@6]", _1="[7g.80gb]")
        for call in CHANGES[1:]:
            for k in itertools.count(1):
                # killed with all but the last create done, then again while that is taken back
                hang(node, "nvmlDeviceCreateGpuInstanceWithPlacement", 3, gpu=0)
                true(reaches(node, lambda: apply(node, second, wait=False)), "the apply")
                node.wait_for(lambda: busy(node, 1, "waiting"), "GPU 1 to be done")
                node.kill()
                node.sim("inject", "--clear")
                hang(node, call, k)
                node.start(wait=False)
                node.wait_for(lambda: struck(node) or node.answers(), "the recovery to hang or end")
                was_reached = struck(node) > 0
                restart(node)
                equal(shape(node), before)
                check(node)
                if not was_reached:
                    break
            true(k > 1, "%s is a call of the recovery" % call)


@claim
def a_killed_worker_costs_its_step_and_nothing_else():
    with started() as node:
        apply(node, MIG_ON)
        apply(node, layout(_0="[3g.40gb@4, dynamic]", _1="[2g.20gb@0]"))
        job = Job(node, "--gpu", "1", "--profile", "2g.20gb")
        before = shape(node)
        wanted = layout(_0="[4g.40gb]", _2="[7g.80gb]")
        for call in CHANGES[1:]:
            hang(node, call, 1, gpu=0)
            answer = apply(node, wanted, wait=False)
            node.wait_for(lambda: struck(node), call)
            neighbour = node.lease("beside", gpu="3", profile="1g.10gb")
            equal(neighbour["lease"]["state"], "active")
            os.kill(worker(node, 0), 9)
            operation = node.wait_for(lambda: ended(node, answer), "the apply to fail")
            equal(operation["state"], "failed")
            true("everything was put back" in operation["error"], operation)
            node.sim("inject", "--clear")
            node.post("/v1/leases/beside/release")
            equal([gpu for i, gpu in enumerate(shape(node)) if i != 3],
                  [gpu for i, gpu in enumerate(before) if i != 3])
            job.check()
        # a lease's step is tried again elsewhere
        hang(node, "nvmlDeviceCreateGpuInstanceWithPlacement", 1)
        node.lease("again", wait_reply=0, profile="4g.40gb")
        node.wait_for(lambda: struck(node), "the create")
        gpu = [g["index"] for g in node.get("/v1/gpus")["gpus"] if g["busy"]][0]
        os.kill(worker(node, gpu), 9)
        lease = node.wait_for(lambda: active(node, "again"), "the lease")
        true(lease["got"][0]["gpu"] != gpu, "another GPU's")
        node.sim("inject", "--clear")
        node.post("/v1/leases/again/release")
        job.check()
        job.end()


def ended(node, answer):
    operation = node.get("/v1/operations/%s" % answer["operation"]["id"])["operation"]
    return operation if operation["state"] != "running" else None


def active(node, name):
    lease = node.get("/v1/leases/%s" % name)["lease"]
    return lease if lease["state"] == "active" else None


def worker(node, gpu):
    """The pid of carved's worker for a GPU."""
    pci = node.get("/v1/gpus/%d" % gpu)["gpu"]["pci"]
    children = subprocess.run(["pgrep", "-P", str(node.carved.pid), "-f", "--", "--worker %s" % pci],
                              stdout=subprocess.PIPE, universal_newlines=True, check=True)
    return int(children.stdout.split()[0])


@claim
def a_gpu_that_hangs_when_carved_comes_back_keeps_its_leases():
    with Node("dgx-h100", config="driver-timeout: 1s\nhealth-interval: 300ms\n") as node:
        node.start()
        apply(node, MIG_ON)
        job = Job(node, "--gpu", "0", "--profile", "2g.20gb")
        node.kill()
        node.sim("inject", "nvmlDeviceGetMigMode:hang,times=all,gpu=0")
        node.start()
        equal(node.get("/v1/gpus/0")["gpu"]["health"], "lost")
        equal([l["state"] for l in node.leases().values()], ["active"])
        equal(node.lease("beside", profile="1g.10gb")["lease"]["got"][0]["gpu"] != 0, True)
        node.post("/v1/leases/beside/release")
        node.sim("inject", "--clear")
        node.wait_for(lambda: node.get("/v1/gpus/0")["gpu"]["health"] == "healthy", "GPU 0 to be back")
        true(node.get("/v1/gpus/0")["gpu"]["managed"], "it is managed")
        job.check()
        job.end()


@claim
def a_gpu_that_cannot_be_put_back_is_marked_until_somebody_has_looked():
    with started("h200") as node:
        apply(node, MIG_ON)
        node.sim("inject", "nvmlGpuInstanceCreateComputeInstance*:code=UNKNOWN,times=all")
        node.sim("inject", "nvmlGpuInstanceDestroy:code=IN_USE,times=all")
        operation = apply(node, layout(_0="[2g.35gb@0]"))["operation"]
        equal(operation["state"], "failed")
        true("broken" in operation["error"], operation)
        for _ in range(2):
            gpu = node.get("/v1/gpus/0")["gpu"]
            equal(gpu["health"], "broken")
            true(gpu["health_text"], "it says why")
            true(node.lease("a", wait=0).status in (422, 503), "no placement")
            restart(node)
        node.post("/v1/gpus/0/manage")
        equal(node.get("/v1/gpus/0")["gpu"]["health"], "healthy")
        # what could not be removed then is ours, and goes when its room is needed
        answer = node.lease("b", profile="7g.141gb")
        equal((answer.status, answer), (201, answer))


@claim
def a_job_killed_between_fork_and_its_first_instruction_gives_its_share_back():
    needs_fence()
    with started() as node:
        apply(node, MIG_ON)
        for kill_carved in (False, True):
            lease = node.post("/v1/leases", {"request": {"profile": "1g.10gb"},
                                             "holder": {"kind": "run"}})["lease"]
            equal(lease["fenced"], True)
            if kill_carved:
                restart(node)
                equal([l["state"] for l in node.leases().values()], ["active"])  # we, who asked, live
            # a child in the cgroup that never comes to its exec
            child = subprocess.Popen(["sleep", "100"], preexec_fn=lambda: enter(lease))
            if kill_carved:
                restart(node)
            child.kill()
            child.wait()
            node.wait_for(lambda: not node.leases(), "the lease to end with its only process")
            true(not os.path.exists(lease["holder"]["cgroup_dir"]), "its cgroup is gone")


def enter(lease):
    with open(os.path.join(lease["holder"]["cgroup_dir"], "cgroup.procs"), "w", encoding="ascii") as file:
        file.write("0")


@claim
def a_lease_killed_while_releasing_goes_on_releasing():
    needs_fence()
    with started() as node:
        apply(node, MIG_ON)
        # deaf to SIGTERM: only the end of the grace ends it, also with the next carved
        deaf = os.path.join(node.dir, "deaf")
        child = node.spawn("run", "--profile", "1g.10gb", "--", "sh", "-c",
                           "trap '' TERM; touch %s; while :; do sleep 1; done" % deaf)
        node.wait_for(lambda: os.path.exists(deaf), "the job")
        lease = [l for l in node.leases().values() if l["state"] == "active"][0]
        subprocess.Popen(["curl", "-s", "-o", os.devnull, "--unix-socket", node.socket, "-X", "POST",
                          "-d", '{"grace": 30}', "http://carve/v1/leases/%s/release" % lease["id"]])
        node.wait_for(lambda: node.leases()[lease["id"]]["state"] == "releasing", "it to release")
        restart(node)
        node.wait_for(lambda: not node.leases(), "the lease to end after the grace of the configuration")
        child.wait()
        check_empty(node)


NOTHING = "version: carve/v1\nlayouts:\n  none:\n  - gpus: all\n    mig: []\n"


def being_made(node, rule):
    """carve, and its lease while it is made: where that was missed, again."""
    for _ in range(20):
        node.sim("inject", rule)
        child = node.spawn("run", "--profile", "7g.80gb", "--", "true", stderr=subprocess.DEVNULL)
        while child.poll() is None:
            for lease in node.leases().values():
                if lease["state"] == "placed":
                    return child, lease
            time.sleep(0.02)
        node.sim("inject", "--clear")
        apply(node, NOTHING)
    raise AssertionError("no lease is seen while it is made")


@claim
def a_lease_that_is_given_up_while_it_is_made_ends_when_its_steps_have_ended():
    with started() as node:
        apply(node, MIG_ON)
        call = "nvmlDeviceCreateGpuInstanceWithPlacement"
        for end, then in itertools.product(("kill", "release"), ("", ",code=UNKNOWN")):
            # late by a while, then done or failed
            child, lease = being_made(node, "%s:delay=300ms%s" % (call, then))
            if end == "kill":
                child.kill()
            else:
                node.post("/v1/leases/%s/release" % lease["id"])
            child.wait()
            node.wait_for(lambda: not node.leases(), "the lease to end")
            equal(node.carved.poll(), None)
            check_empty(node)
            check(node)
            apply(node, NOTHING)


@claim
def a_released_lease_that_was_being_made_is_not_made_after_a_kill():
    with started() as node:
        apply(node, MIG_ON)
        before = shape(node)
        hang(node, "nvmlDeviceCreateGpuInstanceWithPlacement", 1)
        node.lease("gone", wait_reply=0, profile="1g.10gb")
        node.wait_for(lambda: struck(node), "the create")
        node.post("/v1/leases/gone/release")
        restart(node)
        equal(node.leases(), {})
        equal(shape(node), before)


if __name__ == "__main__":
    run_claims(sys.modules[__name__])
