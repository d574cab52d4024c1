#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Boots Debian's kernel bare and as L1, side by side, and compares what the boot cost.

A tick of the emulator's TSC is an instruction, so the two boots can be compared to the tick: from right before
chain.efi calls StartImage to the first act of /init. The bar is issue 2's: 1 %.
"""
import os, re, signal, subprocess, sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, HERE)
sys.dont_write_bytecode = True
import emu, emulator
from run import KERNEL_ARGS, kernel_args

LINE = rf"\vmlinuz initrd=\initrd.img {KERNEL_ARGS} nokaslr -- test"
PERCENT = 1.0
LIMIT = 600


class Boot:
    def __init__(self, name, first, line=LINE, limit=LIMIT, folder="build/linux", until="L1 END", mem=None, ips=None, more=()):
        self.name, self.first, self.text, self.code = name, first, "", None
        self.until, self.mem, self.ips, self.more = until, mem, ips, more      # more: other files of build/l1 on the disk
        self.line = line.replace(" -- ", emulator.chosen().kernel_words() + " -- ")
        if emulator.cpus() > 1:
            self.first = [r"\tables.efi", *first]
        self.limit, self.dir = limit, os.path.join(ROOT, folder, name)

    def run(self):
        d = self.dir
        os.makedirs(d, exist_ok=True)
        with open(f"{d}/chain.txt", "w") as f:
            f.write("".join(l + "\n" for l in self.first + [self.line]))
        b = f"{ROOT}/build"
        files = [f"::/EFI/BOOT/BOOTX64.EFI={b}/chain.efi", f"::/chain.txt={d}/chain.txt", f"::/vmlinuz={b}/l1/vmlinuz",
                 f"::/initrd.img={b}/l1/initrd.img"] + [f"::/{n}={b}/{n}" for n in ("nidus.efi", "tables.efi") if any(n in l for l in self.first)]
        files += [f"::/{name}={b}/l1/{name}" for name in self.more]
        subprocess.run([f"{HERE}/mkesp.sh", f"{d}/esp.img", *files], check=True)
        m = emu.Machine(f"{d}/esp.img", d, mem=self.mem, ips=self.ips)
        try:
            m.start()
            self.code = m.wait(self.until, self.limit)
        finally:
            m.stop()
        self.text = m.output("e9").decode("latin-1")
        return self

    def number(self, pattern):
        found = re.findall(pattern, self.text)
        return int(found[-1], 0) if found else 0

    def ticks(self):
        start, init = self.number(r"START (0x\w+)\n(?=INIT)"), self.number(r"INIT (0x\w+)")
        return init - start if start and init else 0


class Verdicts:
    passed = failed = 0

    def check(self, ok, text):
        print(("ok    " if ok else "FAIL  ") + text)
        self.passed += ok
        self.failed += not ok
        return ok


def judge(v, bare, nidus):
    for b in (bare, nidus):
        if not v.check(b.code == emu.ENDED and b.ticks() > 0, f"{b.name}: Linux reaches /init and its shell"):
            print("      " + " / ".join(b.text.splitlines()[-4:]) + f"  (emulator: {b.code}; build/linux/{b.name})")
    if not (bare.ticks() and nidus.ticks()):
        return
    more = (nidus.ticks() - bare.ticks()) * 100 / bare.ticks()
    v.check(more <= PERCENT, f"StartImage to /init: {bare.ticks():,} ticks bare, {nidus.ticks():,} under Nidus: {more:+.3f} %")
    exits, cost = nidus.number(r"exits L1 sum (\d+)"), nidus.number(r"ticks per CPUID (\d+)")
    share = exits * cost * 100 / bare.ticks()
    v.check(0 < share <= PERCENT, f"{exits} exits x {cost} ticks (CPUID there and back; {bare.number('ticks per CPUID ([0-9]+)')} bare)"
            f" = {share:.3f} % of it")
    v.check("nidus version" in nidus.text and "depth 0" in nidus.text, "nidus-info tells version and depth in L1")
    v.check("nidus none" in bare.text and "vmx yes" in bare.text, "bare: no Nidus, and the CPU has VMX")
    v.check("vmx no" in nidus.text, "nested=off: L1 sees no VMX")
    print("      " + "\n      ".join(l for l in nidus.text.splitlines() if l.startswith(("exits", "nidus"))))


def several():
    """With CPUS=: Linux brings up all processors, takes each off and on again, and runs KVM's guests on all at once."""
    line = rf"\vmlinuz initrd=\initrd.img {kernel_args()} nokaslr -- smp"
    boots = [Boot("bare", [], line, LIMIT * 4, "build/linux-smp"),
             Boot("nidus", [r"\nidus.efi nested=on profile=host log=none"], line, LIMIT * 4, "build/linux-smp")]
    emu.side_by_side([b.run for b in boots])
    v, count = Verdicts(), emulator.cpus()
    bare, nidus = ([l for l in b.text.split("INIT 0x")[-1].splitlines()[1:] if not l.startswith("#")] for b in boots)
    for name, lines in (("bare", bare), ("nidus", nidus)):
        v.check("L1 END" in lines, f"{name}: Linux ends its run")
        v.check(f"processors {count}" in lines, f"{name}: {count} processors")
        for n in range(1, count):
            v.check(f"processor {n} on, {count} there" in lines, f"{name}: processor {n} goes off and comes back")
            v.check(f"kvm on processor {n}: as on 0" in lines, f"{name}: KVM's guests on processor {n}")
    differ = [f"{a} / {b}" for a, b in zip(bare, nidus) if a != b]
    v.check(bare == nidus, f"{len(bare)} lines, the same bare and under Nidus" + ("" if bare == nidus else ": " + " // ".join(differ[:4])))
    return v


def main():
    signal.signal(signal.SIGTERM, emu.raise_on_term)
    if emulator.cpus() > 1:
        v = several()
        print(f"linux: {v.passed} passed, {v.failed} failed")
        return 1 if v.failed else 0
    boots = [Boot("bare", []), Boot("nidus", [r"\nidus.efi nested=off log=none"])]
    try:
        emu.side_by_side([b.run for b in boots])
    except KeyboardInterrupt:
        return emu.INTERRUPTED
    v = Verdicts()
    judge(v, *boots)
    print(f"linux: {v.passed} passed, {v.failed} failed")
    return 1 if v.failed else 0


if __name__ == "__main__":
    sys.exit(main())
