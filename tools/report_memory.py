# SPDX-License-Identifier: BSD-2-Clause
"""What a report of the stick says of memory (tools/report.py): RAM, EPT01's leaves, and both against the MTRRs.

Owns: a third reading of the MTRRs, beside hv/arch/mtrr.c and the rig's. It takes any numbers; report.py has checked
that the report is whole, not what it says.
"""
import re

TYPES = {0: "UC", 1: "WC", 4: "WT", 5: "WP", 6: "WB"}
FOUR_GIB, MIB = 1 << 32, 1 << 20
FIXED = [(0x250, 0, 0x10000), (0x258, 0x80000, 0x4000), (0x259, 0xa0000, 0x4000), *((0x268 + i, 0xc0000 + 0x8000 * i, 0x1000) for i in range(8))]
RAM = {1, 2, 3, 4, 7, 9, 10}                # types of UEFI's memory map that Nidus takes for RAM (boot/efi_memory.c)


class Mtrrs:
    """Memory types by the MTRRs of the report; a third reading of SDM 3A 11.11, beside hv/arch/mtrr.c and the rig's."""

    def __init__(self, found, rows):
        self.msr = {}
        for value in found.get("msr", []):
            m = re.fullmatch(r"([0-9a-f]{1,8}) ([0-9a-f]{16})", value)
            if m:
                self.msr[int(m[1], 16)] = int(m[2], 16)
        self.default = self.msr.get(0x2ff)
        width = rows.get("80000008.0", [36])[0] & 0xff
        self.ranges, self.gaps = [], False
        for n in range(32):
            base, mask = self.msr.get(0x200 + 2 * n, 0), self.msr.get(0x201 + 2 * n, 0)
            if not mask >> 11 & 1:
                continue
            size = (1 << min(max(width, 12), 52)) - (mask & 0xffffffffff000 & (1 << min(max(width, 12), 52)) - 1)
            self.gaps |= size <= 0 or size & (size - 1) != 0
            self.ranges.append((base & 0xffffffffff000, size, base & 0xff))

    def blocks(self, end):
        """(from, to, type) of all below `end`."""
        edges = {0, end} | {at + i * size for _, at, size in FIXED for i in range(9)}
        edges |= {edge for base, size, _ in self.ranges for edge in (base, base + size)}
        edges = sorted(e for e in edges if 0 <= e <= end)
        return [(a, b, self.type(a)) for a, b in zip(edges, edges[1:])]

    def type(self, at):
        if not self.default >> 11 & 1:
            return 0
        if at < MIB and self.default >> 10 & 1:
            msr, base, size = max((f for f in FIXED if f[1] <= at), key=lambda f: f[1])
            return self.msr.get(msr, 0) >> 8 * min((at - base) // size, 7) & 0xff
        kinds = {kind for base, size, kind in self.ranges if base <= at < base + size}
        if not kinds:
            return self.default & 0xff
        return 0 if 0 in kinds else min(kinds) if len(kinds) == 1 or kinds == {4, 6} else 0


def not_write_back(found, mtrrs):
    """Bytes of RAM, by the firmware's map, below 4 GiB that the MTRRs do not make write-back."""
    wrong, blocks = 0, [b for b in mtrrs.blocks(FOUR_GIB) if b[2] != 6]
    for value in found.get("map", []):
        m = re.fullmatch(r"(\d{1,9}) ([0-9a-f]{1,16}) ([0-9a-f]{1,16}) [0-9a-f]{1,16}", value)
        if m and int(m[1]) in RAM:
            base, end = int(m[2], 16), int(m[2], 16) + int(m[3], 16) * 4096
            wrong += sum(max(0, min(end, b) - max(base, a)) for a, b, _ in blocks)
    return wrong


def leaves(sections):
    """EPT01 of the first processor, from the dry run: {type: (1G, 2M, 4K)}; RAM's ranges; how many trees; leaves that lead elsewhere."""
    trees, ram, elsewhere = {}, [], 0
    for s in [s for s in sections if s.name == "dry"][-1:]:
        for line in s.lines:
            m = re.fullmatch(r"nidus: EPT01 of processor (\d{1,4}): (\w+) 1G (\d{1,12}) 2M (\d{1,12}) 4K (\d{1,12})", line)
            if m:
                trees.setdefault(int(m[1]), {})[m[2]] = tuple(int(v) for v in m.groups()[2:])
            m = re.fullmatch(r"nidus: EPT01 of processor \d{1,4}: \d{1,12} tables, (\d{1,12}) leaves lead elsewhere", line)
            elsewhere += int(m[1]) if m else 0
            if line.startswith("nidus: RAM: "):
                ram += [(int(a, 16), int(b, 16)) for a, b in re.findall(r"0x([0-9a-f]{1,16})-0x([0-9a-f]{1,16})", line)]
    return trees.get(min(trees)) if trees else None, ram, len(trees), elsewhere


def region(sections):
    """How many bytes L0 takes, which EPT01 leaves out."""
    sizes = [re.fullmatch(r"nidus: check: found   needed memory: (\d{1,6}) MiB in one piece", l) for s in sections if s.name == "check" for l in s.lines]
    return next((int(m[1]) * MIB for m in sizes if m), 0)


def types_differ(tree, mtrrs, ram, hole):
    """The memory types of which EPT01 shows less below 4 GiB than the MTRRs say, or more where there is nothing above."""
    shown = {kind: (n[0] << 30) + (n[1] << 21) + (n[2] << 12) for kind, n in tree.items()}
    wanted = {}
    for a, b, kind in mtrrs.blocks(FOUR_GIB):
        wanted[TYPES.get(kind, "reserved")] = wanted.get(TYPES.get(kind, "reserved"), 0) + b - a
    wanted["WB"] = wanted.get("WB", 0) - hole
    high = any(end > FOUR_GIB for _, end in ram)
    return sorted(k for k in {*shown, *wanted} if shown.get(k, 0) < wanted.get(k, 0) or not high and shown.get(k, 0) != wanted.get(k, 0))


def say(found, rows, sections):
    """found: the facts of machine.efi; rows: of them CPUID's leaves."""
    mtrrs, (tree, ram, trees, elsewhere) = Mtrrs(found, rows), leaves(sections)
    if tree is None:
        print("memory: the report has no EPT01 (step 2)")
    else:
        print(f"memory: RAM {sum(b - a for a, b in ram) // MIB} MiB in {len(ram)} ranges; EPT01: "
              + "; ".join(f"{kind} {a} of 1 GiB, {b} of 2 MiB, {c} of 4 KiB" for kind, (a, b, c) in sorted(tree.items())))
        if elsewhere:
            print(f"  {elsewhere} leaves lead to another address than their own: VT-d's registers, or a fault")
        if trees > 1:
            print(f"  {trees} trees: the processors' MTRRs differ")
    if mtrrs.default is None or mtrrs.gaps:
        print("  types not compared: " + ("MTRR masks with gaps" if mtrrs.gaps else "no MTRRs in the report (step 1)"))
        return
    print(f"  RAM that the MTRRs do not make write-back, below 4 GiB: {not_write_back(found, mtrrs) // 1024} KiB")
    if tree is not None:
        differ = types_differ(tree, mtrrs, ram, region(sections))
        print("  EPT01's memory types are " + (f"NOT the MTRRs': {', '.join(differ)}" if differ else "those of the MTRRs"))
