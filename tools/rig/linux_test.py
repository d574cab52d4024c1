#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Boots Debian's kernel bare and as L1, side by side, and compares what the boot cost.

A tick of the emulator's TSC is an instruction, so the two boots can be compared to the tick: from right before
chain.efi calls StartImage to the first act of /init. The bar is issue 2's: 1 %.

With CPUS=N the words are compared instead: all processors come up, each goes off and comes back, KVM's guests run on
all of them. DEPTH=1: under a Nidus in Nidus. CPUS=N linux_test.py stress [SEED [STEPS]]: they come and go at random.
linux_test.py sleep: L1 asks for S3 and is refused.
"""
import difflib, os, re, signal, subprocess, sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, HERE)
sys.dont_write_bytecode = True
import emu, emulator
from run import KERNEL_ARGS, QEMU_IPS, kernel_args, kernel_version

LINE = rf"\vmlinuz initrd=\initrd.img {KERNEL_ARGS} nokaslr -- test"
PERCENT = 1.0
LIMIT = 600
STRESS_STEPS, STRESS_LIMIT = 10000, 7200


class Boot:
    def __init__(self, name, first, line=LINE, limit=LIMIT, folder="build/linux", until="L1 END", mem=None, ips=None, more=()):
        self.name, self.first, self.text, self.code = name, first, "", None
        self.until, self.mem, self.ips, self.more = until, mem, ips, more      # more: other files of build/l1 on the disk
        self.line = line.replace(" -- ", emulator.chosen().kernel_words() + " -- ")
        if emulator.lacks_tables():
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


def told(b):
    """What Linux said, from the first line of /etc/rc on, without comments and without words of the emulator's debugger."""
    return [l for l in b.text.split("\nINIT 0x")[-1].splitlines()[1:] if not l.startswith(("#", "(0)."))]


def judge_several(v, bare, nidus, count, depth):
    for b in (bare, nidus):
        lines = told(b)
        if not v.check(b.code == emu.ENDED and f"processors {count}" in lines, f"{b.name}: Linux has {count} processors, and ends its run"):
            print("      " + "\n      ".join(b.text.splitlines()[-6:]) + f"\n      (emulator: {b.code}; {b.dir})")
        for n in range(count):
            back = [f"processor {n} off, {count - 1} left", f"processor {n} on, {count} there", f"ran on {n}"]
            v.check(all(lines.count(l) == 2 for l in back), f"{b.name}: processor {n} goes off and comes back, twice")
        v.check("smp: the second processor: exit -1" in lines, f"{b.name}: a guest with two processors")
        v.check(all(f"kvm on processor {n}: as on 0" in lines for n in range(1, count)), f"{b.name}: KVM's guests on all processors at once")
    if not v.check(told(bare) == told(nidus), f"{len(told(bare))} lines, the same bare and under Nidus"):
        print("      " + "\n      ".join(difflib.unified_diff(told(bare), told(nidus), "bare", "nidus", lineterm="", n=1)))
    v.check("nidus none" in bare.text and f" depth {depth}\n" in nidus.text, f"nidus-info tells depth {depth}, and bare none")


def several(v, depth):
    """With CPUS= that are several ticks say nothing; what Linux and KVM's guests say does (tests/linux/rc, smp)."""
    slow = " cpu_init_udelay=10000" if depth else ""       # CAVEAT(depth-sipi-early)
    line = rf"\vmlinuz initrd=\initrd.img {kernel_args()} nokaslr cpu0_hotplug{slow} -- smp"
    boots = [Boot(name, [r"\nidus.efi nested=on profile=host log=none"] * levels, line, LIMIT * 4 * 4 ** depth, "build/linux-smp",
                  ips=emu.IPS_AT_DEPTH if depth else None) for name, levels in (("bare", 0), ("nidus", depth + 1))]
    emu.side_by_side([b.run for b in boots])
    judge_several(v, *boots, emulator.cpus(), depth)


def stress(v, seed="1", steps=STRESS_STEPS):
    """Processors and guests come and go at random under Nidus (tests/linux/rc). The same seed asks for the same again."""
    line = rf"\vmlinuz initrd=\initrd.img {kernel_args()} nokaslr cpu0_hotplug -- stress-{seed}-{steps}"
    b = Boot("stress", [r"\nidus.efi nested=on log=none"], line, STRESS_LIMIT, "build/linux-smp", ips=QEMU_IPS).run()
    lines, end = told(b), f"stress: 0 guests differ, processors {emulator.cpus()}"
    print("      " + "\n      ".join(l for l in b.text.splitlines() if l.startswith("# stress: ")))
    v.check(b.code == emu.ENDED and f"stress: seed {seed}, {steps} steps" in lines, f"seed {seed}: {steps} steps, to the end")
    if not v.check(lines[-2:] == [end, "L1 END"], f"seed {seed}: {end}; the kernel complains of nothing"):
        print("      " + "\n      ".join(b.text.splitlines()[-20:]) + f"\n      (emulator: {b.code}; {b.dir})")


def sleep(v):
    """L1 asks for S3 while s3=refuse (the default): it goes on at once, nothing is lost, and L0 says so in one line."""
    line = rf"\vmlinuz initrd=\initrd.img {KERNEL_ARGS.replace('acpi=off ', '')} nokaslr -- sleep"
    tables = [] if emulator.lacks_tables() else [r"\tables.efi"]       # which Nidus and Linux are to see
    b = Boot("sleep", [*tables, r"\nidus.efi nested=on log=e9"], line, LIMIT).run()
    guests = [re.findall(rf"^{when}: (.*)", b.text, re.M) for when in ("awake", "behind")]
    said = [l for l in b.text.splitlines() if "refused (s3=refuse)" in l]
    for ok, text in (("deep" in b.text.partition("sleeps by ")[2][:20], "Linux knows S3"), ("mem: back, as asked" in b.text, "it asks, and goes on"),
                     ("processors 1, 1 times suspended" in b.text and "kernel: " not in b.text, "the kernel saw a sleep, and complains of nothing"),
                     (len(guests[0]) > 1 and guests[0] == guests[1], f"a guest of KVM before and behind it: {len(guests[0])} lines, the same"),
                     (len(said) == 1, f"one line of L0's: {said}"), (b.code == emu.ENDED and " depth 0" in b.text, "Nidus is there behind it")):
        if not v.check(ok, text):
            print("      " + "\n      ".join(b.text.splitlines()[-12:]) + f"\n      (emulator: {b.code}; {b.dir})")


def single(v):
    boots = [Boot("bare", []), Boot("nidus", [r"\nidus.efi nested=off log=none"])]
    emu.side_by_side([b.run for b in boots])
    judge(v, *boots)


def main():
    signal.signal(signal.SIGTERM, emu.raise_on_term)
    v = Verdicts()
    print(f"Linux {kernel_version()}", flush=True)
    try:
        if sys.argv[1:2] == ["stress"]:
            stress(v, *sys.argv[2:])
        elif sys.argv[1:] == ["sleep"]:
            sleep(v)
        elif emulator.cpus() > 1:
            several(v, int(os.environ.get("DEPTH") or 0))
        else:
            single(v)
    except KeyboardInterrupt:
        return emu.INTERRUPTED
    print(f"linux: {v.passed} passed, {v.failed} failed")
    return 1 if v.failed else 0


if __name__ == "__main__":
    sys.exit(main())
