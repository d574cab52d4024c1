#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# The host program vmcs12 from outside: what each command prints, what it answers to bad input,
# that nothing is written then, and that the generated documents are those of this tree.
# Usage: tests/host/tool.sh PROGRAM SCRATCH-DIR, from the tree's root.
set -u
tool=$(realpath "$1")
dir=$2/tool-test
root=$(pwd)
rm -rf "$dir"
mkdir -p "$dir"
cd "$dir" || exit 1
checks=0
failed=0

fail() {
    echo "FAIL $*"
    failed=$((failed + 1))
}

# expect STATUS PATTERN COMMAND...: exit status, and a pattern in what it prints on both streams.
expect() {
    want=$1 pattern=$2
    shift 2
    "$tool" "$@" > out.txt 2> err.txt < "${stdin:-/dev/null}"
    got=$?
    checks=$((checks + 1))
    [ $got = "$want" ] || fail "$*: status $got, not $want: $(head -2 err.txt)"
    [ -z "$pattern" ] || cat out.txt err.txt | grep -q -- "$pattern" || fail "$*: no '$pattern' in: $(cat out.txt err.txt | head -3)"
}

# refuse PATTERN COMMAND...: status 1, one line of error that starts with the program's name.
refuse() {
    pattern=$1
    shift
    expect 1 "$pattern" "$@"
    [ "$(wc -l < err.txt)" = 1 ] || fail "$*: not one line of error: $(cat err.txt)"
    grep -q '^vmcs12: ' err.txt || fail "$*: the error lacks the program's name"
    [ ! -s out.txt ] || fail "$*: prints although it fails"
}

# put FILE OFFSET HEX: bytes in memory order
put() {
    printf "$(echo "$3" | sed 's/../\\x&/g')" | dd of="$1" bs=1 seek=$(($2)) conv=notrunc status=none
}

head -c 4096 /dev/zero > page
put page 0 12000000
put page 0x0d8 01000000
put page 0x032 9ba0
put page 0x042 0001
put page 0x0f8 ffffffffffffffff
put page 0x120 f2e10184
put page 0x124 aa000000
put page 0x140 1e50f03f00000000
put page 0x16c 12000000
put page 0x1d8 00000081ffffffff
cp page other
put other 0x120 72e10184
put other 0x0d8 00000000

expect 0 'revision 0x12, layout broadwell, launched' dump page
expect 0 'guest_rip  *0xffffffff81000000' dump page
expect 0 'enable EPT, enable RDTSCP, enable VPID, unrestricted guest' dump page
expect 0 'PML4 at 0x3ff05000, WB, walk length 4' dump page
expect 0 'VMCALL' dump page
expect 0 'cs .*0x0a09b  code, readable, DPL 0, L, G' dump page
expect 0 'ss .*unusable' dump page
expect 0 'host_rip  *0x0000000000000000' dump --all page
stdin=page expect 0 'guest_rip' dump -
(head -c 12288 /dev/zero; cat page; head -c 100 /dev/zero) > memory
expect 0 'guest_rip  *0xffffffff81000000' dump --offset 0x3000 memory
stdin=memory expect 0 'guest_rip' dump --offset 12288 -

expect 0 '' diff page page
expect 2 'cpu1_ctl .*-HLT exiting' diff page other
expect 2 'launch state' diff page other
expect 2 '"field": "(launch state)", "a":' diff --json page other
"$tool" diff --json page other | python3 -m json.tool > json.txt || fail "diff: no JSON"
expect 0 '"differences": \[$' diff --json page page

for layout in kvm computed extended; do
    expect 0 '' convert --to $layout page "$layout.img"
    expect 0 "layout $layout" dump "$layout.img"
    expect 0 '' diff page "$layout.img"
    expect 0 '' convert --to broadwell "$layout.img" back.img
    cmp -s -n 1024 page back.img || fail "convert: $layout and back differs"
done
cp page ple
put ple 0x0f0 05000000
refuse 'kvm has no place for ple_gap, which is 0x5' convert --to kvm ple ple.out
cp page posted
put posted 0x128 80
refuse 'profile broadwell cannot hold pin_ctl, which is 0x80' convert --to kvm --profile broadwell posted posted.out
expect 0 '' convert --to kvm --profile e5-2683v4 posted posted.ok
[ ! -e ple.out ] && [ ! -e posted.out ] || fail "convert: wrote although it refused"

expect 0 '' kvm-state make --vmxon 0x1000 --vmcs12 0x2000 page blob
expect 0 'current VMCS  *0x2000' kvm-state show blob
expect 0 '' kvm-state get --to broadwell blob from-blob
cmp -s -n 1024 page from-blob || fail "kvm-state: get differs from what make took"
refuse 'foo: no such command .show, get, make' kvm-state foo
refuse 'get: an operand is missing' kvm-state get blob
refuse 'show: an operand is missing' kvm-state show
head -c 100 /dev/zero > tiny
refuse 'too short for any' dump tiny
refuse 'KVM would refuse' kvm-state make --vmxon 0x1000 --vmcs12 0x1000 page blob2
refuse 'holds no shadow' kvm-state get --shadow blob x
head -c 100 blob > page.short
refuse 'cut short in the header' kvm-state show page.short
refuse 'the size is not that' kvm-state show page
[ ! -e blob2 ] && [ ! -e x ] || fail "kvm-state: wrote although it refused"

expect 2 'change host_cr4 from 0x0 to 0x2000' lint page
expect 2 'SDM 3C 27.2.2 "Checks on Host Control Registers' lint page
expect 2 'VMfailValid 7' lint page
expect 2 '"entry": "vmfail", "number": 7' lint --json page
expect 2 '"mend": {"field": "host_cr4", "from": "0x0", "to": "0x2000"}' lint --json page
"$tool" lint --json page | python3 -m json.tool > json.txt || fail "lint: no JSON"

# Doing what lint says, step by step, ends at a page that breaks no rule.
cp page mended
for at in 0x022 0x052 0x062 0x082 0x092; do put mended $at 0001; done
put mended 0x072 8b00
steps=0
while [ $steps -lt 30 ] && ! "$tool" lint mended > out.txt; do
    read -r field value <<< "$(sed -n 's/^    change \(.*\) from .* to 0x\(.*\)$/\1 \2/p' out.txt | head -1)"
    IFS=, read -r _ _ width at <<< "$("$tool" layout | grep ",$field,")"
    [ "$width" = natural ] && width=64
    [ "${field%_ar}" = "$field" ] || width=16
    put mended "$at" "$(printf "%0$((width / 4))x" $((0x$value)) | fold -w2 | tac | tr -d '\n')"
    steps=$((steps + 1))
done
expect 0 'no rule is broken' lint mended

expect 0 '^0x681e,guest_rip,natural,0x1d8$' layout
expect 0 '^0x681e,guest_rip,natural,0x220$' layout kvm
[ "$("$tool" layout computed | wc -l)" = 208 ] || fail "layout computed: not every field"
expect 0 '</svg>' map
expect 0 '' map --output map.svg computed
grep -q 'guest_rip' map.svg || fail "map: no field in the file"
for profile in broadwell e5-2683v4 d-1540; do expect 0 'IA32_VMX_VMFUNC' caps --profile $profile; done

expect 0 '^EXIT STATUS' --help
expect 0 '^SYNOPSIS' dump --help

refuse 'no command'
refuse 'no such command' frob
refuse 'operand is missing' dump
refuse 'one operand too many' dump a b
refuse 'no option --bad' dump --bad page
refuse 'no option --to' dump --to kvm page
refuse 'needs a value' dump page --layout
refuse 'is no number' dump --offset 12z page
refuse 'is no number' dump --offset -1 page
refuse 'is no number' dump --offset 99999999999999999999999 page
refuse 'no such layout' dump --layout ivy page
refuse 'no such layout' convert --to ivy page y
refuse 'to LAYOUT is missing' convert page y
refuse 'no such profile' caps --profile host
refuse 'No such file' dump nothing
refuse 'Is a directory' dump .
refuse '0 bytes are no VMCS' dump /dev/null
head -c 500 page > short
refuse 'cut short: 500 bytes, layout broadwell has 1024' dump short
printf 'ZM\0\0and so on' > foreign
refuse 'revision 0x4d5a is that of no known layout' dump foreign
refuse 'ends before offset' dump --offset 0x100000 page
stdin=page refuse 'ends before offset' dump --offset 0x100000 -
refuse 'only one side' diff - -
refuse 'No such file' convert --to kvm page nowhere/y
refuse 'no such table' doc everything
[ ! -e y ] && ! ls ./*.?????? 2> /dev/null | grep -q '\.[A-Za-z0-9]\{6\}$' || fail "a file was left behind: $(ls)"
mkdir readonly
expect 1 '' convert --to kvm page readonly
[ -d readonly ] && [ -z "$(ls readonly)" ] || fail "convert: replaced a directory"
"$tool" map > /dev/full 2> err.txt && fail "a full disk goes unnoticed"

# A file is replaced with its mode; a link to it stays, so do its other names; a device is no file.
expect 0 '' convert --to kvm page kept
chmod 640 kept
ln -s kept link
expect 0 '' convert --to broadwell page link
[ -L link ] && [ "$(stat -c %a kept)" = 640 ] && cmp -s -n 1024 page kept || fail "convert: a link or its file's mode is lost"
ln kept twin
expect 0 '' convert --to kvm page kept
[ "$(stat -c %h kept)" = 2 ] && cmp -s kept twin || fail "convert: a second name is lost"
ln -s later dangling
expect 0 '' convert --to kvm page dangling
[ -L dangling ] && [ -f later ] || fail "convert: a link to nothing is replaced"
refuse 'No space left' convert --to kvm page /dev/full
[ -c /dev/full ] || fail "convert: /dev/full is no device any more"
mkfifo fifo
(cat fifo > through) & expect 0 '' convert --to kvm page fifo
wait
cmp -s kept through || fail "convert: a pipe does not get the bytes"

refuse 'did you mean dump' dmup page
expect 0 '^SYNOPSIS' -h
expect 0 '^vmcs12 of Nidus' --version
# shellcheck disable=SC1091
. "$root/tools/vmcs12/completion.bash"
offered() { # WORDS: what completion offers for a command line; the last word is the one to complete
    COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
    "$complete" 2> /dev/null
    echo "${COMPREPLY[*]}"
}
complete=_vmcs12
checks=$((checks + 3))
[ "$(offered "$tool" d)" = "diff doc dump" ] || fail "completion of a command: $(offered "$tool" d)"
[ "$(offered "$tool" dump --l)" = --layout ] || fail "completion of an option: $(offered "$tool" dump --l)"
[ "$(offered "$tool" lint --profile d)" = d-1540 ] || fail "completion of a profile: $(offered "$tool" lint --profile d)"
complete=_nidus_trace
trace=$root/tools/trace/nidus-trace
checks=$((checks + 2))
[ "$(offered "$trace" l)" = "ladder lanes" ] || fail "completion of nidus-trace: $(offered "$trace" l)"
[ "$(offered "$trace" text --kind ex)" = exit ] || fail "completion of a kind: $(offered "$trace" text --kind ex)"
(head -c 4096 /dev/zero | tr '\0' '\022'; cat page; head -c 8192 /dev/zero; cat kvm.img) > memory
expect 0 '^0x000001000  broadwell  guest_rip 0xffffffff81000000' scan memory
expect 0 '^0x000004000  kvm ' scan memory
expect 2 'no page in it looks like a VMCS' scan blob
expect 0 '"guest_rip": "0xffffffff81000000"' dump --json page
head -c 4096 /dev/zero > cleared
put cleared 0 12000000
expect 0 'was it cleared' dump cleared

# why: exit statuses, and every kind of input that is no public dump (h_why.c has those).
dumps=$root/tests/data/vmcs-dumps
expect 1 'broken: data_accessed' why "$dumps/06.txt"
stdin=$dumps/06.txt expect 1 'broken: data_accessed' why
stdin=$dumps/06.txt expect 1 '"rule": "data_accessed"' why --json -
"$tool" why --json "$dumps"/06.txt | python3 -m json.tool > json.txt || fail "why: no JSON"
expect 0 'this entry did not fail' why "$dumps/04.txt"
expect 2 'no dump of a VMCS' why /dev/null
expect 2 'No such file' why nothing
expect 2 'no option' why --bad
expect 2 'no capability MSR' why --msr 0x10=1 "$dumps/06.txt"
expect 2 '32 to 52' why --maxphyaddr 99 "$dumps/06.txt"
expect 1 '.\[1;31m' why --color always "$dumps/06.txt"
why() { # PATTERN: what the text in the file `paste` gets for an answer
    expect "$1" "$2" why paste
}
printf 'HM error = 0x24c (588)\n' > paste
why 1 'named by the exit code: rflags_if'
printf 'vm exit[0]\n\treason\t\tVMX\n\tstatus\t\t0\n\texit_reason\t33 (Entry failure due to invalid guest state)\n\tqualification\t0x0000000000000002\n\tinst_type\t0\n\tinst_error\t0\n' > paste
why 1 'named by the exit code: pdpte_reserved'
printf 'nidus: VM entry refused (exit reason 33): rflags_if: SDM 3C 27.3.1.4 "x": y; guest_rflags=2\n' > paste
why 1 'named by the exit code: rflags_if'
printf 'nidus: VM entry refused (error 8): host_selector_bits: SDM; host_cs_selector=0x3b; mend: host_cs_selector=0x38\nnidus:   host_cs_selector = 0x3b\nnidus:   host_ss_selector = 0x10\nnidus:   host_ds_selector = 0x10\n' > paste
why 1 'broken: host_selector_bits'
"$tool" dump page > paste
why 1 'broken: host_cr0'
xxd page > paste 2> /dev/null || od -A x -t x1 -v page | sed 's/^\([0-9a-f]*\) /\1: /' > paste
why 1 'an image of a VMCS'
cp page paste
why 1 'an image of a VMCS'
cp cleared paste
why 3 'implausible dump'
{ for f in 4000:VMX_PIN_CONTROLS:16 4002:VMX_PRIMARY_PROCESSOR_CONTROLS:401e172 6800:GUEST_CR0:80000011 6804:GUEST_CR4:2020 \
    6820:GUEST_RFLAGS:2 4402:VM_EXIT_INFO_REASON:80000021; do
    IFS=: read -r enc name value <<< "$f"; echo "haxm_error: $enc $name: $value"; done; } > paste
why 1 'broken: guest_cr0'
printf 'GUEST_CR0 = 0x80000011\nGUEST_CR3 = 0x1000\nGUEST_CR4 = 0x2020\nGUEST_RFLAGS = 0x2\nVM_EXIT_REASON = 0x80000021\n' > paste
why 1 'broken: guest_cr0'
printf 'Guest CR0: 0x80000011\nGuest CR4: 0x2020\nGuest CR3: 0x1000\nGuest RFLAGS: 0x2\nGuest CS selector: 0x8\nVM-entry controls: 0x11ff\n' > paste
why 1 'broken: guest_cr0'
printf 'GuestCr0 = 0x80000011\nGuestCr4 = 0x2020\nGuestCr3 = 0x1000\nGuestRflags = 0x2\n' > paste
why 1 'broken: guest_cr0'
printf 'vmread(0x%s) = 0x%s\n' 6800 80000011 6804 2020 6802 1000 6820 2 > paste
why 1 'broken: guest_cr0'
printf 'GUEST_%s = %s\n' CR0 0x80000031 CR4 0x2020 CR3 0x1000 RFLAGS 0x2 ES_SELECTOR 16 CS_LIMIT 16777215 > paste
why 3 'guest_cs_limit cannot be read' # decimal or hexadecimal?
"$tool" dump --json page > paste
why 1 'a list of Nidus'
printf 'CPU(0x00): vcpu->vmcs.guest_CR0=0x0000000080000011\nCPU(0x00): vcpu->vmcs.guest_CR4=0x0000000000002020\nCPU(0x00): vcpu->vmcs.guest_RFLAGS=0x0000000000000002\nCPU(0x00): vcpu->vmcs.guest_CR3=0x0000000000001000\nCPU(0x00): vcpu->vmcs.info_vmexit_reason=0x80000021\n' > paste
why 1 'a dump of XMHF'
printf '[NoirVisor] Failed at VM-Entry, Code=7\n[NoirVisor] Guest CS Segment - Selector: 0x10\t Access-Rights: 0x209B\t Limit: 0x0\t Base: 0x0000000000000000\nPin-Based Controls: 0x36\t Primary Controls: 0x8401E172\t Secondary Controls: 0x80\t Exception Bitmap: 0x0\nVM-Exit Controls: 0x36FFF\t VM-Entry Controls: 0x13FF\n' > paste
why 1 'broken: unrestricted_ept'
{ sed 's/reason=80000021/reason=00000030/; s/intr_info=000004e6/intr_info=8000030d/; s/IDTVectoring: info=00000000/IDTVectoring: info=80000b0d/' \
    "$dumps/06.txt"; echo 'KVM: entry failed, hardware error 0x7'; } > paste
why 3 'named by the exit code: controls'
why 3 'if IA32_VMX_BASIC bit 56 is 0'
why 3 '0x80000b0d: the IDT-vectoring field has the same event'
expect 3 '"rule": "controls"' why --json paste
"$tool" dump --as kvm page > paste
why 1 'a dump of KVM'
"$tool" dump --as xen page > paste
why 1 'a dump of Xen'
refuse 'no such layout of text' dump --as vmware page

# What the same paste says of the processor counts.
sed 's/CR4: actual=0x0000000000002041/CR4: actual=0x0000000000006041/; s/attr=0x0c0f2/attr=0x0c0f3/' "$dumps/06.txt" > paste
why 3 'if IA32_VMX_CR4_FIXED1 bit 14 is 0'
echo '0x489: 0x3727ff' >> paste
why 1 'broken: guest_cr4'
sed -i '$d' paste
printf '# rdmsr 0x489\n3767ff\n' >> paste
why 3 'nothing printed breaks a rule'
sed -i '$d' paste
expect 1 'broken: guest_cr4' why --msr 0x489=0x3727ff paste
expect 3 'nothing printed' why --msr 0x489=0x3767ff paste

# Three dumps in a log of 10 MiB: under a second of the processor's time, the best of three on a busy machine.
yes '[ 1234.567890] usb 1-1: new high-speed USB device number 5 using xhci_hcd, vmcs 0x4f, entry 7' | head -c 5000000 > half
cat half "$dumps/06.txt" "$dumps/04.txt" half "$dumps/26.txt" > log
TIMEFORMAT=%U
for try in 1 2 3; do
    spent=$({ time "$root/$2/vmcs12" why log > out.txt; } 2>&1)
    [[ $spent != 0.* ]] || break
done
[ "$(grep -c '^.*line [0-9]*: a dump' out.txt)" = 3 ] || fail "why: not three dumps in the log: $(grep -c 'a dump' out.txt)"
[[ $spent == 0.* ]] || fail "why: $spent s for 10 MiB"

# What docs/ says is generated is what this program generates.
"$tool" doc fields | cmp -s - "$root/docs/fields.md" || fail "docs/fields.md is out of date: build/vmcs12 doc fields"
"$tool" doc rules | cmp -s - "$root/docs/rules.md" || fail "docs/rules.md is out of date: build/vmcs12 doc rules"
"$tool" doc layouts > layouts.txt
sed -n '/^## Places/,$p' "$root/docs/vmcs12-layout.md" | cmp -s - layouts.txt ||
    fail "docs/vmcs12-layout.md is out of date from '## Places' on: build/vmcs12 doc layouts"
"$tool" map broadwell | cmp -s - "$root/docs/vmcs12-broadwell.svg" ||
    fail "docs/vmcs12-broadwell.svg is out of date: build/vmcs12 map broadwell"

[ $failed = 0 ] && echo "tool.sh: $checks checks passed"
exit $failed
