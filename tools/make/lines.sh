#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# lines.sh: counts the core's lines, for `make size`: without comments, blank lines and tables (which clang-format leaves
# alone). The core is arch, vmcs12, ept, vmx, nested, core and l1. Counted apart: bring-up and the loop (hv/*.c), what
# only an option turns on (stress=, verbose=, trace=, tlb=strict, gdb=, vtd=: audits, saved nested state, explanations, the trace, the debugger, VT-d), and
# what the host's tool uses: capabilities that are open, names of bits.
set -euo pipefail
cd "$(dirname "$0")/../.."
LIMIT=12000
MODULE_LIMIT=800
apart='^hv/(paranoid|ring|screen|sleep|vtd)/|^hv/nested/explain/|^hv/nested/ept02/(stale|seen)\.c|^hv/trace/|^hv/(gdb|wire)/|^hv/nested/(crossing/short_|ept02/|images/)audit\.c|^hv/nested/state/blob\.c|^hv/vmcs12/(kvm_state|open|words)|^hv/[^/]*$'

count() {
    xargs awk 'FNR == 1 { table = 0 } /clang-format off/ { table = 1 }
        !table && !/^ *(\/\*|\*|;|$)/ { n++ } /clang-format on/ { table = 0 } END { print n }'
}

files() { git ls-files -co --exclude-standard 'hv/*.c' 'hv/*.h' 'hv/*.asm'; }

core=$(files | grep -vE "$apart" | count)
rest=$(files | grep -E "$apart" | count)
echo "hv/: $core lines of core without comments and tables (limit $LIMIT), $rest apart"
[ "$core" -le $LIMIT ]
# Modules that can be left out have a limit each.
for module in gdb wire; do
    lines=$(files | grep "^hv/$module/" | count)
    echo "hv/$module: $lines lines (limit $MODULE_LIMIT)"
    [ "$lines" -le $MODULE_LIMIT ]
done
