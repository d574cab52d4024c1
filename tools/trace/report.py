# SPDX-License-Identifier: BSD-2-Clause
"""Text and statistics of a trace."""
from collections import defaultdict

from records import EXIT
import spans, words

BAR = "▁▂▃▄▅▆▇█"


def line(r, cpus=False):
    said = words.details(r)
    where = f"cpu {r.cpu} " if cpus else ""
    return f"{where}L{r.level} {words.kind(r):7} {r.rip:>16x}  {words.title(r)}{': ' + said if said else ''}"


def text(trace, out):
    before, cpus = {}, len(trace.cpus) > 1
    for r in trace.records:
        passed = r.tsc - before.get(r.cpu, r.tsc)
        before[r.cpu] = r.tsc
        out.write(f"{r.tsc:>16} +{passed:<9} {line(r, cpus)}\n")


def middle(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def histogram(values):
    """By powers of two, from the least to the most: '1k ▂█▁ 4k'."""
    buckets = defaultdict(int)
    for v in values:
        buckets[v.bit_length()] += 1
    low, high, most = min(buckets), max(buckets), max(buckets.values())
    bars = "".join(BAR[buckets[b] * 7 // most] if buckets[b] else " " for b in range(low, high + 1))
    return f"{short(1 << low >> 1)} {bars} {short(1 << high)}"


def short(n):
    for unit, size in (("G", 1 << 30), ("M", 1 << 20), ("k", 1 << 10)):
        if n >= size:
            return f"{n // size}{unit}"
    return str(n)


def row(name, values):
    return f"  {name:<24} {len(values):>8} {min(values):>9} {middle(values, .5):>9} {middle(values, .99):>9} {sum(values):>12}  {histogram(values)}\n"


HEADS = f"  {'':<24} {'count':>8} {'least':>9} {'middle':>9} {'99 %':>9} {'sum':>12}  by powers of two\n"


def by_reason(pairs):
    groups = defaultdict(list)
    for name, ticks in pairs:
        groups[name].append(ticks)
    return sorted(groups.items(), key=lambda g: -sum(g[1]))


def statistics(trace, out):
    records = trace.records
    out.write(f"{len(records)} records of {len(trace.cpus)} processor{'s' * (len(trace.cpus) > 1)}, "
              f"{records[-1].tsc - records[0].tsc} ticks, depth {trace.depth}\n")
    runs = spans.spans(records)
    total = sum(s.end - s.begin for s in runs) or 1
    for level in range(3):
        mine = [s.end - s.begin for s in runs if s.level == level]
        if mine:
            out.write(f"L{level} ran {len(mine)} times, {sum(mine)} ticks, {100 * sum(mine) / total:.1f} %\n")
    for level in (1, 2):
        count = sum(r.kind == EXIT and r.level == level for r in records)
        here = [(words.reason(s.why.reason), s.end - s.begin) for s in runs if s.level == 0 and s.why.level == level]
        if count:
            out.write(f"\nexits of L{level}: {count}; ticks that L0 took for each\n" + HEADS)
            for name, ticks in by_reason(here):
                out.write(row(name, ticks))
    multiplied(spans.costs(records), out)


def multiplied(costs, out):
    """What an exit of L2 costs until L2 runs again, and how many exits it becomes."""
    if not costs:
        return
    exits = len(costs) + sum(c.inner for c in costs)
    out.write(f"\nexits of L2 and back: {len(costs)}; ticks until L2 ran again, L1's own among them\n" + HEADS)
    for name, ticks in by_reason((words.reason(c.exit.reason), c.ticks) for c in costs):
        out.write(row(name, ticks))
    out.write(f"\ndepth multiplication: {len(costs)} exits of L2 became {exits}, {exits / len(costs):.2f} for one\n")
    for name, inner in by_reason((words.reason(c.exit.reason), c.inner) for c in costs):
        out.write(f"  {name:<24} {len(inner) + sum(inner):>8} for {len(inner)}, {1 + sum(inner) / len(inner):.2f} for one\n")
