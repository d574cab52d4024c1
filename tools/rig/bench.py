#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What nesting costs: guest-tests/bench bare and under Nidus, in ticks and in exits that L0 took.

Owns: the table. Booting is guest_tests.py's; a tick is an instruction of the emulated processor. Nothing is compared with
a limit here.

  bench.py [OPTION...]      options for nidus.efi, besides nested=on log=none
"""
import glob, os, signal, sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.dont_write_bytecode = True
import emu
from guest_tests import ROOT, Boot, Test

PER = 1000                  # operations behind each number that a bench prints


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


def main():
    signal.signal(signal.SIGTERM, emu.raise_on_term)
    options = {"nidus": " ".join(["nested=on", "log=none", *sys.argv[1:]])}
    names = sorted(os.path.basename(p)[:-2] for p in glob.glob(os.path.join(ROOT, "guest-tests/bench/bench_*.c")))
    boots = [Boot(0, [Test(n, options) for n in names], mode, os.path.join(ROOT, "build/bench")) for mode in ("bare", "nidus")]
    try:
        emu.side_by_side([b.run for b in boots], 1)
    except KeyboardInterrupt:
        return emu.INTERRUPTED
    (bare, wrong), (nidus, more) = rows(boots[0]), rows(boots[1])
    print(f"{'per operation':28} {'bare':>9} {'Nidus':>9} {'exits':>7}")
    for case, (ticks, _) in bare.items():
        under, exits = nidus.get(case, (0, 0))
        print(f"{case:28} {ticks:9,.1f} {under:9,.1f} {exits:7.2f}")
    for line in wrong + more:
        print("FAIL  " + line)
    return 1 if wrong or more or bare.keys() != nidus.keys() else 0


if __name__ == "__main__":
    sys.exit(main())
