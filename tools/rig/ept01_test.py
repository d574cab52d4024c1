#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Walks EPT01 in dumps of the machine's memory and compares every page with the MTRRs of that moment.

t_mtrr.efi, as L1, writes settings of the MTRRs, prints them and stops the emulator by XCHG BX,BX; the debugger
then prints EPT01's root and pool. For each page below 4 GiB: identity, readable, writable, executable, no ignore-PAT bit,
and the memory type that a second, slow reading of SDM 3A 11.11 gives; L0's region shows the sink page or nothing.
"""
import os, re, signal, subprocess, sys, time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, HERE)
sys.dont_write_bytecode = True
import emu

MEM = 128
PAGE, TOP = 4096, 1 << 32
TABLES = 97     # the root and the pool behind it: EPT01_POOL_PAGES of hv/vmx/ept_l1.c
UC, WT, WB = 0, 4, 6
FINE, TOUCHED = 0x6000000, 1 << 21              # what t_mtrr.c touches: every page below FINE, then one in each TOUCHED
RWX, IPAT, LARGE, ADDRESS = 7, 1 << 6, 1 << 7, 0x000ffffffffff000
SETTINGS = ["firmware", "overlaps", "fixed", "fixed off", "disabled", "back"]
FIXED = [(0x250, 0, 0x10000), (0x258, 0x80000, 0x4000), (0x259, 0xa0000, 0x4000)] + \
        [(0x268 + i, 0xc0000 + 0x8000 * i, 0x1000) for i in range(8)]


class Dumping(emu.Machine):
    """The emulator with a debugger that gets its commands from here, through a pipe."""

    def bochs_command(self):
        if os.path.exists(self.path("dbg")):
            os.unlink(self.path("dbg"))         # a pipe that a run left behind
        command = super().bochs_command()
        os.unlink(self.path("dbg"))
        os.mkfifo(self.path("dbg"))
        return command

    def dumps(self):
        """Runs to each stop; yields the eight-byte words that the debugger printed there, by address."""
        with open(self.path("dbg"), "w") as pipe:
            tell = lambda line: (pipe.write(line + "\n"), pipe.flush())
            tell("c")
            for name in SETTINGS:
                self.expect(f"mtrr.{name}: all")
                root = self.eptp()
                tell(f"xp /{TABLES * PAGE // 4}wx {root:#x}")
                tell("c")
                yield name, root, self.words(name, root)
            tell("q")

    def eptp(self):
        """Of the tree in use: L0 names it at the start and whenever the MTRRs change."""
        return int(re.findall(r" eptp ([0-9a-f]+)", self.text())[-1], 16) & ADDRESS

    def text(self):
        return self.output("e9").decode(errors="replace")

    def expect(self, mark, seconds=240):
        deadline = time.monotonic() + seconds
        while mark not in self.text():
            if time.monotonic() > deadline or not self.running():
                raise TimeoutError(mark)
            time.sleep(0.2)

    def words(self, name, root):
        last = root + TABLES * PAGE - 16
        self.expect(f"0x{last:016x} <", 60)
        time.sleep(0.5)
        part = self.text().split(f"mtrr.{name}: all")[1]
        found = {}
        for at, values in re.findall(r"0x([0-9a-f]{16}) <[^>]*>:((?:[ \t]+0x[0-9a-f]{8})+)", part):
            low, high, low2, high2 = (int(v, 16) for v in values.split())
            found[int(at, 16)], found[int(at, 16) + 8] = low | high << 32, low2 | high2 << 32
        return found


class Mtrrs:
    def __init__(self, text, name):
        value = lambda pattern: [tuple(int(x, 16) for x in m) for m in re.findall(
            rf"^mtrr\.{re.escape(name)}: {pattern}\s*$", text, re.M)]
        self.default = int(re.search(rf"^mtrr\.{re.escape(name)}: def ([0-9a-f]+)", text, re.M).group(1), 16)
        fixed = dict(value("fixed ([0-9a-f]+) ([0-9a-f]+)"))
        self.blocks = [(start + b * size, size, fixed[msr] >> 8 * b & 255)
                       for msr, start, size in FIXED for b in range(8)]
        self.ranges = [(base, mask) for _, base, mask in value("variable ([0-9a-f]+) ([0-9a-f]+) ([0-9a-f]+)")]

    def type(self, a):
        if not self.default >> 11 & 1:
            return UC
        if a < 1 << 20 and self.default >> 10 & 1:
            return next(t for start, size, t in self.blocks if start <= a < start + size)
        types = {base & 255 for base, mask in self.ranges
                 if mask >> 11 & 1 and a & mask & ADDRESS == base & mask & ADDRESS}
        if not types:
            return self.default & 255
        if len(types) == 1:
            return types.pop()
        if UC in types:
            return UC
        if types == {WT, WB}:
            return WT
        return None     # the SDM does not say

    def edges(self):
        """Addresses where the type may change."""
        points = {0, TOP} | {start for start, _, _ in self.blocks} | {1 << 20}
        for base, mask in self.ranges:
            if mask >> 11 & 1:
                low = mask & ADDRESS
                points |= {base & low, (base & low) + (low & -low)}
        return sorted(p for p in points if p <= TOP)


class Ept:
    def __init__(self, memory, eptp):
        self.memory, self.root = memory, eptp & ADDRESS

    def leaf(self, a):
        table = self.root
        for level in (4, 3, 2, 1):
            entry = self.memory[table + 8 * (a >> 3 + 9 * level & 511)]
            if not entry & RWX or level == 1 or entry & LARGE:
                return entry, 1 << 3 + 9 * level
            table = entry & ADDRESS
        raise AssertionError


def check_setting(name, text, memory, eptp, region):
    """The first thing that is wrong, or None; and the number of leaves seen."""
    mtrrs, ept, a, leaves = Mtrrs(text, name), Ept(memory, eptp), 0, 0
    edges, sink = mtrrs.edges(), set()
    while a < TOP:
        entry, size = ept.leaf(a)
        leaves += 1
        if region[0] <= a < region[1]:
            if entry & RWX:
                sink.add(entry & ADDRESS)
            if len(sink) > 1 or size != PAGE and entry & RWX:
                return f"{a:#x}: the hole shows {entry:#x}", leaves
            a += size if entry & RWX else PAGE
            continue
        if not entry & RWX and a >= FINE and a % TOUCHED:
            a += min(size, TOUCHED - a % TOUCHED)       # t_mtrr.c has not touched it
            continue
        if entry & RWX != RWX or entry & IPAT:
            return f"{a:#x}: entry {entry:#x}", leaves
        if entry & ADDRESS & ~(size - 1) != a & ~(size - 1):
            return f"{a:#x}: maps {entry & ADDRESS:#x}", leaves
        if size > PAGE and a < region[1] and region[0] < a + size:
            return f"{a:#x}: a leaf of {size:#x} covers the hole", leaves
        want = {mtrrs.type(p) for p in [a] + [e for e in edges if a < e < a + size]}
        if want != {entry >> 3 & 7} and None not in want:
            return f"{a:#x} (leaf of {size:#x}): type {entry >> 3 & 7}, MTRRs say {sorted(map(str, want))}", leaves
        a += size
    return None, leaves


def main():
    signal.signal(signal.SIGTERM, emu.raise_on_term)
    run = os.path.join(ROOT, "build/ept01")
    os.makedirs(run, exist_ok=True)
    disk = os.path.join(run, "esp.img")
    build = os.path.join(ROOT, "build")
    subprocess.run([os.path.join(HERE, "mkesp.sh"), disk, f"::/nidus.efi={build}/nidus.efi",
                    f"::/t_mtrr.efi={build}/t_mtrr.efi",
                    "::/startup.nsh:=fs0:\\r\\nnidus.efi log=e9 verbose=1\\r\\nt_mtrr.efi\\r\\n"], check=True)
    machine = Dumping(disk, run, mem=MEM, magic=True)
    failed = 0
    try:
        machine.start()
        for name, root, words in machine.dumps():
            base, size = (int(x, 16) for x in re.search(r"region ([0-9a-f]+) size ([0-9a-f]+)", machine.text()).groups())
            wrong, leaves = check_setting(name, machine.text(), words, root, (base, base + size))
            failed += wrong is not None
            print(f"{'FAIL' if wrong else 'ok  '}  MTRRs {name}: {wrong or f'{leaves} leaves as they should be'}", flush=True)
    except TimeoutError as e:
        print(f"FAIL  never saw {e}")
        failed += 1
    finally:
        machine.stop()
    print(f"EPT01: {len(SETTINGS) - failed} passed, {failed} failed")
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
