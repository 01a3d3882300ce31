#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""carve profile: what it tells and proposes from what carved saw, what it keeps, and --like."""
import json
import os
import signal

import claims
import machines
from claims import contains, lacks, same

GIB = 1 << 30
NONE = {"runs": 0, "seconds": 0.0, "longest": 0.0}
UNSEEN = {"seen": False, "why": "this driver tells no performance counters"}


def seen(mean, peak, seconds=10.0, step=None, bursts=0, **more):
    """A kind of use: steady, or in so many bursts of three tenths of the time, each at the peak."""
    duty = 0.3 if bursts else 1.0
    steps = [0.0] * 21
    steps[0] = seconds * (1 - duty)
    steps[min(int(peak / 5), 20) if step is None else step] += seconds * duty
    busy = {"runs": bursts or 1, "seconds": seconds * duty, "longest": seconds * duty / (bursts or 1)}
    idle = {"runs": bursts, "seconds": seconds * (1 - duty), "longest": seconds * (1 - duty) / bursts} if bursts else NONE
    return {"seen": True, "readings": int(seconds * 10), "seconds": seconds, "mean": mean, "peak": peak, "duty": duty,
            "busy": busy, "idle": idle, "steps": steps} | more


def usage(**more):
    return {"period": 0.1, "samples": 100, "seconds": 9.9, "unseen": 0.0, "gaps": 0, "failed": 0, "failed_why": None,
            "processes": 2, "last": 1, "busy": seen(30, 100, bursts=10), "sm": seen(18, 60, bursts=10),
            "memory": {"peak": 12 * GIB, "share": 12 * GIB, "biggest": 9 * GIB, "accounted": False, "why": None},
            "memory_busy": {"seen": False, "why": "its bandwidth is seen"}, "bandwidth": seen(12, 40, bursts=10),
            "copy_in": seen(600e6, 2e9, bursts=10), "copy_out": seen(0, 0, busy=NONE, duty=0.0),
            "encoder": seen(0, 0, busy=NONE, duty=0.0), "decoder": seen(0, 0, busy=NONE, duty=0.0)} | more


def serve(t, figures, mechanism="mig"):
    """A node whose lease is watched, in a MIG share or on a whole GPU."""
    node = machines.Node("dgx-h100", mig=mechanism == "mig")
    shares = [node.instance(0, "3g.40gb", 4)] if mechanism == "mig" else ["0"]
    lease = node.lease(1, shares=shares)
    t.serve(node.copy())
    return t.serve_lease(lease, profile=figures)


def profile(t, *args, command=("true",), **more):
    return t.carve("profile", *args, "--", *command, **more)


def path(t, name):
    return os.path.join(t.dir, ".local/share/carve/profiles", name + ".json")


def save(t, name="train", **more):
    """A profile that is there, changed as said."""
    report = {"version": 1, "profile": {"command": "python train.py", "saved": 1700000000, "product": "NVIDIA H100 80GB HBM3",
                                        "proposal": {"request": {"memory": 15 * GIB, "compute": 30, "mechanism": "mig"}}}}
    report.update(more)
    os.makedirs(os.path.dirname(path(t, name)), exist_ok=True)
    with open(path(t, name), "w", encoding="utf-8") as file:
        json.dump(report, file)
    return report


def claim_it_runs_as_run_does_and_asks_to_be_watched(t):
    serve(t, usage())
    r = profile(t, command=("sh", "-c", "echo out; echo err >&2; exit 7"))
    same((r.returncode, r.stdout), (7, "out\n"))
    contains(r.stderr, "err\n")
    contains(r.stderr, "; failed")
    same([body["profile"] for body in t.posts("/v1/leases")], [True])
    same(t.posts("/v1/leases")[0]["holder"]["kind"], "run")
    r = t.carve("run", "--", "true")
    assert "profile" not in t.posts("/v1/leases")[1]
    r = profile(t, command=("sh", "-c", "kill -9 $$"))
    same(r.returncode, -signal.SIGKILL)
    contains(r.stderr, "ended by a signal")


def claim_what_was_seen_is_told_with_what_follows_from_it(t):
    serve(t, usage())
    text = profile(t).stderr
    for part in ("12Gi at most, the biggest process 9Gi", "at most 2 at once", "kernels ran 30 % of the time",
                 "18 % of the share's on average, 60 % at most", "12 % of its memory's",
                 "in 10 bursts of 0.30 s on average, one every 1.00 s", "600 MB/s to the GPU on average, 2.0 GB/s at most",
                 "none from it", "every 100 ms, 100 times", "14.5Gi: 12Gi and 20 % margin",
                 # 60 % of three of seven slices
                 "26 % of the GPU: 95 % of its busy time", "because"):
        contains(text, part)
    for part in ("not seen  ", "encoder", "nobody looked", "failed", "full"):
        lacks(text, part)


def claim_what_was_not_seen_says_why_and_no_number_is_made_up(t):
    figures = usage(sm=UNSEEN, bandwidth=UNSEEN, memory_busy=seen(20, 50, bursts=10))
    serve(t, figures, "whole")
    text = profile(t).stderr
    contains(text, "the SMs in use, the memory's bandwidth: this driver tells no performance counters")
    contains(text, "how many SMs they used was not seen")
    contains(text, "20 % of the time it was read or written")
    lacks(text, "SMs  ")
    figures["busy"] = seen(25, 38, bursts=10)
    serve(t, figures, "whole")
    text = profile(t).stderr
    contains(text, "38 % of the GPU")
    contains(text, "it may need less")
    lacks(text, "of its busy time needed no more")
    nothing = {kind: UNSEEN for kind in ("busy", "sm", "memory_busy", "bandwidth", "copy_in", "copy_out", "encoder", "decoder")}
    serve(t, usage(**nothing))
    text = profile(t).stderr
    contains(text, "compute      none: not seen: this driver")
    lacks(text, "launches")


def claim_gaps_and_samples_that_failed_are_told(t):
    serve(t, usage(gaps=1, unseen=4.2, failed=3, failed_why="the driver call did not answer"))
    text = profile(t).stderr
    contains(text, "for 4.20 s nobody looked: carved or the driver was away")
    contains(text, "3 samples failed: the driver call did not answer")


def claim_pauses_that_hide_in_a_reading_are_named_where_they_decide(t):
    serve(t, usage(busy=seen(50, 50), sm=seen(45, 45)), "whole")
    text = profile(t).stderr
    contains(text, "90 % of the GPU: so many SMs its kernels used while they ran")
    lacks(text, "of its busy time needed no more")


def claim_a_share_that_was_full_says_that_more_may_be_used(t):
    serve(t, usage(sm=seen(97, 100)))
    contains(profile(t).stderr, "it used its share to the full")
    serve(t, usage(sm=seen(97, 100)), "whole")
    lacks(profile(t).stderr, "to the full")


def claim_too_short_a_run_gets_its_memory_only(t):
    few = {kind: seen(50, 100, 0.2) for kind in ("busy", "sm", "bandwidth")}
    serve(t, usage(samples=3, **few))
    text = profile(t).stderr
    contains(text, "too short a run to say more than its memory: it was looked at 3 times")
    contains(text, "proposal: 14.5Gi")
    lacks(text, "launches")


def claim_what_proposes_nothing_is_not_saved_and_replaces_nothing(t):
    save(t)
    before = open(path(t, "train"), encoding="utf-8").read()
    serve(t, usage(samples=1, memory=usage()["memory"] | {"peak": 0, "share": 0, "biggest": 0}))
    same(profile(t).returncode, 0)
    r = profile(t, "--save", "train", "--replace")
    contains(r.stderr, "proposal: none")
    contains(r.stderr, "nothing is saved as 'train'")
    same(r.returncode, 125)
    same(open(path(t, "train"), encoding="utf-8").read(), before)
    same(profile(t, "--save", "short", command=("sh", "-c", "exit 3")).returncode, 3)
    same(os.listdir(os.path.dirname(path(t, "short"))), ["train.json"])
    # kept by an earlier Carve
    save(t, "short", profile={"proposal": {"request": None}})
    r = t.carve("run", "--like", "short", "--", "true")
    same(r.returncode, 64)
    contains(r.stderr, "'short' proposes nothing")


def claim_what_failed_is_saved_with_a_word_about_it(t):
    serve(t, usage())
    r = profile(t, "--save", "train", command=("sh", "-c", "exit 3"))
    same(r.returncode, 3)
    contains(r.stderr, "as train, though it failed: carve run --like train")


def claim_accounts_of_the_driver_are_named(t):
    serve(t, usage(memory={"peak": 13 * GIB, "share": 12 * GIB, "biggest": 13 * GIB, "accounted": True, "why": None}))
    contains(profile(t).stderr, "13Gi at most, the biggest process 13Gi; by the driver's accounts")


def claim_the_margin_is_as_said(t):
    serve(t, usage())
    contains(profile(t, "--margin", "0").stderr, "12Gi: 12Gi and 0 % margin")
    contains(profile(t, "--margin=50%").stderr, "18Gi: 12Gi and 50 % margin")
    for bad in ("401", "-1", "much", "", "20%%", "1e3"):
        r = profile(t, "--margin", bad)
        same(r.returncode, 64, bad)
        contains(r.stderr, "no percentage from 0 to 400")


def claim_what_nearly_fills_its_gpu_is_proposed_that_gpu_and_no_more(t):
    serve(t, usage(memory={"peak": 70 * GIB, "share": 70 * GIB, "biggest": 70 * GIB, "accounted": False, "why": None}), "whole")
    text = profile(t, "--save", "big").stderr
    contains(text, "70Gi and 20 % margin, which ends where the GPU's memory does")
    contains(text, "way          whole: all of GPU")
    same(t.carve("run", "--like", "big", "--no-wait", "true").returncode, 0)
    with open(path(t, "big"), encoding="utf-8") as file:
        report = json.load(file)["profile"]
    assert 70 * GIB < report["proposal"]["memory"] <= report["share"]["memory"], report


def claim_needs_of_advise_count_and_contradictions_are_refused_before_it_runs(t):
    serve(t, usage(), "whole")
    contains(profile(t, "--isolation", "fault").stderr, "proposal")
    t.fake.seen.clear()
    for words in (["--workload", "vdi"], ["--process", "--container"], ["--workload", "nothing"], ["--vm"], ["--gpus", "2"],
                  ["--mechanism", "vf"], ["--ids"], ["--replace"], ["--save", "a/b"], ["--save", ".x"], ["--save", ""],
                  ["--save", "x" * 64]):
        r = profile(t, *words, command=("touch", os.path.join(t.dir, "ran")))
        same(r.returncode, 64, f"{words} {r.stderr}")
        same(r.stdout, "")
    same(t.fake.seen, [])
    assert not os.path.exists(os.path.join(t.dir, "ran"))
    r = t.carve("profile")
    same(r.returncode, 64)
    contains(r.stderr, "needs a command")


def claim_what_runs_there_and_how_fast_it_answers_are_ranked_by_and_kept(t):
    serve(t, usage())
    out = os.path.join(t.dir, "p.json")

    def request(*words):
        same(profile(t, "--json=" + out, *words).returncode, 0)
        with open(out, encoding="utf-8") as file:
            return json.load(file)["profile"]["proposal"]["request"]

    bare = request("--tenants", "same")
    assert "workload" not in bare and "latency" not in bare, bare
    kept = request("--tenants", "same", "--workload", "inference", "--latency", "20@p99", "--save", "train")
    same((kept["tenants"], kept["workload"], kept["latency"]), ("same", "inference", "20@p99"))
    t.fake.seen.clear()
    same(t.carve("run", "--like", "train", "true").returncode, 0)
    same(t.posts("/v1/leases")[0]["request"]["latency"], "20@p99")
    # graphics is no work for MPS: the ranking has to know
    serve(t, usage(sm=seen(6, 20, bursts=10)), "whole")
    same(request("--tenants", "same")["mechanism"], "mps")
    assert request("--tenants", "same", "--workload", "rendering")["mechanism"] != "mps"


def claim_json_goes_where_the_command_does_not_write(t):
    serve(t, usage())
    out = os.path.join(t.dir, "p.json")
    r = profile(t, "--json=" + out, command=("echo", "x"))
    same((r.returncode, r.stdout, r.stderr), (0, "x\n", ""))
    with open(out, encoding="utf-8") as file:
        report = json.load(file)
    same(report["version"], 1)
    one = report["profile"]
    same(one["command"], "echo x")
    same(one["usage"]["memory"], usage()["memory"])
    same(one["proposal"]["request"], {"memory": 14 * GIB + GIB // 2, "compute": 26, "mechanism": "mig"})
    same((one["proposal"]["way"], one["share"]["share"], one["product"]), ("mig", "0:3g.40gb@4", "NVIDIA H100 80GB HBM3"))
    r = profile(t, "--json")
    same(json.loads(r.stderr)["profile"]["proposal"]["measured"], 12 * GIB)
    os.unlink(out)
    same(profile(t, "--json=" + out, command=("no-such-command",)).returncode, 127)
    assert not os.path.exists(out)
    r = profile(t, "--json=" + os.path.join(t.dir, "no/where"), command=("touch", os.path.join(t.dir, "ran")))
    same(r.returncode, 125)
    contains(r.stderr, "cannot be written")
    assert not os.path.exists(os.path.join(t.dir, "ran"))


def claim_it_is_kept_for_its_owner_alone_and_not_saved_over(t):
    serve(t, usage())
    r = profile(t, "--save", "train")
    same(r.returncode, 0)
    contains(r.stderr, "carve run --like train -- COMMAND")
    same(os.stat(path(t, "train")).st_mode & 0o777, 0o600)
    same(os.stat(os.path.dirname(path(t, "train"))).st_mode & 0o777, 0o700)
    same(os.listdir(os.path.dirname(path(t, "train"))), ["train.json"])
    before = open(path(t, "train"), encoding="utf-8").read()
    r = profile(t, "--save", "train", command=("touch", os.path.join(t.dir, "ran")))
    same(r.returncode, 125)
    contains(r.stderr, "there is a profile 'train' already: --replace")
    assert not os.path.exists(os.path.join(t.dir, "ran"))
    same(open(path(t, "train"), encoding="utf-8").read(), before)
    same(profile(t, "--save", "train", "--replace", "--margin", "50").returncode, 0)
    assert open(path(t, "train"), encoding="utf-8").read() != before


def claim_where_it_cannot_be_kept_that_is_said_before_it_runs(t):
    serve(t, usage())
    with open(os.path.join(t.dir, "file"), "w", encoding="utf-8"):
        pass
    for where in ("file", "/proc/nope"):
        r = profile(t, "--save", "train", command=("touch", os.path.join(t.dir, "ran")),
                    env={"XDG_DATA_HOME": os.path.join(t.dir, where)})
        same(r.returncode, 125)
        contains(r.stderr, "the profile cannot be saved")
        assert not os.path.exists(os.path.join(t.dir, "ran"))
    os.makedirs(path(t, "train"))
    r = profile(t, "--save", "train", "--replace", command=("touch", os.path.join(t.dir, "ran")))
    same(r.returncode, 125)
    contains(r.stderr, "is no file of Carve's")
    assert not os.path.exists(os.path.join(t.dir, "ran"))
    # A relative one is to be ignored, says its specification.
    os.rmdir(path(t, "train"))
    same(profile(t, "--save", "train", env={"XDG_DATA_HOME": "relative"}).returncode, 0)
    assert os.path.exists(path(t, "train"))


def claim_a_command_that_went_well_without_a_profile_is_125_and_one_that_failed_keeps_its_status(t):
    serve(t, None)
    r = profile(t, "--save", "x")
    same(r.returncode, 125)
    contains(r.stderr, "no profile: carved does not tell")
    same(profile(t, command=("sh", "-c", "exit 3")).returncode, 3)
    assert not os.path.exists(path(t, "x"))
    serve(t, {"samples": 3})
    contains(profile(t).stderr, "cannot be read")


def claim_like_asks_for_what_was_saved_and_later_options_win(t):
    save(t)
    serve(t, None)

    def asked(*words):
        t.fake.seen.clear()
        r = t.carve(*words)
        same(r.returncode, 0, r.stderr)
        request = t.posts("/v1/leases")[0]["request"]
        request.pop("wait")
        return request

    same(asked("run", "--like", "train", "--", "true"), {"memory": 15 * GIB, "compute": 30, "mechanism": "mig"})
    same(asked("lease", "--like", "train", "--name", "n"), {"memory": 15 * GIB, "compute": 30, "mechanism": "mig"})
    same(asked("run", "--memory", "20G", "--like=train", "--", "true")["memory"], "20G")
    same(asked("run", "--like", "train", "--mechanism", "auto", "--priority", "3", "true"),
         {"memory": 15 * GIB, "compute": 30, "priority": 3})
    same(asked("run", "--like", "train", "--profile", "3g.40gb", "true"), {"profile": "3g.40gb"})
    save(t, "other", profile={"proposal": {"request": {"memory": "30G"}}})
    same(asked("run", "--like", "train", "--like", "other", "true"), {"memory": "30G"})
    t.serve(machines.Node("dgx-h100").copy())
    r = t.carve("advise", "--like", "train", "--json")
    answer = json.loads(r.stdout)["workloads"][0]
    same(answer["request"]["memory"], 15 * GIB)
    lacks(r.stdout, "was asked for")
    contains(t.carve("advise", "--like", "train", "--mechanism", "mig", "--json").stdout, "Mechanism mig was asked for")
    same(r.stderr, "")


def claim_another_product_than_measured_is_warned_of_in_one_line(t):
    serve(t, None)
    save(t)
    same(t.carve("run", "--like", "train", "true").stderr, "")
    report = save(t)
    report["profile"]["product"] = "NVIDIA A100\x1b[1m"
    save(t, **report)
    for words in (["run", "--like", "train", "true"], ["lease", "--like", "train", "--name", "n"],
                  ["advise", "--like", "train", "--gpu", "h100-80gb"]):
        r = t.carve(*words)
        same(r.returncode, 0)
        same(len(r.stderr.splitlines()), 1)
        contains(r.stderr, "'train' was measured on NVIDIA A100")
        contains(r.stderr, "compute is not comparable")
        lacks(r.stderr, "\x1b")


def claim_a_name_that_is_not_there_names_the_nearest_or_all(t):
    r = t.carve("run", "--like", "train", "true")
    same(r.returncode, 64)
    contains(r.stderr, "none at all: 'carve profile --save train")
    save(t)
    save(t, "other")
    contains(t.carve("run", "--like", "trayn", "true").stderr, "did you mean 'train'?")
    contains(t.carve("lease", "--like", "zzzzzzz", "--name", "n").stderr, "there are: other, train")
    r = t.carve("run", "--like", "../train", "true")
    same(r.returncode, 64)
    contains(r.stderr, "no name for a profile")
    same(t.posts("/v1/leases"), [])


def claim_a_file_that_is_damaged_or_newer_says_where_and_what(t):
    save(t)
    for text, part in (('{"version": 1,\n "profile": }', "train.json:2:13: "), ("", "train.json:1:"),
                       ('{"version": 2, "profile": {}}', "is of a newer Carve (version 2, this one reads 1)"),
                       ("[1]", "is no profile of Carve's"), ('{"version": 1}', "is no profile of Carve's"),
                       ('{"version": "1", "profile": {}}', "is no profile of Carve's"),
                       ('{"version": 1, "profile": {}}', "its request: a request must be an object"),
                       ('{"version": 1, "profile": {"proposal": {"request": {"memory": -1}}}}', "its request: memory"),
                       ('{"version": 1, "profile": {"proposal": {"request": {"colour": 1}}}}', "no key 'colour'")):
        with open(path(t, "train"), "w", encoding="utf-8") as file:
            file.write(text)
        r = t.carve("run", "--like", "train", "true")
        same(r.returncode, 64, text)
        contains(r.stderr, part)
        assert "make the profile again" in r.stderr or "no profile of Carve's" in r.stderr, r.stderr
        same(len(r.stderr.splitlines()), 1, text)
        r = t.carve("profile", "--list")
        same(r.returncode, 0)
        lacks(r.stdout, " ago")


def claim_those_that_are_saved_are_listed_and_removed(t):
    r = t.carve("profile", "--list")
    same(r.returncode, 0)
    contains(r.stdout, "No profile is saved yet")
    same(t.carve("profile", "--list", "--ids").stdout, "")
    same(json.loads(t.carve("profile", "--list", "--json").stdout), {"version": 1, "profiles": []})
    save(t)
    save(t, "b.2")
    with open(os.path.join(os.path.dirname(path(t, "x")), "notes.txt"), "w", encoding="utf-8"):
        pass
    same(t.carve("profile", "--list", "--ids").stdout, "b.2\ntrain\n")
    text = t.carve("profile", "--list").stdout
    for part in ("train", "15Gi and 30 % of a GPU", "NVIDIA H100 80GB HBM3", "python train.py"):
        contains(text, part)
    same([p["name"] for p in json.loads(t.carve("profile", "--list", "--json").stdout)["profiles"]], ["b.2", "train"])
    same(t.carve("profile", "--remove", "b.2").returncode, 0)
    same(t.carve("profile", "--list", "--ids").stdout, "train\n")
    r = t.carve("profile", "--remove", "b.2")
    same(r.returncode, 1)
    contains(r.stderr, "there is no profile 'b.2'")
    for words in (["--list", "--", "true"], ["--remove", "train", "true"], ["--list", "--remove", "train"],
                  ["--list", "--save", "x"], ["--remove", "train", "--save", "x"], ["--remove", "train", "--json"],
                  ["--list", "--memory", "10G"], ["--list", "--margin", "20"]):
        r = t.carve("profile", *words)
        same(r.returncode, 64, words)
        contains(r.stderr, "runs nothing")
    same(t.carve("profile", "--list", "--ids", "--json").returncode, 64)
    same(t.carve("profile", "--list", "--json=" + path(t, "train")).returncode, 64)
    same(t.carve("profile", "--list", "--ids").stdout, "train\n")
    same(t.fake.seen, [])


claims.main(globals())
