# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# An emulated NVMe disk with eight VFs, which the configuration calls a GPU: Carve's generic kind.
. /claims/claims.sh
. /claims/life.sh
pf=$(pf_of)
echo 'vf: {classes: ["0108"]}' >/etc/carve/carved.yaml

kind="generic 8 8 0" n_types=0 n_idle=0 n=8 want="" driver=vfio-pci held="1b36:0010 class 010802" n_pinned=3
layout='version: carve/v1
layouts:
  guests:
  - gpus: [0]
    vf: [{count: 2}]
    vfs: 3
'

is_bare() {
	[ ! -e "$devices/$pf/virtfn$1/driver" ]
}

live
