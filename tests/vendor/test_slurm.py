# SPDX-License-Identifier: Apache-2.0
"""Slurm's daemon finds a simulated node's GPUs and MIG devices by its NVML plug-in, with their files in /dev."""
import os
import re

import vendor

MACHINE = """\
version: carve-sim/v1
driver: 535.261.03
gpus:
- product: H100-80
  pci: ["1b:00.0"]
  mig: on
  instances: [3g.40gb@4, 1g.10gb@0]
- product: L40S
  pci: ["43:00.0"]
"""
CONFIGURATION = """\
ClusterName=test
SlurmctldHost=localhost
PluginDir={plugins}
GresTypes=gpu
AuthType=auth/munge
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SlurmdSpoolDir={here}
SlurmdPidFile={here}/pid
SlurmdLogFile={here}/log
SlurmUser=root
SlurmdUser=root
{node} Gres=gpu:3
PartitionName=all Nodes=ALL
"""


def write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def claim_slurm_finds_gpus_and_mig_devices_with_their_files(root):
    if os.geteuid() != 0:
        raise vendor.Skip("it looks for MIG devices in /proc/driver, where only root can put a node's")
    with vendor.Node(MACHINE) as node:
        here, libraries = node.work.name, f"{root}/usr/lib/x86_64-linux-gnu"
        daemon = f"{here}/slurmd"  # by another name it does not look at the node
        os.symlink(f"{root}/usr/sbin/slurmd-wlm", daemon)
        paths = [node.env["LD_LIBRARY_PATH"], libraries, f"{libraries}/slurm-wlm", f"{root}/lib/x86_64-linux-gnu"]
        env = {"LD_LIBRARY_PATH": ":".join(paths)}
        text, status = node.run(daemon, "-C", env=env)
        assert status == 0, text
        machine = next(line for line in text.splitlines() if line.startswith("NodeName="))
        write(f"{here}/slurm.conf", CONFIGURATION.format(here=here, plugins=f"{libraries}/slurm-wlm", node=machine))
        write(f"{here}/gres.conf", "AutoDetect=nvml\n")
        text, status = node.run(vendor.SIM, "exec", "--dir", node.dir, "--", daemon, "-G", "-D", "-v", "-f",
                                f"{here}/slurm.conf", env=env)
        assert status == 0, text
        # the processors beside a GPU are this machine's
        found = [re.sub(r"^slurmd: | Cores=.*$", "", line) for line in text.splitlines() if "Gres Name=" in line]
        assert found, text
        vendor.golden("slurmd.txt", "\n".join(found) + "\n")


vendor.main(globals())
