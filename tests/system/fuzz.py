# SPDX-License-Identifier: Apache-2.0
"""Random calls, good and bad, from root and from another user, over the real socket; after each batch the daemon
lives and its books are right. CARVE_SECONDS and CARVE_SEED say how long and how."""
import http.client
import json
import os
import random
import signal
import subprocess
import sys
import time
import urllib.parse

from node import NOBODY, Node, UnixConnection, acting_as, claim, equal, is_root, run_claims, true

SECONDS = float(os.environ.get("CARVE_SECONDS", "6"))
SEED = int(os.environ.get("CARVE_SEED", "7"))
PROFILES = ["1g.10gb", "1g.20gb", "2g.20gb", "3g.40gb", "4g.40gb", "7g.80gb"]
ODD = [None, True, -1, 0, 1, 1.5, 1e300, -1e300, 1 << 62, "", "x", "1g.10gb", "\u0000", "ü" * 40, "../..", "%00", "L1", [], {}, [[]]]
LIMIT = 6  # leases that the other user may have


class Caller:
    def __init__(self, node, source):
        self.node, self.source = node, source
        self.answered = {}
        self.sleeper = subprocess.Popen(["sleep", "10000"])
        node.children.append(self.sleeper)

    def value(self, good):
        return self.source.choice(ODD) if self.source.random() < 0.15 else good

    def name(self):
        return "n%d" % self.source.randrange(12)

    def lease(self):
        source = self.source
        pick = source.choice(["1g.10gb", "1g.10gb", "2g.20gb", source.choice(PROFILES)])
        return self.value(source.choice([
            self.name(), "L%d" % source.randrange(200), "L%d" % source.randrange(200), pick]))

    def request(self):
        source, request = self.source, {}
        for key, good in (("profile", source.choice(PROFILES)), ("memory", source.choice(["10G", 5 << 30])),
                          ("compute", source.randrange(1, 100)), ("gpu", source.randrange(9)), ("gpus", source.randrange(3)),
                          ("time", source.choice([0.05, 1, 100])), ("wait", source.choice([0, 0.1, 3, None])),
                          ("priority", source.randrange(-100, 101)), ("explain", True), ("mechanism", "mig")):
            if source.random() < (0.6 if key == "profile" else 0.12):
                request[key] = self.value(good)
        return self.value(request)

    def holder(self):
        """No run, nor any process but our own: ending a lease ends its holder."""
        holder = {"kind": self.value("name"), "name": self.value(self.name())}
        if self.source.random() < 0.05:
            holder["kind"] = self.source.choice(["pid", "cgroup"])
            holder["pid"] = self.source.choice([self.sleeper.pid, -1, 0, 1 << 62, 1.5, "x", None])
            holder["cgroup"] = self.value("/nope")
        return self.value(holder)

    def layout(self):
        gpus = self.source.choice(["all", "[0]", "[1, 2]", "[9]"])
        mig = self.source.choice(["[dynamic]", "[3g.40gb@4, 1g.10gb]", "[1g.10gb*3, dynamic]", "[9g]", "off", "["])
        return self.value("version: carve/v1\nlayouts:\n  x:\n  - gpus: %s\n    mig: %s\n" % (gpus, mig))

    def one(self):
        source = self.source
        gpu = self.value(source.randrange(9))
        body, method = None, "POST"
        kind = source.choices(["ask", "lease", "read", "gpu", "layout"], [40, 30, 15, 10, 5])[0]
        if kind == "ask":
            path = "/v1/leases"
            body = {"request": self.request(), "holder": self.holder(), "wait_reply": self.value(0)}
        elif kind == "lease":
            verb = source.choice(["release", "release", "release", "extend", "enter", "leave"])
            path = "/v1/leases/%s/%s" % (quote(self.lease()), verb)
            body = {"release": {"grace": self.value(0)}, "extend": {"time": self.value(5)}}.get(verb)
        elif kind == "read":
            method = "GET"
            path = source.choice(["/v1/node", "/v1/leases/%s" % quote(self.lease()), "/v1/gpus/%s" % quote(gpu),
                                  "/v1/shares/%s" % quote(gpu), "/v1/layout?name=%s" % quote(self.value("x")), "/v1/health",
                                  "/v1/events?since=%s" % quote(self.value(3)), "/v1/operations/A%s" % quote(gpu)])
        elif kind == "gpu":
            path = "/v1/gpus/%s/%s" % (quote(gpu), source.choice(["manage", "unmanage", "drain", "undrain", "undrain"]))
            body = {"keep": self.value(True)} if path.endswith("unmanage") else None
        else:
            path = source.choice(["/v1/plan", "/v1/apply"])
            body = {"text": self.layout(), "remember": False}
        if source.random() < 0.03:
            body = source.choice([[], {"x": 1}, {}])
        return method, path, body

    def say(self, connection, method, path, body):
        text = None if body is None else json.dumps(body)
        if text and self.source.random() < 0.03:
            text = text[:self.source.randrange(len(text))] + self.source.choice(["", "\0", "{", "\ud7ff"])
        connection.request(method, path, text.encode() if text else None)
        reply = connection.getresponse()
        answer = json.loads(reply.read())
        self.answered[reply.status] = self.answered.get(reply.status, 0) + 1
        equal((answer["version"], "error" in answer), (1, reply.status >= 400))
        true(reply.status != 500, (method, path, body, answer))
        return answer

    def batch(self, uid):
        calls = [self.one() for _ in range(40)]
        if uid:
            with acting_as(uid):
                self.calls(calls)
        else:
            self.calls(calls)

    def calls(self, calls):
        connection = UnixConnection(self.node.socket, 60)
        for call in calls:
            try:
                self.say(connection, *call)
            except (http.client.HTTPException, OSError) as problem:
                raise AssertionError("%s %s %s: %r" % (*call, problem)) from problem
        connection.close()


def quote(text):
    return urllib.parse.quote(str(text), safe="") or "%20"


def at_rest(node):
    """The node, when nothing is being prepared, changed or given back."""
    def look():
        view = node.get("/v1/node")
        return view if all(gpu["busy"] is None for gpu in view["gpus"]) and all(
            lease["state"] in ("active", "queued") for lease in view["leases"]) else None
    try:
        return node.wait_for(look, "the node to be at rest", 30)
    except AssertionError:
        view = node.get("/v1/node")
        raise AssertionError("not at rest: %s %s" % (
            [gpu["busy"] for gpu in view["gpus"]],
            [lease for lease in view["leases"] if lease["state"] not in ("active", "queued")])) from None


def check(node):
    view = at_rest(node)
    held = {}
    for lease in view["leases"]:
        equal(bool(lease["got"]), lease["state"] == "active")
        for got in lease["got"]:
            true(got["share"] not in held, "%s is held once" % got["share"])
            held[got["share"]] = lease["id"]
    equal({share["id"]: share["lease"] for share in view["shares"] if share["lease"]}, held)
    equal(view["queue"], len([lease for lease in view["leases"] if lease["state"] == "queued"]))
    equal(sorted(lease["queue_position"] for lease in view["leases"] if lease["state"] == "queued"),
          list(range(1, view["queue"] + 1)))
    seen = {(gpu["index"], i["profile"], i["start"]) for gpu in view["gpus"] for i in gpu["instances"]}
    equal(seen, {(gpu["index"], i["profile"], i["start"]) for gpu in node.state()["gpus"] for i in gpu["gpu_instances"]})
    return view


def check_ledger(node):
    """What is written down is what is: a daemon that knows nothing else says the same."""
    def summary(view):
        return ({lease["id"]: (lease["name"], [got["share"] for got in lease["got"]]) for lease in view["leases"]
                 if lease["state"] == "active" and not lease["ends"]},
                [[(i["profile"], i["start"], i["origin"]) for i in gpu["instances"]] for gpu in view["gpus"]],
                [(gpu["managed"], gpu["drained"]) for gpu in view["gpus"]])
    before = summary(at_rest(node))
    node.kill()
    node.start()
    after = summary(check(node))
    equal({key: after[0].get(key) for key in before[0]}, before[0])
    equal(after[1:], before[1:]) if before[0] == after[0] else None


def check_charges(node):
    """The other user can take exactly as many leases as his quota leaves: what is charged is what he has."""
    with acting_as(NOBODY):
        has = len([lease for lease in node.get("/v1/leases")["leases"] if lease["tenant"]["uid"] == NOBODY])
        taken = 0
        while node.post("/v1/leases", {"request": {"profile": "1g.10gb"}, "wait_reply": 0,
                                       "holder": {"kind": "name", "name": "probe%d" % taken}}).status in (201, 202):
            taken += 1
        for number in range(taken):
            equal(node.post("/v1/leases/probe%d/release" % number).status, 200)
    equal(has + taken, LIMIT)


@claim
def random_calls_leave_the_books_right():
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    source = random.Random(SEED)
    config = "grace: 100ms\nquotas:\n- user: %d\n  leases: %d\n" % (NOBODY, LIMIT)
    if is_root():
        config += "- user: nobody\n  leases: %d\n" % LIMIT
    with Node("dgx-h100", config=config) as node:
        node.start()
        caller = Caller(node, source)
        text = "version: carve/v1\nlayouts:\n  x:\n  - gpus: [0, 1, 2, 3]\n    mig: [dynamic]\n"
        node.post("/v1/apply", {"text": text})
        until = time.monotonic() + SECONDS
        batches = 0
        try:
            while time.monotonic() < until or batches < 10:
                caller.batch(NOBODY if is_root() and source.random() < 0.5 else 0)
                batches += 1
                view = check(node)
                if batches % 5 == 0:
                    check_ledger(node)
                for gpu in view["gpus"]:
                    node.post("/v1/gpus/%d/manage" % gpu["index"])
                    node.post("/v1/gpus/%d/undrain" % gpu["index"])
                if is_root() and batches % 5 == 0:
                    check_charges(node)
            for lease in node.leases():
                node.post("/v1/leases/%s/release" % lease)
            equal(check(node)["leases"], [])
        except AssertionError as problem:
            raise AssertionError("seed %d, batch %d: %s\n%s" % (SEED, batches, problem, node.log()[-3000:])) from problem
        for status in (200, 201, 202, 400, 404, 409, *((403,) if is_root() else ())):
            true(status in caller.answered, "the calls are of all kinds: %s" % caller.answered)


if __name__ == "__main__":
    run_claims(sys.modules[__name__])
