# SPDX-License-Identifier: Apache-2.0
"""QEMU's monitor played by a script that does what it should, and by ones that do not."""
import json
import os
import socket
import subprocess
import threading
import time

import claims
import leases
from claims import contains, same

TOOL = os.environ["ADAPTERS_TOOL"]
GREETING = {"QMP": {"version": {"qemu": {"major": 9, "minor": 0, "micro": 0}, "package": ""}, "capabilities": []}}
DELETED = {"event": "DEVICE_DELETED", "data": {"device": "carve-L3", "path": "/machine/peripheral/carve-L3"}}
PART = {"event": "DEVICE_DELETED", "data": {"path": "/machine/peripheral/carve-L3/virtio-backend"}}
REFUSED = {"event": "DEVICE_UNPLUG_GUEST_ERROR", "data": {"device": "carve-L3", "path": "/machine/peripheral/carve-L3"}}
OTHER = {"event": "DEVICE_DELETED", "data": {"device": "carve-L4", "path": "/machine/peripheral/carve-L4"}}


def error(text, kind="GenericError"):
    return {"error": {"class": kind, "desc": text}}


class Peer:
    """Serves one connection: `answers` maps a command (or "command path") to a list of what is sent for it, in order:
    objects, bytes, numbers (seconds of silence); a "return" or "error" gets the command's id."""

    def __init__(self, t, answers=None, greeting=(GREETING,)):
        self.path = os.path.join(t.dir, "qmp")
        self.answers, self.greeting, self.seen = answers or {}, greeting, []
        if os.path.exists(self.path):
            os.unlink(self.path)
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(self.path)
        self.socket.listen()
        threading.Thread(target=self.serve, daemon=True).start()

    def send(self, connection, things, id=None):
        for thing in things:
            if thing is None:
                connection.shutdown(socket.SHUT_RDWR)
            elif isinstance(thing, (int, float)):
                time.sleep(thing)
            elif isinstance(thing, bytes):
                connection.sendall(thing)
            else:
                thing = thing | {"id": id} if {"return", "error"} & set(thing) and id else thing
                connection.sendall(json.dumps(thing).encode() + b"\r\n")

    def serve(self):
        try:
            connection, _ = self.socket.accept()
            self.send(connection, self.greeting)
            for line in connection.makefile("rb"):
                command = json.loads(line)
                arguments = command.get("arguments", {})
                self.seen.append((command["execute"], arguments))
                name = f"{command['execute']} {arguments.get('path', '')}".strip()
                if "property" in arguments:
                    name += " " + arguments["property"]
                self.send(connection, self.answers.get(name, [{"return": {}}]), command["id"])
        except OSError:
            pass  # carve has had enough


def children(*items):
    return [{"return": [{"name": "type", "type": "string"}, *({"name": n, "type": t} for n, t in items)]}]


# A machine with a port that is taken, one that takes nothing while it runs, and two that are free.
MACHINE = {
    "qom-list /machine/peripheral": children(("rp0", "child<pcie-root-port>"), ("rp1", "child<pcie-root-port>"),
                                             ("rp2", "child<pcie-root-port>"), ("nic", "child<virtio-net-pci>")),
    "qom-list /machine/peripheral-anon": children(("device[0]", "child<pcie-root-port>")),
    "qom-list /machine/peripheral/rp0": children(("rp0", "child<PCIE>")),
    "qom-list /machine/peripheral/rp0/rp0": children(("child[0]", "link<virtio-net-pci>")),
    "qom-list /machine/peripheral/rp1": children(("rp1", "child<PCIE>")),
    "qom-list /machine/peripheral/rp1/rp1": children(("realized", "bool")),
    "qom-get /machine/peripheral/rp1 hotplug": [{"return": False}],
    "qom-list /machine/peripheral/rp2": children(("rp2", "child<PCIE>")),
    "qom-list /machine/peripheral/rp2/rp2": children(("realized", "bool")),
    "qom-get /machine/peripheral/rp2 hotplug": [{"return": True}],
    "qom-get /machine/peripheral/rp2 pref64-reserve": [{"return": 2**64 - 1}],
    "qom-list /machine/peripheral-anon/device[0]": children(("pcie.5", "child<PCIE>")),
    "qom-list /machine/peripheral-anon/device[0]/pcie.5": children(),
    "qom-get /machine/peripheral-anon/device[0] hotplug": [{"return": True}],
    "qom-get /machine/peripheral-anon/device[0] pref64-reserve": [{"return": 1 << 36}],
}


def tool(*args, status=0):
    begin = time.monotonic()
    result = subprocess.run([TOOL, *map(str, args)], capture_output=True, text=True, timeout=60)
    same(result.returncode, status, result.stdout + result.stderr)
    assert time.monotonic() - begin < 20
    return result.stdout


def add(peer, ms=5000, bus="-", mmio=0, status=0):
    return tool("add", peer.path, ms, "carve-L3", "vfio-pci", bus, mmio, "host=0000:41:00.7", status=status)


def remove(peer, ms=5000, status=0):
    return tool("remove", peer.path, ms, "carve-L3", status=status)


def claim_a_free_port_is_found_by_the_room_that_it_keeps(t):
    same(tool("port", Peer(t, MACHINE).path, 5000, 0), "rp2 0\n")
    same(tool("port", Peer(t, MACHINE).path, 5000, 36 << 30), "pcie.5 68719476736\n")
    same(tool("port", Peer(t, MACHINE).path, 5000, 99 << 30), "rp2 0\n")


def claim_without_a_free_port_the_way_out_is_said(t):
    full = {k: v for k, v in MACHINE.items() if "rp2" not in k and "anon" not in k}
    contains(add(Peer(t, full), status=2), "ENOSPC: the virtual machine has no free PCIe root port")


def claim_a_device_is_added_with_its_properties(t):
    peer = Peer(t, MACHINE)
    same(add(peer), "rp2\n")
    same(peer.seen[0], ("qmp_capabilities", {}))
    same(peer.seen[-1], ("device_add", {"driver": "vfio-pci", "id": "carve-L3", "bus": "rp2", "host": "0000:41:00.7"}))
    peer = Peer(t, MACHINE)
    same(add(peer, bus="pci.7"), "pci.7\n")
    same([name for name, _ in peer.seen], ["qmp_capabilities", "qom-list", "device_add"])


def claim_what_is_in_there_already_stays(t):
    there = {"qom-list /machine/peripheral": children(("carve-L3", "child<vfio-pci>"))}
    peer = Peer(t, there | {"qom-get /machine/peripheral/carve-L3 host": [{"return": "0000:41:00.7"}]})
    add(peer, status=1)
    same([name for name, _ in peer.seen], ["qmp_capabilities", "qom-list", "qom-get"])
    peer = Peer(t, there | {"qom-get /machine/peripheral/carve-L3 host": [{"return": "0000:41:01.0"}]})
    contains(add(peer, status=2), "EEXIST: the virtual machine has another device called carve-L3 (host 0000:41:01.0)")


def claim_qemus_refusal_is_passed_on(t):
    peer = Peer(t, MACHINE | {"device_add": [error("vfio 0000:41:00.7: device is already attached\n")]})
    contains(add(peer, status=2), "EREMOTEIO: QEMU refuses the device: vfio 0000:41:00.7: device is already attached")
    peer = Peer(t, {"qmp_capabilities": [error("no", "CommandNotFound")]})
    contains(add(peer, status=2), "refuses: no")


def claim_out_is_what_the_guest_has_let_go_of(t):
    for answers in ([{"return": {}}, PART, OTHER, 0.2, DELETED], [PART, DELETED, {"return": {}}],
                    [{"return": {}}, {"event": "RTC_CHANGE"}, DELETED],
                    [error("Device carve-L3 is already in the process of unplug"), 0.1, DELETED]):
        remove(Peer(t, {"device_del": answers}))


def claim_a_device_that_is_not_there_is_out(t):
    remove(Peer(t, {"device_del": [error("Device 'carve-L3' not found", "DeviceNotFound")]}), status=1)


def claim_a_guest_that_refuses_is_told(t):
    contains(remove(Peer(t, {"device_del": [{"return": {}}, REFUSED]}), status=2), "EREMOTEIO: the guest refuses to let go")
    contains(remove(Peer(t, {"device_del": [error("Bus 'rp0' does not support hotplugging")]}), status=2),
             "EREMOTEIO: QEMU refuses to take it out: Bus 'rp0' does not support hotplugging")


def claim_a_guest_that_does_not_let_go_in_time_is_explained(t):
    there = {"qom-list /machine/peripheral": children(("carve-L3", "child<vfio-pci>")), "device_del": [{"return": {}}, OTHER]}
    paused = there | {"query-status": [{"return": {"running": False, "status": "paused"}}]}
    contains(remove(Peer(t, paused), 300, 2), "ETIMEDOUT: the guest has not let go of carve-L3: its virtual machine is stopped (paused)")
    running = there | {"query-status": [{"return": {"running": True, "status": "running"}}]}
    contains(remove(Peer(t, running), 300, 2), "ETIMEDOUT: the guest has not let go of carve-L3 yet: it is still starting")


def claim_an_event_that_was_lost_is_no_failure(t):
    remove(Peer(t, {"device_del": [{"return": {}}], "qom-list /machine/peripheral": children()}), 300)


def claim_answers_in_pieces_are_put_together(t):
    pieces = [bytes([byte]) for byte in json.dumps(GREETING).encode() + b"\n"]
    slow = [part for piece in pieces for part in (piece, 0.001)]
    remove(Peer(t, {"device_del": [{"return": {}}, DELETED]}, slow))
    both = json.dumps(OTHER).encode() + b"\r\n\r\n\n" + json.dumps(DELETED).encode() + b"\n{"
    remove(Peer(t, {"device_del": [{"return": {}}, both]}))


def claim_a_long_line_is_read(t):
    big = {"event": "DEVICE_LONG", "data": {"x": "y" * 3_000_000}}
    remove(Peer(t, {"device_del": [big, {"return": {}}, DELETED]}, ({"QMP": {"x": "y" * 1_000_000}},)))


def claim_answers_to_others_are_passed_over(t):
    remove(Peer(t, {"device_del": [{"return": 5} | {"x": 1}, b'{"return":{},"id":"other"}\n', DELETED]}))


def claim_who_is_not_qemu_is_found_out(t):
    for greeting, said in (((b"HTTP/1.1 400 Bad Request\r\n",), "does not speak QMP"),
                           ((b"QEMU 9.0 monitor - type 'help'\r\n(qemu) \n",), "does not speak QMP"),
                           ((b"[1,2]\n",), "does not speak QMP"), ((b"\x00\xff\xfe\n",), "does not speak QMP"),
                           (({"hello": 1},), "does not greet as QEMU does"),
                           ((b"[" * 100000 + b"\n",), "does not speak QMP"),
                           ((b"x" * 5_000_000, 5), "a line without an end")):
        contains(remove(Peer(t, {}, greeting), status=2), f"EBADMSG: {t.dir}/qmp ")
        contains(remove(Peer(t, {}, greeting), status=2), said)


def claim_who_hangs_is_left_at_the_deadline(t):
    contains(remove(Peer(t, {}, (30,)), 300, 2), "ETIMEDOUT: " + t.dir + "/qmp does not greet: its virtual machine hangs, or another")
    contains(remove(Peer(t, {"device_del": [30]}), 300, 2), "ETIMEDOUT: QEMU at")
    contains(remove(Peer(t, {"qmp_capabilities": [30]}), 300, 2), "does not answer 'qmp_capabilities'")


def claim_who_never_stops_talking_is_left_at_the_deadline(t):
    for noise in (b'{"event":"RTC_CHANGE"}\n' * 1000, b'{"event":"DEVICE_X"}\n' * 1000, b"\n" * 10000):
        for where in ({}, {"device_del": [noise] * 100000}, {"device_del": [{"return": {}}] + [noise] * 100000}):
            greeting = (GREETING,) if where else [noise] * 100000
            text = remove(Peer(t, where, greeting), 300, 2)
            assert text.startswith(("ETIMEDOUT", "EBADMSG")), text


def claim_who_closes_is_told(t):
    for answers, greeting in (({}, (None,)), ({"device_del": [None]}, (GREETING,)),
                              ({"device_del": [{"return": {}}, b'{"event"', None]}, (GREETING,))):
        contains(remove(Peer(t, answers, greeting), status=2), f"ECONNRESET: QEMU closed its monitor {t.dir}/qmp")


def claim_where_nobody_listens_the_way_out_is_said(t):
    contains(tool("remove", t.dir + "/none", 300, "x", status=2), "ENOENT: there is no socket")
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(t.dir + "/dead")
    contains(tool("remove", t.dir + "/dead", 300, "x", status=2), "ECONNREFUSED: nobody listens at")
    contains(tool("remove", t.dir + "/" + "x" * 120, 300, "x", status=2), "ENAMETOOLONG:")


def verb(t, verb, peer, *more, status=0, lease=None):
    t.serve_lease(lease or leases.lease())
    result = t.carve(verb, "L3", "--qmp", peer.path, *more)
    same(result.returncode, status, result.stdout + result.stderr)
    same((result.stdout + result.stderr).count("\n"), 1)
    return result.stdout + result.stderr


def claim_attach_puts_the_vf_of_a_lease_into_a_machine(t):
    peer = Peer(t, MACHINE)
    same(verb(t, "attach", peer), "VF 0000:41:00.7 is in the virtual machine as carve-L3, on bus pcie.5.\n")
    same(peer.seen[-1], ("device_add", {"driver": "vfio-pci", "id": "carve-L3", "bus": "pcie.5", "host": "0000:41:00.7"}))
    peer = Peer(t, MACHINE)
    verb(t, "attach", peer, lease=leases.lease(**{"mdev": "abc-1", "mmio": 0}))
    same(peer.seen[-1][1]["sysfsdev"], "/sys/bus/mdev/devices/abc-1")


def claim_attach_says_that_it_is_in_there_already(t):
    peer = Peer(t, {"qom-list /machine/peripheral": children(("carve-L3", "child<vfio-pci>")),
                    "qom-get /machine/peripheral/carve-L3 host": [{"return": "0000:41:00.7"}]})
    same(verb(t, "attach", peer), "VF 0000:41:00.7 is in that virtual machine already, as carve-L3.\n")


def claim_attach_names_who_has_the_vf(t):
    share = {"id": "0:vf3", "vf": {"user": {"pid": 4711, "user": "root", "command": "qemu"}, "vm": "db2"}}
    t.fake.answers["GET /v1/shares/0:vf3"] = {"version": 1, "share": share}
    peer = Peer(t, MACHINE | {"device_add": [error("vfio 0000:41:00.7: failed to open /dev/vfio/71: Device or resource busy")]})
    contains(verb(t, "attach", peer, status=1), "resource busy; 0:vf3 is in use by the virtual machine db2 (process 4711)\n")


def claim_attach_warns_of_a_port_without_room(t):
    small = MACHINE | {"qom-get /machine/peripheral/rp2 pref64-reserve": [{"return": 1 << 20}]}
    t.serve_lease(leases.lease())
    result = t.carve("attach", "L3", "--qmp", Peer(t, {k: v for k, v in small.items() if "anon" not in k}).path)
    same(result.returncode, 0)
    contains(result.stderr, "warning: bus rp2 keeps less room for BARs than this VF needs")


def claim_detach_waits_until_the_guest_has_let_go(t):
    same(verb(t, "detach", Peer(t, {"device_del": [{"return": {}}, 0.1, DELETED]})), "carve-L3 is out of the virtual machine.\n")
    same(verb(t, "detach", Peer(t, {"device_del": [error("gone", "DeviceNotFound")]})), "carve-L3 is not in that virtual machine.\n")
    there = {"qom-list /machine/peripheral": children(("carve-L3", "child<vfio-pci>")), "device_del": [{"return": {}}],
             "query-status": [{"return": {"running": False, "status": "prelaunch"}}]}
    contains(verb(t, "detach", Peer(t, there), "--timeout", "200ms", status=124), "its virtual machine is stopped (prelaunch)")


def claim_the_vf_of_a_lease_that_is_over_can_be_taken_out(t):
    result = t.carve("detach", "L3", "--qmp", Peer(t, {"device_del": [{"return": {}}, DELETED]}).path)
    same((result.returncode, result.stdout), (0, "carve-L3 is out of the virtual machine.\n"))
    same(t.carve("detach", "web1", "--qmp", t.dir + "/x").returncode, 1)


def claim_attach_and_detach_explain_what_they_need(t):
    t.serve_lease(leases.lease())
    for args, status, said in ((["attach", "L3"], 64, "which virtual machine? --qmp SOCKET"),
                               (["detach", "L3"], 64, "which virtual machine? --qmp SOCKET"),
                               (["attach", "L3", "--qmp", "x", "--timeout", "soon"], 64, "'soon' is no time"),
                               (["attach", "--qmp", "x"], 64, "needs an argument"),
                               (["attach", "L9", "--qmp", "x"], 1, ""),
                               (["attach", "L3", "--qmp", t.dir + "/none"], 1, "there is no socket")):
        result = t.carve(*args)
        same((result.returncode, result.stderr.count("\n")), (status, 1), result.stderr)
        contains(result.stderr, said)
    t.lease()
    contains(t.carve("attach", "L1", "--qmp", "x").stderr, "lease L1 has no VF: it is a mig share")


claims.main(globals())
