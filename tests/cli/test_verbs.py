#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The verbs beside list, show and run, and what is typed wrongly."""
import json
import os
import signal
import subprocess
import threading
import time

import claims
import fake
import machines
from claims import contains, lacks, same


def verbs(t):
    """Name and summary of each, from the overview."""
    lines = t.carve("help").stdout.split("\n\n")[2].split("\n")
    return dict(line.strip().split(None, 1) for line in lines)


def claim_every_verb_explains_itself_within_100_columns(t):
    found = verbs(t)
    assert len(found) >= 18, found
    for verb in found:
        r = t.carve(verb, "--help")
        same((r.returncode, r.stderr), (0, ""), verb)
        same(r.stdout, t.carve("help", verb).stdout)
        for part in ("usage: carve " + verb, "options:", "--help"):
            contains(r.stdout, part)
        same([x for x in r.stdout.split("\n") if len(x) > 100], [], verb)
    same([x for x in t.carve("help").stdout.split("\n") if len(x) > 100], [])


def claim_help_and_version_are_found_in_every_spelling(t):
    for args in (("--help",), ("-h",), ("help",)):
        same(t.carve(*args).returncode, 0)
    same(t.carve("--version").stdout, t.carve("version").stdout)
    same(t.carve().returncode, 64)
    same(t.carve("help", "nonsense").returncode, 64)


def claim_what_is_mistyped_is_64_and_says_what_was_meant(t):
    for args, meant in ((("lst",), "'list'"), (("releese", "L1"), "'release'"), (("list", "--jsn"), "--json"),
                        (("run", "--memry", "1G", "true"), "--memory"), (("show",), "carve show ID"),
                        (("list", "gpus", "more"), "'more'"), (("lease", "--memory"), "--memory SIZE"),
                        (("list", "--json=x"), "takes no value"), (("list", "-x"), "--help"),
                        (("run", "--memory", "lots", "true"), "--memory: 'lots' is not a size"),
                        (("run", "--wait", "--no-wait", "true"), "wait"), (("completion", "csh"), "bash, zsh and fish"),
                        (("export", "x"), "'x'"), (("extend", "L1"), "--for 2h"), (("drain",), "--driver"),
                        (("drain", "0", "--driver"), "--driver"), (("undrain",), "--driver"),
                        (("lease",), "--name"), (("lease", "--pid", "0"), "'0'"),
                        (("lease", "--pid", "1", "--cgroup", "/a"), "not both"), (("release", "L1", "--grace", "x"), "'x'")):
        r = t.carve(*args)
        same(r.returncode, 64, f"{args}: {r.stderr}")
        contains(r.stderr, meant)
        same(r.stderr.count("\n"), 1)
    same(t.fake.seen, [])


def claim_no_daemon_says_how_to_start_one(t):
    t.fake.stop()
    for gone in (False, True):
        if gone:
            os.unlink(t.socket)
        r = t.carve("list")
        same(r.returncode, 1)
        contains(r.stderr, "systemctl start carved")
        same(t.carve("run", "true").returncode, 125)


def claim_a_pipe_that_closes_is_no_error(t):
    t.serve(machines.busy_node("dgx-h100").copy())
    r = subprocess.run(f"{t.program} list | head -1", shell=True, env=t.env, capture_output=True, text=True)
    same(r.stderr, "")
    if os.path.exists("/dev/full"):
        r = subprocess.run(f"{t.program} list > /dev/full", shell=True, env=t.env, capture_output=True, text=True)
        same(r.returncode, 1)
        contains(r.stderr, "cannot write")


def claim_a_lease_prints_its_environment(t):
    lease = t.lease()
    r = t.carve("lease", "--memory", "10G", "--name", "web1", "--for", "4h")
    same(r.stdout, f"CARVE_LEASE=L1\nCUDA_VISIBLE_DEVICES={lease['got'][0]['uuid']}\n")
    body = t.posts("/v1/leases")[0]
    same(body["holder"], {"kind": "name", "name": "web1"})
    same(body["request"]["time"], 4 * 3600)
    same(json.loads(t.carve("lease", "--name", "x", "--json").stdout), {"version": 1, "lease": lease})
    t.carve("lease", "--pid", "4711")
    same(t.posts("/v1/leases")[2]["holder"], {"kind": "pid", "pid": 4711})
    t.carve("lease", "--cgroup", "/machine.slice/x", "--name", "y")
    same(t.posts("/v1/leases")[3]["holder"], {"kind": "cgroup", "cgroup": "/machine.slice/x", "name": "y"})


def claim_a_lease_that_waited_too_long_is_124(t):
    t.fake.answers["POST /v1/leases"] = fake.refuse(504, "waited 1 s")
    same(t.carve("lease", "--name", "a", "--wait=1s").returncode, 124)
    t.fake.answers["POST /v1/leases"] = fake.refuse(503, "nothing is free")
    same(t.carve("lease", "--name", "a", "--no-wait").returncode, 1)


def claim_leases_are_extended_and_released(t):
    t.lease(ends=time.time() + 7200)
    contains(t.carve("extend", "L1", "--for", "2h").stdout, "L1 ends in 2 h.")
    same(t.posts("/extend"), [{"time": 7200.0}])
    same(t.carve("release", "L1", "--grace", "5s").stdout, "L1 is ended.\n")
    same(t.posts("/release"), [{"grace": 5.0}])
    r = t.carve("release", "L1", "L9")
    same(r.returncode, 1)
    contains(r.stderr, "/v1/leases/L9/release")


def claim_gpus_are_managed_and_say_what_is_foreign(t):
    node = machines.Node("dgx-h100")
    node.instance(0, "3g.40gb", 0, "foreign")
    gpu = {"version": 1, "gpu": node.json["gpus"][0]}
    t.fake.answers["POST /v1/gpus/0/manage"] = gpu
    r = t.carve("manage", "0")
    contains(r.stdout, "GPU 0 is managed")
    contains(r.stdout, "1 instance was there already")
    t.fake.answers["POST /v1/gpus/0/manage"] = fake.refuse(403, "only root and the group carve manage GPUs")
    r = t.carve("manage", "0")
    same((r.returncode, r.stderr), (1, "carve: only root and the group carve manage GPUs\n"))


def operation(state="running", done=0, text="", error=None, plan=None):
    return {"version": 1, "operation": {"id": "A1", "state": state, "steps_done": done, "steps": 2, "text": text,
                                        "error": error, "plan": plan or {}}}


def serve_operation(t, path, *later, plan=None):
    left = list(later)
    t.fake.answers[path] = (202, operation(plan=plan))
    t.fake.answers["GET /v1/operations/A1"] = lambda request: left.pop(0)


def claim_unmanage_puts_back_and_says_so(t):
    serve_operation(t, "POST /v1/gpus/1/unmanage", operation("running", 1, "GPU 1: destroy 1g.10gb@0"), operation("done", 2, "done"))
    r = t.carve("unmanage", "1")
    same(r.returncode, 0, r.stderr)
    contains(r.stdout, "1/2  GPU 1: destroy 1g.10gb@0")
    contains(r.stdout, "as it was before")
    same(t.posts("/unmanage"), [{"keep": False, "reset": False}])
    t.fake.answers["POST /v1/gpus/1/unmanage"] = {"version": 1, "gpu": {"index": 1}}
    lacks(t.carve("unmanage", "1", "--keep").stdout, "before")
    same(t.posts("/unmanage")[1], {"keep": True, "reset": False})


def claim_shares_are_adopted(t):
    t.fake.answers["POST /v1/shares/0:3g.40gb@4/adopt"] = {"version": 1, "gpu": {}}
    contains(t.carve("adopt", "0:3g.40gb@4").stdout, "0:3g.40gb@4 is Carve's now")


def claim_a_drain_waits_until_no_lease_is_left(t):
    answers = [(202, "L3 (alice), L4 (bob)"), (202, "L4 (bob)"), (202, "L4 (bob)"), (200, "")]

    def drain(request):
        status, waits_for = answers.pop(0)
        return status, {"version": 1, "gpu": {"index": 3}, "waits_for": waits_for}

    t.fake.answers["POST /v1/gpus/3/drain"] = drain
    r = t.carve("drain", "3")
    same(r.stdout, "No new leases; waiting for L3 (alice), L4 (bob).\nNo new leases; waiting for L4 (bob).\n"
                   "GPU 3 is drained: it gets no new leases and has none.\n")
    answers[:] = [(202, "L4 (bob)")]
    same(t.carve("drain", "3", "--no-wait").stdout, "No new leases; waiting for L4 (bob).\n")
    t.fake.answers["POST /v1/driver/drain"] = {"version": 1, "waits_for": ""}
    contains(t.carve("drain", "--driver").stdout, "let go of the driver")
    t.fake.answers["POST /v1/gpus/3/undrain"] = {"version": 1, "gpu": {}}
    t.fake.answers["POST /v1/driver/undrain"] = {"version": 1}
    same(t.carve("undrain", "3").returncode, 0)
    same(t.carve("undrain", "--driver").returncode, 0)


PLAN = {
    "version": 1, "verdict": "changes", "needs_reset": False,
    "steps": [{"gpu": 0, "kind": "destroy", "text": "destroy 1g.10gb@6"}, {"gpu": 0, "kind": "create", "text": "create 3g.40gb@4"},
              {"gpu": 1, "kind": "mode-on", "text": "turn MIG mode on"}],
    "kept": [{"share": "0:1g.10gb@0", "why": "in use"}, {"share": "0:1g.10gb@1", "why": "wanted"}, {"share": "0:1g.10gb@2", "why": "in use"}],
    "pins": [{"share": "0:1g.10gb@1", "origin": "pinned"}], "blockers": [],
}
BLOCKER = {"gpu": 0, "share": "0:1g.10gb@6", "text": "0:1g.10gb@6 must go to make room for 3g.40gb", "lease": "L3", "foreign": False,
           "processes": [{"pid": 4711, "user": "alice", "command": "python train.py", "service": "jupyter.service"}]}


def layout(t, text="version: carve/v1\n"):
    path = os.path.join(t.dir, "day.yaml")
    open(path, "w").write(text)
    return path


def claim_a_plan_is_shown_with_what_stays_and_its_status(t):
    t.fake.answers["POST /v1/plan"] = PLAN
    path = layout(t)
    r = t.carve("plan", path, "--layout", "day")
    same(r.returncode, 2)
    same(r.stdout, "GPU 0\n  - destroy 1g.10gb@6\n  + create 3g.40gb@4\nGPU 1\n  * turn MIG mode on\n"
                   "Without touching the hardware\n  * 0:1g.10gb@1 becomes pinned\n"
                   "Left alone\n  = in use: 0:1g.10gb@0 0:1g.10gb@2\n  = wanted: 0:1g.10gb@1\n3 steps.\n")
    same(t.posts("/plan")[0], {"file": path, "text": "version: carve/v1\n", "layout": "day", "reset": False})
    t.fake.answers["POST /v1/plan"] = PLAN | {"verdict": "nothing", "steps": [], "kept": [], "pins": []}
    r = t.carve("plan", path)
    same((r.returncode, r.stdout), (0, "Nothing to do: everything is as the layout wants it.\n"))
    same(json.loads(t.carve("plan", path, "--json").stdout)["verdict"], "nothing")


def claim_a_plan_shows_mps_shares_that_come_and_go(t):
    t.fake.answers["POST /v1/plan"] = PLAN | {"kept": [], "pins": [], "steps": [
        {"gpu": 0, "kind": "drop-mps", "text": "drop MPS share mps1"},
        {"gpu": 0, "kind": "compute-mode", "text": "set the compute mode to DEFAULT"},
        *[{"gpu": 0, "kind": "add-mps", "text": "add MPS share 12G and 30 %"}] * 3]}
    same(t.carve("plan", layout(t)).stdout,
         "GPU 0\n  - drop MPS share mps1\n  * set the compute mode to DEFAULT\n  + add MPS share 12G and 30 %, 3 times\n5 steps.\n")


def claim_what_is_in_the_way_is_named(t):
    t.fake.answers["POST /v1/plan"] = PLAN | {"verdict": "cannot", "blockers": [BLOCKER, BLOCKER | {"lease": None, "foreign": True, "processes": []}]}
    r = t.carve("plan", layout(t))
    same(r.returncode, 1)
    for part in ("In the way", "! 0:1g.10gb@6 must go", "lease L3", "process 4711, alice: python train.py, of the service jupyter.service",
                 "carve adopt 0:1g.10gb@6"):
        contains(r.stdout, part)
    t.fake.answers["POST /v1/apply"] = fake.refuse(409, "0:1g.10gb@6 must go to make room for 3g.40gb")
    r = t.carve("apply", layout(t))
    same((r.returncode, r.stderr), (1, "carve: 0:1g.10gb@6 must go to make room for 3g.40gb\n"))
    contains(r.stdout, "process 4711, alice")


def claim_layouts_come_from_a_file_or_standard_input(t):
    t.fake.answers["POST /v1/plan"] = PLAN
    r = subprocess.run([t.program, "plan", "-"], input="text: 1\n", env=t.env, capture_output=True, text=True)
    same((r.returncode, t.posts("/plan")[0]["file"], t.posts("/plan")[0]["text"]), (2, "standard input", "text: 1\n"))
    r = t.carve("plan", t.dir + "/nothing.yaml")
    same(r.returncode, 1)
    contains(r.stderr, "cannot read")
    open(t.dir + "/binary", "wb").write(b"\xff\xfe\x00")
    contains(t.carve("plan", t.dir + "/binary").stderr, "UTF-8")
    open(t.dir + "/large", "w").write("#" * 600000)
    contains(t.carve("plan", t.dir + "/large").stderr, "larger than")
    t.fake.answers["POST /v1/plan"] = fake.refuse(400, "day.yaml:3:7: there is no profile 9g.90gb")
    same(t.carve("plan", layout(t)).stderr, "carve: day.yaml:3:7: there is no profile 9g.90gb\n")


def claim_an_apply_is_followed_step_by_step(t):
    serve_operation(t, "POST /v1/apply", operation("running", 1, "GPU 0: destroy 1g.10gb@6"), operation("running", 2, "GPU 0: create 3g.40gb@4"),
                    operation("done", 2, "done"), plan=PLAN)
    r = t.carve("apply", layout(t))
    same(r.returncode, 0, r.stderr)
    contains(r.stdout, "1/2  GPU 0: destroy 1g.10gb@6\n  2/2  GPU 0: create 3g.40gb@4\n")
    same([path.split("?")[1] for method, path, body in t.fake.seen if "operations" in path],
         ["wait=30&seen=0", "wait=30&seen=1", "wait=30&seen=2"])
    same(t.posts("/apply")[0]["remember"], True)


def claim_a_failed_apply_says_what_was_undone(t):
    serve_operation(t, "POST /v1/apply", operation("failed", 1, "failed", "GPU 0: create 3g.40gb@4: insufficient resources; everything was put back as it was"), plan=PLAN)
    r = t.carve("apply", layout(t))
    same(r.returncode, 1)
    contains(r.stderr, "carve: GPU 0: create 3g.40gb@4: insufficient resources; everything was put back")


def claim_an_apply_is_followed_over_a_restart(t):
    serve_operation(t, "POST /v1/apply", operation("done", 2, "done"), plan=PLAN)
    answer = t.fake.answers["GET /v1/operations/A1"]

    def restart(request):
        t.fake.answers["GET /v1/operations/A1"] = answer
        t.fake.stop()
        threading.Timer(0.3, t.fake.start).start()
        return b""

    t.fake.answers["GET /v1/operations/A1"] = restart
    same(t.carve("apply", layout(t)).returncode, 0)
    t.fake.answers["GET /v1/operations/A1"] = fake.refuse(404, "no such operation")
    contains(t.carve("apply", layout(t)).stderr, "carved was restarted in the middle")


def claim_services_come_from_a_file(t):
    serve_operation(t, "POST /v1/apply", operation("done", 2, "done"), plan=PLAN)
    path = t.dir + "/services"
    open(path, "w").write("# who holds GPUs\ndcgm.service\n\n  nvsm.service   # and this\r\n#x\n")
    same(t.carve("apply", layout(t), "--stop-services", path, "--reset", "--no-remember").returncode, 0)
    body = t.posts("/apply")[0]
    same((body["stop_services"], body["reset"], body["remember"]), (["dcgm.service", "nvsm.service"], True, False))


def claim_what_is_now_is_exported_as_it_is_given(t):
    t.fake.answers["GET /v1/layout"] = lambda request: {"version": 1, "layout": f"layouts:\n  {request.query['name']}:\n"}
    same(t.carve("export").stdout, "layouts:\n  now:\n")
    same(t.carve("export", "--name", "night & day").stdout, "layouts:\n  night & day:\n")


def event(number, text="x"):
    return {"number": number, "time": 1760000000.5, "kind": "lease-active", "gpu": 0, "lease": "L3", "text": text}


def claim_events_are_a_table(t):
    t.fake.answers["GET /v1/events"] = {"version": 1, "next": 2, "events": [event(1), event(2, "a \x1b[31mb")]}
    r = t.carve("events", env={"TZ": "UTC"})
    contains(r.stdout, "2025-10-09 08:53:20  lease-active    0  L3     x\n")
    lacks(r.stdout, "\x1b")
    same(len(json.loads(t.carve("events", "--json").stdout)["events"]), 2)


def claim_events_are_followed_over_restarts(t):
    calls = []

    def events(request):
        calls.append(request.query.get("since"))
        if len(calls) == 1:
            return {"version": 1, "next": 7, "events": [event(7, "seven")]}
        if len(calls) == 2:
            return {"version": 1, "next": 8, "events": [event(8, "eight")]}
        if len(calls) == 3:
            t.fake.stop()
            threading.Timer(0.2, t.fake.start).start()
            return b""
        if len(calls) == 4:
            return {"version": 1, "next": 1, "events": []}
        if len(calls) == 5:
            return {"version": 1, "next": 1, "events": [event(1, "one")]}
        time.sleep(5)

    t.fake.answers["GET /v1/events"] = events
    p = t.start("events", "--follow", stdout=subprocess.PIPE)
    for text in ("seven", "eight", "one"):
        contains(p.stdout.readline(), text)
    same(calls[:5], [None, "7", "8", "8", "0"])
    p.send_signal(signal.SIGINT)
    same(p.wait(5), -signal.SIGINT)


def claim_the_configuration_is_reloaded_or_refused(t):
    t.fake.answers["POST /v1/reload"] = {"version": 1}
    same(t.carve("reload").returncode, 0)
    t.fake.answers["POST /v1/reload"] = fake.refuse(400, "carved.yaml:3:1: unknown key 'quotas'")
    r = t.carve("reload")
    same((r.returncode, r.stderr), (1, "carve: carved.yaml:3:1: unknown key 'quotas'\n"))


claims.main(globals())
