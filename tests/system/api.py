# SPDX-License-Identifier: Apache-2.0
"""docs/openapi.yaml and carved say the same: each documented route and status is provoked, each answer is held
against its schema, and nothing stands in the one that the other does not know."""
import json
import os
import re
import signal
import socket
import subprocess
import sys

import yaml
try:
    import jsonschema
except ImportError:
    jsonschema = None

from node import (NOBODY, Node, SIM, Skip, acting_as, cgroup_mount, claim, connected_by_a_child, equal, is_root,
                  run_claims, true)

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
METHODS = ("get", "post")
NEEDS_ROOT = {("post", "/v1/leases/{lease}/enter", 200), ("post", "/v1/leases/{lease}/leave", 200)}
NOT_SEEN = {
    "Node.driver_error": "the simulated node has a driver",
    "GpuProcess.lease": "takes a process in a lease's cgroup on the GPU: tests/system/daemon.py has those",
    "Internal.error": "a fault of carved's own",
    "Internal.version": "the same",
    "VfShare.owner": "takes another tool that says that a virtual function is its own",
    "VfShare.vm": "takes a virtual machine monitor that says the machine's name",
    "BindingVf.cdev": "takes a kernel with iommufd",
    "UsageMemory.why": "the simulated node tells the memory of every process",
    "BindingVf.mdev": "the simulated node's vGPUs are no mediated devices",
}


def document():
    with open(os.path.join(ROOT, "docs/openapi.yaml"), encoding="utf-8") as file:
        return yaml.safe_load(file)


def operations(doc):
    return {(method, path): item[method] for path, item in doc["paths"].items() for method in METHODS if method in item}


class Contract:
    """Calls carved, and holds what it answers against the document."""

    def __init__(self, node, doc):
        self.node, self.doc = node, doc
        self.operations = operations(doc)
        self.provoked = set()
        self.seen = set()  # "Lease.name": a documented property that was there and not null

    def resolve(self, schema):
        name = None
        while "$ref" in schema:
            name = schema["$ref"].rsplit("/", 1)[1]
            target = self.doc
            for part in schema["$ref"].lstrip("#/").split("/"):
                target = target[part]
            schema = target
        return schema, name

    def note(self, schema, value, name):
        """Walks an answer that is good, and notes which properties were there."""
        schema, own = self.resolve(schema)
        name = own or name
        for one in schema.get("anyOf", ()):
            if self.is_valid(one, value):
                self.note(one, value, name)
                return
        if isinstance(value, list) and "items" in schema:
            for item in value:
                self.note(schema["items"], item, name)
        elif isinstance(value, dict):
            for key, item in value.items():
                if key in schema.get("properties", ()) and item is not None:
                    self.seen.add("%s.%s" % (name, key))
                    self.note(schema["properties"][key], item, "%s.%s" % (name, key))

    def validator(self, schema):
        return jsonschema.Draft202012Validator(schema, resolver=jsonschema.RefResolver("", self.doc))

    def is_valid(self, schema, value):
        return self.validator(schema).is_valid(value)

    def operation_of(self, method, path):
        for (known, template), operation in self.operations.items():
            pattern = re.sub(r"\{[a-z]+\}", "[^/]+", template)
            if known == method.lower() and re.fullmatch(pattern, path.partition("?")[0]):
                return template, operation
        raise AssertionError("%s %s is not in the document" % (method, path))

    def check(self, method, path, body, status, answer):
        template, operation = self.operation_of(method, path)
        where = "%s %s: %d" % (method, path, status)
        true(str(status) in operation["responses"], "%s is documented: %s" % (where, answer))
        response, name = self.resolve(operation["responses"][str(status)])
        schema = response["content"]["application/json"]["schema"]
        for error in self.validator(schema).iter_errors(answer):
            raise AssertionError("%s: %s at %s" % (where, error.message, list(error.absolute_path)))
        if status < 300 and body is not None:
            wanted = operation["requestBody"]["content"]["application/json"]["schema"]
            for error in self.validator(wanted).iter_errors(body):
                raise AssertionError("%s took %s: %s" % (where, body, error.message))
        self.note(schema, answer, name)
        self.provoked.add((method.lower(), template, status))

    def call(self, method, path, body=None, status=None):
        answer = self.node.call(method, path, body)
        if status is not None:
            true(answer.status == status, "%s %s %s: wanted %d, got %d %s" % (method, path, body, status, answer.status,
                                                                              answer))
        self.check(method, path, body, answer.status, dict(answer))
        return answer

    def get(self, path, status=200):
        return self.call("GET", path, None, status)

    def post(self, path, status=200, **body):
        return self.call("POST", path, body or None, status)

    def lease(self, name, status=201, wait_reply=30, **request):
        return self.post("/v1/leases", status, request=request, holder={"kind": "name", "name": name},
                         wait_reply=wait_reply)

    def applied(self, mig, gpus="all", **body):
        answer = self.post("/v1/apply", 202, file="t.yaml", text=layout(mig, gpus), **body)
        return self.over(answer["operation"])

    def over(self, operation):
        def look():
            seen = self.get("/v1/operations/%s?wait=5&seen=0" % operation["id"])["operation"]
            return seen if seen["state"] != "running" else None
        return self.node.wait_for(look, "the operation to end")

    def raw(self, one, method, path, body=None):
        """The same over a connection that is there already."""
        send(one, method, path, body)
        reply = b""
        while b"\r\n\r\n" not in reply or len(reply) < length_of(reply):
            reply += one.recv(65536)
        status = int(reply.split()[1])
        answer = json.loads(reply.partition(b"\r\n\r\n")[2])
        self.check(method, path, body, status, answer)
        return status, answer


def send(one, method, path, body=None):
    text = b"" if body is None else json.dumps(body).encode()
    one.sendall(b"%s %s HTTP/1.1\r\nHost: carve\r\nContent-Length: %d\r\n\r\n%s" % (
        method.encode(), path.encode(), len(text), text))


def length_of(reply):
    head = reply.partition(b"\r\n\r\n")[0]
    return len(head) + 4 + int(re.search(rb"Content-Length: (\d+)", head).group(1))


def layout(mig, gpus="all"):
    return "version: carve/v1\nlayouts:\n  x:\n  - gpus: %s\n    mig: %s\n" % (gpus, mig)


def needs_jsonschema():
    if not jsonschema:
        raise Skip("there is no jsonschema for this Python (python3-jsonschema)")


@claim
def the_document_and_the_source_know_the_same_routes_and_keys():
    with open(os.path.join(ROOT, "src/daemon/api.c"), encoding="utf-8") as file:
        table = re.search(r"routes\[\] = \{(.*?)\n\};", file.read(), re.S).group(1)
    source = {(method.lower(), path): set((keys or "").split())
              for method, path, keys in re.findall(r'\{ "(\w+)", "([^"]+)",\s*\w+(?:,\s*"([^"]*)")? \}', table)}
    known = {}
    for (method, path), operation in operations(document()).items():
        content = operation.get("requestBody", {}).get("content", {})
        keys = content.get("application/json", {}).get("schema", {}).get("properties", {})
        known[(method, re.sub(r"\{[a-z]+\}", "*", path))] = set(keys)
    equal(known, source)


@claim
def every_documented_answer_comes_and_no_other():
    needs_jsonschema()
    doc = document()
    with Node("dgx-h100", fast=False, options=["--create", "200", "--destroy", "20"], config="health-interval: 200ms\nmps: {idle: 0s}\nquotas:\n- user: %d\n  leases: 1\n- user: nobody\n  leases: 1\n"
              % NOBODY) as node:
        node.start()
        contract = Contract(node, doc)
        what_is_not_there(contract)
        managing(contract)
        leasing(contract)
        sharing(contract)
        watching(contract)
        running(contract)
        if is_root():
            as_another(contract)
        draining(contract)
        broken(contract)
        measured(contract)
        configuration(contract)
    with Node("vgpu", config="health-interval: 100ms\n") as node:
        node.start()
        contract.node = node
        virtual(contract)
    wanted = {(method, path, int(status)) for (method, path), operation in contract.operations.items()
              for status in operation["responses"]}
    if not is_root() or not cgroup_mount():
        wanted -= {one for one in wanted if one in NEEDS_ROOT or one[2] == 403}
    equal(sorted(wanted - contract.provoked), [])
    properties = {"%s.%s" % (name, key) for name, schema in doc["components"]["schemas"].items()
                  for key in schema.get("properties", ())} - {"%s.%s" % ("HolderWish", key) for key in
                                                               doc["components"]["schemas"]["HolderWish"]["properties"]}
    properties |= {"%s.%s" % (name, key) for name, response in doc["components"]["responses"].items()
                   for key in response["content"]["application/json"]["schema"].get("properties", ())}
    equal(sorted(properties - contract.seen - set(NOT_SEEN)), [])


def what_is_not_there(contract):
    for (method, path), operation in contract.operations.items():
        fill = re.sub(r"\{[a-z]+\}", "nope", path)
        if "404" in operation["responses"] and "{" in path:
            body = {"time": 5} if path.endswith("/extend") else None
            contract.call(method.upper(), fill, body, 404)
        if method == "post":
            contract.call("POST", fill, {"no-such-key": 1}, 400)
    for path in ("/v1/plan", "/v1/apply"):
        contract.post(path, 400, text="version: [\n")
        contract.post(path, 404, text=layout("[dynamic]", "[77]"))
    contract.get("/v1/operations/A1?seen=x", 400)
    contract.get("/v1/events?since=x", 400)


def managing(contract):
    contract.applied("[dynamic]", "[1, 2, 3, 4, 5, 6, 7]")
    contract.post("/v1/gpus/1/unmanage", 200, keep=True)
    contract.post("/v1/gpus/1/manage")
    contract.applied("[3g.40gb@0, 3g.40gb@4]", "[1]")
    for path in ("/v1/node", "/v1/gpus", "/v1/gpus/1", "/v1/shares", "/v1/shares/0", "/v1/shares/1:3g.40gb@4",
                 "/v1/health", "/v1/layout", "/v1/layout?name=x", "/v1/events?since=0", "/v1/leases"):
        contract.get(path)
    contract.post("/v1/gpus/1/unmanage", 200, keep=True)
    contract.post("/v1/shares/1:3g.40gb@4/adopt", 409)
    contract.post("/v1/plan", 409, text=layout("[dynamic]", "[1]"))
    contract.post("/v1/apply", 409, text=layout("[dynamic]", "[1]"))
    contract.post("/v1/gpus/1/manage")
    contract.post("/v1/shares/1:3g.40gb@4/adopt")
    contract.post("/v1/plan", text=layout("[3g.40gb@4, 1g.10gb@0, dynamic]", "[1]"), file="t", layout="x", reset=False)
    contract.post("/v1/plan", text=layout("[3g.40gb@4, 3g.40gb@0]", "[1]"))
    contract.over(contract.post("/v1/gpus/1/unmanage", 202)["operation"])
    contract.post("/v1/gpus/1/manage")
    contract.applied("[dynamic]", "[1]")


def leasing(contract):
    node = contract.node
    contract.lease("a", profile="3g.40gb", gpu="2", explain=True, time=1000, mechanism="mig", isolation="fault",
                   tenants="trusted", priority=5, wait=60)
    contract.lease("a", 409)
    contract.lease("never", 422, memory="900G")
    contract.lease("m", memory="10G", compute="10%", workload="hpc", latency="20@p99")
    contract.get("/v1/leases/a?wait=0.1&not=active")
    contract.get("/v1/leases/a?not=nothing", 400)
    contract.post("/v1/leases/a/extend", 200, time=500)
    contract.post("/v1/leases/a/leave", 409)
    contract.post("/v1/leases/a/enter", 409)
    contract.post("/v1/gpus/2/unmanage", 409)
    contract.lease("slow", 202, wait_reply=0, profile="4g.40gb", gpu="3")
    true(contract.get("/v1/gpus/3")["gpu"]["busy"], "it is being changed")
    contract.get("/v1/leases/slow?wait=60")
    contract.post("/v1/leases/slow/release")
    share = contract.get("/v1/leases/a")["lease"]["got"][0]["uuid"]
    user = subprocess.Popen([SIM, "hold", "--time", "100s"], stdout=subprocess.DEVNULL,
                            env=dict(node.env, CUDA_VISIBLE_DEVICES=share))
    node.children.append(user)
    node.wait_for(lambda: [p for p in contract.get("/v1/gpus/2")["gpu"]["processes"] if p["share"]],
                  "the process to be seen")
    contract.post("/v1/plan", text=layout("[7g.80gb]", "[2]"))
    contract.post("/v1/apply", 409, text=layout("[7g.80gb]", "[2]"))
    user.kill()
    user.wait()
    everything = contract.lease("whole", gpu="0", gpus=1)["lease"]
    contract.get("/v1/gpus/0")
    contract.get("/v1/shares/0")
    contract.lease("none", 503, gpu="0", mechanism="whole", wait=0)
    contract.lease("late", 504, gpu="0", mechanism="whole", wait=0.2)
    contract.lease("waits", 202, wait_reply=0, gpu="0", mechanism="whole")
    contract.get("/v1/node")
    contract.post("/v1/leases/waits/release")
    node.sim("inject", "nvmlDeviceCreateGpuInstanceWithPlacement:code=UNKNOWN,times=all")
    contract.lease("fails", 502, profile="2g.20gb", gpu="3")
    node.sim("inject", "--clear")
    for name in ("a", "m", "whole"):
        contract.post("/v1/leases/%s/release" % name, 200, grace=0)
    for path, body in (("", None), ("/enter", None), ("/leave", None), ("/release", None), ("/extend", {"time": 1})):
        contract.call("POST" if path else "GET", "/v1/leases/%s%s" % (everything["id"], path), body, 200)


def virtual(contract):
    """Virtual functions: leased, held by a virtual machine, and in an instance of MIG."""
    node = contract.node
    contract.applied("[]", "[2]", remember=False)
    machine = {"kind": "vm", "name": "web1"}
    lease = contract.post("/v1/leases", 201, request={"vm": True, "profile": "NVIDIA L40S-12Q"}, holder=machine)["lease"]
    with subprocess.Popen([SIM, "hold", "--vf", lease["got"][0]["pci"]], env=node.env) as vm:
        node.wait_for(lambda: contract.get("/v1/shares/0:vf0")["share"]["vf"]["user"], "its use to be seen")
        contract.post("/v1/leases/web1/release", 409)
        contract.get("/v1/node")
        off = "version: carve/v1\nlayouts:\n  off:\n  - gpus: [0]\n    vf: []\n"
        equal(contract.post("/v1/plan", text=off)["verdict"], "cannot")
        vm.terminate()
    contract.get("/v1/shares")
    mig = [t["name"] for t in contract.get("/v1/gpus/2")["gpu"]["vf"]["types"] if t["mig"]]
    contract.post("/v1/leases", 201, request={"vm": True, "profile": mig[0]}, holder=dict(machine, name="web2"))
    contract.get("/v1/shares")
    for name in ("web1", "web2"):
        contract.post("/v1/leases/%s/release" % name)


def sharing(contract):
    """MPS on a GPU and in an instance, one server that is out of order, and a control daemon of somebody else's."""
    node = contract.node
    pipes = node.dir + "/theirs"
    os.mkdir(pipes)
    env = dict(node.env, CUDA_MPS_PIPE_DIRECTORY=pipes, CUDA_MPS_LOG_DIRECTORY=pipes, CUDA_VISIBLE_DEVICES="7")

    def mps(gpu):
        return contract.get("/v1/gpus/%d" % gpu)["gpu"]["mps"]

    subprocess.run(["nvidia-cuda-mps-control", "-d"], env=env, check=True)
    try:
        node.wait_for(lambda: mps(7)["foreign"], "the other control daemon to be found")
    finally:
        subprocess.run(["nvidia-cuda-mps-control"], env=env, input=b"quit\n", check=False)
    contract.lease("i", gpu="3", profile="3g.40gb")
    contract.post("/v1/leases/i/release")
    contract.lease("s", gpu="0", mechanism="mps", memory="10Gi", compute=30)
    share = contract.lease("t", gpu="3", mechanism="mps", profile="3g.40gb", memory="8Gi")["lease"]["got"][0]["share"]
    contract.get("/v1/node")
    contract.get("/v1/shares")
    contract.get("/v1/shares/" + share)
    true(mps(3)["servers"][0]["place"], "a server in an instance")
    for name in ("s", "t"):
        contract.post("/v1/leases/%s/release" % name)
    node.wait_for(lambda: not mps(0)["servers"], "the server to be gone")
    node.sim("inject", "mps-start:times=all")
    contract.lease("f", 202, wait_reply=0, gpu="0", mechanism="mps", memory="10Gi")
    node.wait_for(lambda: [server for server in mps(0)["servers"] if server["text"]], "the server to have failed")
    node.sim("inject", "--clear")
    contract.post("/v1/leases/f/release", None)  # it may have failed
    node.wait_for(lambda: not mps(0)["servers"] and not mps(3)["servers"], "the servers to be gone")


def watching(contract):
    """What a lease's job uses, while it is active and afterwards."""
    node = contract.node
    holder = {"kind": "name", "name": "w"}
    contract.post("/v1/leases", 400, profile="yes", holder=holder)
    contract.post("/v1/leases", 400, profile=True, holder=holder, request={"gpus": 2})
    contract.post("/v1/leases", 400, profile=True, holder=dict(holder, kind="vm"), request={"vm": True})
    lease = contract.post("/v1/leases", 201, profile=True, holder=holder, request={"gpu": "0"})["lease"]

    def figures(name="w"):
        return contract.get("/v1/leases/" + name)["lease"]["profile"]

    node.wait_for(lambda: figures()["busy"]["seen"], "figures")
    node.sim("inject", "nvmlDeviceGetComputeRunningProcesses_v3:code=UNKNOWN,gpu=0,times=all")
    node.wait_for(lambda: figures()["failed_why"], "a sample that cannot be taken")
    node.sim("inject", "--clear")
    if is_root():
        with acting_as(NOBODY):
            equal(figures(), None)
    before = figures()["samples"]
    node.wait_for(lambda: figures()["samples"] > before, "one that can")
    contract.post("/v1/leases/w/release")
    true(figures(lease["id"])["samples"] > before, "the last figures of a lease that is over")
    if is_root():
        with acting_as(NOBODY):
            equal(figures(lease["id"]), None)


def running(contract):
    """What a run does: a process that asks, enters its lease's cgroup, and does not go when it is told."""
    if not is_root() or not cgroup_mount():
        return
    child, one = connected_by_a_child(contract.node.socket, deaf=True)
    with one:
        equal(contract.raw(one, "POST", "/v1/leases", {
            "request": {"profile": "1g.10gb"}, "holder": {"kind": "run", "name": "r", "command": "sleep"}})[0], 201)
        equal(contract.raw(one, "POST", "/v1/leases/r/enter")[0], 200)
        equal(contract.raw(one, "POST", "/v1/leases/r/leave")[0], 200)
        contract.get("/v1/leases/r")
        send(one, "POST", "/v1/leases/r/release", {"grace": 100})
        contract.node.wait_for(lambda: contract.get("/v1/leases/r")["lease"]["state"] == "releasing", "the release")
        contract.post("/v1/leases/r/extend", 409, time=5)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    contract.node.wait_for(lambda: not contract.get("/v1/leases")["leases"], "the lease to end")


def as_another(contract):
    contract.lease("roots", profile="1g.10gb")
    with acting_as(NOBODY):
        for (method, path), operation in contract.operations.items():
            fill = path.replace("{gpu}", "0").replace("{share}", "0").replace("{lease}", "roots")
            if operation.get("x-admin") or operation.get("x-owner"):
                contract.call("POST", fill, None, 403)
            elif method == "get" and "{operation}" not in path:
                contract.get(fill)
        contract.post("/v1/leases", 403, holder={"kind": "pid", "pid": os.getpid()})
        contract.lease("mine", profile="1g.10gb")
        contract.lease("more", 429, profile="1g.10gb")
        contract.post("/v1/leases/mine/release")
    contract.post("/v1/leases/roots/release")
    true(not any(o.get("x-admin") for (m, _), o in contract.operations.items() if m == "get"), "everybody may read")


def draining(contract):
    contract.lease("d", gpu="0")
    contract.post("/v1/gpus/0/drain", 202)
    contract.post("/v1/driver/drain", 202)
    contract.post("/v1/leases/d/release")
    contract.post("/v1/gpus/0/drain", 200)
    contract.post("/v1/driver/drain", 200)
    contract.post("/v1/driver/undrain")
    contract.post("/v1/gpus/0/undrain")


def broken(contract):
    node = contract.node
    node.sim("inject", "nvmlGpuInstanceCreateComputeInstance:code=UNKNOWN,times=all")
    node.sim("inject", "nvmlGpuInstanceDestroy:code=UNKNOWN,times=all")
    equal(contract.applied("[7g.80gb]", "[5]", remember=False)["state"], "failed")
    node.wait_for(lambda: contract.get("/v1/gpus/5")["gpu"]["health"] == "broken", "the GPU to be marked")
    node.kill()
    node.sim("inject", "--clear", check=False)
    node.start()
    contract.get("/v1/shares/5:7g.80gb@0", 409)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as one:
        one.connect(node.socket)
        equal(contract.raw(one, "POST", "/v1/leases", {"x": " " * (1 << 20)})[0], 413)


def measured(contract):
    rate = {"items_per_s": 500.5, "p50_ns": 2000000, "p99_ns": 2100000}
    figure = {"way": "mps", "kind": "compute", "beside": "alike", "count": 2, "percent": 50, "profile": "",
              "item": {"blocks": 4224, "rounds": 100, "bytes": 0}, "alone": rate, "copies": [rate, rate]}
    contract.post("/v1/measurements", gpu="0", figures=[])
    equal(contract.get("/v1/measurements")["measurements"], [])
    contract.post("/v1/measurements", gpu="0", figures=[figure, dict(figure, kind="launch")])
    contract.get("/v1/measurements")
    contract.post("/v1/measurements", 404, gpu="77", figures=[figure])
    contract.post("/v1/measurements", 400, gpu="0", figures=[dict(figure, count=0)])
    contract.post("/v1/measurements", 409, gpu="0", figures=[dict(figure, way="time", percent=0)] * 255)
    contract.post("/v1/measurements/forget", 404, gpu="77")
    equal(contract.post("/v1/measurements/forget", gpu="0")["forgotten"], 2)


def configuration(contract):
    contract.post("/v1/reload")
    with open(contract.node.config_path, "w", encoding="utf-8") as file:
        file.write("nonsense: 1\n")
    contract.post("/v1/reload", 400)


if __name__ == "__main__":
    run_claims(sys.modules[__name__])
