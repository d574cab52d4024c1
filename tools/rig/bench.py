#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What nesting costs: guest-tests/bench bare and under Nidus.

Owns: the table, build/bench/bench.csv, and the plot in docs/ that README.md shows. Booting is guest_tests.py's. Every row is
measured twice. The timed run gives ticks (a tick is an instruction of the emulated processor) and the exits that L0 took; it
has no counters in it. The counted run has the emulator print each instruction between two marks, and what L0 executed there is
counted by kind: VMREAD, VMWRITE and so on. L0 is what runs at the core's addresses. Nothing is compared with a limit here.

  bench.py [OPTION...]      options for nidus.efi, besides nested=on log=none
  CPUS=4 bench.py           bench_smp alone, on four processors at once
The column `unshadowed` is L1 without VMCS shadowing, as on a processor that has none.

  bench.py --depth          the timed run under a Nidus in a Nidus as well
  bench.py --plot           draws docs/bench.svg from build/bench/bench.csv
"""
import csv, glob, os, re, signal, sys, time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.dont_write_bytecode = True
import emu, emulator
from guest_tests import ROOT, Boot, Test

PER = 1000                  # operations behind each number that a bench prints
OUT = os.path.join(ROOT, "build/bench")
TABLE = "bench" + ".csv"
KINDS = ["vmread", "vmwrite", "vmptrld", "vmclear", "invept", "invvpid", "msr", "exits", "entries"]
CORE = 0xffffffff80000000   # where L0's code is linked
TRACED = re.compile(rb"^\(0\)\.\[\d+\] \[0x[0-9a-f]+\] [0-9a-f]{4}:([0-9a-f]+) \([^)]*\): (\w+)", re.M)
LABEL = re.compile(rb"count (more|less) (\d+) ([^\r\n]*)")


class Traced(emu.Machine):
    """Prints each instruction between the first mark and the second, the third and the fourth, and so on."""

    def bochs_command(self):
        command = super().bochs_command()
        with open(self.path("dbg"), "w") as f:
            f.write("c\n" + "trace on\nc\ntrace off\nc\n" * 1000)
        return command


def count(lines):
    """What L0 executed, by kind."""
    found, inside = dict.fromkeys(KINDS, 0), False
    for address, mnemonic in TRACED.findall(lines):
        word, was = mnemonic.decode(), inside
        inside = int(address, 16) >= CORE
        if not inside:
            continue
        found["exits"] += not was
        found["entries"] += word in ("vmresume", "vmlaunch")
        found["msr"] += word in ("rdmsr", "wrmsr")
        if word in found:
            found[word] += 1
    return found


def counted(options, names):
    """row -> kind -> how many an operation."""
    boot = Boot(0, [Test(n, {"nidus": options, "args": "count"}) for n in names], "nidus", os.path.join(OUT, "count"))
    os.makedirs(boot.dir, exist_ok=True)
    m = Traced(boot.disk(boot.tests), boot.dir, magic=True)
    try:
        m.start()
        while m.running() and m.spent() < 900 and not emu.stopping.is_set():
            time.sleep(0.5)
    finally:
        m.stop()
    os.unlink(m.path("e9.txt"))     # all of the trace
    rows, label = {}, None
    for piece in re.split(rb"Magic breakpoint", bytes(m.e9)):
        if label and TRACED.search(piece):
            sign, per, name = label
            row = rows.setdefault(name, dict.fromkeys(KINDS, 0))
            for kind, n in count(piece).items():
                row[kind] += (n if sign == b"more" else -n) / per
            label = None
        for sign, per, name in LABEL.findall(piece):
            label = (sign, int(per), name.decode())
    return rows


def rows(boot):
    """case -> (ticks, exits) of every transcript of the boot, and the lines that say what went wrong."""
    found, wrong = {}, list(boot.notes)
    for name, t in boot.results.items():
        wrong += [f"{name}: {p}" for p in t.problems + t.failures()]
        for line in t.lines:
            case, _, values = line.partition(": ")
            if len(values.split()) == 2 and not line.startswith("FAIL"):
                found[case.split(".", 1)[1]] = [int(v) / PER for v in values.split()]
    return found, wrong


def plot(table, path):
    """A bar for each row, in a logarithmic scale of instructions: bare, then under Nidus."""
    left, line, decade, top = 230, 18, 110, 34
    bars = [(r["operation"], float(r["bare"]), float(r["nidus"])) for r in table if float(r["nidus"]) >= 1]

    def width(v):
        digits, part = 0, v
        while part >= 10:
            part, digits = part / 10, digits + 1
        return decade * (digits + (part - 1) / 9) if v >= 1 else 0      # straight between the powers of ten

    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + 5 * decade + 90}" height="{top + line * len(bars) + 10}" '
           'font-family="sans-serif" font-size="11">', '<rect width="100%" height="100%" fill="white"/>']
    for power in range(6):
        x = left + decade * power
        out += [f'<line x1="{x}" y1="{top - 6}" x2="{x}" y2="{top + line * len(bars)}" stroke="#ddd"/>',
                f'<text x="{x}" y="{top - 12}" text-anchor="middle">{10 ** power:,}</text>']
    out.append(f'<text x="{left - 8}" y="{top - 12}" text-anchor="end">instructions an operation</text>')
    for i, (name, bare, nidus) in enumerate(bars):
        y = top + line * i
        out += [f'<text x="{left - 8}" y="{y + 11}" text-anchor="end">{name}</text>',
                f'<rect x="{left}" y="{y + 2}" width="{width(nidus):.1f}" height="10" fill="#4a7ab5"/>',
                f'<rect x="{left}" y="{y + 2}" width="{width(bare):.1f}" height="10" fill="#222"/>',
                f'<text x="{left + width(nidus) + 5:.1f}" y="{y + 11}">{nidus:,.0f}</text>']
    with open(path, "w") as f:
        f.write("\n".join(out + ["</svg>"]) + "\n")


def read_csv():
    with open(os.path.join(OUT, TABLE), newline="") as f:
        return list(csv.DictReader(f))


def measure(options, depth):
    """The table, and what went wrong."""
    names = sorted(os.path.basename(p)[:-2] for p in glob.glob(os.path.join(ROOT, "guest-tests/bench/bench_*.c")))
    several = emulator.cpus() > 1       # the others count instructions, which a tick is with one processor alone
    if several:
        names = ["bench_smp"]
    tests = [Test(n, {"nidus": options}) for n in names]
    boots = {"bare": Boot(0, tests, "bare", OUT), "nidus": Boot(0, tests, "nidus", OUT)}
    if not several:             # as on a processor without VMCS shadowing
        boots["unshadowed"] = Boot(2, [Test(n, {"nidus": options + " shadow=off"}) for n in names], "nidus", OUT)
    if depth:
        boots["depth1"] = Boot(1, tests, "nidus", OUT, 1)
    emu.side_by_side([b.run for b in boots.values()], 1)
    times, wrong = {}, []
    for column, boot in boots.items():
        times[column], more = rows(boot)
        wrong += more
    ops, table = {} if several else counted(options, names), []
    for case, (bare, _) in times["bare"].items():
        row = {"operation": case, "bare": bare}
        row.update((column, times[column].get(case, (0, 0))[0]) for column in times if column != "bare")
        row.update(ops.get(case, {}))
        table.append(row)
    with open(os.path.join(OUT, TABLE), "w", newline="") as f:
        out = csv.DictWriter(f, ["operation", *times, *KINDS], restval="")
        out.writeheader()
        out.writerows(table)
    return read_csv(), wrong + ([] if ops or several else ["nothing was counted"])


def number(text, places):
    return f"{float(text):,.{places}f}" if text != "" else "-"


def main():
    signal.signal(signal.SIGTERM, emu.raise_on_term)
    words = sys.argv[1:]
    flags = [w for w in words if w.startswith("--")]
    if "--plot" in flags:
        return plot(read_csv(), os.path.join(ROOT, "docs/bench.svg"))
    try:
        table, wrong = measure(" ".join(["nested=on", "log=none", *(w for w in words if w not in flags)]), "--depth" in flags)
    except KeyboardInterrupt:
        return emu.INTERRUPTED
    columns = [c for c in table[0] if c != "operation"]
    print(f"{'per operation':26}" + "".join(f"{c:>10}" for c in columns))
    for row in table:
        print(f"{row['operation']:26}" + "".join(f"{number(row[c], 1 if c not in KINDS else 2):>10}" for c in columns))
    for line in wrong:
        print("FAIL  " + line)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
