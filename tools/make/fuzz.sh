#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# fuzz.sh SECONDS PROGRAM...: runs each libFuzzer program for SECONDS. Its corpus and its finds lie
# beside it.
set -u
seconds=$1; shift
passed=0 failed=0
for f in "$@"; do
    name=$(basename "$f"); dir=$(dirname "$f")
    mkdir -p "$dir/$name.corpus"
    if out=$("$f" -max_total_time="$seconds" -timeout=10 -print_final_stats=1 -artifact_prefix="$dir/$name." \
        "$dir/$name.corpus" 2>&1); then
        passed=$((passed + 1))
        echo "ok    $name: $(sed -n 's/^stat::number_of_executed_units: *//p' <<<"$out") inputs in $seconds s"
    else
        failed=$((failed + 1))
        tail -n 40 <<<"$out"
        echo "FAIL  $name: the input is kept in $dir/"
    fi
done
echo "fuzz: $passed passed, $failed failed"
[ $failed = 0 ]
