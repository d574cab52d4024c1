#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Boots an L1 that makes mistakes (t_tell.efi) under Nidus with verbose=2 and tlb=strict, and judges what Nidus says of each.

Owns: which line belongs to which mistake. Of a mistake that is none, Nidus says nothing. The VMCS12 that it prints with a
refused entry goes through `vmcs12 why`, which must name the same rule.
"""
import os, re, signal, subprocess, sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, HERE)
sys.dont_write_bytecode = True
import emu

PLACE = r"; L1 rip [0-9a-f]{6,}, VMCS 2001000"
SDM = r': SDM 3C 27\.[0-9.]+ "[^"]+": .+?\.'
LINEAR = r"stale: L2 at rip [0-9a-f]+ runs on in linear page [0-9a-f]+ \(VPID 7\), whose translation is gone: {} was {} and is {}, " \
         r"changed while L1 ran, between TSC \d+ and \d+; no INVVPID came since"
PTE = "202b080"
# the case: what the line before its result must be, whole; None: there is none
WANTED = {
    "pin": r"VM entry refused \(error 7\): pin_ctl" + SDM + r"; pin_ctl=0x[0-9a-f]{8}.* must be 0: bit 31 \(allowed [0-9a-f]+, demanded "
           r"16\); mend: pin_ctl=0x[0-9a-f]{2,3}" + PLACE,
    "selector": r"VM entry refused \(error 8\): host_selector_bits" + SDM + r"; host_cs_selector=0x[0-9a-f]*b.*; mend: "
                r"host_cs_selector=0x[0-9a-f]*8" + PLACE,
    "cr0": r"VM entry refused \(exit reason 33\): guest_cr0" + SDM + r"; guest_cr0=0x[0-9a-f]+ \(.*PE.*PG\) must be 1: NE "
           r"\(allowed [0-9a-f]+, demanded [0-9a-f]+\).*; mend: guest_cr0=0x[0-9a-f]+" + PLACE,
    "link": r"VM entry refused \(exit reason 33\): link_align" + SDM + r"; vmcs_link_pointer=0x123; mend: "
            r"vmcs_link_pointer=0xffffffffffffffff" + PLACE + r".*",
    "rflags": r"VM entry refused \(exit reason 33\): rflags_[a-z]+" + SDM + r"; guest_rflags=0x[0-9a-f]+.*; mend: "
              r"guest_rflags=0x[0-9a-f]+" + PLACE,
    "three": r"VM entry refused \(error 8\): host_selector_bits" + SDM + r".*" + PLACE + r"; and 2 more rules",
    "field": r"VMfail 12: VMWRITE: [^:]+: field 7ffe" + PLACE,
    "revision": r"VMfail 11: VMPTRLD: [^:]+: address 2002000, revision found 77, wanted [0-9a-f]+" + PLACE,
    "alignment": r"VMfail 9: VMPTRLD: [^:]+: address 2002008" + PLACE,
    "vmxon region": r"VMfail 3: VMCLEAR: [^:]+: address 2000000" + PLACE,
    "invept type": r"VMfail 28: INVEPT: [^:]+: type 7, descriptor 0" + PLACE,
    "invept descriptor": r"VMfail 28: INVEPT: [^:]+: type 1, descriptor 123" + PLACE,
    "invvpid": r"VMfail 28: INVVPID: [^:]+: type 1, descriptor 0" + PLACE,
    "no vmcs": r"VMfailInvalid: VMWRITE; L1 rip [0-9a-f]+, no current VMCS",
    "without invept": r"stale: L2 at rip [0-9a-f]+ uses guest-physical 40000000 by an EPT12 entry that is gone: level 1 at "
                      r"[0-9a-f]+, it was [0-9a-f]+ and is [0-9a-f]+, changed while L1 ran, between TSC \d+ and \d+; no INVEPT "
                      r"of EPTP [0-9a-f]+ came since",
    "many": r"stale: L2 .* guest-physical 40000000 .*: level 1 at .*, changed while L1 ran, .*",
    "flush bare address": r"VMfail 28: INVEPT: [^:]+: type 1, descriptor 2080000" + PLACE,
    "flush memory type": r"VMfail 28: INVEPT: [^:]+: type 1, descriptor 208001a" + PLACE,
    "flush walk length": r"VMfail 28: INVEPT: [^:]+: type 1, descriptor 2080016" + PLACE,
    "flush reserved bits": r"VMfail 28: INVEPT: [^:]+: type 1, descriptor 2080f1e" + PLACE,
    "flush high address": r"VMfail 28: INVEPT: [^:]+: type 1, descriptor 100000000208001e" + PLACE,
    "flush wide vpid": r"VMfail 28: INVVPID: [^:]+: type 1, descriptor 10001" + PLACE,
    "flush address": r"VMfail 28: INVVPID: [^:]+: type 0, descriptor 1" + PLACE,
    "bitvisor, flush": r"VMfail 28: INVEPT: [^:]+: type 1, descriptor 2080000" + PLACE,
    "bitvisor, used": r"stale: L2 .* guest-physical [0-9a-f]+ by an EPT12 entry that is gone: level 4 at 2080000, it was [0-9a-f]+ and is "
                      r"0, changed while L1 ran, between TSC \d+ and \d+; no INVEPT of EPTP 208001e came since",
    "linear without invvpid": LINEAR.format(f"the entry at {PTE}", "2089027", "2040007"),
    "linear invvpid of nothing": r"VMfail 28: INVVPID: [^:]+: type 1, descriptor 0" + PLACE,
    "linear fewer rights": LINEAR.format(f"the entry at {PTE}", "2040e27", "2040e25"),
    "linear stack": LINEAR.format("the entry at 202b090", "[0-9a-f]+067", "[0-9a-f]+007"),
    "linear other tables": LINEAR.format("CR3", "[0-9a-f]+000", "2028000"),
    "table moved": r"stale: L2 .* guest-physical 40000000 .*: level 2 at .*, changed while L1 ran, .*",
}
# "invept of nothing" has two results: the INVEPT that failed, then L2's use
NOTHING = [r"VMfail 28: INVEPT: [^:]+: type 1, descriptor [0-9a-f]+" + PLACE,
           r"stale: L2 .* guest-physical 40000000 .*: level 1 at .*, changed while L1 ran, .*"]


def boot():
    run, build = os.path.join(ROOT, "build/tell"), os.path.join(ROOT, "build")
    os.makedirs(run, exist_ok=True)
    disk, chain = os.path.join(run, "esp.img"), os.path.join(run, "chain.txt")
    with open(chain, "w") as f:
        f.write("\\nidus.efi nested=on profile=host tlb=strict log=e9 verbose=2\n\\t_tell.efi\n")
    subprocess.run([os.path.join(HERE, "mkesp.sh"), disk, f"::/EFI/BOOT/BOOTX64.EFI={build}/chain.efi",
                    f"::/chain.txt={chain}", *(f"::/{n}={build}/{n}" for n in ("nidus.efi", "t_tell.efi"))], check=True)
    m = emu.Machine(disk, run)
    try:
        m.start()
        m.wait("END tell ", 240)
    finally:
        m.stop()
    return m.output("e9").decode("latin-1").replace("\r", "")


def said(text):
    """Yields each case, its result and the lines of Nidus before it."""
    lines = []
    for line in text.partition("BEGIN tell")[2].splitlines():
        if line.startswith("nidus: "):
            lines.append(line[7:])
        elif found := re.match(r"tell\.([^:]+): (.*)", line):
            yield found[1], found[2], lines
            lines = []


def why(rule, dump):
    done = subprocess.run([os.path.join(ROOT, "build/vmcs12"), "why", "-"], input=dump, capture_output=True, text=True)
    named = re.search(rf"20\d fields\n(?s:.*)^(broken|broken only if the processor is so): {rule}$", done.stdout, re.M)
    unread = [w for w in ("cannot be read", "with two values") if w in done.stdout]
    return None if named and not unread else f"vmcs12 why does not name {rule}: {done.stdout[:300]}{done.stderr}"


def judge(name, lines):
    """What is wrong with what was said of a case, or None."""
    told = [l for l in lines if not l.startswith("  ") and not l.startswith("VMCS12 of that entry")]
    if name == "invept of nothing":
        wanted = NOTHING.pop(0)
    else:
        wanted = WANTED.get(name)
    if wanted is None:
        return f"unasked for: {told[0]}" if told else None
    if len(told) != 1 or not re.fullmatch(wanted, told[0]):
        return f"said {told}, wanted {wanted}"
    refused = re.match(r"VM entry refused \([^)]*\): (\w+):", told[0])
    return why(refused[1], "".join(f"nidus: {l}\n" for l in lines)) if refused else None


def main():
    signal.signal(signal.SIGTERM, emu.raise_on_term)
    failed, seen = 0, set()
    text = boot()
    for name, result, lines in said(text):
        if result in ("L2 runs", "an L1"):
            continue
        wrong = judge(name, lines)
        seen.add(name)
        failed += wrong is not None
        print(f"{'FAIL' if wrong else 'ok  '}  {name}: {wrong or result}", flush=True)
    for name in set(WANTED) - seen:
        failed += 1
        print(f"FAIL  {name}: not reached")
    if "FAIL " in text:
        failed += 1
        print("\n".join(l for l in text.splitlines() if l.startswith("FAIL ")))
    print(f"tell: {len(seen) - failed} passed, {failed} failed")
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
