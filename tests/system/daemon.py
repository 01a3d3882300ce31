# SPDX-License-Identifier: Apache-2.0
"""carved over its API: layouts, leases, the queue, permissions, failures, bad input."""
import fcntl
import os
import socket
import subprocess
import sys
import time

from node import CARVED, Node, SIM, Skip, UnixConnection, claim, equal, is_root, needs_fence, run_claims, true

MIG_ON = "version: carve/v1\nlayouts:\n  on:\n  - gpus: all\n    mig: [dynamic]\n"


def apply(node, text, wait=True, **options):
    answer = node.post("/v1/apply", dict({"file": "test.yaml", "text": text}, **options))
    if answer.status != 202 or not wait:
        return answer
    path = "/v1/operations/%s?wait=10" % answer["operation"]["id"]
    return node.wait_for(lambda: done(node.get(path)), "the apply to end", 60)


def done(answer):
    return answer if answer["operation"]["state"] != "running" else None


def started(machine="dgx-h100", **options):
    node = Node(machine, **options)
    node.start()
    return node


@claim
def a_layout_is_planned_applied_exported_and_then_nothing_is_left_to_do():
    with started() as node:
        text = "version: carve/v1\nlayouts:\n  day:\n  - gpus: [0, 1]\n    mig: [3g.40gb@4, 2g.20gb@0, 1g.10gb*2]\n"
        plan = node.post("/v1/plan", {"text": text})
        equal(plan["verdict"], "changes")
        equal(apply(node, text)["operation"]["state"], "done")
        equal(node.post("/v1/plan", {"text": text})["verdict"], "nothing")
        export = node.get("/v1/layout")["layout"]
        equal(node.post("/v1/plan", {"text": export})["verdict"], "nothing")
        there = [(i["profile"], i["start"]) for i in node.state()["gpus"][0]["gpu_instances"]]
        true(("3g.40gb", 4) in there and ("2g.20gb", 0) in there, there)
        equal(len(there), 4)


@claim
def a_failed_step_puts_everything_back_at_its_former_place():
    with started() as node:
        first = "version: carve/v1\nlayouts:\n  a:\n  - gpus: all\n    mig: [3g.40gb@0, 1g.10gb@5]\n"
        second = "version: carve/v1\nlayouts:\n  b:\n  - gpus: all\n    mig: [4g.40gb, 2g.20gb@4]\n"
        equal(apply(node, first)["operation"]["state"], "done")
        before = [gpu["gpu_instances"] for gpu in node.state()["gpus"]]
        for call in (1, 7, 12, 16):
            node.sim("inject", "nvmlDeviceCreateGpuInstanceWithPlacement:code=UNKNOWN,call=%d" % call)
            answer = apply(node, second)
            equal(answer["operation"]["state"], "failed")
            true("put back" in answer["operation"]["error"], answer)
            node.sim("inject", "--clear")
            equal([gpu["gpu_instances"] for gpu in node.state()["gpus"]], before)


@claim
def an_apply_waits_for_what_is_just_being_changed():
    text = "version: carve/v1\nlayouts:\n  x:\n  - gpus: [0]\n    mig: [%s]\n"
    with started(fast=False, options=["--create", "200", "--destroy", "50"]) as node:
        first = apply(node, text % "1g.10gb*2", wait=False)
        second = apply(node, text % "2g.20gb", wait=False)
        equal((first.status, second.status), (202, 202))
        for answer in (first, second):
            path = "/v1/operations/%s?wait=10" % answer["operation"]["id"]
            equal(node.wait_for(lambda: done(node.get(path)), "the apply to end", 60)["operation"]["state"], "done")
        equal([s["profile"] for s in node.get("/v1/shares")["shares"] if s["mechanism"] == "mig"], ["2g.20gb"])


@claim
def a_request_gets_the_smallest_share_that_serves_it_and_is_told_what_it_got():
    with started() as node:
        apply(node, MIG_ON)
        lease = node.lease("a", memory="10G")["lease"]
        equal((lease["state"], lease["got"][0]["profile"]), ("active", "1g.10gb"))
        lease = node.lease("b", compute=25)["lease"]
        equal(lease["got"][0]["profile"], "2g.20gb")
        equal(node.post("/v1/leases/a/release")["lease"]["state"], "ended")
        again = node.lease("c", memory="10G")["lease"]
        true(again["waited"] < 5, "an idle instance is kept as a cache")
        equal(again["got"][0]["uuid"], [s for s in node.get("/v1/shares")["shares"] if s["lease"] == again["id"]][0]["uuid"])


@claim
def who_waits_is_told_for_what_and_gets_it_when_it_is_free():
    with started("h200") as node:
        apply(node, MIG_ON)
        node.lease("big", profile="7g.141gb")
        waiting = node.lease("next", wait_reply=0, profile="1g.18gb")
        equal((waiting.status, waiting["lease"]["state"], waiting["lease"]["queue_position"]), (202, "queued", 1))
        true(waiting["lease"]["waits_for"], "it says for what")
        equal(node.lease("now", profile="1g.18gb", wait=0).status, 503)
        node.post("/v1/leases/big/release")
        node.wait_for(lambda: node.get("/v1/leases/next")["lease"]["state"] == "active", "its turn")


@claim
def a_big_request_is_not_overtaken_for_ever_though_one_before_it_cannot_be_helped():
    with started() as node:
        apply(node, MIG_ON)
        node.lease("small", profile="1g.10gb", gpu="1")
        node.post("/v1/gpus/0/drain")
        node.lease("stuck", wait_reply=0, profile="1g.10gb", gpu="0")
        node.lease("big", wait_reply=0, profile="7g.80gb", gpu="1")

        def refused():
            answer = node.lease("other", profile="1g.10gb", gpu="1", wait=0)
            if answer.status == 503:
                return answer
            node.post("/v1/leases/other/release")
            return None
        true("kept" in node.wait_for(refused, "GPU 1 to be kept", 30)["error"]["message"], "it says so")
        node.post("/v1/leases/small/release")
        node.wait_for(lambda: node.get("/v1/leases/big")["lease"]["state"] == "active", "its turn")


@claim
def who_stands_behind_one_that_gives_up_moves_up():
    with started("h200") as node:
        node.lease("all")
        for name, position in (("first", 1), ("second", 2)):
            equal(node.lease(name, wait_reply=0)["lease"]["queue_position"], position)
        node.post("/v1/leases/first/release")
        equal(node.get("/v1/leases/second")["lease"]["queue_position"], 1)


@claim
def many_that_wait_alike_get_their_turns_in_order_and_a_kill_changes_nothing_of_that():
    with started("h200") as node:
        apply(node, MIG_ON)
        for number in range(7):
            node.lease("held%d" % number, profile="1g.18gb")
        for number in range(30):
            equal(node.lease("next%d" % number, wait_reply=0, profile="1g.18gb").status, 202)
        equal([node.get("/v1/leases/next%d" % n)["lease"]["queue_position"] for n in (0, 1, 29)], [1, 2, 30])
        # one that asks for more than is free, and one that goes first
        equal(node.lease("more", wait_reply=0, profile="2g.35gb").status, 202)
        first = node.lease("first", wait_reply=0, profile="1g.18gb", priority=5)
        equal(first["lease"]["queue_position"], 1)
        equal(node.get("/v1/leases/next0")["lease"]["queue_position"], 2)
        node.kill()
        node.start()
        equal(node.get("/v1/health")["queue"], 32)
        for number, turn in enumerate(("first", "next0", "next1")):
            node.post("/v1/leases/held%d/release" % number)
            node.wait_for(lambda name=turn: node.get("/v1/leases/%s" % name)["lease"]["state"] == "active", turn)
        equal(node.get("/v1/leases/next2")["lease"]["queue_position"], 1)


@claim
def bad_input_is_answered_in_one_sentence_and_changes_nothing():
    with started() as node:
        before = node.state()["gpus"]
        for status, body in (
                (400, {"request": {"memroy": "10G"}, "holder": {"kind": "name", "name": "x"}}),
                (400, {"request": {"memory": "lots"}, "holder": {"kind": "name", "name": "x"}}),
                (400, {"request": {}, "holder": {"kind": "ghost"}}),
                (400, {"request": {}, "holder": {"kind": "pid"}}),
                (400, {"request": {}, "holder": {"kind": "name", "name": "a/b"}}),
                (400, {"request": [], "holder": {"kind": "name", "name": "x"}}),
                (422, {"request": {"memory": "900G"}, "holder": {"kind": "name", "name": "x"}}),
                (400, {"request": {"profile": "9g.1gb"}, "holder": {"kind": "name", "name": "x"}}),
                (422, {"request": {"profile": "5g.40gb"}, "holder": {"kind": "name", "name": "x"}})):
            answer = node.post("/v1/leases", body)
            equal((body, answer.status), (body, status))
            true(len(answer["error"]["message"]) > 10, answer)
        equal(node.get("/v1/nothing").status, 404)
        equal(node.get("/v1/leases/L99").status, 404)
        answer = node.post("/v1/plan", {"file": "day.yaml", "text": "version: carve/v1\nlayouts: [\n"})
        true(answer.status == 400 and "day.yaml:" in answer["error"]["message"], answer)
        connection = UnixConnection(node.socket, 10)
        connection.request("POST", "/v1/leases", "{" * 100)
        equal(connection.getresponse().status, 400)
        connection.close()
        connection = UnixConnection(node.socket, 10)
        connection.request("POST", "/v1/leases", "x" * (2 << 20))
        equal(connection.getresponse().status, 413)
        connection.close()
        equal(node.state()["gpus"], before)


@claim
def a_thousand_idle_connections_do_not_keep_others_out():
    with started() as node:
        idle = []
        for _ in range(1000):
            one = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            one.connect(node.socket)
            idle.append(one)
        equal(node.get("/v1/health")["status"], "ok")
        for one in idle:
            one.close()


@claim
def a_lease_on_another_gpu_completes_while_a_driver_call_is_blocked():
    with started(config="driver-timeout: 60s\n") as node:
        apply(node, MIG_ON)
        node.sim("inject", "nvmlDeviceCreateGpuInstanceWithPlacement:hang,times=all,gpu=0")
        blocked = node.post("/v1/leases", {"request": {"profile": "1g.10gb", "gpu": "0"}, "wait_reply": 0,
                                           "holder": {"kind": "name", "name": "blocked"}})
        true(blocked.status in (201, 202), blocked)
        other = node.post("/v1/leases", {"request": {"profile": "1g.10gb", "gpu": "1"},
                                         "holder": {"kind": "name", "name": "other"}})
        equal(other["lease"]["state"], "active")
        equal(node.get("/v1/leases/blocked")["lease"]["state"], "placed")
        node.sim("inject", "--clear")


@claim
def a_lease_that_is_given_up_while_it_is_prepared_ends_and_one_that_no_gpu_can_make_fails():
    with started("h200", fast=False, options=["--create", "300"]) as node:
        apply(node, MIG_ON)
        equal(node.lease("early", wait_reply=0, profile="1g.18gb")["lease"]["state"], "placed")
        node.post("/v1/leases/early/release")
        node.wait_for(lambda: not node.leases(), "the lease that was given up to end")
        apply(node, "version: carve/v1\nlayouts:\n  none:\n  - gpus: all\n    mig: []\n")
        node.sim("inject", "nvmlDeviceCreateGpuInstanceWithPlacement:code=UNKNOWN,times=all")
        for name in ("a", "b"):
            answer = node.lease(name, wait_reply=0 if name == "a" else 30, profile="1g.18gb")
            equal((name, answer.status), (name, 202 if name == "a" else 502))
            if name == "a":
                equal(answer["lease"]["state"], "placed")
                node.post("/v1/leases/a/release")
                node.wait_for(lambda: not node.leases(), "the lease to end")


@claim
def quotas_hold_and_say_what_is_left():
    with started(config="quotas:\n- default: true\n  leases: 2\n") as node:
        equal(node.lease("a").status, 201)
        equal(node.lease("b").status, 201)
        answer = node.lease("c")
        equal((answer.status, answer["error"]["code"]), (429, "quota"))
        node.post("/v1/leases/a/release")
        equal(node.lease("c").status, 201)


@claim
def a_bad_configuration_is_refused_whole_and_a_good_one_taken_up():
    with started(config="quotas:\n- default: true\n  leases: 1\n") as node:
        with open(node.config_path, "w", encoding="utf-8") as file:
            file.write("quotas:\n- default: true\n  leases: 5\nunleashed: deny\n")
        answer = node.post("/v1/reload")
        true(answer.status == 400 and "carved.yaml:4:" in answer["error"]["message"], answer)
        equal(node.lease("a").status, 201)
        equal(node.lease("b").status, 429)
        with open(node.config_path, "w", encoding="utf-8") as file:
            file.write("quotas:\n- default: true\n  leases: 2\n")
        equal(node.post("/v1/reload").status, 200)
        equal(node.lease("b").status, 201)


@claim
def only_administrators_change_gpus_and_only_owners_release():
    if not is_root():
        raise Skip("becoming another user takes root")
    with started() as node:
        node.lease("a")
        def as_nobody(method, path):
            out = subprocess.run(["curl", "-s", "-o", os.devnull, "-w", "%{http_code}", "--unix-socket", node.socket,
                                  "-X", method, "http://carve" + path], user=65534, group=65534, extra_groups=[],
                                 stdout=subprocess.PIPE, universal_newlines=True, check=False, cwd="/")
            return int(out.stdout)
        for path in ("/v1/leases/a/release", "/v1/gpus/0/manage", "/v1/apply", "/v1/reload", "/v1/gpus/0/drain",
                     "/v1/driver/drain"):
            equal((path, as_nobody("POST", path)), (path, 403))
        equal(as_nobody("GET", "/v1/node"), 200)


@claim
def no_lease_gets_the_number_of_one_before_it_however_those_ended():
    with started() as node:
        ids = [node.lease(name)["lease"]["id"] for name in ("a", "b", "c")]
        for name in ("c", "a", "b"):
            node.post("/v1/leases/%s/release" % name, {})
        node.wait_for(lambda: not node.leases(), "all leases to end")
        node.kill()
        node.start()
        true(node.lease("d")["lease"]["id"] not in ids, ids)


@claim
def a_lost_gpu_gets_no_leases_until_it_is_back():
    with started("h200", config="health-interval: 200ms\n") as node:
        node.sim("lose", "0")
        node.wait_for(lambda: node.get("/v1/gpus/0")["gpu"]["health"] == "lost", "the loss to be seen")
        true(node.lease("a", wait=0).status in (422, 503), "no placement")
        node.sim("recover", "0")
        node.wait_for(lambda: node.get("/v1/gpus/0")["gpu"]["health"] == "healthy", "it to be back")
        equal(node.lease("b").status, 201)


@claim
def two_daemons_exclude_each_other_on_one_node():
    with started() as node:
        second = subprocess.run([CARVED, "--config", node.config_path], env=node.env, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, universal_newlines=True, timeout=20, check=False)
        equal(second.returncode, 1)
        true("carved" in second.stdout, second.stdout)


@claim
def what_is_left_of_a_killed_daemon_does_not_keep_the_next_one_out():
    """A child of its that has not come to its exec has the lock too."""
    with Node("dgx-h100") as node:
        path = os.path.join(node.env["CARVE_SYSTEM_ROOT"], "dev")
        read, write = os.pipe()
        former = os.fork()
        if former == 0:
            lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
            fcntl.flock(lock, fcntl.LOCK_EX)
            if os.fork() == 0:
                os.write(write, b"x")
                time.sleep(0.5)
            os._exit(0)
        os.waitpid(former, 0)
        os.read(read, 1)
        node.start()
        os.close(read)
        os.close(write)


@claim
def a_job_runs_fenced_in_its_share_and_gives_it_back_however_it_ends():
    needs_fence()
    with started() as node:
        apply(node, MIG_ON)
        out = node.carve("run", "--profile", "1g.10gb", "--", SIM, "hold", "--time", "10ms")
        equal(out.returncode, 0)
        # on a machine that is busy it says what it waits for
        true(out.stderr in ("", "carve: preparing 1g.10gb\n"), out.stderr)
        equal(node.carve("run", "--profile", "1g.10gb", "--", "sh", "-c", "exit 7").returncode, 7)
        equal(node.get("/v1/leases")["leases"], [])
        inside = node.carve("run", "--profile", "1g.10gb", "--", SIM, "hold", "--device", "1", "--time", "10ms")
        true(inside.returncode != 0, "another GPU's node cannot be opened from within")
        begun = os.path.join(node.dir, "begun")
        child = node.spawn("run", "--profile", "2g.20gb", "--", "sh", "-c", "touch %s; exec sleep 100" % begun)
        node.wait_for(lambda: os.path.exists(begun), "the job to run")
        child.kill()
        child.wait()
        equal(len(node.leases()), 1)  # carve is dead, its job lives and keeps the share
        node.post("/v1/leases/%s/release" % list(node.leases())[0], {"grace": 0})
        node.wait_for(lambda: not node.leases(), "the lease to end")


if __name__ == "__main__":
    run_claims(sys.modules[__name__])
