# SPDX-License-Identifier: Apache-2.0
"""What is measured on a node, as carved keeps it and advice cites it; and that a simulated node is no evidence. The
figures are made up: no GPU is here that could have them."""
import json
import os
import sqlite3
import sys

from node import NOBODY, Node, Skip, acting_as, claim, equal, is_root, run_claims, true

RATE = {"items_per_s": 500.0, "p50_ns": 2000000, "p99_ns": 2100000}
NEED = ["--mechanism", "mps", "--compute", "50%", "--count", "2", "--tenants", "same", "--workload", "inference"]


def figure(way="mps", kind="bandwidth", beside="alike", count=2, part=0.41, **more):
    copy = {"items_per_s": 500.0 * part, "p50_ns": int(2000000 / part), "p99_ns": int(2100000 / part)}
    return {"way": way, "kind": kind, "beside": beside, "count": count, "percent": 50 if way == "mps" else 0, "profile": "",
            "item": {"blocks": 4224, "rounds": 100, "bytes": 0}, "alone": RATE,
            "copies": [copy] * (count if beside == "alike" else 1)} | more


def keep(node, *figures, gpu="0", status=200):
    answer = node.post("/v1/measurements", {"gpu": gpu, "figures": list(figures)})
    equal(answer.status, status)
    return answer


def kept(node):
    return node.get("/v1/measurements")["measurements"]


def expected(node, *words, gpu="0"):
    """The estimate for the way mps of a request."""
    answer = node.carve("advise", *NEED, "--gpu", gpu, *words, "--json")
    equal((answer.returncode, answer.stderr), (0, ""))
    return next(way for way in json.loads(answer.stdout)["workloads"][0]["ways"] if way["way"] == "mps")["expected"]


@claim
def a_simulated_gpu_is_not_measured():
    with Node("t4x4") as node:
        node.start()
        answer = node.carve("measure")
        equal(answer.returncode, 1)
        true("a simulated GPU is no evidence" in answer.stderr, answer.stderr)
        equal(node.get("/v1/leases")["leases"], [])
        equal(node.carve("measure", "--show").stdout, "Nothing was measured on this node: 'carve measure' does it.\n")


@claim
def advice_cites_what_was_measured_on_this_node():
    with Node("h100-l40s") as node:
        node.start()
        equal(expected(node)["source"], "rule of thumb")
        keep(node, figure(), figure(kind="compute", part=0.5), figure(beside="compute", part=0.3))
        own = kept(node)[0]
        estimate = expected(node)
        equal((estimate["source"], estimate["throughput"]), ("measured", {"low": 0.41, "high": 0.41}))
        true(estimate["text"].startswith("on this node, 20"), estimate["text"])
        true("driver %s: 2 MPS shares of 50 %%, all busy, bound by bandwidth; 30 %% as one of 2 beside work bound by compute"
             % own["driver"] in estimate["text"], estimate["text"])
        text = node.carve("advise", *NEED, "--gpu", "0").stdout
        true("41 % of a whole GPU, tail latency x2.4 (measured: on this node, 20" in text, text)
        # Another product, other work, or not on this node: nothing was measured of that.
        equal(expected(node, gpu="1")["source"], "rule of thumb")
        equal(expected(node, "--workload", "interactive")["source"], "rule of thumb")
        equal(expected(node, gpu="h100-80gb")["source"] == "measured", False)


@claim
def another_gpu_of_the_product_is_advised_by_it_and_it_says_so():
    with Node("t4x4") as node:
        node.start()
        keep(node, figure(), gpu="2")
        true(expected(node, gpu="2")["text"].startswith("on this node, "))
        estimate = expected(node, gpu="1")
        equal(estimate["source"], "measured")
        true(estimate["text"].startswith("on another GPU of this product, %s, 20" % kept(node)[0]["gpu"]), estimate["text"])


@claim
def figures_outlive_carved_and_a_newer_driver_is_said():
    with Node("t4x4") as node:
        node.start()
        keep(node, figure())
        before = kept(node)
        node.kill()
        node.start()
        equal(kept(node), before)
        node.stop()
        # As if they came from before an upgrade: the store is carved's own.
        stored(node, ("measured/" + before[0]["gpu"], json.dumps([dict(before[0], driver="470.1")])))
        node.start()
        estimate = expected(node)
        equal(estimate["source"], "measured")
        true("driver 470.1 (now it is %s)" % before[0]["driver"] in estimate["text"], estimate["text"])
        true("driver 470.1; now it is %s" % before[0]["driver"] in node.carve("measure", "--show").stdout)


@claim
def a_measurement_replaces_its_ways_and_no_others():
    with Node("t4x4") as node:
        node.start()
        keep(node, figure(), figure(kind="launch"), figure(way="time"))
        keep(node, figure(), gpu="3")
        keep(node, figure(part=0.2))
        seen = [(one["gpu"][-4:], one["way"], one["kind"], one["copies"][0]["items_per_s"]) for one in kept(node)]
        gpus = [gpu["uuid"][-4:] for gpu in node.get("/v1/gpus")["gpus"]]
        equal(seen, [(gpus[0], "time", "bandwidth", 205.0), (gpus[0], "mps", "bandwidth", 100.0),
                     (gpus[3], "mps", "bandwidth", 205.0)])
        # One bad figure, and nothing of it is kept.
        answer = keep(node, figure(part=0.1), figure(count=17), status=400)
        true(answer["error"]["message"].startswith("figures[1]: figure: count"), answer)
        for own in ({"gpu": "GPU-1"}, {"driver": "535.1"}, {"time": 1763000000}):
            answer = keep(node, figure(**own), status=400)
            true("carved's to say" in answer["error"]["message"], answer)
        keep(node, *[figure(way="whole", beside="nobody", count=1)] * 255, status=409)
        equal(len(kept(node)), 3)
        equal(node.carve("measure", "--forget", "--gpu", "3").stdout, "1 figure forgotten.\n")
        equal({one["gpu"][-4:] for one in kept(node)}, {gpus[0]})
        equal(node.carve("measure", "--forget").stdout, "2 figures forgotten.\n")
        node.kill()
        node.start()
        equal(kept(node), [])


def stored(node, *rows):
    """Writes into the store of a carved that is stopped."""
    store = sqlite3.connect(os.path.join(node.env["CARVE_STATE_DIR"], "state.db"))
    with store:
        store.executemany("INSERT OR REPLACE INTO value VALUES (?, ?)", rows)
    store.close()


@claim
def what_is_kept_is_bounded_and_what_is_damaged_is_left_out():
    with Node("t4x4") as node:
        node.start()
        keep(node, figure())
        own = kept(node)[0]
        node.stop()
        rows = [("measured/GPU-%d" % i, json.dumps([dict(own, gpu="GPU-%d" % i, time=1000 + i)])) for i in range(63)]
        stored(node, *rows, ("measured/GPU-x", "{ no JSON"), ("measured/GPU-y", json.dumps([dict(own, gpu="GPU-y", count=0)])))
        node.start()
        equal(len(kept(node)), 64)
        true("measured/GPU-x" in node.log() and "measured/GPU-y" in node.log(), node.log())
        keep(node, figure(), gpu="1")
        gpus = {one["gpu"] for one in kept(node)}
        equal((len(gpus), "GPU-0" in gpus, "GPU-1" in gpus), (64, False, True))
        equal(node.carve("measure", "--forget", "--gpu", "GPU-62").stdout, "1 figure forgotten.\n")
        for name in ("GPU-" + 60 * "z", "GPU-62", "4", ""):
            answer = node.carve("measure", "--forget", "--gpu", name)
            equal((answer.returncode, answer.stdout), (1, ""))
            true(answer.stderr.count("\n") == 1 and ("no GPU" in answer.stderr or "is not" in answer.stderr), answer.stderr)
        equal(len(kept(node)), 63)


@claim
def everybody_may_read_and_only_administrators_write():
    if not is_root():
        raise Skip("acting as another user takes root")
    with Node("t4x4") as node:
        node.start()
        keep(node, figure())
        with acting_as(NOBODY):
            equal(len(kept(node)), 1)
            keep(node, status=403)
            equal(node.post("/v1/measurements/forget", {}).status, 403)
        equal(len(kept(node)), 1)


if __name__ == "__main__":
    run_claims(sys.modules[__name__])
