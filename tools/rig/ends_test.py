#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Boots programs that end L1's processor or need a second one, under Nidus, and judges what is left.

A program of guest-tests/pre runs on the first processor; a second one stays outside (cpus=bsp). What must be in
port 0xE9's stream, and what must not, is said per row. No row may show L0's own end.
"""
import os, re, signal, subprocess, sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, HERE)
sys.dont_write_bytecode = True
import emu

OUT = os.path.join(ROOT, "build/ends")
NEVER = [r"nidus: bug", r"this CPU is stopped", r"FAIL "]
LIVES = [r"second: indicator stored", r"second: the machine lives"]
NESTED = "nested=on profile=host log=e9 verbose=1"
# name, program and arguments, nidus.efi's options, processors, wanted, unwanted, how far to run
ROWS = [
    ("abort-load", "pre_vmx_abort.efi list=0", NESTED, 2, [r"VMX abort 4 of L1", *LIVES], [r"came back"], None),
    ("abort-store", "pre_vmx_abort.efi list=1", NESTED, 2, [r"VMX abort 1 of L1", *LIVES], [r"came back"], None),
    ("abort-sti", "pre_vmx_abort.efi list=2", NESTED, 2, [r"VMX abort 1 of L1", *LIVES], [r"came back"], None),
    ("bitmap-race", "pre_vmx_race.efi", NESTED, 2,
     [r"flips: 1", r"exits that nobody wanted: 1, that L1 did not expect: 0", r"END vmx_race"], [], None),
    ("task-rom", "pre_task_rom.efi", "nested=off log=e9 verbose=1", 1,
     [r"descriptor: found 1", r"L1 triple fault.*resetting the machine"], [], "resetting the machine"),
]


class Row:
    def __init__(self, name, program, options, cpus, wanted, unwanted, until):
        self.name, self.program, self.cpus, self.until = name, program, cpus, until
        self.options, self.wanted, self.unwanted = options, wanted, unwanted + NEVER

    def disk(self):
        build, img = os.path.join(ROOT, "build"), os.path.join(self.dir, "esp.img")
        chain = os.path.join(self.dir, "chain.txt")
        cpus = " cpus=bsp" if self.cpus > 1 else ""
        with open(chain, "w") as f:
            f.write(f"\\nidus.efi {self.options}{cpus}\n\\{self.program}\n")
        files = ("nidus.efi", self.program.split()[0])
        subprocess.run([os.path.join(HERE, "mkesp.sh"), img, f"::/EFI/BOOT/BOOTX64.EFI={build}/chain.efi",
                        f"::/chain.txt={chain}", *(f"::/{n}={build}/{n}" for n in files)], check=True)
        return img

    def run(self):
        self.dir = os.path.join(OUT, self.name)
        os.makedirs(self.dir, exist_ok=True)
        m = emu.Machine(self.disk(), self.dir, cpus=self.cpus)
        try:
            m.start()
            m.wait(self.until, 400)
        finally:
            m.stop()
        text = m.output("e9").decode("latin-1")
        self.problems = [f"missing: {w}" for w in self.wanted if not re.search(w, text)]
        self.problems += [f"unwanted: {u}" for u in self.unwanted if re.search(u, text)]


def main():
    signal.signal(signal.SIGTERM, emu.raise_on_term)
    rows = [Row(*r) for r in ROWS if not sys.argv[1:] or r[0] in sys.argv[1:]]
    emu.side_by_side([r.run for r in rows])
    return emu.tell("ends", [(r.name, r.problems) for r in rows])


if __name__ == "__main__":
    sys.exit(main())
