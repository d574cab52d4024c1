#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# lines.sh: counts the core's lines, for `make size`: without comments, blank lines and tables (which clang-format leaves
# alone). Counted apart: bring-up and the loop (hv/*.c), and what only an option turns on: each of these folders can be
# left out, and has a limit of its own.
set -euo pipefail
cd "$(dirname "$0")/../.."
LIMIT=12000
MODULE_LIMIT=800
core='^hv/(arch|vmcs12|ept|vmx|nested|core|l1)/'

count() {
    xargs awk 'FNR == 1 { table = 0 } /clang-format off/ { table = 1 }
        !table && !/^ *(\/\*|\*|;|$)/ { n++ } /clang-format on/ { table = 0 } END { print n }'
}

files() { git ls-files -co --exclude-standard 'hv/*.c' 'hv/*.h' 'hv/*.asm'; }

lines=$(files | grep -E "$core" | count)
rest=$(files | grep -vE "$core" | count)
echo "hv/: $lines lines of core without comments and tables (limit $LIMIT), $rest apart"
[ "$lines" -le $LIMIT ]
for module in $(files | grep -vE "$core" | grep -o '^hv/[^/]*/' | sort -u); do
    lines=$(files | grep "^$module" | count)
    echo "$module: $lines lines (limit $MODULE_LIMIT)"
    [ "$lines" -le $MODULE_LIMIT ]
done
