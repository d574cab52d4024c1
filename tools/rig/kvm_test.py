#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Debian's KVM as L1: the same kernel, modules and guests (tests/linux/kvm) bare and under Nidus, compared line by line.

Compared: the parameters of kvm_intel that took effect and every line of kvm-l2 but its comments ('#': ticks, exits). A
difference is permitted as in the guest tests, by an entry of docs/CAVEATS.md.
    kvm_test.py [long] [SETTING ...]     SETTING: default, ept=0, enable_shadow_vmcs=0, vpid=0, unrestricted_guest=0,
                                         depth=1 (Linux is L1 of a Nidus in Nidus); long: all, in the profile host as well
    kvm_test.py qemu                     a Linux under QEMU as KVM's guest (tests/linux/qemu-linux), bare and under Nidus;
                                         CPUS=2: both have two processors
    kvm_test.py --boot NAME OPTIONS [PARAMETER ...]      one boot under nidus.efi OPTIONS ("bare": none; "A / B": B in A), for a person
"""
import difflib, os, re, signal, sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.dont_write_bytecode = True
import emu, emulator, transcript
from linux_test import ROOT, Boot, Verdicts
from run import QEMU_IPS, kernel_version
from transcript import Caveats, Transcript

KERNEL = r"\vmlinuz initrd=\initrd.img console=ttyS0 acpi=off quiet cryptomgr.notests=1 tsc=reliable nokaslr -- "
QEMU = KERNEL.replace(r"initrd=\initrd.img", r"initrd=\initrd.img initrd=\qemu.img")
LIMIT, QEMU_LIMIT = 900, 1800
NIDUS = {"broadwell": r"\nidus.efi nested=on log=none", "host": r"\nidus.efi nested=on profile=host log=none"}
SETTINGS = ["default", "ept=0", "enable_shadow_vmcs=0", "vpid=0", "unrestricted_guest=0", "depth=1"]


def boot(name, before, parameters):
    """before: lines of the chain that start Nidus; each but the first starts it in the one before it."""
    depth = max(len(before) - 1, 0)
    return Boot(name, before, KERNEL + " ".join(parameters + ["kvm"]), LIMIT * (depth + 1) ** 2, "build/kvm",
                ips=emu.IPS_AT_DEPTH if depth else None)


def qemu_boot(name, first, word, folder="build/kvm"):
    several = emulator.cpus() > 1
    line = QEMU.replace("acpi=off", f"SMP={emulator.cpus()}") if several else QEMU
    return Boot(name, first, line + word, QEMU_LIMIT * emulator.cpus(), folder, "QEMU END", 1024, QEMU_IPS, ["qemu.img"])


def told(b):
    """What is compared: from the first word of /etc/rc on, without comments and words of the emulator's debugger."""
    lines = b.text.split("vmx ", 1)[-1].splitlines()
    return [l for l in lines if not l.startswith(("#", "(0).["))]


def as_transcript(b):
    """As docs/CAVEATS.md names the lines: kvm.GUEST, kvm.kvm_intel PARAMETER VALUE."""
    return Transcript(["BEGIN kvm", *("kvm." + l for l in told(b)), f"END kvm {len(told(b))}"])


def comments(b):
    return [l for l in b.text.splitlines() if l.startswith("#")]


def depth_of(setting):
    return int(setting.removeprefix("depth=")) if setting.startswith("depth=") else 0


def is_parameter(setting):
    return setting != "default" and not depth_of(setting)


def judge(v, setting, bare, nidus):
    for b in (bare, nidus):
        if not v.check(b.code == emu.ENDED and "kvm-l2: end" in b.text, f"{b.name}: KVM's guests run to the end"):
            print("      " + "\n      ".join(b.text.splitlines()[-6:]) + f"\n      (emulator: {b.code}; {b.dir})")
    wanted = [setting.replace("=0", " N")] if is_parameter(setting) else []
    v.check(all("kvm_intel " + w in l for w in wanted for l in [bare.text, nidus.text]), f"{nidus.name}: parameters took effect")
    # What kvm-l2 calls the bare CPU's words is what the emulator of `make test` says, and no other.
    if (emulator.chosen().name(), emulator.chosen().short_model(), setting) == ("Bochs 2.7", "broadwell_ult", "default"):
        for b in (bare, nidus):
            v.check(re.search(r"^# kvm-l2: \d+ guests, \d+ lines, all as on a bare CPU$", b.text, re.M) is not None, f"{b.name}: kvm-l2's own verdict")
    caveats = Caveats(os.path.join(ROOT, "docs/CAVEATS.md"), emulator.chosen().name(), emulator.chosen().short_model())
    problems, permitted = transcript.judge(*(as_transcript(b) for b in (bare, nidus)), caveats)
    if not v.check(not problems, f"{nidus.name}: {len(told(bare))} lines as on the bare CPU, {len(permitted)} differences permitted"):
        print("      " + "\n      ".join(problems[:30]))
    for (entry, glob), keys in sorted(caveats.used.items()):
        print(f"permit {entry}: {glob} used {len(keys)} times ({keys[0]})")
    depth = re.search(r"nidus version \S+,? depth (\d+)", nidus.text)
    v.check(depth and int(depth[1]) == depth_of(setting), f"{nidus.name}: nidus-info tells depth {depth_of(setting)}")


def run_setting(v, setting, profiles):
    parameters = [setting] if is_parameter(setting) else []
    boots = [boot(f"bare-{setting}", [], parameters)]
    boots += [boot(f"{p}-{setting}", [NIDUS[p]] * (1 + depth_of(setting)), parameters) for p in profiles]
    emu.side_by_side([b.run for b in boots])
    for b in boots[1:]:
        judge(v, setting, boots[0], b)


def run_qemu(v):
    """The guest's /etc/rc answers as L1's does in linux_test.py; its clock and its ticks are its own."""
    boots = [qemu_boot("bare-qemu", [], "qemu-test"), qemu_boot("nidus-qemu", [r"\nidus.efi log=none"], "qemu-test")]
    emu.side_by_side([b.run for b in boots])
    words = [[l for l in told(b) if not l.startswith(("INIT", "ticks"))] for b in boots]
    for b in boots:
        if not v.check(b.code == emu.ENDED and "\nL1 END" in b.text, f"{b.name}: Linux under QEMU reaches its shell as L2"):
            print("      " + "\n      ".join(b.text.splitlines()[-6:]) + f"\n      (emulator: {b.code}; {b.dir})")
    if not v.check(words[0] == words[1], f"qemu: {len(words[0])} lines as on the bare CPU"):
        print("      " + "\n      ".join(difflib.unified_diff(*words, "bare", "nidus", lineterm="", n=1)))
    v.check(all(f"processors {emulator.cpus()}" in w for w in words), f"qemu: the guest has {emulator.cpus()} processors")
    v.check("nidus version" in boots[1].text, "qemu: Nidus is there")


def one_boot(name, options, parameters):
    b = boot(name, [] if options == "bare" else ["\\nidus.efi " + o for o in options.split(" / ")], parameters).run()
    print(b.text)
    return b.code


def main():
    signal.signal(signal.SIGTERM, emu.raise_on_term)
    words = sys.argv[1:]
    try:
        if words[:1] == ["--boot"]:
            return one_boot(words[1], words[2], words[3:])
        long = "long" in words
        settings = [w for w in words if w != "long"] or (SETTINGS if long else SETTINGS[:1])
        v = Verdicts()
        print(f"Linux {kernel_version()}", flush=True)
        for s in settings:
            run_qemu(v) if s == "qemu" else run_setting(v, s, ["broadwell", "host"] if long and not depth_of(s) else ["broadwell"])
    except KeyboardInterrupt:
        return emu.INTERRUPTED
    print(f"kvm: {v.passed} passed, {v.failed} failed")
    return 1 if v.failed else 0


if __name__ == "__main__":
    sys.exit(main())
