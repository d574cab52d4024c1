#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Boots vmcs-probe.efi twice and compares what it finds with what is known.

Bare it must recover the emulator's own layout: fields of one width and kind stand in one block, four bytes an encoding, and
the block's place is a fact of the emulator's version. Under Nidus it must find revision 0x12 as tests/data/broadwell_vmcs_layout.csv has it.

Owns: those places, the verdicts. Booting is guest_tests.py's. Environment: BOCHS=, MODEL= (tools/rig/emulator.py).
"""
import csv, os, signal, sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.dont_write_bytecode = True
import emu, emulator
from guest_tests import ROOT, Boot, Test

KNOWN = os.path.join(ROOT, "tests/data/broadwell_vmcs_layout.csv")
LIMIT = 240                 # seconds of the emulator's time
PASSES = ("probe ABC", "probe BC")      # the second: a packed field, in which no needle stands whole

# What the processors that have posted interrupts and PML have, and the default profile, the i7-5600U, has not.
NOT_IN_PROFILE = {0x0002, 0x0810, 0x0812, 0x200e, 0x2016, 0x201c, 0x201e, 0x2020, 0x2022}
# The same in memory in both: CAVEAT(ar-packing) says what is not known of it.
RIGHTS = range(0x4814, 0x4824, 2)
PACKED = {"bare": "packed 0-23>0x{1:03x}.0 24-31>0x{0:03x}.0", "nidus": "packed 0-7>0x{0:03x}.0 12-15>0x{1:03x}.4 16-16>0x{1:03x}.0"}


# Where the block of each width and kind (bits 14:13 and 11:10 of an encoding) begins.
BLOCKS = {"2.7": [0x10 + 0x100 * n for n in range(16)],
          "3.0": [0x10, None, 0x110, 0x190, 0x210, 0x350, 0x490, 0x5d0, 0x710, 0x7d0, 0x890, 0x950, 0xa10, 0xad0, 0xb90, 0xc50]}


def emulators(enc):
    """Where Bochs keeps a field."""
    return BLOCKS[emulator.chosen().version][(enc >> 11 & 12) | (enc >> 10 & 3)] + (enc & 0x3ff) * 4


def known():
    with open(KNOWN, newline="") as f:
        return {int(r["encoding_hex"], 16): int(r["byte_offset_hex"], 16) for r in csv.DictReader(f) if r["byte_offset_hex"]}


def rows(lines):
    """The table of a transcript: encoding -> row; and the other lines."""
    table = [l.split("csv: ", 1)[1] for l in lines if ".csv: " in l]
    return {int(r["encoding_hex"], 16): r for r in csv.DictReader(table)}, [l for l in lines if ".csv: " not in l]


def judge(mode, lines):
    """What is wrong with what the probe found."""
    table, rest = rows(lines)
    expected, wrong = known(), []
    if not table:
        return ["no table"]
    there = {enc for enc, r in table.items() if r["note"] != "" and not r["note"].startswith("VMREAD fails")}
    if mode == "nidus":
        wrong += [f"{enc:#06x} is missing or too much" for enc in there ^ (expected.keys() - NOT_IN_PROFILE)]
    elif len(there) < 140:
        wrong.append(f"only {len(there)} fields")
    for enc in sorted(there):
        r, at = table[enc], emulators(enc) if mode == "bare" else expected.get(enc, -1)
        if r["byte_offset_hex"] != f"{at:#05x}" or r["confidence"] != "high" or r["source"] != PASSES[enc in RIGHTS]:
            wrong.append(f"{enc:#06x} {r['field_name']} at {at:#05x}: {r['byte_offset_hex']},{r['confidence']},{r['source']},{r['note']}")
        if enc in RIGHTS and PACKED[mode].format(at, at + 1) not in r["note"]:
            wrong.append(f"{enc:#06x}: {r['note']}")
    totals = f" fields {len(there)} placed {len(there)} agree " + f"{len(there)} " * (mode == "nidus")
    if not any(".verdict: " in l and totals in l and l.endswith("packed 8 overlaps 0") for l in rest):
        wrong.append("verdict: " + "; ".join(l for l in rest if ".verdict" in l))
    halves = [l.split() for l in rest if ".high: " in l]
    if len(halves) != 1 or halves[0][2] != halves[0][4]:
        wrong.append(f"high halves: {halves}")
    if not any(l.endswith("exit reason 12") for l in rest):
        wrong.append("L2 did not reach its VMCALL")
    return wrong


def main():
    signal.signal(signal.SIGTERM, emu.raise_on_term)
    options = {"nidus": "nested=on log=none", "limit": LIMIT}
    boots = [Boot(0, [Test("vmcs-probe", options)], mode, os.path.join(ROOT, "build/probe")) for mode in ("bare", "nidus")]
    try:
        emu.side_by_side([b.run for b in boots])
    except KeyboardInterrupt:
        return emu.INTERRUPTED
    results = []
    for b in boots:
        t = b.results.get("vmcs-probe")
        results.append((f"vmcs-probe {b.mode}: {len(t.lines)} lines, {b.seconds:.0f} s",
                        b.notes + t.problems + t.failures() + judge(b.mode, t.lines)))
    return emu.tell("probe", results, 20)


if __name__ == "__main__":
    sys.exit(main())
