#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Finds the ring of L0's log (hv/ring/ring.h) in a dump of memory, and prints it.

  ring.py DUMP [--base ADDRESS]     ADDRESS: where the dump begins in physical memory (0)

A dump is raw memory, as Bochs's `writemem`, QEMU's `pmemsave` or /dev/mem give it. Exits with 1 when there is no ring.
"""
import argparse, mmap, struct, sys

MAGIC = 0x474E495273756469
HEAD, TEXT, PAGE, CPUS, EXITS = 6 * 8, 65536, 4096, 64, 16
FACTOR, MASK = 0x9E3779B97F4A7C15, (1 << 64) - 1


def head_check(words):
    h = FACTOR
    for w in words:
        h = (h ^ w) * FACTOR & MASK
    return h ^ h >> 32


def whole(text, total):
    return sum(c * (i * FACTOR & MASK | 1) for i, c in enumerate(text)) & MASK == total


def find(memory, base):
    """The offsets of rings, by signature and head."""
    pattern, at = struct.pack("<Q", MAGIC), -1
    while (at := memory.find(pattern, at + 1)) >= 0:
        if (base + at) % PAGE or at + PAGE + TEXT > len(memory):
            continue
        words = struct.unpack_from("<6Q", memory, at)
        if words[1] == base + at and words[4] == head_check(words[:4]) and words[5] <= CPUS:
            yield at


def print_exits(memory, base, at):
    cpus = struct.unpack_from("<6Q", memory, at)[5]
    for cpu, hpa in enumerate(struct.unpack_from(f"<{cpus}Q", memory, at + HEAD)):
        offset = hpa - base
        if not 0 <= offset <= len(memory) - 8 - EXITS * 16:
            continue
        count = struct.unpack_from("<I", memory, offset)[0]
        for n in range(EXITS):
            reason, _, rip = struct.unpack_from("<IIQ", memory, offset + 8 + (count + n) % EXITS * 16)
            if reason or rip:
                print(f"cpu {cpu} exit reason {reason & 0xffff} at rip {rip:#x}")


def show(memory, base, at):
    _, hpa, total, text_sum, _, _ = struct.unpack_from("<6Q", memory, at)
    text = memory[at + PAGE:at + PAGE + TEXT]
    state = "whole" if whole(text, text_sum) else "DAMAGED"
    print(f"ring at {hpa:#x}, {state}, {total} characters written")
    start = total % TEXT
    text = text[:total] if total < TEXT else text[start:] + text[:start]
    sys.stdout.write("".join(chr(c) if c == 10 or 32 <= c < 127 else "?" for c in text))
    print_exits(memory, base, at)


def main():
    p = argparse.ArgumentParser(description="print the ring of L0's log from a dump of memory")
    p.add_argument("dump")
    p.add_argument("--base", type=lambda s: int(s, 0), default=0)
    a = p.parse_args()
    try:
        with open(a.dump, "rb") as f, mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ) as memory:
            found = list(find(memory, a.base))
            for at in found:
                show(memory, a.base, at)
    except OSError as e:
        sys.exit(f"ring.py: {a.dump}: {e.strerror}")
    except ValueError: # mmap has no other word for it
        sys.exit(f"ring.py: {a.dump}: it is empty")
    if not found:
        sys.exit(f"ring.py: {a.dump}: no ring of Nidus is in it")


if __name__ == "__main__":
    main()
