# SPDX-License-Identifier: BSD-2-Clause
"""A trace as a ladder diagram: one HTML page that needs nothing else. The page is ladder.html; here its data is made."""
import html, json, os

from records import INSN
import words

PAGE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "ladder.html")


class Texts:
    """Each text once, and rows by its number."""

    def __init__(self):
        self.all, self.numbers = [], {}

    def number(self, text):
        if text not in self.numbers:
            self.numbers[text] = len(self.all)
            self.all.append(text)
        return self.numbers[text]


def rule_text(r):
    if r.kind != INSN or r.c >= len(words.RULES):
        return ""
    return words.RULES[r.c][2]


def data(trace, name):
    texts, rows, before = Texts(), [], trace.records[0].tsc
    for r in trace.records:
        rows += [r.tsc - before, r.cpu, r.kind, r.level, r.code, texts.number(words.title(r)), texts.number(words.details(r)),
                 texts.number(f"{r.rip:x}"), texts.number("SDM " + words.sdm(r)), texts.number(rule_text(r))]
        before = r.tsc
    return {"name": name, "start": str(trace.records[0].tsc), "kinds": ["", *words.KINDS], "cpus": sorted(trace.cpus), "notes": trace.notes,
            "texts": texts.all, "rows": rows}


def write(trace, name, out):
    with open(PAGE, encoding="utf-8") as f:
        page = f.read()
    # "</" would end the script, whatever it stands in
    body = json.dumps(data(trace, name), separators=(",", ":")).replace("</", "<\\/").replace("<!--", "<\\!--")
    out.write(page.replace("@NAME@", html.escape(name)).replace("@DATA@", body))
