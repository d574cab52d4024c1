#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""sym.py [--elf FILE] [LOG ...]: copies logs (or standard input), and puts function, file and line behind each address of L0.

    tools/rig/sym.py build/DISK.run/e9.txt
    tools/rig/sym.py --bochs > core.sym      names for the emulator's debugger: ldsym global "core.sym"

An address is what lies in the core's text, as the log writes it: 16 hexadecimal digits, with 0x or without.
"""
import argparse, os, re, subprocess, sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
ADDRESS = re.compile(r"(?<![0-9a-fA-Fx])(?:0x)?([0-9a-f]{16})(?![0-9a-fA-F])")


class Unusable(Exception):
    """One line for the person."""


def call(*command):
    try:
        p = subprocess.run(command, capture_output=True, text=True, errors="replace")
    except FileNotFoundError:
        raise Unusable(f"no program {command[0]} (package binutils)")
    if p.returncode:
        raise Unusable((p.stderr.strip().splitlines() or [f"{command[0]} failed"])[0])
    return p.stdout


def in_tree(place):
    """FILE:LINE with FILE as this tree has it, wherever the core was built."""
    parts = place.split(" ")[0].split("/")
    ends = ["/".join(parts[i:]) for i in range(len(parts))]
    return next((e for e in ends if e and not e.startswith("/") and os.path.exists(os.path.join(ROOT, e.rpartition(":")[0]))), place)


class Symbols:
    """The names of one core.elf, asked in one go for many addresses."""

    def __init__(self, elf):
        if not os.path.isfile(elf):
            raise Unusable(f"{elf}: no such file (make builds it)")
        self.elf = elf
        named = [l.split() for l in call("nm", elf).splitlines()]
        self.text = sorted((int(a, 16), n) for a, kind, n in (w for w in named if len(w) == 3) if kind in "tT")
        if not self.text:
            raise Unusable(f"{elf}: no symbols")
        ends = [int(w[0], 16) for w in named if len(w) == 3 and w[2] == "core_text_end"]
        self.low, self.high = self.text[0][0], ends[0] if ends else self.text[-1][0] + 4096
        self.known = {}

    def holds(self, address):
        return self.low <= address < self.high

    def learn(self, addresses):
        new = [a for a in sorted(addresses) if self.holds(a) and a not in self.known]
        if not new:
            return
        lines = call("addr2line", "-e", self.elf, "-f", *(f"{a:#x}" for a in new)).splitlines()
        for a, function, place in zip(new, lines[::2], lines[1::2]):
            start, name = next(s for s in reversed(self.text) if s[0] <= a)
            self.known[a] = f"{name}+{a - start:#x} {in_tree(place)}"

    def annotate(self, line):
        found = {int(m, 16) for m in ADDRESS.findall(line)}
        self.learn(found)
        return ADDRESS.sub(lambda m: m[0] + f" <{self.known[int(m[1], 16)]}>" if int(m[1], 16) in self.known else m[0], line)


def main():
    p = argparse.ArgumentParser(description="put symbols on L0's addresses")
    p.add_argument("logs", nargs="*", metavar="LOG")
    p.add_argument("--elf", default=os.path.join(ROOT, "build/core.elf"), help="default: build/core.elf")
    p.add_argument("--bochs", action="store_true", help="print a symbol file for Bochs's debugger instead")
    a = p.parse_args()
    try:
        symbols = Symbols(a.elf)
        if a.bochs:
            print("\n".join(f"{address:x} {name}" for address, name in symbols.text))
            return 0
        for log in a.logs or ["-"]:
            with open(0 if log == "-" else log, encoding="utf-8", errors="replace", newline="\n") as f:
                for line in f:
                    sys.stdout.write(symbols.annotate(line))
                    sys.stdout.flush()
        return 0
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (Unusable, OSError) as e:
        print("sym: " + (f"{e.filename or 'output'}: {e.strerror}" if isinstance(e, OSError) else str(e)), file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
