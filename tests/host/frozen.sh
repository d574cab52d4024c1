#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# What the build itself must refuse: layout.c is compiled with a layouts.def or fields.def that
# breaks one promise each, and must fail with the right words; a field added in unowned bytes
# must pass. Usage: tests/host/frozen.sh SCRATCH-DIR, from the tree's root.
set -eu
cc=${CC:-gcc}
dir=$1/frozen
failed=0

# try WORDS FILE SED-SCRIPT: compile with FILE edited; WORDS must be in the errors, or "" none.
try() {
    rm -rf "$dir"
    mkdir -p "$dir/hv/vmcs12" "$dir/hv/saved"
    sed "$3" "hv/$2" > "$dir/hv/$2"
    if cmp -s "hv/$2" "$dir/hv/$2"; then
        echo "FAIL $3: edits nothing"
        failed=1
        return
    fi
    if $cc -std=gnu11 -fsyntax-only "-I$dir" -I. "${4:-hv/saved/layout.c}" > "$dir/log" 2>&1; then
        got=
    else
        got=refused
    fi
    if { [ -z "$1" ] && [ -z "$got" ]; } || { [ -n "$1" ] && [ -n "$got" ] && grep -q "$1" "$dir/log"; }; then
        return
    fi
    echo "FAIL $3: expected '${1:-success}', the compiler said:"
    head -3 "$dir/log"
    failed=1
}

try "field moved or went" vmcs12/layouts.def 's/^LAYOUT(guest_rip, *0x1d8/LAYOUT(guest_rip, 0x3d8/'
try "kvm: a field moved" vmcs12/layouts.def 's/^\(LAYOUT(guest_rip, .*\)0x220)/\1 0x2b0)/'
try "extended: a field moved" vmcs12/layouts.def 's/^\(LAYOUT(guest_uinv, .*\)0x418/\1 0x700/'
try "field moved or went" vmcs12/layouts.def 's/^LAYOUT(ple_gap, *0x0f0/LAYOUT(ple_gap, 0x3d0/;s/^LAYOUT(ple_window, *0x0f4/LAYOUT(ple_window, 0x3d4/'
try "field moved or went" vmcs12/layouts.def '/^LAYOUT(ple_gap/d'
try "duplicate case" vmcs12/layouts.def 's/^LAYOUT(guest_rip, *0x1d8/LAYOUT(guest_rip, ADDED(0x1dc)/'
try "duplicate case" vmcs12/layouts.def 's/^LAYOUT(guest_rip, *0x1d8/LAYOUT(guest_rip, ADDED(0x0e4)/'
try "beyond 0x400" vmcs12/layouts.def 's/^LAYOUT(ple_gap, *0x0f0/LAYOUT(ple_gap, ADDED(0x3fe)/'
try "one place" vmcs12/layouts.def 's/^LAYOUT(guest_uinv, *NONE/LAYOUT(guest_uinv, ADDED(0x2ae)/'
try "formula changed" saved/layout.h 's/0x40u \* ((enc)/0x44u * ((enc)/'
try "revision 0x12: a field moved" vmcs12/vmcs12.h 's/u8 pad_launch_state\[0xd8\]/u8 pad_launch_state[0xe0]/'
try "against its columns" vmcs12/fields.def 's/^FIELD(0x681e, WNW/FIELD(0x681e, W64/' hv/vmcs12/vmcs12.c
try "against its columns" vmcs12/fields.def 's/^FIELD(0x681e, WNW, GUEST/FIELD(0x681e, WNW, HOST/' hv/vmcs12/vmcs12.c

# Adding is free: a place for a field that had none, in bytes that no field owns.
try "" vmcs12/layouts.def 's/^\(LAYOUT(executive_vmcs_pointer, .*\)NONE)/\1ADDED(0x150))/'

# So is a new field, with its row in both tables.
rm -rf "$dir"
mkdir -p "$dir/hv/vmcs12"
sed 's/^FIELD(0x4024/FIELD(0x4028, W32, CTL, new_field, SEAM, NEVER, KEEP)\n&/' hv/vmcs12/fields.def > "$dir/hv/vmcs12/fields.def"
sed 's/^LAYOUT(ple_gap/LAYOUT(new_field, NONE, ADDED(0x5c0), NONE)\n&/' hv/vmcs12/layouts.def > "$dir/hv/vmcs12/layouts.def"
for file in saved/layout.c vmcs12/vmcs12.c; do
    $cc -std=gnu11 -fsyntax-only "-I$dir" -I. "hv/$file" > "$dir/log" 2>&1 || {
        echo "FAIL a new field: $file does not compile"
        head -3 "$dir/log"
        failed=1
    }
done

[ $failed = 0 ] && echo "frozen.sh: 15 edits judged right"
exit $failed
