# SPDX-License-Identifier: Apache-2.0
"""Nodes as carved would describe them: canned JSON in the shape of docs/protocol.md."""
import copy
import time

GIB = 1 << 30

# name: (slices, slots, memory GiB, starts, max)
SEVEN = lambda m: {
    f"1g.{m[0]}gb": (1, 1, m[4], list(range(7)), 7),
    f"1g.{m[1]}gb": (1, 2, m[5], [0, 2, 4, 6], 4),
    f"2g.{m[1]}gb": (2, 2, m[5], [0, 2, 4], 3),
    f"3g.{m[2]}gb": (3, 4, m[6], [0, 4], 2),
    f"4g.{m[2]}gb": (4, 4, m[6], [0], 1),
    f"7g.{m[3]}gb": (7, 8, m[7], [0], 1),
}
A100_40 = SEVEN((5, 10, 20, 40, 4.75, 9.62, 19.5, 39.25))
A100_80 = SEVEN((10, 20, 40, 80, 9.5, 19.5, 39.25, 79.0))
H100 = SEVEN((10, 20, 40, 80, 9.75, 19.62, 39.5, 79.25))
H200 = SEVEN((18, 35, 71, 141, 16, 32.25, 69.5, 139.75))
A30 = {
    "1g.6gb": (1, 1, 5.81, [0, 1, 2, 3], 4),
    "2g.12gb": (2, 2, 11.69, [0, 2], 2),
    "4g.24gb": (4, 4, 23.44, [0], 1),
}
RTX = {
    "1g.24gb": (1, 3, 23.62, [0, 3, 6, 9], 4),
    "2g.48gb": (2, 6, 47.38, [0, 6], 2),
    "4g.96gb": (4, 12, 95.12, [0], 1),
}
# product, memory GiB, slots, slices, profiles
PRODUCTS = {
    "a100-40": ("NVIDIA A100-SXM4-40GB", 40, 8, 7, A100_40),
    "a100-80": ("NVIDIA A100-SXM4-80GB", 80, 8, 7, A100_80),
    "h100": ("NVIDIA H100 80GB HBM3", 79.65, 8, 7, H100),
    "h200": ("NVIDIA H200", 140.4, 8, 7, H200),
    "a30": ("NVIDIA A30", 24, 4, 4, A30),
    "rtx": ("NVIDIA RTX PRO 6000 Blackwell Server Edition", 95.6, 12, 4, RTX),
    "l40s": ("NVIDIA L40S", 45, 0, 0, {}),
}
MACHINES = {
    "dgx-a100-40": ["a100-40"] * 8,
    "dgx-a100-80": ["a100-80"] * 8,
    "dgx-h100": ["h100"] * 8,
    "h200": ["h200"],
    "a30x2": ["a30"] * 2,
    "rtx-pro-6000": ["rtx"],
    "h100-l40s": ["h100", "l40s"],
}


def gpu(index, kind, mig=True):
    product, memory, slots, slices, profiles = PRODUCTS[kind]
    capable = bool(profiles)
    on = capable and mig
    answers = {
        "mig": ("yes", f"up to {slices} instances") if on else ("after", "turning MIG mode on") if capable
        else ("no", "this product has no MIG"),
        "mps": ("yes", "up to 48 shares" + (" in its instances" if on else "")),
        "vf": ("no", "comes with a later version"),
        "time": ("no", "comes with a later version"),
        "whole": ("after", "turning MIG mode off") if on else ("yes", "one holder at a time"),
    }
    return {
        "index": index,
        "uuid": f"GPU-{index:08x}-1111-5222-8333-444455556666",
        "pci": f"0000:{0x1b + index:02x}:00.0",
        "product": product,
        "memory": int(memory * GIB),
        "numa": index // 4,
        "managed": True,
        "drained": False,
        "health": "healthy",
        "health_text": "",
        "mig": {
            "capable": capable,
            "on": on,
            "pending": on,
            "slots": slots,
            "slices": slices,
            "profiles": [
                {"name": n, "memory": int(m * GIB), "slices": g, "sm": 16 * g, "size": s, "starts": st, "max": mx}
                for n, (g, s, m, st, mx) in profiles.items()
            ],
        },
        "capabilities": [{"mechanism": m, "answer": a, "text": t} for m, (a, t) in answers.items()],
        "instances": [],
        "lease": None,
        "processes": [],
        "busy": None,
        "mps": {"compute_mode": "default", "time_sliced": False, "clients_max": 48, "servers": [], "foreign": []},
    }


class Node:
    def __init__(self, machine="dgx-h100", mig=True):
        kinds = MACHINES[machine]
        self.kinds = kinds
        self.json = {
            "version": 1,
            "name": "node1",
            "carve": "0.1.0",
            "driver": "535.129.03",
            "simulated": True,
            "gpus": [gpu(i, k, mig) for i, k in enumerate(kinds)],
            "shares": [],
            "leases": [],
            "queue": 0,
        }
        for g in self.json["gpus"]:
            if not g["mig"]["on"]:
                self.json["shares"].append(self.share(g, str(g["index"]), "whole", "", 0, 0, g["memory"], 100.0, "dynamic"))

    def share(self, g, name, mechanism, profile, start, size, memory, compute, origin):
        by = "hardware"
        return {
            "id": name, "gpu": g["index"], "mechanism": mechanism, "profile": profile, "start": start, "size": size,
            "memory": memory, "compute": compute, "slices": 0,
            "uuid": f"MIG-{g['index']:04x}{start:04x}-1111-5222-8333-444455556666" if mechanism == "mig" else g["uuid"],
            "origin": origin, "lease": None, "has_users": False,
            "enforced_by": {"memory": by, "compute": by, "faults": by},
        }

    def instance(self, index, profile, start, origin="dynamic"):
        g = self.json["gpus"][index]
        row = next(p for p in g["mig"]["profiles"] if p["name"] == profile)
        name = f"{index}:{profile}@{start}"
        g["instances"].append({
            "profile": profile, "start": start, "size": row["size"], "slices": row["slices"], "memory": row["memory"],
            "gi": start, "origin": origin, "shares": [name],
        })
        share = self.share(g, name, "mig", profile, start, row["size"], row["memory"],
                           round(100 * row["slices"] / g["mig"]["slices"], 1), origin)
        share["slices"] = row["slices"]
        self.json["shares"].append(share)
        return name

    def server(self, index, user="alice", state="ready", place=None, **more):
        """An MPS server of the user's on a GPU, or in a share of an instance."""
        mps = self.json["gpus"][index]["mps"]
        if place is None:
            mps["compute_mode"] = "exclusive-process"
        mps["servers"].append({
            "place": place, "tenant": {"uid": 1000 + len(mps["servers"]), "user": user}, "state": state, "text": None,
            "control_pid": 700, "server_pid": 701, "clients": 2, "leases": 1, "interface": "v2", "memory_limit": None,
            "compute_limit": None,
        } | more)

    def mps(self, index, number, memory, percent, place=None, origin="dynamic", by=("mps", "mps"), server="ready"):
        """An MPS share; memory in GiB."""
        g = self.json["gpus"][index]
        name = f"{place or index}:mps{number}"
        self.json["shares"] = [s for s in self.json["shares"] if s["id"] != str(index)]
        self.json["shares"].append({
            "id": name, "gpu": index, "mechanism": "mps", "profile": None, "start": None, "size": None,
            "memory": int(memory * GIB), "compute": float(percent), "slices": None, "uuid": g["uuid"],
            "origin": origin, "lease": None, "has_users": False, "place": place, "server": server,
            "enforced_by": {"memory": by[0], "compute": by[1], "faults": "nobody"},
        })
        return name

    def vfs(self, index, kind="nvidia", total=32, on=32, types=(), **more):
        """Turns a GPU's VFs on. Types: name, memory in GiB, room, most, MIG profile, licence."""
        gpu = self.json["gpus"][index]
        self.json["shares"] = [s for s in self.json["shares"] if s["id"] != str(index)]
        gpu["vf"] = {
            "kind": kind, "total": total, "hardware_total": total, "on": on, "free": on, "mixed": False, "may_mix": True,
            "origin": "dynamic" if on else None,
            "types": [{"id": 1000 + i, "name": n, "memory": int(m * GIB), "room": room, "max": most, "mig": mig,
                       "licence": licence} for i, (n, m, room, most, mig, licence) in enumerate(types)],
            "vfs": [{"number": i, "pci": f"0000:{0x1b + index:02x}:{(4 + i) // 8:02x}.{(4 + i) % 8}", "driver": "",
                     "free": True, "share": None} for i in range(on)],
        } | more

    def vf(self, index, number, type=None, memory=0, origin="dynamic", pid=None, vm=None, owner=None, gi=None, **more):
        """A VF that is set up; memory in GiB, pid: of the VMM that has it open."""
        gpu = self.json["gpus"][index]
        row = next(v for v in gpu["vf"]["vfs"] if v["number"] == number)
        name = f"{index}:vf{number}"
        row.update(free=False, share=name, driver="nvidia" if type else "vfio-pci")
        gpu["vf"]["free"] -= 1
        licence = next((t["licence"] for t in gpu["vf"]["types"] if t["name"] == type), "")
        self.json["shares"].append({
            "id": name, "gpu": index, "mechanism": "vf", "profile": type, "start": None, "size": None,
            "memory": int(memory * GIB), "compute": None, "slices": None, "uuid": "", "origin": origin, "lease": None,
            "has_users": pid is not None, "enforced_by": {"memory": "hardware", "compute": "nobody", "faults": "nobody"},
            "vf": {"number": number, "pci": row["pci"], "driver": row["driver"], "group": 70 + number, "viable": True,
                   "numa": 0, "placement": None, "gi": gi, "vm": vm, "owner": owner, "licence": licence,
                   "user": pid and {"pid": pid, "user": "root", "command": "qemu-system-x86_64 -M q35", "service": None}} | more,
        })
        return name

    def vm_lease(self, number, name, vf, **more):
        """A lease of a VF for the virtual machine of that name."""
        used = next(s for s in self.json["shares"] if s["id"] == vf)["has_users"]
        lease = self.lease(number, shares=[vf], name=name, fenced=False, **more)
        share = next(s for s in self.json["shares"] if s["id"] == vf)
        share["has_users"] = used
        lease["holder"] = {"kind": "vm", "pid": None, "cgroup": None, "cgroup_dir": None, "command": None}
        lease["got"][0]["pci"] = share["vf"]["pci"]
        lease["asked"] = {"gpus": 1, "mechanism": "vf", "vm": True, "wait": None} | (
            {"profile": share["profile"]} if share["profile"] else {})
        lease["binding"] = {"env": {}, "nodes": [], "vf": {
            "pci": share["vf"]["pci"], "gpu_pci": self.json["gpus"][share["gpu"]]["pci"], "driver": share["vf"]["driver"],
            "vendor_vfio": share["vf"]["driver"] == "nvidia", "group": share["vf"]["group"], "cdev": None, "mdev": None,
            "numa": 0, "vendor": 0x10de, "device": 0x26b9, "memory": share["memory"] or None, "mmio": 0,
            "type": share["profile"]}}
        return lease

    def lease(self, number, user="alice", command="python train.py", shares=(), asked=None, state="active", **more):
        got = []
        for name in shares:
            share = next(s for s in self.json["shares"] if s["id"] == name)
            share["lease"] = f"L{number}"
            share["has_users"] = True
            if share["mechanism"] == "whole":
                self.json["gpus"][share["gpu"]]["lease"] = f"L{number}"
            got.append({k: share[k] for k in ("gpu", "uuid", "memory", "compute", "mechanism", "profile")} | {"share": name})
        now = time.time()
        lease = {
            "id": f"L{number}", "name": None, "state": state, "tenant": {"uid": 1000, "user": user},
            "asked": asked or {"gpus": 1, "memory": "10G", "wait": None}, "asked_text": "10G of a GPU", "got": got,
            "why": None, "holder": {"kind": "run", "pid": 4000 + number, "cgroup": None, "command": command},
            "fenced": True, "fence_text": "", "created": now - 700, "active": now - 600 if got else None, "ends": None,
            "waited": 0.0, "queue_position": None, "waits_for": None, "reason": None, "profile": None,
            "binding": {
                "env": {"CUDA_VISIBLE_DEVICES": ",".join(s["uuid"] for s in got)} if got else {},
                "nodes": [{"path": "/dev/nvidia0", "major": 195, "minor": 0}] if got else [],
            },
        }
        lease.update(more)
        self.json["leases"].append(lease)
        return lease

    def copy(self):
        return copy.deepcopy(self.json)


def mps_node():
    """Five H100, two of them in MIG mode, with something of everything that MPS has."""
    node = Node("dgx-h100", mig=False)
    node.json["gpus"] = node.json["gpus"][:6]
    node.json["shares"] = [s for s in node.json["shares"] if s["gpu"] < 6]
    node.json["gpus"][4] = gpu(4, "h100")
    node.server(0, "alice", memory_limit=20 * GIB, compute_limit=40)
    node.lease(1, "alice", "python train.py --epochs 100", [node.mps(0, 1, 20, 40)],
               {"gpus": 1, "memory": "20Gi", "compute": 40, "mechanism": "mps"})
    node.lease(2, "alice", "jupyter lab", [node.mps(0, 2, 8, 20, by=("nobody", "nobody"))],
               {"gpus": 1, "memory": "8Gi", "compute": 20})
    node.mps(0, 3, 20, 30, origin="pinned", server=None)
    node.server(1, "bob", "faulty", text="process 4711 broke it; its clients end, then it is started again")
    node.lease(3, "bob", "./simulate --steps 1000000", [node.mps(1, 1, 40, 50, server="faulty")],
               {"gpus": 1, "memory": "40Gi", "compute": 50})
    node.server(2, "carol")
    node.server(2, "dave", "starting")
    node.json["gpus"][2]["mps"].update(time_sliced=True, compute_mode="default")
    node.lease(4, "carol", "serve --port 80", [node.mps(2, 1, 30, 50, by=("nobody", "nobody"))],
               {"gpus": 1, "memory": "30Gi"})
    node.lease(5, "dave", "serve --port 81", [node.mps(2, 2, 10, 25, by=("nobody", "nobody"), server="starting")],
               {"gpus": 1, "memory": "10Gi"})
    node.server(3, "erin", leases=12)
    for i in range(12):
        node.lease(10 + i, "erin", "python sweep.py", [node.mps(3, i + 1, 4, 8)], {"gpus": 1, "memory": "4Gi"})
    place = node.instance(4, "3g.40gb", 4, "pinned")
    node.instance(4, "2g.20gb", 0)
    node.server(4, "frank", place=place, leases=2)
    for i in range(2):
        node.lease(30 + i, "frank", "python infer.py", [node.mps(4, i + 1, 12, 15, place, by=("nobody", "nobody"))],
                   {"gpus": 1, "memory": "12Gi"})
    for i in (4, 5):
        node.json["gpus"][i]["mps"]["foreign"] = [{"pid": 4321, "uid": 0, "pipe_directory": "/tmp/nvidia-mps"}]
    return node


Q = "a guest needs a licence for vWS; without one it slows down after a while"
C = "a guest needs NVIDIA AI Enterprise; without it CUDA stops working"


def vf_node():
    """An L40S with vGPUs, an H100 with vGPUs in MIG instances, a PCI device with VFs without sizes,
    an H100 whose VFs are off."""
    node = Node("dgx-h100", mig=False)
    node.json["gpus"] = node.json["gpus"][:4]
    node.json["shares"] = [s for s in node.json["shares"] if s["gpu"] < 4]
    node.json["gpus"][0] = gpu(0, "l40s")
    node.vfs(0, types=[("NVIDIA L40S-12Q", 12, 0, 4, None, Q), ("NVIDIA L40S-12C", 12, 0, 4, None, C),
                       ("NVIDIA L40S-24Q", 24, 0, 2, None, Q)])
    node.vm_lease(3, "web1", node.vf(0, 3, "NVIDIA L40S-12Q", 12, pid=4711, vm="web1"))
    node.vm_lease(4, "web2", node.vf(0, 4, "NVIDIA L40S-12Q", 12))
    node.vf(0, 5, "NVIDIA L40S-12Q", 12, origin="pinned")
    node.vf(0, 6, "NVIDIA L40S-12Q", 9, origin="foreign", pid=4800, owner="libvirt domain db")
    node.json["gpus"][1] = gpu(1, "h100")
    place = node.instance(1, "3g.40gb", 4)
    node.vfs(1, total=16, on=16, types=[("NVIDIA H100-3-40C", 40, 1, 1, "3g.40gb", C)])
    node.vm_lease(5, "train", node.vf(1, 0, "NVIDIA H100-3-40C", 40, pid=4900, gi=4))
    assert place
    node.json["gpus"][2].update(product="Red Hat, Inc. 1b36:0010", uuid="PCI-0000:1d:00.0", memory=0)
    node.vfs(2, kind="generic", total=8, on=4, hardware_total=16)
    node.vm_lease(6, "desk", node.vf(2, 1, viable=False))
    node.vf(2, 2, origin="foreign", group=None)
    node.vfs(3, total=16, on=0)
    return node


def busy_node(machine="dgx-h100"):
    """A node with something of everything."""
    node = Node(machine)
    g = node.json["gpus"]
    if machine in ("dgx-a100-40", "dgx-a100-80", "dgx-h100"):
        p = [row["name"] for row in g[0]["mig"]["profiles"]]
        one, one2, two, three, four, seven = p
        a = [node.instance(0, one, 0), node.instance(0, one, 1), node.instance(0, two, 2), node.instance(0, three, 4)]
        node.lease(1, "alice", "python train.py --epochs 100", [a[0]], {"gpus": 1, "memory": "10G", "compute": 10})
        node.lease(2, "bob", "jupyter lab", [a[2]], {"gpus": 1, "memory": "18G", "compute": 25})
        node.lease(3, "carol", "./simulate --steps 1000000 --grid 512", [a[3]], {"gpus": 1, "profile": three})
        b = [node.instance(1, one, i, "pinned") for i in range(7)]
        node.lease(4, "dave", "serve --port 80", [b[0]], {"gpus": 1, "memory": "8G"})
        node.lease(125, "erin", "serve --port 81", [b[1]], {"gpus": 1, "memory": "8G"})
        node.instance(2, four, 0, "foreign")
        node.instance(2, three, 4, "pinned")
        c = node.instance(3, three, 4)
        g[3]["processes"].append({"pid": 4711, "user": "mallory", "command": "python -c 'import torch'", "service": "",
                                  "share": c, "lease": None, "memory": 123})
        d = node.instance(4, seven, 0)
        node.lease(130, "frank", "torchrun train.py", [d], {"gpus": 1, "memory": "70G", "compute": 90})
        g[5].update(drained=True)
        g[6].update(health="sick", health_text="XID 48: double-bit ECC error at 12:31")
        g[7].update(managed=False)
        node.lease(131, "grace", "python big.py", [], {"gpus": 1, "memory": "75G"}, "queued", queue_position=1,
                   waits_for="a whole GPU: GPU 1 has the fewest leases in the way", holder={
                       "kind": "run", "pid": 5, "cgroup": None, "command": "python big.py"})
        node.json["queue"] = 1
    elif machine == "h100-l40s":
        node.lease(1, "alice", "python train.py", [node.instance(0, "2g.20gb", 0)], {"gpus": 1, "memory": "18G"})
        node.lease(2, "bob", "python infer.py", ["1"], {"gpus": 1, "mechanism": "whole"})
    elif machine == "a30x2":
        node.lease(1, "alice", "python train.py", [node.instance(0, "1g.6gb", 0)], {"gpus": 1, "memory": "5G"})
        node.instance(0, "2g.12gb", 2, "pinned")
    elif machine == "rtx-pro-6000":
        node.lease(1, "alice", "python train.py", [node.instance(0, "1g.24gb", 3)], {"gpus": 1, "memory": "20G"})
        node.instance(0, "2g.48gb", 6)
    else:
        node.lease(1, "alice", "python train.py", [node.instance(0, "3g.71gb", 4)], {"gpus": 1, "memory": "60G"})
        node.instance(0, "1g.18gb", 0, "pinned")
    return node
