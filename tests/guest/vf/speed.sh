# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# What sixteen VFs take that are made, given to vfio-pci and removed again: by Carve, and by the script
# that an administrator has for it. How much of Carve's is the kernel's own is measured in the same runs:
# the time in which its writes to /sys were in the kernel. That sleeps 0.1 s when VFs come and 1 s when
# they go, and binds drivers besides.
. /claims/claims.sh
runs=9
delays=1.1
pf=$(pf_of)
export CARVE_KERNEL_TIME=/tmp/kernel_time

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
printf '%022d\n' 0 >$CARVE_KERNEL_TIME
# the script's VFs are not to be seen by Carve
echo 'health-interval: 1h' >/etc/carve/carved.yaml
LD_PRELOAD=/bin/kernel_time.so start
carve manage 0 >/dev/null
for _ in $(seq $runs); do
	printf '%022d\n' 0 | dd of=$CARVE_KERNEL_TIME conv=notrunc 2>/dev/null
	ours=$(hundredths by_carve)
	kernel=$(sed 's/^0*//; s/.......$//' $CARVE_KERNEL_TIME)
	echo "$ours" >>/tmp/all
	echo "$kernel" >>/tmp/kernel
	echo $((ours - kernel)) >>/tmp/ours
	hundredths by_script >>/tmp/script
	hundredths carve list >>/tmp/command
done
stop

median() {
	sort -n "$1" | sed -n "$((runs / 2 + 1))p"
}

# share_of FILE: the median of its hundredths as percent of the kernel's own delays.
share_of() {
	echo $(($(median "$1") * 100 / (${delays%.*} * 100 + ${delays#*.} * 10)))
}

# seconds FILE: the median of its hundredths.
seconds() {
	median "$1" | sed 's/^.$/0&/; s/^..$/0&/; s/..$/.&/'
}
echo "16 VFs made, given to vfio-pci and removed again, on an emulated processor: $(seconds /tmp/all) s"
echo "of that the kernel's: $(seconds /tmp/kernel) s, its own delays: $delays s"
echo "ours: $(seconds /tmp/ours) s, $(share_of /tmp/ours) % of these delays; of that two starts of carve, each $(seconds /tmp/command) s"
echo "a script: $(seconds /tmp/script) s; medians of $runs runs, in turn"
