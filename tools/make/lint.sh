#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# lint.sh: the rules of HACKING.md that a machine can check, each in a few lines. Needs the core built
# (`make lint` sees to it). Every check prints what breaks it; the last lines count includes that point
# forward in docs/READING-ORDER, and the checks.
set -u
cd "$(dirname "$0")/../.."
passed=0 failed=0

c_sources() { git ls-files -co --exclude-standard -- '*.c' '*.h' '*.def' | while read -r f; do [ ! -f "$f" ] || echo "$f"; done; }
all_sources() { c_sources; git ls-files -co --exclude-standard -- '*.asm' '*.py' '*.sh' Makefile linker.ld tests/linux/rc tests/linux/qemu-linux; }

# check NAME FUNCTION: the check passes if the function prints nothing; each line it prints is an
# error.
check() {
    local out
    out=$($2 2>&1)
    if [ -z "$out" ]; then
        passed=$((passed + 1))
        echo "ok    $1"
    else
        failed=$((failed + 1))
        echo "FAIL  $1"
        sed 's/^/      /' <<<"$out" | head -n 40
    fi
}

# ---- include directions: the tables of ARCHITECTURE.md, "Layers" -------------------------------------
include_directions() { tools/make/layers.py; }

# ---- every header compiles alone ---------------------------------------------------------------------
headers_alone() {
    local efi="-fshort-wchar -DGNU_EFI_USE_MS_ABI -DHAVE_USE_MS_ABI -isystem /usr/include/efi -isystem /usr/include/efi/x86_64"
    git ls-files -co --exclude-standard -- '*.h' | while read -r h; do
        [ -f "$h" ] || continue
        case $h in hv/*) flags="-ffreestanding -mgeneral-regs-only" ;; boot/* | guest-tests/*) flags="-ffreestanding $efi" ;; *) flags= ;; esac
        gcc -std=gnu11 -fsyntax-only -Wall -Wextra -Werror -Wno-unused-function $flags -I. -include "$h" -x c /dev/null ||
            echo "$h does not compile alone"
    done
}

# ---- the pure folders: values in, values out -------------------------------------------------------------
purity() {
    local objects=() f
    for f in hv/vmcs12/*.c hv/ept/*.c hv/arch/*.c hv/saved/{kvm_state,layout}.c hv/wire/packet.c; do
        [ ! -f "$f" ] || objects+=("build/core/${f%.c}.o")
    done
    nm -g --defined-only "${objects[@]}" 2>/dev/null | awk 'NF == 3 { print $3 }' | sort -u >build/pure.defined
    nm -A -u "${objects[@]}" | awk '{ print $3, $1 }' | sort | grep -vE '^mem(cpy|set|cmp) ' |
        awk 'NR == FNR { known[$1]; next } !($1 in known) { print $2, "needs", $1 }' build/pure.defined -
    nm -A "${objects[@]}" | grep -E ' [bBdDcC] ' | sed 's/$/: data or bss in a pure folder/'
    grep -nE '\b(__asm__|asm)\b' hv/vmcs12/*.[ch] hv/ept/*.[ch] hv/arch/*.[ch] hv/saved/{kvm_state,layout}.[ch] hv/wire/packet.c | sed 's/$/  <- assembly in a pure folder/'
}

# ---- the pure folders are the product's: a test of unlinked code guards nothing ----------------
# If neither the core nor the tool vmcs12 links a global function, nothing calls the function, or
# the compiler has inlined it in all callers. Inlined callers are in its own file, or in a table
# (.def) which that file includes. A line that names it and does not begin with a small letter is
# taken for a call; a line that begins with one is its declaration.
unlinked() {
    local f name
    nm build/core.elf build/vmcs12 | awk 'NF == 3 { print $3 }' | sort -u >build/linked
    for f in hv/vmcs12/*.c hv/ept/*.c hv/arch/*.c hv/saved/{kvm_state,layout}.c; do
        nm -g --defined-only "build/core/${f%.c}.o" | awk '$2 == "T" { print $3 }' | grep -vxFf build/linked | while read -r name; do
            cat "$f" $(ls "${f%/*}"/*.def 2>/dev/null) | grep -E "\b$name\(" | grep -qv '^[a-z]' || echo "$f: $name is linked nowhere"
        done
    done
}

# ---- assembly of L0: no number that C also knows ----------------------------------------------------------
# No hexadecimal literal is allowed so far. A displacement is a name from offsets.inc; "+ 4" may
# follow it, for the high half of a field.
assembly() {
    for f in hv/*/*.asm boot/*.asm; do
        sed 's/;.*//' "$f" | grep -nE '\[[^]]*\b(r[a-z0-9]+|e[a-z]{2}) *[+-] *[0-9]' | sed "s|^|$f: numeric displacement: |"
        sed 's/;.*//' "$f" | grep -nE '\b0x[0-9a-fA-F]+|\b[0-9][0-9a-fA-F]*h\b' | sed "s|^|$f: hexadecimal literal: |"
    done
}

# ---- citations: SDM VOLUME NUMBER "Title", the title in docs/SDM.md ------------------------------------------
# A citation may be broken over lines, so each file is read as one line, without its comment marks.
citations() {
    grep -oE '"[^"]+"' docs/SDM.md | sort -u >build/sdm.titles
    grep -oE '^\* [^"]*"[^"]+"' docs/SDM.md | sort | uniq -d | sed 's/$/: twice in docs\/SDM.md/'
    { c_sources; ls hv/*/*.asm boot/*.asm guest-tests/*/*.asm; } | while read -r f; do
        tr '\n' ' ' <"$f" | sed -E 's/ +(\*|\/\/|;)+ +/ /g; s/  +/ /g' |
            grep -oE 'SDM [1-4][A-D]?,? [^%]{0,140}' | sed "s|^|$f\t|"
    done | awk -F'\t' '
        NR == FNR { known[$0]; next }
        $2 ~ /^SDM [1-4][A-D]? $/ { next }                 # a format string: the title comes from a table
        !match($2, /^SDM [1-4][A-D]? [0-9A-Z][0-9A-Z.]* "[^"]+"/) { print $1 ": not volume, number and title: " substr($2, 1, 60); next }
        { t = substr($2, RSTART, RLENGTH); sub(/^[^"]*/, "", t)
          if (!(t in known)) print $1 ": docs/SDM.md lacks " t }' build/sdm.titles -
}

# ---- CAVEAT(id) in the code <-> "## id" in docs/CAVEATS.md -------------------------------------------------------
caveats() {
    all_sources | grep -v '^tools/make/lint.sh$' | xargs grep -ohE 'CAVEAT\([a-z0-9-]+\)' 2>/dev/null | sed 's/CAVEAT(//; s/)//' | sort -u >build/caveats.code
    awk '/^```/ { fence = !fence } fence { next }
        /^## / { id = $2; print id } /^where: (machine|rig)/ { print id " free" }' docs/CAVEATS.md >build/caveats.all
    grep -v ' ' build/caveats.all | sort | uniq -d | sed 's/$/: two entries in docs\/CAVEATS.md/'
    comm -23 build/caveats.code <(grep -v ' ' build/caveats.all | sort -u) | sed 's/^/no entry in docs\/CAVEATS.md: /'
    comm -13 build/caveats.code <(grep -v ' ' build/caveats.all | sort -u) | while read -r id; do
        grep -qx "$id free" build/caveats.all || echo "docs/CAVEATS.md: $id: no CAVEAT($id) in the code and no line 'where: machine' or 'where: rig'"
    done
    /usr/bin/env python3 -B -c 'import sys; sys.path.insert(0, "tools/rig"); import transcript
print("\n".join(transcript.Caveats("docs/CAVEATS.md").errors))' | sed '/^$/d'
}

# ---- sizes: functions up to 60 lines, files up to 400 / 200 / 150, three levels of nesting ---------------------------
# A longer function passes when it is a flat switch: at least every third line is a case label.
limits() {
    local f n max
    { c_sources | grep -E '\.[ch]$'; ls hv/*/*.asm boot/*.asm; } | while read -r f; do
        case $f in *.c) max=400 ;; *.h) max=200 ;; *) max=150 ;; esac
        n=$(grep -vc SPDX-License-Identifier "$f")
        [ "$n" -le $max ] || echo "$f: $n lines, limit $max"
    done
    ctags --languages=C --langmap=C:.c --kinds-C=f --fields=+ne -o - $(c_sources | grep '\.c$') | awk -F'\t' '
        { line = end = 0
          for (i = 4; i <= NF; i++) { if ($i ~ /^line:/) line = substr($i, 6); if ($i ~ /^end:/) end = substr($i, 5) }
          if (end - line + 1 > 60) print $2, line, end - line + 1, $1 }' | while read -r f line n name; do
        cases=$(sed -n "$line,$((line + n))p" "$f" | grep -cE '^ *(case|default)\b')
        [ $((cases * 3)) -ge "$n" ] || echo "$f:$line: $name has $n lines, limit 60"
    done
    # Exhaustive loops of host tests may go one level deeper.
    grep -nE '^ {20,}(if|for|while|switch|do)\b' $(c_sources | grep -E '\.[ch]$' | grep -v ^tests/) /dev/null | sed 's/$/  <- more than three levels/'
    grep -nE '^ {24,}(if|for|while|switch|do)\b' tests/*/*.[ch] | sed 's/$/  <- more than four levels/'
}

# ---- formatting: C is what clang-format makes of it, 100 columns for C and assembly --------------
# Tables stand between "clang-format off" and "on". A row of a .def table is one line, however long.
formatting() {
    command -v clang-format >/dev/null || echo "clang-format is not there (tools/make/setup.sh test)"
    c_sources | grep '\.[ch]$' | xargs -P 2 -n 40 clang-format --dry-run 2>&1 |
        sed -n 's/: warning: .*/: clang-format differs/p'
    { c_sources | grep '\.[ch]$'; git ls-files -co --exclude-standard -- '*.asm'; } |
        xargs awk 'length > 100 { print FILENAME ":" FNR ": " length " columns, limit 100" }'
}

# ---- places where L0 may stop; docs/security.md has the reasons: "| FILE | COUNT | REASON" -------
panics() {
    diff <(grep -cE '\b(panic|ASSERT)\("?' $(git ls-files 'hv/*.c' 'hv/*.h') | grep -v ':0$' | grep -v 'core/log.[ch]:' | sort) \
        <(sed -nE 's/^\| (hv\/[a-z0-9_\/.]+) \| ([0-9]+) \|.*/\1:\2/p' docs/security.md | sort) |
        sed -n 's/^</the source has/p; s/^>/docs\/security.md has/p'
}

# ---- the core has retpolines; a guest could train the target of an indirect branch ---------------
indirect_branches() {
    objdump -d --no-show-raw-insn build/core.elf | grep -E '^ffff.*\b(call|jmp|notrack)\b.*\*' | sed 's/$/  <- an indirect branch in the core/'
}

# ---- lines in the log: what a guest can cause is told sparsely -------------------------------------------------------
# log_line is for the launch (main.c, bringup.c, launch.c, fields.c, plant.c, gdb/stops.c), for a panic and its dump (core/, main.c, vmcs.c), and for the
# reset that ends the machine (vmx/outcome.c).
log_lines() {
    grep -nE '\blog_line\(' $(git ls-files 'hv/*.c') | grep -vE '^hv/(gdb/stops\.c|core/(log|trap)\.c|(main|bringup|launch|fields|plant)\.c|vmx/vmcs\.c|vmx/outcome\.c:.*resetting the machine)' |
        sed 's/$/  <- a line that a guest may cause is log_rare/'
}

# ---- words that must not stand in the tree --------------------------------------------------------------------------------
words() {
    local unfinished='TO''DO|FIX''ME|X''XX' places='/wor''k/|/roo''t/|/home/[a-z]'
    all_sources | grep -v '^tools/make/lint.sh$' | xargs grep -nE "\b($unfinished)\b|$places" 2>/dev/null
}

# ---- the second compiler -------------------------------------------------------------------------------------------------------
clang_too() {
    local flags="-std=gnu11 -ffreestanding -mno-red-zone -mgeneral-regs-only -mcmodel=kernel -Wall -Wextra -Wshadow -Wconversion -Werror -Wno-sign-conversion"
    git ls-files -co --exclude-standard 'hv/*.c' | xargs -P 2 -n 8 clang -fsyntax-only $flags -I.
}

# The host's programs and tests: what HOSTCC=clang builds, with the warnings of the Makefile.
clang_host() {
    local flags="-std=gnu11 -Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Werror"
    local machine='^tests/machine/|/(h_transition|h_hardware|h_machine_event|h_ept01|f_transition)\.c$'
    git ls-files -co --exclude-standard 'tests/host/*.c' 'tests/lib/*.c' 'tests/machine/*.c' 'tools/vmcs12/*.c' >build/host.sources
    grep -vE "$machine" build/host.sources | xargs -P 2 -n 8 clang -fsyntax-only $flags -I.
    grep -E "$machine" build/host.sources | xargs -P 2 -n 8 clang -fsyntax-only $flags -Itests/machine/fake -I. -include tests/machine/fake.h
}

# tools/web: the same C for a processor of another kind.
clang_web() { make -s --no-print-directory web-syntax; }

# ---- HACKING says what each planted bug would do ---------------------------------------------------
planted_told() {
    grep -hoE '^[a-z0-9][^@#]*' tests/planted/planted.list tests/planted/planted_guest.list | while read -r name; do
        sed -n '/^## Planted bugs/,$p' HACKING.md | grep -qE "(^|[| ,])$name([ ,|]|$)" || echo "HACKING.md does not name the planted $name"
    done
}

# ---- and each still changes the file that it names
planted_apply() {
    cat tests/planted/planted.list tests/planted/planted_guest.list | while IFS=@ read -r name file edit _; do
        [[ "$name" = [a-z0-9]* ]] || continue
        ! sed "$edit" "$file" 2>&1 | cmp -s - "$file" || echo "$name changes nothing in $file"
    done
}

# ---- every source says its license ----------------------------------------------------------------
licenses() { tools/make/spdx.py; }

reading_order() { tools/make/order.py; }
named_files() { tools/make/names.py; }

mkdir -p build
check "include directions" include_directions
check "headers compile alone" headers_alone
check "purity of hv/vmcs12, hv/ept, hv/arch" purity
check "every pure function is the product's" unlinked
check "assembly rules" assembly
check "citations" citations
check "caveats" caveats
check "reading order" reading_order
check "files that are named" named_files
check "sizes and nesting" limits
check "formatting" formatting
check "words" words
check "planted bugs are told" planted_told
check "planted bugs apply" planted_apply
check "licenses" licenses
check "log lines" log_lines
check "indirect branches" indirect_branches
check "panics" panics
check "clang compiles the core" clang_too
check "clang compiles the host's programs" clang_host
check "clang compiles the web page" clang_web
tools/make/order.py --count
echo "lint: $passed passed, $failed failed"
[ $failed = 0 ]
