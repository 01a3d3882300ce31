#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The runner counts what went wrong: runner.sh ROOT. A stand-in for meson names the programs.
set -eu
root=$1
here=$(mktemp -d)
trap 'rm -rf "$here"' EXIT
mkdir "$here/bin" "$here/build"
failed=0

# runs SHELL-TEXT [SECONDS]: what the runner says of it, as a test program with such a time limit.
runs() {
	printf '#!/bin/sh\n%s\n' "$1" >"$here/program"
	cat >"$here/bin/meson" <<-END
		#!/bin/sh
		echo '[{"name":"p","cmd":["sh","$here/program"],"env":{},"workdir":null,"timeout":${2:-60},
		"suite":["carve:unit"],"is_parallel":true}]'
	END
	chmod +x "$here/bin/meson"
	PATH="$here/bin:$PATH" "$root/tests/run" "$here/build" 2>&1 || true
}
# claim NAME SUMMARY SHELL-TEXT [SECONDS]
claim() {
	said=$(runs "$3" "${4:-60}")
	if [ "$(printf '%s\n' "$said" | tail -n 1)" = "$2" ]; then
		echo "ok $1"
	else
		printf '%s\n' "$said" | sed 's/^/> /'
		echo "not ok $1"
		failed=1
	fi
}

claim claims_are_counted "2 passed, 1 failed, 1 skipped" \
	'echo ok a; echo ok b; echo not ok c; echo skip d: no GPU; exit 1'
claim silence_is_a_failure "0 passed, 1 failed, 0 skipped" 'true'
claim a_bad_status_is_a_failure "1 passed, 1 failed, 0 skipped" 'echo ok a; exit 3'
claim a_failed_claim_counts_whatever_the_status "0 passed, 1 failed, 0 skipped" 'echo not ok a'
claim dying_is_a_failure "1 passed, 1 failed, 0 skipped" 'echo ok a; kill -SEGV $$'
claim hanging_is_a_failure "1 passed, 1 failed, 0 skipped" 'echo ok a; sleep 30' 2
# shellcheck disable=SC2016
claim a_process_left_behind_is_a_failure "1 passed, 1 failed, 0 skipped" \
	'setsid sleep 30 >/dev/null 2>&1 & echo ok a'
# Its environment cannot be seen at times; it ends with the file that it reads.
echo "exec sh $here/again" >"$here/again"
claim one_that_becomes_another_program_all_the_time_is_seen_too "1 passed, 1 failed, 0 skipped" \
	"setsid sh $here/again >/dev/null 2>&1 & echo ok a"
exit $failed
