#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The node where unchanged programs look: /proc/driver, /sys and /dev in a mount namespace. And what
# becomes of it all when carve-sim is killed, when there are no privileges, and where FUSE is missing.
# shellcheck disable=SC2016 # expanded by the inner shells
# shellcheck source=tests/sim/claims.sh
. "$(dirname "$0")/claims.sh"
chmod 711 "$work"

skip_all() {
	for name in unchanged_programs_see_the_node the_machines_own_cgroups_and_devices_stay \
		nothing_of_it_is_seen_outside carve_works_without_a_system_root \
		a_fenced_open_is_refused_and_another_finds_no_driver \
		a_killed_carve_sim_leaves_nothing_behind files_are_live_without_privileges \
		without_fuse_it_says_what_is_missing_and_works; do
		echo "skip $name: $1"
	done
	exit 0
}
[ "$(id -u)" -eq 0 ] || skip_all "only root may make a mount namespace"
unshare -m true 2>/dev/null || skip_all "no mount namespaces here"
[ -c /dev/fuse ] || skip_all "no /dev/fuse here"

# inside MACHINE SCRIPT: on a node, without anything that tells Carve's programs where it is.
inside() {
	"$sim" run "$1" --fast -- env -u CARVE_SYSTEM_ROOT sh -euc "$2" >"$work/out" 2>&1
}
has() {
	grep -qF -- "$1" "$work/out"
}
wait_until() {
	turns=400
	until "$@"; do
		turns=$((turns - 1))
		[ "$turns" -gt 0 ] || return 1
		sleep 0.025
	done
}

inside h100-l40s 'cat /proc/driver/nvidia/version /proc/driver/nvidia/gpus/*/information
	ls /sys/bus/pci/devices; cat /sys/class/drm/card1/device/numa_node /proc/devices
	ls /dev; ls /dev/nvidia-caps' && has "NVRM version" && has "NVIDIA L40S" && has 0000:af:00.0 &&
	has nvidia-caps && has nvidia1 && has nvidia-cap1
claim unchanged_programs_see_the_node

inside a30x2 'stat -f -c %T /sys/fs/cgroup; cat /sys/devices/system/cpu/online; echo x >/dev/null
	head -c 4 /dev/urandom >/dev/null; ls -d /dev/pts /dev/shm; ls -d /sys/class/net/lo/' &&
	has "$(stat -f -c %T /sys/fs/cgroup)" && has "$(cat /sys/devices/system/cpu/online)"
claim the_machines_own_cgroups_and_devices_stay

inside a30x2 'echo "$CARVE_SIM_NODE"
	! nsenter -t '$$' -m ls /proc/driver/nvidia/params /dev/nvidia-caps /sys/bus/pci/drivers/nvidia/0000:17:00.0' &&
	! grep -qF "$(head -n 1 "$work/out")" /proc/self/mounts && [ "$(grep -c "No such file" "$work/out")" -eq 3 ]
claim nothing_of_it_is_seen_outside

PATH=$CARVE_BUILD/src/cli:$CARVE_BUILD/src/daemon:$PATH
carve_on_node='carved >'"$work"'/log 2>&1 & daemon=$!
	trap "kill $daemon; wait $daemon" EXIT
	until carve list >/dev/null 2>&1; do kill -0 $daemon; sleep 0.05; done'
inside a30x2 "$carve_on_node"'
	carve list; carve run --gpu 1 -- carve-sim hold -- carve-sim state' &&
	has "A30" && has "process "
claim carve_works_without_a_system_root

if grep -q cgroup2 /proc/mounts; then
	inside a30x2 "$carve_on_node"'
		carve run --gpu 1 -- sh -c "
			for n in 0 1; do dd if=/dev/nvidia\$n count=0 2>&1 | sed s/^/\$n:/; done" || :' &&
		{ has "0:dd: failed to open '/dev/nvidia0': Operation not permitted" || grep -q "not fenced" "$work/out"; } &&
		has "1:dd: failed to open '/dev/nvidia1': No such device or address"
	claim a_fenced_open_is_refused_and_another_finds_no_driver
else
	echo "skip a_fenced_open_is_refused_and_another_finds_no_driver: no cgroup v2 here"
fi

"$sim" run a30x2 --fast -- sh -c 'echo "$CARVE_SIM_NODE" >'"$work/dir.new; mv $work/dir.new $work/dir"'; exec sleep 60' &
runner=$!
is_gone() {
	[ ! -e "$(cat "$work/dir")" ] && ! grep -qF "$(cat "$work/dir")" /proc/self/mounts
}
wait_until [ -e "$work/dir" ] && sleeper=$(pgrep -P "$runner" sleep) && ! is_gone && kill -KILL "$runner" &&
	wait_until is_gone
claim a_killed_carve_sim_leaves_nothing_behind
kill "$sleeper"

as_nobody="setpriv --reuid 65534 --regid 65534 --clear-groups env TMPDIR=/tmp XDG_RUNTIME_DIR="
# As udev would make it.
mknod -m 666 "$work/fuse" c 10 229
# shellcheck disable=SC2086
unshare -m sh -c 'mount --bind "$0" /dev/fuse && exec "$@"' "$work/fuse" $as_nobody "$sim" run a30x2 --fast -- sh -c '
	[ -L "$CARVE_SYSTEM_ROOT/proc" ] && cat "$CARVE_SYSTEM_ROOT/proc/driver/nvidia/version" &&
	carve-sim hold -- echo held; echo "$CARVE_SIM_NODE" >&2' >"$work/out" 2>"$work/dir" && has "NVRM version" &&
	has held && [ ! -e "$(tail -n 1 "$work/dir")" ]
claim files_are_live_without_privileges

unshare -m sh -c 'mount --bind /dev/null /dev/fuse && "$0" run a30x2 --fast -- sh -c "
	cat /proc/driver/nvidia/version; carve-sim hold -- carve-sim state"' "$sim" >"$work/out" 2>&1 &&
	has "no file system in user space here: fuse" && has "NVRM version" && has "process" && has "(plain files)"
claim without_fuse_it_says_what_is_missing_and_works

exit $failed
