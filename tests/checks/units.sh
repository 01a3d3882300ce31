#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# systemd understands every line of the units: units.sh SERVICE SOCKET SYSUSERS
set -eu
service=$1
socket=$2
sysusers=$3
here=$(mktemp -d)
trap 'rm -rf "$here"' EXIT
failed=0

if command -v systemd-analyze >/dev/null; then
	# The programs need not be installed here.
	sed 's,^\(Exec[A-Za-z]*\)=[^ ]*,\1=/bin/true,' "$service" >"$here/carved.service"
	cp "$socket" "$here/carved.socket"
	# "verify" succeeds on lines it does not know: what it says decides. Manual pages and the
	# units of the machine are not the question.
	said=$(systemd-analyze verify --man=no --recursive-errors=no \
		"$here/carved.service" "$here/carved.socket" 2>&1 | grep -F "$here" || true)
	if [ -n "$said" ]; then
		printf '%s\n' "$said"
		echo "not ok systemd_accepts_the_units"
		failed=1
	else
		echo "ok systemd_accepts_the_units"
	fi
else
	echo "skip systemd_accepts_the_units: systemd-analyze is not installed"
fi

if command -v systemd-sysusers >/dev/null; then
	mkdir -p "$here/root/etc"
	if systemd-sysusers --root="$here/root" - <"$sysusers" && grep -q '^carve:' "$here/root/etc/group"; then
		echo "ok the_group_carve_can_be_made"
	else
		echo "not ok the_group_carve_can_be_made"
		failed=1
	fi
else
	echo "skip the_group_carve_can_be_made: systemd-sysusers is not installed"
fi
exit $failed
