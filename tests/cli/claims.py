# SPDX-License-Identifier: Apache-2.0
"""The frame of the tests of the command line: every function that is called claim_* is a claim.

    import claims
    def claim_lists_are_json(t): ...
    claims.main(globals())

Each claim gets a fresh Test: a temporary directory, a fake carved in it, and carve() to run the program.
Arguments of a test program: the path of carve, then the names of claims to run (all without any).
"""
import inspect
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import traceback

import fake
import machines


class Skip(Exception):
    pass


class Test:
    def __init__(self, program):
        self.program = program
        self.dir = tempfile.mkdtemp(prefix="carve-")
        self.socket = os.path.join(self.dir, "api.sock")
        self.fake = fake.Fake(self.socket)
        self.env = {
            "PATH": os.environ["PATH"], "CARVE_SOCKET": self.socket, "LC_ALL": "C.UTF-8", "HOME": self.dir,
            "COLUMNS": "100", "TMPDIR": self.dir,
        }
        for name in ("CARVE_TEST_RUN", "ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS"):
            if name in os.environ:
                self.env[name] = os.environ[name]
        self.children = []

    def done(self):
        for child in self.children:
            if child.poll() is None:
                child.send_signal(signal.SIGCONT)
                child.kill()
                child.wait()
        self.fake.stop()
        shutil.rmtree(self.dir)

    def carve(self, *args, timeout=30, **more):
        """Runs carve to its end."""
        env = self.env | more.pop("env", {})
        return subprocess.run([self.program, *args], env=env, capture_output=True, text=True, timeout=timeout,
                              stdin=subprocess.DEVNULL, **more)

    def start(self, *args, **more):
        """Starts carve; it is ended with the test."""
        env = self.env | more.pop("env", {})
        child = subprocess.Popen([self.program, *args], env=env, text=True, **more)
        self.children.append(child)
        return child

    def serve(self, node):
        self.fake.answers.update(fake.reading(node))

    def serve_lease(self, lease, **more):
        """One lease that is active at once, and is given back."""
        lease.update(more)
        answer = {"version": 1, "lease": lease}
        ended = {"version": 1, "lease": {"id": lease["id"], "state": "ended", "reason": None}}
        path = f"/v1/leases/{lease['id']}"
        self.fake.answers.update({
            "POST /v1/leases": (201, answer), f"GET {path}": answer, f"POST {path}/enter": {"version": 1},
            f"POST {path}/leave": ended, f"POST {path}/release": ended, f"POST {path}/extend": answer,
        })
        return lease

    def lease(self, **more):
        """As serve_lease, with a lease of a 1g.10gb."""
        node = machines.Node("dgx-h100")
        lease = node.lease(1, shares=[node.instance(0, "1g.10gb", 0)])
        return self.serve_lease(lease, **more)

    def posts(self, end):
        return [body for method, path, body in self.fake.seen if method == "POST" and path.endswith(end)]


def same(got, wanted, what=""):
    assert got == wanted, f"{what} got {got!r}, wanted {wanted!r}"


def contains(text, part):
    assert part in text, f"no {part!r} in:\n{text}"


def lacks(text, part):
    assert part not in text, f"{part!r} in:\n{text}"


def main(names):
    program, wanted = os.path.realpath(sys.argv[1]), sys.argv[2:]
    failed = 0
    for name, function in list(names.items()):
        if not name.startswith("claim_") or not inspect.isfunction(function):
            continue
        name = name.removeprefix("claim_")
        if wanted and name not in wanted:
            continue
        test = Test(program)
        try:
            function(test)
            print(f"ok {name}", flush=True)
        except Skip as reason:
            print(f"skip {name}: {reason}", flush=True)
        except Exception:
            traceback.print_exc(file=sys.stdout)
            print(f"not ok {name}", flush=True)
            failed += 1
        finally:
            test.done()
    sys.exit(1 if failed else 0)
