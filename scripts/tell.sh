# shellcheck shell=sh
# SPDX-License-Identifier: Apache-2.0
# How the demo speaks; sourced by its scripts.

if [ -t 1 ] && [ "${NO_COLOR-}" = "" ]; then
	bold=$(printf '\033[1m')
	dim=$(printf '\033[2m')
	plain=$(printf '\033[0m')
else
	bold='' dim='' plain=''
fi

# A shell runs what it is to do at its EXIT only if it exits, not if a signal ends it.
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 141' PIPE
trap 'exit 143' TERM

# title TEXT: a new part of the story.
title() {
	printf '\n%s== %s%s\n' "$bold" "$1" "$plain"
}

# say LINE...
say() {
	printf '%s\n' "$@"
}

# show COMMAND...: prints the command, then runs it.
show() {
	printf '%s$ %s%s\n' "$dim" "$*" "$plain"
	"$@"
}

# show_behind LOG COMMAND...: the same, in the background, its output in LOG. Sets $!.
show_behind() {
	output=$1
	shift
	printf '%s$ %s &%s\n' "$dim" "$*" "$plain"
	"$@" >"$output" 2>&1 &
}

# wait_until SECONDS COMMAND...: until the command succeeds; fails when the time is over.
wait_until() {
	turns=$(($1 * 20))
	shift
	until "$@" >/dev/null 2>&1; do
		turns=$((turns - 1))
		[ "$turns" -gt 0 ] || return 1
		sleep 0.05
	done
}

# wait_for_socket PID LOG: until the daemon with that pid listens; shows its log if it does not.
wait_for_socket() {
	if wait_until 20 sh -c "[ -S '$CARVE_RUN_DIR/api.sock' ] || ! kill -0 $1" &&
		[ -S "$CARVE_RUN_DIR/api.sock" ]; then
		return 0
	fi
	echo "carved did not start:" >&2
	cat "$2" >&2
	return 1
}
