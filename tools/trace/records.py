# SPDX-License-Identifier: BSD-2-Clause
"""Reads traces of Nidus (hv/trace/record.h): files of nidus-info, streams of a serial port, dumps of memory.

Owns: the format, and what is said of bytes that are none. Knows nothing of what records mean.
"""
import mmap, os, struct
from collections import namedtuple

MAGIC, VERSION, SIZE, PAGE = b"NidTrace", 1, 64, 4096
HEAD = struct.Struct("<8sHHIIIIIQQQQ")
RECORD = struct.Struct("<IBBBBQQIIQQQQ")
RING, STREAM, FILE = range(3)
MOST_CPUS, MOST_RECORDS = 64, 1 << 20
MOST_LOST = 1 << 16     # records that may be missing between two of a stream

EXIT, ROUTE, REFLECT, EVENT, INSN, FILL, DROP, ENTRY, STALE = range(1, 10)
KINDS = ("exit", "route", "reflect", "event", "insn", "fill", "drop", "entry", "stale")     # from 1 on

Head = namedtuple("Head", "magic version size form cpu cpus depth filter capacity written began reserved")
Record = namedtuple("Record", "number kind level cpu code tsc rip reason extra a b c d")


class TraceError(Exception):
    """One line that says what is wrong with an input."""


class Trace:
    """records of all processors in the order of their TSC; notes: lines about what is missing."""

    def __init__(self):
        self.records, self.notes, self.depth, self.cpus = [], [], 0, set()

    def add(self, head, records, lost):
        self.records += records
        self.depth = max(self.depth, head.depth)
        self.cpus.add(head.cpu)
        if lost:
            self.notes.append(f"processor {head.cpu}: {lost} records are missing")
        if head.form != STREAM and head.written > head.capacity:
            self.notes.append(f"processor {head.cpu}: {head.written - head.capacity} older records have left the ring")


def head_at(data, at):
    """The head at that place; complains of one that no Nidus of this version wrote."""
    if len(data) - at < HEAD.size:
        raise TraceError(f"cut in the head at byte {at}")
    head = Head._make(HEAD.unpack_from(data, at))
    if head.version != VERSION or head.size != SIZE:
        raise TraceError(f"version {head.version} with records of {head.size} bytes; this program reads version {VERSION} with {SIZE}")
    if head.form > FILE or head.cpu >= MOST_CPUS or not 0 < head.cpus <= MOST_CPUS or head.capacity > MOST_RECORDS \
            or (head.form != STREAM) != (head.capacity > 0):
        raise TraceError(f"the head at byte {at} is damaged")
    return head


def plausible(r, head):
    return 1 <= r.kind <= STALE and 1 <= r.level <= 2 and r.cpu == head.cpu


def file_section(data, at, head):
    """Of a file of nidus-info: what is left of the ring, the oldest first. Returns the records and where they end."""
    count = min(head.written, head.capacity)
    end = at + HEAD.size + count * SIZE
    if end > len(data):
        raise TraceError(f"cut: {(len(data) - at - HEAD.size) // SIZE} of {count} records of processor {head.cpu} are there")
    records = [Record._make(r) for r in RECORD.iter_unpack(data[at + HEAD.size:end])]
    for i, r in enumerate(records):
        if not plausible(r, head) or r.number != (head.written - count + i) & 0xffffffff:
            raise TraceError(f"record {i} of processor {head.cpu}, at byte {at + HEAD.size + i * SIZE}, is damaged")
    return records, end


def ring_section(data, at, head):
    """Of a dump of memory: the whole ring, a page behind the head. The one that was being written may be damaged."""
    base, count = at + PAGE, min(head.written, head.capacity)
    if base + head.capacity * SIZE > len(data):
        raise TraceError(f"cut in the ring of processor {head.cpu} at byte {base}")
    records, bad = [], 0
    for number in range(head.written - count, head.written):
        r = Record._make(RECORD.unpack_from(data, base + number % head.capacity * SIZE))
        if plausible(r, head) and r.number == number & 0xffffffff:
            records.append(r)
        else:
            bad += 1
    if bad > 1:
        raise TraceError(f"the ring of processor {head.cpu} at byte {base} is damaged: {bad} of {count} records are none")
    return records, bad


class Stream:
    """A serial port: heads, records of several processors, and what else was written to the port in between."""

    def __init__(self, data):
        self.data, self.at, self.foreign = data, 0, 0
        self.heads, self.records, self.next, self.lost, self.error = {}, {}, {}, {}, None

    def head(self):
        if not self.data.startswith(MAGIC, self.at):
            return False
        if len(self.data) - self.at < HEAD.size:
            self.foreign, self.at = self.foreign + len(self.data) - self.at, len(self.data)
            return True
        try:
            head = head_at(self.data, self.at)
        except TraceError as e:
            self.error = self.error or e
            return False
        if head.form != STREAM:
            self.error = self.error or TraceError(f"what begins at byte {self.at} is no trace")
            return False
        self.heads[head.cpu], self.records[head.cpu] = head, []
        self.next[head.cpu] = self.lost[head.cpu] = 0
        self.at += HEAD.size
        return True

    def record(self):
        if len(self.data) - self.at < SIZE:
            return False
        cpu = self.data[self.at + 6]
        if cpu not in self.heads:
            return False
        r = Record._make(RECORD.unpack_from(self.data, self.at))
        missing = (r.number - self.next[cpu]) & 0xffffffff
        if not plausible(r, self.heads[cpu]) or missing > MOST_LOST or (missing and not self.follows(cpu, r)):
            return False
        self.lost[cpu] += missing
        self.next[cpu] = r.number + 1
        self.records[cpu].append(r)
        self.at += SIZE
        return True

    def follows(self, cpu, r):
        """After a gap: time goes on, and not by days."""
        last = self.records[cpu][-1].tsc if self.records[cpu] else self.heads[cpu].began
        return last <= r.tsc < last + (1 << 45)

    def read(self):
        while self.at < len(self.data):
            if self.head() or self.record():
                continue
            head = self.at + 1
            if not self.heads:
                head = self.data.find(MAGIC, self.at + 1)
                head = len(self.data) if head < 0 else head
            if self.heads:                  # before them the firmware may have used COM2
                self.foreign += head - self.at
            self.at = head


def read_stream(data, trace):
    s = Stream(data)
    s.read()
    if not s.heads and s.error:
        raise s.error
    for cpu, head in s.heads.items():
        trace.add(head, s.records[cpu], s.lost[cpu])
    if s.foreign:
        trace.notes.append(f"{s.foreign} bytes between the records are not of the trace")


def read_file(data, trace):
    at = 0
    while at < len(data):
        if data[at:at + len(MAGIC)] != MAGIC:
            raise TraceError(f"no trace begins at byte {at}")
        head = head_at(data, at)
        if head.form != FILE:
            raise TraceError(f"a section of another form begins at byte {at}")
        records, at = file_section(data, at, head)
        trace.add(head, records, 0)


def ring_heads(data):
    """Where heads of rings lie: the magic stands in programs as well, but not at the start of such a page."""
    at = data.find(MAGIC)
    while at >= 0:
        if at % PAGE == 0 and len(data) - at >= HEAD.size:
            head = Head._make(HEAD.unpack_from(data, at))
            if (head.version, head.size, head.form) == (VERSION, SIZE, RING) and head.capacity:
                yield at
        at = data.find(MAGIC, at + len(MAGIC))


def read_data(data, trace):
    if not len(data):
        raise TraceError("empty")
    first = data.find(MAGIC)
    if first < 0:
        raise TraceError("no trace of Nidus in it (neither a file of nidus-info, a stream, nor a dump with a ring)")
    rings = list(ring_heads(data))
    for at in rings:
        head = head_at(data, at)
        trace.add(head, *ring_section(data, at, head))
    if rings:
        return
    if first == 0 and head_at(data, 0).form == FILE:
        read_file(data, trace)
    else:
        read_stream(bytes(data), trace)


def without_own(records):
    """The records of one processor with the time taken out that the trace itself took, most of all on a serial port."""
    out, between, gone = [], [], 0
    for r in records:
        if r.kind == EXIT:
            gone += r.extra
        elif r.kind == ENTRY:
            tsc = max(r.tsc - gone - r.d, out[-1].tsc if out else 0)
            gone = r.tsc - tsc
            out += [b._replace(tsc=min(b.tsc, tsc)) for b in between]
            between = []
        r = r._replace(tsc=r.tsc - gone)
        if r.kind in (EXIT, ENTRY):
            out += between + [r]
            between = []
        else:
            between.append(r)
    return out + between


def in_order(records):
    """All processors in the order in which things happened, each with its own time."""
    places, mine = sorted(range(len(records)), key=lambda i: (records[i].tsc, records[i].cpu)), {}
    for i in places:
        mine.setdefault(records[i].cpu, []).append(records[i])
    left = {cpu: iter(without_own(of)) for cpu, of in mine.items()}
    return [next(left[records[i].cpu]) for i in places]


def read(paths):
    """All traces of these files as one. Raises TraceError, whose line names the file."""
    trace = Trace()
    for path in paths:
        try:
            with open(path, "rb") as f:
                size = os.fstat(f.fileno()).st_size
                if size > 1 << 28:      # a dump of memory
                    with mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ) as data:
                        read_data(data, trace)
                else:
                    read_data(f.read(), trace)
        except OSError as e:
            raise TraceError(f"{path}: {e.strerror}") from None
        except TraceError as e:
            raise TraceError(f"{path}: {e}") from None
    if not trace.records:
        raise TraceError(f"{paths[0]}: a trace without a record")
    trace.records = in_order(trace.records)
    return trace
