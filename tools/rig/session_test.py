#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""A person's first session with `make run`, typed by a program: what L1's programs say, and that they refuse nonsense.

One boot. Each step is a line that is typed and what must then appear; the emulator is slow, so only the end of the whole is
limited. Also what run.py says to wrong numbers and files, which boots nothing.
"""
import os, pty, re, select, signal, subprocess, sys, time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.dont_write_bytecode = True
import emu
from linux_test import ROOT, Verdicts

LIMIT = 1500        # seconds, on a very busy machine; idle it takes two minutes
PROMPT = "L1# "
# What is typed, and patterns that the answer must have; the first two lines go to run-l2's guest.
STEPS = [
    ("stty size", [r"33 120"]),
    ("run-l2", [r"CPUID says GenuineIntel"]),
    ("\x04", [r"What that cost, as L0 counted it:", r"L2 left to L0 \d+ times:.* \d+ IO_INSTRUCTION",
              r"L1 left to L0 \d+ times:.* \d+ VMRESUME", r"L2 -> L0 -> L1"]),
    ("run-l2 x; echo rc $?", [r"run-l2: nothing is called x", r"rc 2"]),
    ("kvm-l2 --help; echo rc $?", [r"usage: kvm-l2 \[GUEST \.\.\.\]", r"real modes fault", r"rc 0"]),
    ("kvm-l2 real banana; echo rc $?", [r"nothing is called banana", r"rc 2"]),
    ("kvm-l2 real triple; echo rc $?", [r"# kvm-l2: 2 guests, \d+ lines, all as on a bare CPU", r"kvm-l2: end", r"rc 0"]),
    ("sed -i s/0x1221cc0/0x1221cc1/ /etc/kvm-l2.expected; kvm-l2 real triple", [r"# real says: +real: value 0x1221cc0",
     r"on a bare CPU: real: value 0x1221cc1", r"# kvm-l2: 1 of 2 guests as on a bare CPU"]),
    ("nidus-info x; echo rc $?", [r"usage: nidus-info", r"rc 2"]),
    ("nidus-info", [r"nidus version \d+ depth 0", r"ticks per CPUID \d+ \("]),
    ("exit", []),
]
REFUSALS = [
    ({"MEM": "abc"}, "MEM=abc: 128 to 65536"), ({"DEPTH": "x"}, "DEPTH=x: 0 to 4"), ({"CPUS": "99"}, "CPUS=99: 1 to 8"),
    ({"KERNEL": "/nowhere"}, "KERNEL=/nowhere: no such file"), ({"LIMIT": "-1"}, "LIMIT=-1: 1 to"),
    ({"GDB": "1"}, "GDB=1 goes with EFI="), ({"EFI": "/nowhere.efi"}, "EFI=/nowhere.efi: no such file"), ({"EFI": "README.md"}, "EFI=README.md: not an EFI program"),
]


class Session:
    """run.py on a terminal of ours."""

    def __init__(self):
        self.master, slave = pty.openpty()
        subprocess.run(["stty", "rows", "33", "columns", "120"], stdin=slave, check=True)
        words = {k: v for k, v in os.environ.items() if k not in ("EFI", "NIDUS", "DEPTH", "QEMU", "ARGS", "RUN_BARE")}
        self.process = subprocess.Popen([f"{HERE}/run.py"], cwd=ROOT, env=words, stdin=slave, stdout=slave, stderr=slave)
        os.close(slave)
        self.text, self.deadline = "", time.monotonic() + LIMIT

    def until(self, patterns):
        """True when all have appeared, in what has come since the last call."""
        while not all(re.search(p, self.text) for p in patterns):
            if time.monotonic() > self.deadline or not self.read():
                return False
        return True

    def read(self):
        if not select.select([self.master], [], [], 1)[0]:
            return self.process.poll() is None
        try:
            self.text += os.read(self.master, 65536).decode("utf-8", "replace").replace("\r", "")
            return True
        except OSError:
            return False

    def type(self, text):
        self.text = ""
        os.write(self.master, (text if text < " " else text + "\r").encode())

    def end(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait()


def session(v):
    s = Session()
    try:
        if not v.check(s.until([PROMPT]), "make run comes to the prompt L1#"):
            print("      " + "\n      ".join(s.text.splitlines()[-12:]))
            return
        for line, wanted in STEPS:
            s.type(line)
            there = s.until(wanted + ([] if line in ("run-l2", "exit") else [r"(?m)^" + PROMPT]))
            if not v.check(there, f"{line!r} is answered"):
                print("      " + "\n      ".join(s.text.splitlines()[-12:]))
        while s.read():
            pass
        v.check(s.process.wait(60) == 0, "exit in L1 ends it with status 0")
    finally:
        s.end()


def refusals(v):
    for words, wanted in REFUSALS:
        p = subprocess.run([f"{HERE}/run.py"], cwd=ROOT, env={**os.environ, **words}, stdin=subprocess.DEVNULL, text=True,
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300)
        said = p.stdout.strip()
        ok = p.returncode == 1 and len(said.splitlines()) == 1 and wanted in said
        v.check(ok, f"{' '.join('='.join(w) for w in words.items())}: " + (said if ok else f"status {p.returncode}, {said[-300:]}"))


def main():
    signal.signal(signal.SIGTERM, emu.raise_on_term)
    v = Verdicts()
    try:
        refusals(v)
        session(v)
    except KeyboardInterrupt:
        return emu.INTERRUPTED
    print(f"session: {v.passed} passed, {v.failed} failed")
    return 1 if v.failed else 0


if __name__ == "__main__":
    sys.exit(main())
