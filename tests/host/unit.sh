#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# unit.sh BUILD PROGRAM...: runs the host tests, a line each; what failed is shown whole.
# After the cmocka programs come the scripts that test the build itself (frozen.sh) and the host tool (tool.sh).
set -u
cd "$(dirname "$0")/../.."
build=$1; shift
passed=0 failed=0

# one NAME COMMAND...: cmocka counts its tests, a script may say "N passed, M failed"; else it counts as one.
one() {
    local name=$1 out rc bad good
    shift
    out=$("$@" 2>&1); rc=$?
    good=$(sed -n 's/^\[  PASSED  \] \([0-9]*\) test(s)\.$/\1/p' <<<"$out" | tail -n 1)
    bad=$(sed -n 's/^\[  FAILED  \] \([0-9]*\) test(s), listed below:$/\1/p' <<<"$out" | tail -n 1)
    [ -n "$good$bad" ] || read -r good _ bad _ < <(grep -oE '[0-9]+ passed, [0-9]+ failed' <<<"$out" | tail -n 1) || true
    [ "${bad:-0}" != 0 ] || bad=
    [ $rc = 0 ] && good=${good:-1} || bad=${bad:-1}
    passed=$((passed + ${good:-0})) failed=$((failed + ${bad:-0}))
    if [ $rc = 0 ]; then
        echo "ok    $name: $good"
    else
        printf '%s\n' "$out"
        echo "FAIL  $name"
    fi
}

for t in "$@"; do one "$(basename "$t")" "$t"; done
one rig_test.py tests/host/rig_test.py
one report_test.py tests/host/report_test.py
one nidus_trace_test.py tests/host/nidus_trace_test.py
one frozen.sh tests/host/frozen.sh "$build"
one tool.sh tests/host/tool.sh "$build/unit/vmcs12" "$build"
echo "host tests: $passed passed, $failed failed"
[ $failed = 0 ]
