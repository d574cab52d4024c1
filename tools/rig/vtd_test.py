#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Has VT-d guard L0's memory, in QEMU, whose processor here has no VMX: so nidus.efi goes as far as `dry` does.

Owns: the machines (q35, intel-iommu in several kinds, the device edu), one boot each, what their consoles must say.
  dma      the device edu does DMA to L0's memory, and beside it (guest-tests/pre/pre_dma.c)
  shell    dry, check and the refusals, in the EFI shell; and that a launch taken back leaves the machine as it was
  linux    Debian's kernel boots with the guard in force, reads a disk by DMA, and finds no DMAR

  vtd_test.py [--long] [BOOT...]     all boots of `make test` (with --long: and of `make test-long`), or those named

The console of a boot lands in build/vtd/BOOT/com1.txt.
"""
import argparse, hashlib, os, random, re, signal, subprocess, sys, time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, HERE)
sys.dont_write_bytecode = True
import emu

LIMIT = 300
END = "VTD END"
DISK = random.Random(1).randbytes(4 << 20)
GUARDED = "nidus: VT-d keeps devices out of L0's memory: 1 unit, 1 by tables"
KEPT = "kept out"
DMA = [("DMAR", "hidden"), ("read of own memory", "done"), ("write of own memory", "done"), ("read of the page below L0's memory", "done"),
       ("read of the page above it", "done"), ("read of the first page of L0's memory", KEPT), ("read of a page in its middle", KEPT),
       ("read of its last page", KEPT), ("write of the first page of L0's memory", KEPT), ("write of its last page", KEPT),
       ("read of own memory after all that", "done")]
FREE = [(what, "shown" if what == "DMAR" else "done") for what, _ in DMA]


def dma_lines(rows):
    return [f"dma: {what}: {how}" for what, how in rows]


class Machine(emu.Machine):
    """QEMU's q35 with a VT-d unit, or without it; with the device edu, and an NVMe disk."""

    def __init__(self, *args, unit, **kw):
        super().__init__(*args, kind="qemu", **kw)
        self.unit = unit

    def qemu_command(self):
        words = super().qemu_command()
        for word, value in (("-M", "q35"), ("-accel", "tcg"), ("-cpu", "qemu64")):      # without VMX wherever it runs
            words[words.index(word) + 1] = value
        unit = ["-device", "intel-iommu" + self.unit] if self.unit is not None else []
        return words + unit + ["-device", "edu,dma_mask=0xffffffffffffffff", "-drive", f"file={self.path('nvme.img')},format=raw,if=none,id=nvme",
                               "-device", "nvme,serial=1,drive=nvme"]


class Boot:
    """name; the unit's properties, or None for no unit; the shell's lines; the lines that must come, in order ("*" any
    text); lines (beginnings) that must not come; files of build/l1; only in test-long."""

    def __init__(self, name, unit, shell, expected, never=(), more=(), long=False, mem=None, until=END, cpus=1):
        self.name, self.unit, self.shell, self.expected, self.never = name, unit, shell, expected, never
        self.more, self.long, self.mem, self.until, self.cpus = more, long, mem, until, cpus
        self.dir, self.seconds, self.problems = os.path.join(ROOT, "build/vtd", name), 0, []

    def disk(self):
        os.makedirs(self.dir, exist_ok=True)
        script = os.path.join(self.dir, "startup.nsh")
        with open(script, "w", newline="\r\n") as f:
            f.write("\n".join(["@echo -off", "fs0:", *self.shell, f"echo {END}", ""]))
        files = {"::/startup.nsh": script}
        for name in ("nidus", "pre_dma", "pre_same"):
            files[f"::/{name}.efi"] = f"{ROOT}/build/{name}.efi"
        for name in self.more:
            files[f"::/{name}"] = f"{ROOT}/build/l1/{name}"
        with open(os.path.join(self.dir, "nvme.img"), "wb") as f:
            f.write(DISK)
        img = os.path.join(self.dir, "esp.img")
        subprocess.run([os.path.join(HERE, "mkesp.sh"), img, *(f"{k}={v}" for k, v in files.items())], check=True)
        return img

    def run(self):
        started = time.monotonic()
        m = Machine(self.disk(), self.dir, unit=self.unit, mem=self.mem, cpus=self.cpus)
        try:
            m.start()
            code = m.wait(self.until, LIMIT)
        finally:
            m.stop()
        self.seconds = time.monotonic() - started
        text = (m.output("com1") + b"\n" + m.output("e9")).decode("latin-1")
        text = re.sub(r"\x1b\[[0-9;=?]*[A-Za-z]", "", text).replace("\r", "")
        self.problems = self.judge([l.rstrip() for l in text.splitlines()])
        if code != emu.ENDED:
            self.problems.append(f"the machine did not come to {self.until} ({code})")

    def judge(self, lines):
        rest, problems = iter(lines), []
        for want in self.expected:
            pattern = re.escape(want).replace(r"\*", ".*")
            if not any(re.fullmatch(pattern, l) for l in rest):
                problems.append(f"no line (or not in this place): {want}")
                break
        problems += [f"a line that must not be: {l}" for l in lines if any(n in l for n in self.never)]
        return problems


def dma(name, unit, more="", guarded=GUARDED, fault="read", **kw):
    rows = DMA[:5] + DMA[8:10] + DMA[5:] if fault == "write" else DMA
    word = " write" if fault == "write" else ""
    return Boot(name, unit, [rf"nidus.efi dry stress=guard {more}chain=\pre_dma.efi{word}"],
                [guarded, "nidus: dry: * to L0's tables and back; without VMX nothing more", *dma_lines(rows),
                 f"nidus: VT-d unit 0xfed90000 refused device 0:2.0 a {fault} at 0x*, reason *"], **kw)


def boots():
    """The first of each kind are for `make test`."""
    warning = "nidus: warning: no VT-d protection: devices that do DMA can reach L0's memory"
    linux = r"initrd=\initrd.img console=ttyS0 nokaslr tsc=reliable cryptomgr.notests=1 -- vtd"
    return [
        dma("dma-48", ",aw-bits=48"),
        dma("dma-39", ",aw-bits=39", fault="write"),
        dma("dma-caching", ",aw-bits=48,caching-mode=on", long=True),
        dma("dma-ir", ",aw-bits=39,intremap=on,device-iotlb=on", long=True),      # eim=on is for KVM's interrupt controller
        dma("dma-scalable", ",x-scalable-mode=on", long=True),
        dma("dma-4-cpus", "", cpus=4, long=True),
        dma("dma-high", ",aw-bits=48", mem=5120, long=True),
        # In the end without the guard, where the same program finds everything open: or it would show nothing.
        Boot("shell", "", ["nidus.efi check", "pre_same.efi dry vtd=require", r"nidus.efi dry vtd=off stress=guard chain=\pre_dma.efi"],
             ["nidus: check: found   wanted VT-d: 1 unit, 1 by tables", GUARDED, "nidus: dry: *", GUARDED, "nidus: dry: *",
              "same: everything, in mapped memory", "nidus: dry: *", *dma_lines(FREE), END], never=["VT-d unit"]),
        Boot("no-unit", None, ["nidus.efi check", "nidus.efi dry", "pre_same.efi dry vtd=require", "nidus.efi check vtd=require"],
             ["nidus: check: missing wanted VT-d: no VT-d unit", "nidus: dry: *", "nidus: cannot run: vtd=require: no VT-d unit",
              "same: everything, in mapped memory", END], never=[GUARDED, warning]),
        Boot("linux", "", [rf"nidus.efi dry stress=guard chain=\vmlinuz {linux}"],
             [GUARDED, "*Linux version *", f"disk {hashlib.md5(DISK).hexdigest()}  -", "tables: ACPI: OEMR *", "L1 END"],
             never=["tables: DMAR"], more=("vmlinuz", "initrd.img"), until="L1 END"),
    ]


def main():
    p = argparse.ArgumentParser(description="VT-d guards L0's memory, in QEMU")
    p.add_argument("boots", nargs="*")
    p.add_argument("--long", action="store_true", help="what `make test-long` runs, too")
    p.add_argument("-j", type=int, default=emu.JOBS, help="boots at once")
    a = p.parse_args()
    signal.signal(signal.SIGTERM, emu.raise_on_term)
    every = boots()
    unknown = set(a.boots) - {b.name for b in every}
    if unknown:
        p.error("no such boot: " + " ".join(sorted(unknown)))
    chosen = [b for b in every if (b.name in a.boots if a.boots else a.long or not b.long)]
    try:
        emu.side_by_side([b.run for b in chosen], a.j)
    except KeyboardInterrupt:
        return emu.INTERRUPTED
    return emu.tell("vtd", [(f"{b.name}: {b.seconds:.0f} s", b.problems) for b in chosen])


if __name__ == "__main__":
    sys.exit(main())
