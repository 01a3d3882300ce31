# SPDX-License-Identifier: Apache-2.0
"""NVIDIA's nvidia-smi on simulated nodes: public calls, and some through NVML's private table."""
import vendor

# What its views show: instances of both kinds, a part of one, users, a GPU without MIG, one that is too old.
BUSY = """\
version: carve-sim/v1
driver: 535.261.03
cuda: "12.2"
gpus:
- product: H100-80
  pci: ["1b:00.0"]
  numa: 0
  mig: on
  instances:
  - {profile: 3g.40gb, start: 4, compute: [1c, 2c]}
  - 1g.10gb+me@0
  processes:
  - {name: python3, memory: 10G, instance: 1, busy: 50, type: compute}
- product: H100-80
  pci: ["43:00.0"]
  numa: 1
  processes:
  - {name: trainer, memory: 20G, busy: 75, type: compute}
  - {name: Xorg, memory: 100M, type: graphics}
  - {name: server, memory: 1G, type: mps}
- product: T4
  pci: ["af:00.0"]
  numa: 1
"""
PRODUCTS = ["A100-40", "A100-80", "A30", "H100-80", "H100-NVL", "GH200-96", "H200", "B200", "RTX-PRO-6000"]
QUERY = ("index,name,uuid,pci.bus_id,driver_version,pstate,temperature.gpu,power.draw,power.limit,utilization.gpu,"
         "memory.total,memory.reserved,memory.used,memory.free,clocks.sm,clocks.max.sm,clocks.mem,mig.mode.current,"
         "ecc.mode.current,ecc.errors.uncorrected.volatile.total,compute_mode,pcie.link.gen.max,pcie.link.gen.hostmax,"
         "encoder.stats.sessionCount,fan.speed,vbios_version,serial,accounting.mode")


def smi(root):
    return f"{root}/usr/lib/nvidia/current/nvidia-smi"


def view(root, name, *arguments):
    with vendor.Node(BUSY) as node:
        text, status = node.run(smi(root), *arguments)
        assert status == 0, f"exits {status}:\n{text}"
        vendor.golden(name, vendor.plain(text, node.pids()))


def claim_it_lists_gpus_and_mig_devices(root):
    view(root, "smi-list.txt", "-L")


def claim_its_table_shows_gpus_mig_devices_and_processes(root):
    view(root, "smi-table.txt")


def claim_it_tells_all_of_each_gpu(root):
    view(root, "smi-query-all.txt", "-q")


def claim_it_prints_what_is_asked_as_csv(root):
    view(root, "smi-query.csv", f"--query-gpu={QUERY}", "--format=csv")


def claim_it_prints_processes_as_csv(root):
    view(root, "smi-processes.csv", "--query-compute-apps=gpu_uuid,pid,name,used_memory", "--format=csv")


def claim_it_watches_devices_and_processes(root):
    view(root, "smi-dmon.txt", "dmon", "-c", "1")
    view(root, "smi-pmon.txt", "pmon", "-c", "1")


def claim_it_lists_supported_clocks(root):
    view(root, "smi-clocks.txt", "-q", "-d", "SUPPORTED_CLOCKS", "-i", "1")


def claim_a_newer_one_works_as_well(root):
    """Of another driver branch, with another layout of its table, and the same private slots."""
    view(f"{root}/newer", "smi-550-table.txt")
    view(f"{root}/newer", "smi-550-query-all.txt", "-q")


def claim_it_tells_the_profiles_and_places_of_every_product(root):
    text = ""
    for product in PRODUCTS:
        machine = (f'version: carve-sim/v1\ngpus:\n- product: {product}\n  pci: ["01:00.0"]\n  mig: on\n')
        with vendor.Node(machine) as node:
            for what in ("-lgip", "-lgipp"):
                said, status = node.run(smi(root), "mig", what)
                assert status == 0, f"{product} {what} exits {status}:\n{said}"
                text += f"{product}: nvidia-smi mig {what}\n{said}"
    vendor.golden("smi-profiles.txt", vendor.plain(text))


def typed(node, root, lines):
    text = ""
    for line in lines:
        said, status = node.run(smi(root), *line.split())
        text += f"# nvidia-smi {line}\n{said}(exits {status})\n"
    return vendor.plain(text)


def claim_it_makes_and_removes_instances(root):
    """One session, as an administrator types it: what is refused as well."""
    session = [
        "mig -lgi", "-i 0 -mig 1", "mig -lgi", "mig -cgi 19,14,9 -C", "mig -cgi 9", "mig -lgi", "mig -lci", "mig -lcip",
        "-L", "mig -dgi -gi 1", "mig -dci -gi 1", "mig -cci 0,1 -gi 1", "mig -lci", "mig -cci 2 -gi 1", "mig -dci -gi 1",
        "mig -dgi -gi 1", "mig -cgi 9:0", "mig -cgi 9:4", "mig -lgi", "mig -dgi -gi 9", "mig -dci", "mig -dgi",
        "-i 0 -mig 0", "mig -lgip",
    ]
    machine = 'version: carve-sim/v1\ngpus:\n- product: H100-80\n  pci: ["1b:00.0"]\n'
    with vendor.Node(machine) as node:
        vendor.golden("smi-session.txt", typed(node, root, session))


def claim_an_ampere_mode_comes_with_the_reset_that_it_does(root):
    modes = "--query-gpu=index,mig.mode.current,mig.mode.pending --format=csv,noheader"
    machine = """\
version: carve-sim/v1
gpus:
- product: A100-40
  pci: ["07:00.0"]
- product: A100-40
  pci: ["0f:00.0"]
  processes:
  - {name: trainer, memory: 20G, busy: 75, type: compute}
"""
    for one in (root, f"{root}/newer"):
        with vendor.Node(machine) as node:
            text = typed(node, one, ["-i 0 -mig 1", modes, "--gpu-reset -i 0", modes, "--gpu-reset -i 1"])
        vendor.golden("smi-reset.txt", text)


vendor.main(globals())
