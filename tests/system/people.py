# SPDX-License-Identifier: Apache-2.0
"""What a person types, well and wrongly, and what carved and carve answer."""
import json
import os
import re
import subprocess
import sys

from node import Node, SIM, Skip, claim, equal, is_root, run_claims, true

HEAD = "version: carve/v1\nlayouts:\n  day:\n"
OTHERS_UID = 65534


def started(machine="dgx-h100", **options):
    node = Node(machine, **options)
    node.start()
    return node


def write(node, text, name="day.yaml"):
    with open(os.path.join(node.dir, name), "w", encoding="utf-8") as file:
        file.write(text)
    return name


def layout(node, *entries):
    return write(node, HEAD + "".join("  - gpus: %s\n    mig: %s\n" % entry for entry in entries))


def says(result, status, *parts):
    """It ended with that status, and its last line on standard error has all of that in it."""
    said = result.stderr.rstrip("\n").split("\n")[-1]
    equal(result.returncode, status)
    true(said.startswith("carve: "), result.stderr)
    for part in parts:
        true(part in said, "%r in %r" % (part, said))
    return said


@claim
def a_broken_layout_is_answered_with_its_place_and_its_line():
    with started() as node:
        for text, place, line, column, parts in (
                (HEAD + "  - gpus: [0]\n    mgi: [1g.10gb]\n", "5:5", "    mgi: [1g.10gb]", 5,
                 ("unknown key 'mgi'", "gpus, mig")),
                (HEAD + "\t- gpus: [0]\n", "4:1", " - gpus: [0]", 1, ("not YAML", "tab")),
                (HEAD + "  - gpus: [0]\n    mig: [1g.5gb]\n", "5:11", "    mig: [1g.5gb]", 11,
                 ("GPU 0 (NVIDIA H100 80GB HBM3) has no profile 1g.5gb", "it has 1g.10gb", "7g.80gb")),
                (HEAD + "  - gpus: [0]\n    mig: [3g.40gb@3]\n", "5:11", "    mig: [3g.40gb@3]", 11,
                 ("cannot be at slot 3", "0 and 4")),
                (HEAD + "  - gpus: [9]\n    mig: [1g.10gb]\n", "4:12", "  - gpus: [9]", 12,
                 ("no GPU '9'", "GPUs 0 to 7")),
        ):
            for verb in ("plan", "apply"):
                result = node.carve(verb, write(node, text), cwd=node.dir)
                says(result, 1, "day.yaml:%s: " % place, *parts)
                quoted, mark = result.stderr.split("\n")[:2]
                equal(quoted, "%5s | %s" % (place.split(":")[0], line))
                equal(mark, "      | " + " " * (column - 1) + "^")
        says(node.carve("plan", write(node, HEAD + "  - gpus: [0\n    mig: [1g.10gb]\n"), cwd=node.dir), 1,
             "day.yaml:6:1: this is not YAML", "begins in line 4")
        says(node.carve("plan", write(node, ""), cwd=node.dir), 1, "is empty", "version: carve/v1")
        says(node.carve("plan", "nothing.yaml", cwd=node.dir), 1, "cannot read nothing.yaml")


@claim
def what_cannot_be_together_is_named_with_the_nearest_that_fits():
    with started() as node:
        result = node.carve("plan", layout(node, ("[0]", "[3g.40gb@4, 2g.20gb@4]")), cwd=node.dir)
        says(result, 1, "3g.40gb@4", "2g.20gb@4", "on GPU 0", "slots 4 to 5", "the nearest that fits: 3g.40gb@4")
        result = node.carve("plan", layout(node, ("[0]", "[3g.40gb*2, 2g.20gb]")), cwd=node.dir)
        said = says(result, 1, "cannot be together on GPU 0", "the nearest that fits: ")
        nearest = re.split(", | and ", said.split("fits: ")[1])
        equal(node.carve("plan", layout(node, ("[0]", "[%s]" % ", ".join(nearest))), cwd=node.dir).returncode, 2)
        says(node.carve("plan", layout(node, ("[0]", "[1g.10gb*8]")), cwd=node.dir), 1, "at most 7")


@claim
def a_request_that_no_gpu_can_serve_is_told_what_there_is():
    with started() as node:
        says(node.carve("run", "--memory", "500G", "--", "true"), 125, "no GPU has 500G", "the most is", "81559Mi")
        says(node.carve("run", "--compute", "150%", "--", "true"), 64, "'150%'", "1% to 100%")
        says(node.carve("run", "--profile", "1g.5gb", "--", "true"), 125, "no GPU has the profile 1g.5gb", "have 1g.10gb")
        says(node.carve("run", "--gpu", "9", "--", "true"), 125, "no GPU '9'", "0 to 7")
        says(node.carve("run", "--gpus", "9", "--", "true"), 125, "9")
        says(node.carve("run", "--profile", "1g.10gb", "--no-wait", "--", "true"), 125, "not in MIG mode",
             "carve apply", "idle")
        equal(node.leases(), {})


@claim
def several_instances_for_one_command_are_refused_and_whole_gpus_are_not():
    with started() as node:
        equal(node.carve("apply", layout(node, ("[0]", "[1g.10gb*2]")), cwd=node.dir).returncode, 0)
        says(node.carve("run", "--profile", "1g.10gb", "--gpus", "2", "--", "true"), 125, "CUDA uses one MIG instance",
             "--mechanism whole")
        result = node.carve("run", "--gpus", "2", "--", "sh", "-c", "echo $CUDA_VISIBLE_DEVICES")
        equal(result.returncode, 0)
        equal(len(re.findall("GPU-[0-9a-f-]{36}", result.stdout)), 2)


@claim
def a_gpu_that_is_not_managed_is_said_how_to_manage():
    with started() as node:
        equal(node.carve("unmanage", "0").returncode, 0)
        says(node.carve("plan", layout(node, ("[0]", "[1g.10gb]")), cwd=node.dir), 1, "not managed", "carve manage 0")
        says(node.carve("run", "--gpu", "0", "--mechanism", "whole", "--no-wait", "--", "true"), 125, "not managed",
             "carve manage 0")
        true("observed" in node.carve("list").stdout)
        equal(node.carve("manage", "0").returncode, 0)
        equal(node.carve("run", "--gpu", "0", "--no-wait", "--", "true").returncode, 0)


@claim
def a_change_that_is_blocked_says_by_whom_and_changes_nothing():
    with started() as node:
        equal(node.carve("apply", layout(node, ("[1]", "[3g.40gb*2]")), cwd=node.dir).returncode, 0)
        equal(node.carve("lease", "--profile", "3g.40gb", "--name", "web").returncode, 0)
        before = node.state()["gpus"][1]["gpu_instances"]
        for verb in ("plan", "apply"):
            result = node.carve(verb, layout(node, ("[1]", "off")), cwd=node.dir)
            equal(result.returncode, 1)
            true("In the way\n  ! 1:3g.40gb@" in result.stdout and "lease L1" in result.stdout, result.stdout)
        says(result, 1, "must go", "nothing was changed")
        equal(node.state()["gpus"][1]["gpu_instances"], before)
        holder = subprocess.Popen([SIM, "hold", "--device", "0"], env=node.env, stdout=subprocess.PIPE)
        node.children.append(holder)
        holder.stdout.readline()
        result = node.carve("apply", layout(node, ("[0]", "[1g.10gb]")), cwd=node.dir)
        said = says(result, 1, "MIG mode", "GPU 0")
        true("%d" % holder.pid in result.stdout + said and "carve-sim hold" in result.stdout + said, result.stdout + said)
        says(node.carve("unmanage", "1"), 1, "L1", "carve drain 1")


@claim
def who_waits_is_told_his_position_and_for_what():
    with started() as node:
        equal(node.carve("apply", layout(node, ("[1]", "[3g.40gb*2]")), cwd=node.dir).returncode, 0)
        for name in ("one", "two"):
            equal(node.carve("lease", "--profile", "3g.40gb", "--name", name).returncode, 0)
        says(node.carve("run", "--profile", "3g.40gb", "--no-wait", "true"), 125, "held by leases L1, L2")
        late = node.carve("run", "--profile", "3g.40gb", "--wait=500ms", "true")
        says(late, 124, "no room", "500 ms")
        true("carve: waiting for 3g.40gb, number 1 in the queue: all 2 places for 3g.40gb are held by leases L1, L2\n"
             in late.stderr, late.stderr)
        waiting = node.spawn("run", "--profile", "3g.40gb", "true", stderr=subprocess.PIPE)
        node.wait_for(lambda: node.get("/v1/node")["queue"] == 1, "the request to wait")
        true("number 1 in the queue: all 2 places" in node.carve("list", "leases").stdout)
        equal(node.carve("release", "one").returncode, 0)
        equal(waiting.wait(20), 0)


@claim
def a_quota_that_is_used_up_says_which_and_what_is_left():
    with started(config="quotas:\n- default: true\n  leases: 1\n  gpus: 2\n") as node:
        says(node.carve("run", "--gpus", "3", "true"), 125, "2 GPUs", "2 left", "3 asked for")
        equal(node.carve("lease", "--gpus", "1", "--name", "a").returncode, 0)
        says(node.carve("lease", "--gpus", "1", "--name", "b"), 1, "1 lease", "0 left", "1 asked for")
        says(node.carve("lease", "--gpus", "1", "--name", "a"), 1, "'a' already", "carve release a")


@claim
def names_that_nothing_has_say_where_names_are_found():
    with started() as node:
        says(node.carve("show", "nothing"), 1, "'nothing'", "carve list")
        says(node.carve("release", "nothing"), 1, "no lease nothing", "carve list leases")
        says(node.carve("extend", "nothing", "--for", "1h"), 1, "no lease nothing")
        for verb in ("manage", "unmanage", "drain", "undrain"):
            says(node.carve(verb, "77"), 1, "no GPU '77'", "0 to 7")
        says(node.carve("adopt", "0:9g.90gb@0"), 1, "0:9g.90gb@0")


@claim
def without_a_daemon_it_is_said_how_to_start_one():
    with Node() as node:
        for verb in (("list",), ("events",), ("reload",), ("export",), ("release", "L1")):
            says(node.carve(*verb), 1, "nobody answers at " + node.socket, "systemctl start carved")
        says(node.carve("run", "true"), 125, "nobody answers")
        node.env["CARVE_SOCKET"] = "/dev/null/api.sock"
        says(node.carve("list"), 1, "/dev/null/api.sock")


@claim
def who_may_not_is_told_who_may():
    if not is_root():
        raise Skip("taking another user's place takes root")
    with started() as node:
        equal(node.carve("lease", "--gpus", "1", "--name", "mine").returncode, 0)
        for words in (("manage", "0"), ("unmanage", "0"), ("drain", "0"), ("reload",), ("adopt", "0:1g.10gb@0"),
                      ("drain", "--driver"), ("apply", layout(node, ("[0]", "[1g.10gb]"))), ("release", "mine")):
            says(node.carve(*words, cwd=node.dir, user=OTHERS_UID), 1, "root", "carve")
        equal(node.carve("list", user=OTHERS_UID).returncode, 0)
        equal(len(node.leases()), 1)


@claim
def a_reload_takes_the_configuration_or_keeps_the_former_whole():
    with started(config="quotas:\n- default: true\n  leases: 1\n") as node:
        equal(node.carve("reload").returncode, 0)
        with open(node.config_path, "w", encoding="utf-8") as file:
            file.write("grace: 1s\nqoutas: []\n")
        said = says(node.carve("reload"), 1, node.config_path + ":2:1: unknown key 'qoutas'", "quotas", "stays in force")
        true(said.count("\n") == 0)
        equal(node.carve("lease", "--gpus", "1", "--name", "a").returncode, 0)
        says(node.carve("lease", "--gpus", "1", "--name", "b"), 1, "0 left")
        with open(node.config_path, "w", encoding="utf-8") as file:
            file.write("quotas: []\n")
        equal(node.carve("reload").returncode, 0)
        equal(node.carve("lease", "--gpus", "1", "--name", "b").returncode, 0)


@claim
def a_lease_is_taken_shown_extended_and_released_by_its_name():
    with started() as node:
        taken = node.carve("lease", "--gpus", "1", "--name", "web", "--for", "1h")
        true(re.fullmatch("CARVE_LEASE=L1\nCUDA_VISIBLE_DEVICES=GPU-[0-9a-f-]{36}\n", taken.stdout), taken.stdout)
        equal(node.carve("show", "web", "--as", "env").stdout, taken.stdout)
        equal(node.carve("extend", "web", "--for", "2h").stdout, "L1 ends in 2 h.\n")
        true("held by its name" in node.carve("list", "leases").stdout)
        equal(json.loads(node.carve("show", "web", "--json").stdout)["lease"]["name"], "web")
        equal(node.carve("list", "leases", "--ids").stdout, "L1\n")
        equal(node.carve("release", "web").stdout, "L1 is ended.\n")
        equal(node.carve("list", "leases").stdout, "No leases.\n")


@claim
def the_doctor_looks_without_a_daemon_and_sees_one_that_runs():
    with Node() as node:
        without = json.loads(node.carve("doctor", "--json").stdout)["findings"]
        equal([f["verdict"] for f in without if f["check"] == "daemon"], ["warn"])
        node.start()
        result = node.carve("doctor")
        true(re.search("^ok +daemon ", result.stdout, re.M), result.stdout)
        equal(len(re.findall("^ok +gpus .*NVIDIA H100", result.stdout, re.M)), 8)
        with_it = json.loads(node.carve("doctor", "--json").stdout)
        equal(result.returncode, 1 if with_it["worst"] == "bad" else 0)


@claim
def what_happens_is_followed_and_goes_on_through_a_restart():
    with started() as node:
        follower = node.spawn("events", "--follow", stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              universal_newlines=True)
        lines = iter(follower.stdout.readline, "")
        true("started" in next(lines))
        equal(node.carve("run", "--gpus", "1", "true").returncode, 0)
        true(any("lease-ended" in line and "L1" in line for line in lines))
        node.kill()
        node.start()
        equal(node.carve("run", "--gpus", "1", "true").returncode, 0)
        true(any("lease-ended" in line and "L2" in line for line in lines))


@claim
def long_work_is_shown_while_it_goes_on():
    with started(fast=False, options=("--create", "30", "--destroy", "10")) as node:
        result = node.carve("apply", layout(node, ("[0, 1]", "[1g.10gb*2]"), ("[2]", "[3g.40gb]")), cwd=node.dir)
        equal(result.returncode, 0)
        true(result.stdout.startswith("GPU 0, 1\n  * turn MIG mode on\n  + create 1g.10gb@"), result.stdout)
        true(re.search(r"^ +[1-8]/8  GPU [012]: create [13]g\.", result.stdout, re.M), result.stdout)
        true(result.stdout.endswith("Done.\n"))
        again = node.carve("apply", layout(node, ("[0, 1]", "[1g.10gb*2]"), ("[2]", "[3g.40gb]")), cwd=node.dir)
        true(again.stdout.endswith("Nothing to do: everything is as the layout wants it.\n"), again.stdout)


if __name__ == "__main__":
    run_claims(sys.modules[__name__])
