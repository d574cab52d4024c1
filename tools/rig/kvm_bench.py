#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What KVM's guests cost bare, under Nidus and under KVM as L0: docs/measurements.md's tables, printed in Markdown.

One kernel, one initramfs and one program (tests/linux/kvm) in all three. As L0, KVM runs them under Debian's QEMU
(tests/linux/qemu-linux); it is run a second time with its exits counted, because counting costs instructions.
    kvm_bench.py [bare] [nidus] [kvm] [count]     runs these (all), leaves build/bench/NAME, prints what is there
    kvm_bench.py -                                only prints
"""
import os, re, signal, sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.dont_write_bytecode = True
import emu
from kvm_test import KERNEL, QEMU_IPS, qemu_boot
from linux_test import Boot, ROOT

LIMIT, FOLDER = 3000, "build/bench"
# L1 has less than 512 MiB everywhere, so its kernel leaves transparent huge pages alone everywhere.
RUNS = {
    "bare": lambda: Boot("bare", [], KERNEL + "kvm", LIMIT, FOLDER, ips=QEMU_IPS),
    "nidus": lambda: Boot("nidus", [r"\nidus.efi log=none"], KERNEL + "kvm", LIMIT, FOLDER, ips=QEMU_IPS),
    "kvm": lambda: qemu_boot("kvm", [], "qemu-kvm", FOLDER),
    "count": lambda: qemu_boot("count", [], "count-kvm", FOLDER),
    # A guest of KVM's guest: the case cpuid there alone.
    "bare-l3": lambda: qemu_boot("bare-l3", [], "qemu-kvm-cpuid", FOLDER),
    "nidus-l3": lambda: qemu_boot("nidus-l3", [r"\nidus.efi log=none"], "qemu-kvm-cpuid", FOLDER),
}
CASES = {
    "real": "real mode", "modes": "every mode and back", "fault": "32-bit paging, page faults", "long": "long mode, MSRs, SSE",
    "user": "rings, SYSCALL", "device": "MMIO", "ports": "port I/O", "inject": "interrupts and NMIs from userspace",
    "lapic": "KVM's APIC and PIC, timers (waits for time)", "two": "two processors in turn", "step": "single steps",
    "triple": "shutdown", "bad": "a refused entry", "cpuid": "1,200 CPUID exits",
    "nest": "a guest of its own, 1,200 exits", "nest-ept": "the same with EPT and VPID",
    "memory": "64 MiB touched and verified",
    "changes": "16 MiB, pages taken away and given", "dirty": "16 MiB, dirty log", "kvm-l2": "whole program",
}
MEMORY = ["first touch of 64 MiB, a write and a read per 4 KiB page", "touched again",
          "every one of its 8.4 million words written and verified", "a read per page"]


def text_of(name):
    try:
        with open(os.path.join(ROOT, FOLDER, name, "e9.txt"), errors="replace") as f:
            return f.read()
    except FileNotFoundError:
        return ""


def ticks(text):
    found = {m[0]: int(m[1]) for m in re.findall(r"^# (\S+): (\d+) ticks$", text, re.M)}
    found.update((m[0] + " exit", int(m[1])) for m in re.findall(r"^# (\S+): (\d+) ticks an exit", text, re.M))
    steps = re.findall(r"^# memory: \w+ step \d+: (\d+) ticks", text, re.M)
    found.update(zip(MEMORY, map(int, steps)))
    found.update(("CPUID", int(n)) for n in re.findall(r"^# ticks per CPUID (\d+)", text, re.M)[:1])
    return found


def row(name, columns, key):
    values = [c.get(key, 0) for c in columns]
    times = [f"{v / values[0]:.1f}" if v and values[0] else "-" for v in values[1:]]
    return f"| {name} | " + " | ".join(f"{v:,}" if v else "-" for v in values) + " | " + " | ".join(times) + " |"


def print_ticks():
    columns = [ticks(text_of(n)) for n in ("bare", "nidus", "kvm")]
    head = "bare | under Nidus | under KVM | Nidus / bare | KVM / bare |\n|---|---|---|---|---|---|"
    print("| case | " + head)
    for key, what in CASES.items():
        print(row(f"{key}: {what}" if key != "kvm-l2" else what, columns, key))
    print("\n| of these | " + head)
    print(row("one CPUID exit of L2, answered by L1's KVM", columns, "cpuid exit"))
    print(row("one exit of L2's own guest, answered by L2", columns, "nest exit"))
    print(row("the same with EPT and VPID", columns, "nest-ept exit"))
    print(row("one CPUID exit of L1, answered by L0", columns, "CPUID"))
    for what in MEMORY:
        print(row(what, columns, what))


def reasons():
    with open(os.path.join(ROOT, "hv/arch/vmx_exit.def")) as f:
        return {int(n): name for n, name in re.findall(r"^EXIT\((\d+), +(\w+),", f.read(), re.M)}


def nidus_exits():
    found = re.findall(r"^# exits (L[12]) (\S+) +(\d+)$", text_of("nidus"), re.M)
    return {(who, name): int(n) for who, name, n in found if name != "sum"}


def kvm_exits():
    """kvm_exit sees all, kvm_nested_vmexit those of L2: the difference is L1's."""
    found = re.findall(r"^# # (kvm_exit|kvm_nested_vmexit) (\d+) (\d+)$", text_of("count"), re.M)
    count = {(event, int(reason)): int(n) for event, reason, n in found}
    exits = {}
    for number, name in reasons().items():
        l2 = count.get(("kvm_nested_vmexit", number), 0)
        exits["L2", name], exits["L1", name] = l2, count.get(("kvm_exit", number), 0) - l2
    return exits


def print_exits():
    nidus, kvm = nidus_exits(), kvm_exits()
    print("\n| reason | Nidus: from L1 | from L2 | KVM: from L1 | from L2 |\n|---|---|---|---|---|")
    cells = [(nidus, "L1"), (nidus, "L2"), (kvm, "L1"), (kvm, "L2")]
    for name in reasons().values():
        values = [exits.get((who, name), 0) for exits, who in cells]
        if any(values):
            print(f"| {name} | " + " | ".join(f"{v:,}" for v in values) + " |")
    sums = [sum(v for (who, _), v in exits.items() if who == w) for exits, w in cells]
    print("| sum | " + " | ".join(f"{v:,}" for v in sums) + " |")


def main():
    signal.signal(signal.SIGTERM, emu.raise_on_term)
    names = [n for n in sys.argv[1:] if n != "-"] or ([] if sys.argv[1:] else list(RUNS))
    boots = [RUNS[n]() for n in names]
    try:
        emu.side_by_side([b.run for b in boots])
    except KeyboardInterrupt:
        return emu.INTERRUPTED
    print_ticks()
    print_exits()
    bad = [b.name for b in boots if b.code != emu.ENDED or "kvm-l2: end" not in b.text]
    if bad:
        print("not run to the end: " + " ".join(bad), file=sys.stderr)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
