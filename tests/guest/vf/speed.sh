# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# What sixteen VFs take that are made, given to vfio-pci and removed again: by Carve, and by the script
# that an administrator has for it. The kernel itself sleeps 0.1 s when VFs come and 1 s when they go.
. /claims/claims.sh
runs=5
pf=$(pf_of)

layout() {
	printf 'version: carve/v1\nlayouts:\n  x:\n  - gpus: [0]\n    %s\n' "$1"
}

by_carve() {
	carve apply /tmp/on.yaml && carve apply /tmp/off.yaml
}

by_script() {
	echo 0 >$pci/devices/"$pf"/sriov_drivers_autoprobe
	echo 16 >$pci/devices/"$pf"/sriov_numvfs
	for link in $pci/devices/"$pf"/virtfn*; do
		vf=$(basename "$(readlink "$link")")
		echo vfio-pci >$pci/devices/"$vf"/driver_override
		echo "$vf" >$pci/drivers_probe
		[ "$(basename "$(readlink $pci/devices/"$vf"/driver)")" = vfio-pci ] || return 1
	done
	echo 0 >$pci/devices/"$pf"/sriov_numvfs
}

# How long a command takes, in hundredths of a second.
hundredths() {
	read -r begin _ </proc/uptime
	"$@" >/tmp/timed 2>&1 || echo "not ok $*: $(tail -n 1 /tmp/timed)"
	read -r end _ </proc/uptime
	echo $((${end%.*}${end#*.} - ${begin%.*}${begin#*.}))
}

bind "$pf" pci-pf-stub
layout 'vf: [{count: 16}]' >/tmp/on.yaml
layout 'vf: []' >/tmp/off.yaml
start
carve manage 0 >/dev/null
for _ in $(seq $runs); do
	hundredths by_carve >>/tmp/ours
	hundredths by_script >>/tmp/theirs
done
stop

# seconds FILE: the median of its hundredths.
seconds() {
	sort -n "$1" | sed -n "$((runs / 2 + 1))p" | sed 's/..$/.&/'
}
echo "16 VFs made, given to vfio-pci and removed again, on an emulated processor: $(seconds /tmp/ours) s"
echo "a script: $(seconds /tmp/theirs) s; the kernel's own delays: 1.1 s; medians of $runs runs, in turn"
