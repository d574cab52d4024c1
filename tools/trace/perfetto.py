# SPDX-License-Identifier: BSD-2-Clause
"""A trace as JSON for Perfetto and Chrome (ui.perfetto.dev, chrome://tracing): a process a processor, a lane a level.

A tick counts as a nanosecond, as nobody here knows the TSC's rate.
"""
import json

from records import ENTRY, EXIT, ROUTE
import spans, words

LANES = {0: "L0 Nidus", 1: "L1", 2: "L2"}


def events(trace):
    start = trace.records[0].tsc
    us = lambda tsc: (tsc - start) / 1000
    for cpu in sorted(trace.cpus):
        yield {"ph": "M", "pid": cpu, "name": "process_name", "args": {"name": f"processor {cpu}"}}
        for level, name in LANES.items():
            yield {"ph": "M", "pid": cpu, "tid": level, "name": "thread_name", "args": {"name": name}}
            yield {"ph": "M", "pid": cpu, "tid": level, "name": "thread_sort_index", "args": {"sort_index": level}}
    for s in spans.spans(trace.records):
        name = words.reason(s.why.reason) if s.level == 0 else f"L{s.level} runs"
        args = {"exit": words.title(s.why), "details": words.details(s.why), "rip": f"{s.why.rip:x}", "SDM": words.sdm(s.why)}
        yield {"ph": "X", "pid": s.cpu, "tid": s.level, "name": name, "ts": us(s.begin), "dur": (s.end - s.begin) / 1000, "args": args}
    for r in trace.records:
        if r.kind not in (EXIT, ENTRY, ROUTE):
            yield {"ph": "i", "s": "t", "pid": r.cpu, "tid": 0, "name": words.title(r), "ts": us(r.tsc),
                   "args": {"details": words.details(r), "rip": f"{r.rip:x}", "SDM": words.sdm(r)}}


def write(trace, out):
    json.dump({"displayTimeUnit": "ns", "traceEvents": list(events(trace)), "otherData": {"from": "nidus-trace"}}, out)
    out.write("\n")
