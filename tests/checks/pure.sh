#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The model's object code asks nobody for a system call, a clock or a log: pure.sh LIBMODEL.A NM
set -eu
archive=$1
shift
asked=$("$@" --undefined-only --format=posix "$archive" | awk '{ print $1 }' | sort -u | grep -E \
	'^(open|openat|read|write|close|ioctl|socket|connect|fork|execv.*|system|popen|fopen|printf|puts|perror|time|clock_gettime|gettimeofday|nanosleep|usleep|sleep|getenv|rand|random|getpid|kill|pthread_.*|log_line|now_ns|wall_ns|spawn_wait|read_file_at|write_file_atomic|make_dirs)$' ||
	true)
if [ -n "$asked" ]; then
	echo "the model calls:" "$asked"
	echo "not ok the_model_makes_no_system_call"
	exit 1
fi
echo "ok the_model_makes_no_system_call"
