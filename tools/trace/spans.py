# SPDX-License-Identifier: BSD-2-Clause
"""Who ran when: spans of L0, L1 and L2 on each processor, and what each exit of L2 cost.

Owns: the bookkeeping from exits and entries to time. Ticks are the TSC's.
"""
from collections import namedtuple

from records import ENTRY, EXIT

Span = namedtuple("Span", "cpu level begin end why")        # why: the exit that L0 works on, or that ended a guest's run
Cost = namedtuple("Cost", "exit ticks l0 l1 inner")         # inner: exits of L1 until L2 ran again


def spans(records):
    """Spans of each processor, in the order of their ends. Where entries or exits are missing, there is a gap."""
    since, out = {}, []
    for r in records:
        if r.kind == EXIT:
            began = since.get(r.cpu)
            if began and began[0] == r.level:
                out.append(Span(r.cpu, r.level, began[1], r.tsc, r))
            since[r.cpu] = (0, r.tsc, r)
        elif r.kind == ENTRY:
            began = since.get(r.cpu)
            if began and began[0] == 0:
                out.append(Span(r.cpu, 0, began[1], r.tsc, began[2]))
            since[r.cpu] = (r.level, r.tsc)
    return out


def costs(records):
    """Of each exit of L2 that led back to L2: the time until then, and how many exits of L1 that took."""
    open_, out = {}, []
    for s in spans(records):
        if s.level == 0 and s.why.level == 2 and s.cpu not in open_:
            open_[s.cpu] = [s.why, 0, 0, 0, s.end]
        at = open_.get(s.cpu)
        if at is None:
            continue
        if s.level == 0:
            at[1] += s.end - s.begin
            at[4] = s.end
        elif s.level == 1:
            at[2] += s.end - s.begin
            at[3] += 1
        else:
            out.append(Cost(at[0], at[4] - at[0].tsc, at[1], at[2], at[3]))
            del open_[s.cpu]
    return out
