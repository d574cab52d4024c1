# SPDX-License-Identifier: BSD-2-Clause
"""Transcripts of guest tests and the differences that docs/CAVEATS.md permits.

Owns: what a transcript is (README of the format: HACKING.md, "Add a guest test") and when two of them
agree. Boots nothing; guest_tests.py does.
"""
import fnmatch, os, re

CAVEAT_NEEDS = ("sdm", "emulator")


# The emulator's name and versions, or "every one" where the difference is Nidus's own; then what it does.
OF_EMULATOR = re.compile(r"every one |((?:Bochs|QEMU) )(\d+\.\d+(?:, \d+\.\d+)*) ")


def on_another():
    """True when the tests' bodies run on another processor than the first."""
    return os.environ.get("CPU", "0") not in ("", "0")


class Caveats:
    """The permits of docs/CAVEATS.md for an emulator ("Bochs 3.0") as a model of it, None for all: [(id, glob)], and which
    were used. A glob may end in ~BITS: they, in whatever number of the line, are all that may differ."""

    def __init__(self, path, running=None, model=None):
        self.permits, self.errors, self.used, self.running = [], [], {}, running
        self.model, self.models = model, {}         # models: entry -> those it is for, if not all
        entry, fields = None, {}
        with open(path) as f:
            lines = f.read().splitlines() + ["## "]
        fenced = False
        for line in lines:
            if line.startswith("```"):
                fenced = not fenced
            elif line.startswith("## ") and not fenced:
                self.close(entry, fields)
                entry, fields = line[3:].strip(), {}
            elif entry and not fenced:
                match = re.match(r"(permits|sdm|emulator|models|processors): *(.*)", line)
                if match:
                    fields.setdefault(match[1], []).append(match[2].strip())

    def close(self, entry, fields):
        if not entry or "permits" not in fields:
            return
        for need in CAVEAT_NEEDS:
            if not any(fields.get(need, [])):
                self.errors.append(f"CAVEATS {entry}: permits without a line '{need}: ...'")
        if not any(re.match(r'"[^"]+"', s) for s in fields.get("sdm", [])):
            self.errors.append(f'CAVEATS {entry}: sdm: wants a quoted title')
        of = [OF_EMULATOR.match(s) for s in fields.get("emulator", [])]
        if not all(of):
            self.errors.append(f"CAVEATS {entry}: emulator: wants a name and versions, or 'every one'")
        elif fields.get("processors", ["another"]) != ["another"]:
            self.errors.append(f"CAVEATS {entry}: processors: wants the word another")
        elif self.is_for(of) and not self.errors and ("processors" not in fields or on_another()):
            self.models[entry] = " ".join(fields.get("models", [])).split()
            self.permits += [(entry, glob) for text in fields["permits"] for glob in text.split()]

    def is_for(self, matches):
        versions = [m[1] + v if m[1] else None for m in matches for v in (m[2] or "").split(", ")]
        return self.running is None or self.running in versions or None in versions

    def on(self, model):
        """The permits that count on a model (None: on all)."""
        return [(e, g) for e, g in self.permits if not model or not self.models[e] or model in self.models[e]]

    def permit(self, key, lines=(), model=None):
        """The id that permits a difference of these lines at "test.case", or None; it counts as used. A test that has a
        model of its own says so."""
        for entry, glob in self.on(model or self.model):
            name, _, bits = glob.partition("~")
            if fnmatch.fnmatchcase(key, name) and (not bits or alike(lines, int(bits, 16))):
                self.used.setdefault((entry, glob), []).append(key)
                return entry
        return None

    def unused(self, programs):
        """Permits of tests that ran and that no difference needed."""
        return [f"{e}: permits {g}" for e, g in self.on(self.model)
                if (e, g) not in self.used and any(fnmatch.fnmatchcase(p, g.split(".")[0]) for p in programs)]


def alike(lines, bits):
    """True of lines that are equal but for these bits of the hexadecimal numbers in them."""
    numbers = lambda line: re.sub(r"\b[0-9a-f]+\b", lambda m: f"{int(m[0], 16) & ~bits:x}", line)
    return None not in lines and len({numbers(l) for l in lines}) == 1


# A triple fault, of a guest too, makes Bochs's debugger print a line of its own into port 0xE9's stream.
EMULATOR_LINE = re.compile(r"\(0\)\.\[\d+\] ")


class Transcript:
    """What one program printed in one run, checked against its own END line."""

    def __init__(self, lines):
        self.lines, self.problems, self.names = [], [], []
        inside = None
        for line in lines:
            if EMULATOR_LINE.match(line):
                continue
            words = line.split()
            if line.startswith("BEGIN ") and inside is None:
                inside, count = words[1], 0
                self.names.append(inside)
            elif line.startswith("END ") and inside is not None:
                if len(words) != 3 or words[1] != inside or int(words[2], 0) != count:
                    self.problems.append(f"'{line}' after {count} lines of {inside}")
                inside = None
            elif inside is not None:
                self.lines.append(line)
                count += 1
        if inside is not None:
            self.problems.append(f"no END {inside}; last: {self.lines[-1] if self.lines else '(no line)'}")
        if not self.names:
            self.problems.append("no BEGIN")

    def failures(self):
        return [l[5:] for l in self.lines if l.startswith("FAIL ")]


def key(line):
    """"test.case" of a line."""
    line = line[5:] if line.startswith("FAIL ") else line
    return line.split(":")[0].strip()


def compare(bare, nidus):
    """[(bare line or None, line under Nidus or None)] where they differ, aligned by case."""
    if [key(l) for l in bare.lines] == [key(l) for l in nidus.lines]:
        return [(a, b) for a, b in zip(bare.lines, nidus.lines) if a != b]
    import difflib
    out = []
    a, b = bare.lines, nidus.lines
    matcher = difflib.SequenceMatcher(None, [key(l) for l in a], [key(l) for l in b], autojunk=False)
    for op, i, j, k, l in matcher.get_opcodes():
        if op == "equal":
            out += [(x, y) for x, y in zip(a[i:j], b[k:l]) if x != y]
        else:
            out += [(x, None) for x in a[i:j]] + [(None, y) for y in b[k:l]]
    return out


def judge(bare, nidus, caveats, model=None):
    """(problems, permitted): the verdict on one program that ran bare and under Nidus.

    A FAIL line of the bare run is the emulator's; only CAVEATS can excuse it. Under Nidus nothing can."""
    problems, permitted = [], []
    problems += ["bare: " + p for p in bare.problems] + ["nidus: " + p for p in nidus.problems]
    for text in bare.failures():
        entry = caveats.permit(key(text), model=model)
        (permitted if entry else problems).append(f"bare FAIL {text}" + (f"  [{entry}]" if entry else ""))
    problems += ["nidus FAIL " + text for text in nidus.failures()]
    for x, y in compare(bare, nidus):
        if (x or "").startswith("FAIL ") and y is None or (y or "").startswith("FAIL "):
            continue                                    # judged above
        entry = caveats.permit(key(x if x is not None else y), (x, y), model)
        text = f"bare : {x if x is not None else '(nothing)'}\n      nidus: {y if y is not None else '(nothing)'}"
        (permitted if entry else problems).append(text + (f"  [{entry}]" if entry else ""))
    return problems, permitted
