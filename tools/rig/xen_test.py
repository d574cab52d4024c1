#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Debian's Xen as L1, bare and under Nidus: its VMX start-up, and a PV domain 0 (Debian's kernel) to its shell.

By hand, or in `make test-long`; `tools/make/payload.sh xen` downloads Xen and the kernel (80 MB). Xen runs no guest with VMX
here: its tool stack is not in the initramfs.
"""
import os, re, signal, sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.dont_write_bytecode = True
import emu
from linux_test import Boot, Verdicts
from run import QEMU_IPS

LIMIT = 900
# What the profile "broadwell" leaves out on purpose: APICv is of the Xeons' profiles only.
NOT_SHOWN = {"APIC Register Virtualization", "Virtual Interrupt Delivery"}


def boot(name, first):
    return Boot(name, first, r"\xen.efi -cfg=xen.cfg", LIMIT, "build/xen", mem=1024, ips=QEMU_IPS, more=["xen.efi", "xen.cfg", "dom0"])


def log_of(b):
    with open(os.path.join(b.dir, "com1.txt"), errors="replace") as f:
        return f.read()


def words(b):
    """Domain 0's own: its CPUID is the processor's, so it sees Nidus too."""
    lines = b.text.split("INIT", 1)[-1].splitlines()[1:]
    return [l for l in lines if not l.startswith(("nidus", "exits", "ticks", "(0).["))]


def main():
    signal.signal(signal.SIGTERM, emu.raise_on_term)
    boots = [boot("bare", []), boot("nidus", [r"\nidus.efi log=none"])]
    try:
        emu.side_by_side([b.run for b in boots])
    except KeyboardInterrupt:
        return emu.INTERRUPTED
    v = Verdicts()
    shown = [set(re.findall(r"\(XEN\)  - (.*)", log_of(b))) for b in boots]
    for b in boots:
        v.check("HVM: VMX enabled" in log_of(b), f"{b.name}: Xen has VMX")
        if not v.check(b.code == emu.ENDED, f"{b.name}: domain 0 reaches its shell"):
            print("      " + "\n      ".join(log_of(b).splitlines()[-8:]) + f"\n      (emulator: {b.code}; {b.dir})")
    v.check(shown[1] and shown[0] - shown[1] == NOT_SHOWN & shown[0] and not shown[1] - shown[0],
            f"Xen's VMX features: {len(shown[0])} bare, {len(shown[1])} under Nidus; missing: {', '.join(sorted(shown[0] - shown[1]))}")
    v.check(words(boots[0]) == words(boots[1]), f"domain 0: {len(words(boots[0]))} lines as on the bare CPU")
    v.check("nidus version" in boots[1].text, "Nidus is there")
    print(f"xen: {v.passed} passed, {v.failed} failed")
    return 1 if v.failed else 0


if __name__ == "__main__":
    sys.exit(main())
