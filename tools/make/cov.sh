#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# cov.sh BUILD SOURCE...: reports how many lines of the pure sources the host tests execute, and how
# many branches they take at least once, by gcov. No number makes the script fail.
set -eu
build=$1; shift
find "$build/cov" -name '*.gcda' -delete
for t in "$build"/cov/h_*; do [ -x "$t" ] && "$t" >/dev/null 2>&1 || true; done
printf '%-28s %8s %10s %8s\n' "coverage by host tests" lines branches missing
for f in "$@"; do
    gcov -n -b -o "$build/cov/${f%.c}.o" "$f" 2>/dev/null |
        awk -v f="$f" -v q="File '$f'" '/^File/ { on = $0 == q }
            on && /^Lines executed/ { split($0, a, /[:% ]+/); lines = a[3]; ln = a[5] }
            on && /^Taken at least once/ { split($0, a, /[:% ]+/); taken = a[5]; bn = a[7] }
            on && /^No branches/ { taken = 100; bn = 0 }
            END { printf "%s %s %s %s %s\n", f, lines, ln, taken, bn }'
done | awk '{ l = $2 * $3 / 100; b = $4 * $5 / 100; L += l; LN += $3; Bt += b; BN += $5
        printf "%-28s %7.1f%% %9.1f%% %8d\n", $1, $2, $4, $5 - b + 0.5 }
    END { printf "%-28s %7.1f%% %9.1f%% %8d of %d branches\n", "all", 100 * L / LN, BN ? 100 * Bt / BN : 100, BN - Bt + 0.5, BN }'
