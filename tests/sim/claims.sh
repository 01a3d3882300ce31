# shellcheck shell=sh
# SPDX-License-Identifier: Apache-2.0
# The frame of the simulator's tests in shell; sourced by them. $work is a folder that goes with the
# test, $work/out what the last command printed.
set -u
sim=$CARVE_SIM_PROGRAM
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

# claim NAME: the last command's status decides.
claim() {
	if [ "$?" -eq 0 ]; then
		echo "ok $1"
	else
		echo "not ok $1"
		[ ! -e "$work/out" ] || cat "$work/out" >&2
		failed=1
	fi
}
# exits STATUS COMMAND...: what it printed is in $work/out.
exits() {
	wanted=$1
	shift
	"$@" >"$work/out" 2>&1
	got=$?
	[ "$got" -eq "$wanted" ] || {
		echo "$*: exits $got, not $wanted" >&2
		return 1
	}
}
says() {
	grep -qF -- "$1" "$work/out" || {
		echo "not said: $1" >&2
		return 1
	}
}
