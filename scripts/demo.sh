#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Shows Carve to somebody who has never seen it: `make demo`.
#
#	demo.sh [--built]      --built: no packages, no building; the programs are in $BUILD
#
# On a machine with an NVIDIA driver it first looks at that machine, without changing anything. All
# the rest happens on a simulated node, whose processes, files and sockets are its own.
set -eu
cd "$(dirname "$0")/.."
BUILD=${BUILD:-build}

# shellcheck source=scripts/tell.sh
. scripts/tell.sh

# What the demo writes and starts outside the simulated node.
here=$(mktemp -d)
daemon=
clean_up() {
	if [ -n "$daemon" ]; then
		kill "$daemon" 2>/dev/null || true
		wait "$daemon" || true
	fi
	rm -rf "$here"
}
trap clean_up EXIT

if [ "${1-}" != --built ]; then
	scripts/install-packages.sh build
	title "Building Carve"
	if ! make BUILD="$BUILD" >"$here/build.log" 2>&1; then
		cat "$here/build.log"
		exit 1
	fi
	say "$BUILD/carve, $BUILD/carved and $BUILD/carve-sim are ready."
fi
PATH=$(cd "$BUILD" && pwd):$PATH
export PATH

look_at_this_machine() {
	title "This machine has an NVIDIA driver: a look at it, changing nothing"
	show carve doctor || true
	if [ -S /run/carve/api.sock ]; then
		say "A carved is running here already:"
		show carve list
		return
	fi
	say "A carved of the demo's own looks at the GPUs; it manages none of them."
	CARVE_RUN_DIR=$here/run CARVE_STATE_DIR=$here/state
	export CARVE_RUN_DIR CARVE_STATE_DIR
	carved --config data/carved.yaml >"$here/carved.log" 2>&1 &
	daemon=$!
	if wait_for_socket "$daemon" "$here/carved.log"; then
		show carve list gpus || true
		show carve list || true
	fi
	kill "$daemon" 2>/dev/null || true
	wait "$daemon" || true
	daemon=
	unset CARVE_RUN_DIR CARVE_STATE_DIR
}

if [ -e /proc/driver/nvidia/version ]; then
	look_at_this_machine
fi

carve-sim run dgx-h100 -- scripts/demo-node.sh

title "Next"
cat <<END
On the simulated node yourself ("carve-sim machines" lists others):

    export PATH=$(cd "$BUILD" && pwd):\$PATH
    carve-sim run dgx-h100 -- sh -c 'carved 2>/dev/null & bash; kill \$!'

On real GPUs Carve only looks until you hand it one:

    carve doctor                     is everything here that it needs?
    sudo make install                and what it prints
    carve list
    sudo carve manage 0              GPU 0 is Carve's to change
    carve plan FILE                  what a layout would change
    sudo carve apply FILE
    carve run --memory 10G -- CMD
    sudo carve unmanage 0            GPU 0 is as it was before

README.md walks through it in ten minutes.
END
