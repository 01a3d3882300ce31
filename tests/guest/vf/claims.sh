# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# What the claims in the guest are written with. A claim is a function that ends with an error where
# it does not hold; `claim` runs it, and shows what it said then.

pci=/sys/bus/pci

claim() {
	(
		set -eux
		"$1"
	) >/tmp/claim.log 2>&1
	if [ $? -eq 0 ]; then
		echo "ok $1"
	else
		echo "not ok $1"
		tail -n 60 /tmp/claim.log | sed 's/^/  | /'
	fi
}

# Waits until a command succeeds, for a minute at most, or $minutes.
wait_for() {
	patience=$((${minutes:-1} * 600))
	until "$@" >/dev/null 2>&1; do
		patience=$((patience - 1))
		if [ $patience -eq 0 ]; then
			echo "waited in vain for: $*"
			return 1
		fi
		sleep 0.1
	done
}

# equal GOT WANTED
equal() {
	[ "$1" = "$2" ] || {
		echo "got '$1', wanted '$2'"
		return 1
	}
}

# says WORDS COMMAND...: the command fails, and says these words.
says() {
	words=$1
	shift
	if "$@" >/tmp/said 2>&1; then
		cat /tmp/said
		echo "it did not fail: $*"
		return 1
	fi
	grep -qF -- "$words" /tmp/said || {
		echo "'$*' does not say '$words' but:"
		cat /tmp/said
		return 1
	}
}

# link_of FILE: the last part of where a link leads, or nothing.
link_of() {
	[ ! -e "$1" ] || basename "$(readlink -f "$1")"
}

# The address of the GPU's physical function; of the $1th, where there are several.
pf_of() {
	cd $pci/devices && ls -d -- */sriov_totalvfs | sed -n "${1:-1}s,/.*,,p"
}

# vf_of PF NUMBER
vf_of() {
	link_of "$pci/devices/$1/virtfn$2"
}

group_of() {
	link_of "$pci/devices/$1/iommu_group"
}

driver_of() {
	link_of "$pci/devices/$1/driver"
}

# bind DEVICE DRIVER: with driver_override, as nothing else is told of it.
bind() {
	echo "$2" >"$pci/devices/$1/driver_override"
	echo "$1" >$pci/drivers_probe
	equal "$(driver_of "$1")" "$2"
}

# Another program that has a VF open as a VMM has it, until `let_go`. hold NAME VF
hold() {
	: >"/tmp/$1.held"
	qemu-system-x86_64 -name "$1" -device "vfio-pci,host=$2" >"/tmp/$1.held" 2>&1 &
	echo $! >"/tmp/$1.pid"
	wait_for grep -q . "/tmp/$1.held"
	cat "/tmp/$1.held"
	grep -q '^holds' "/tmp/$1.held"
}

has_ended() {
	[ ! -d "/proc/$(cat "$1")" ]
}

let_go() {
	kill "$(cat "/tmp/$1.pid")"
	wait_for has_ended "/tmp/$1.pid"
}

# start: the daemon, until it answers; $STATE is where it keeps its own.
start() {
	carved --state-dir "${STATE:-/keep/state}" >>/tmp/carved.log 2>&1 &
	echo $! >/tmp/carved.pid
	wait_for carve list gpus
}

# stop [SIGNAL]
stop() {
	kill "-${1:-TERM}" "$(cat /tmp/carved.pid)"
	wait_for has_ended /tmp/carved.pid
}

# rests: carved changes no GPU, and has written down what it did.
rests() {
	[ "$(json '[.gpus[].busy] | unique | tostring' list gpus)" = "[null]" ]
}

# json FILTER WORD...: what carve answers, through jq.
json() {
	filter=$1
	shift
	carve "$@" --json | jq -r "$filter"
}
