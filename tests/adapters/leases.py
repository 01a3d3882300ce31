# SPDX-License-Identifier: Apache-2.0
"""Leases of VFs as carved tells them."""
GIB = 1 << 30


def lease(number=3, name="web1", share="0:vf3", state="active", **vf):
    vf = {
        "pci": "0000:41:00.7", "gpu_pci": "0000:41:00.0", "driver": "nvidia", "vendor_vfio": True, "group": 71,
        "cdev": None, "mdev": None, "numa": 1, "vendor": 0x10de, "device": 0x233b, "memory": 35 * GIB,
        "mmio": 36 * GIB, "type": "NVIDIA H200X-35C",
    } | vf
    return {
        "id": f"L{number}", "name": name, "state": state, "tenant": {"uid": 1000, "user": "alice"},
        "asked": {"gpus": 1, "profile": "H200X-35C", "mechanism": "vf", "vm": True, "wait": None},
        "asked_text": "a VF of type H200X-35C",
        "got": [{"share": share, "gpu": 0, "uuid": "", "memory": vf["memory"], "compute": 0.0, "mechanism": "vf",
                 "profile": vf["type"], "pci": vf["pci"]}],
        "why": None, "holder": {"kind": "vm", "pid": None, "cgroup": None, "cgroup_dir": None, "command": None},
        "fenced": False, "fence_text": None, "created": 1.0, "active": 2.0, "ends": None, "waited": 0.0,
        "queue_position": None, "waits_for": None, "reason": None,
        "binding": {"env": {}, "nodes": [{"path": "/dev/vfio/71", "major": 240, "minor": 1}], "vf": vf},
    }


GENERIC = {
    "driver": "vfio-pci", "vendor_vfio": False, "numa": None, "vendor": 0x1b36, "device": 0x10, "memory": None,
    "mmio": 64 << 20, "type": None, "pci": "0000:01:00.1", "gpu_pci": "0000:01:00.0", "group": 4,
}
ALL = {
    "vgpu": lease(),
    "generic": lease(4, None, "1:vf0", **GENERIC),
    "mdev": lease(5, "desk", "2:vf1", mdev="2f5e4b0c-6d0e-4a9b-8f38-0d7f5a3a1c11", type="GRID T4-4Q", driver="nvidia",
                  vendor_vfio=False, numa=0, mmio=0, device=0x1eb8, memory=4 * GIB),
    "cdev": lease(6, "db", "3:vf2", **GENERIC | {"cdev": "vfio3", "mmio": 8 * GIB + 4096, "numa": 0}),
    "odd": lease(7, "a--><b>'\"$(x)`\n\u00e9-", "0:vf9", type="x\n#--&y-"),
}
