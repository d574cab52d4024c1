# SPDX-License-Identifier: BSD-2-Clause
"""The lanes of a trace as a picture: what Perfetto shows of the JSON, without it."""
import html

import perfetto, records

LEFT, WIDTH, LANE, GAP, TOP = 90, 1400, 46, 10, 34
COLORS = {0: "#c9542f", 1: "#2f6fb2", 2: "#3c8f5a"}
LABEL = 62      # a span that is wider has its name in it


def write(trace, out):
    shown = [e for e in perfetto.events(trace) if e["ph"] == "X"]
    if not shown:
        raise records.TraceError("no exit and entry follow one another: trace=exits,entries has them")
    end = max(e["ts"] + e["dur"] for e in shown)
    first = min(e["ts"] for e in shown)
    scale = WIDTH / ((end - first) or 1)
    cpus = sorted({e["pid"] for e in shown})
    high = TOP + len(cpus) * 3 * (LANE + GAP) + 30
    out.write(f'<svg xmlns="http://www.w3.org/2000/svg" width="{LEFT + WIDTH + 20}" height="{high}" font-family="sans-serif" font-size="12">\n'
              f'<rect width="100%" height="100%" fill="#fff"/>\n<text x="8" y="20">{(end - first) * 1000:.0f} ticks</text>\n')
    for n, cpu in enumerate(cpus):
        for level, name in perfetto.LANES.items():
            y = TOP + (n * 3 + level) * (LANE + GAP)
            label = name + (f", cpu {cpu}" if len(cpus) > 1 else "")
            out.write(f'<text x="8" y="{y + LANE / 2 + 4}">{label}</text>'
                      f'<rect x="{LEFT}" y="{y}" width="{WIDTH}" height="{LANE}" fill="#f2f2f0"/>\n')
    for e in shown:
        x, w = LEFT + (e["ts"] - first) * scale, max(e["dur"] * scale, .4)
        y = TOP + (cpus.index(e["pid"]) * 3 + e["tid"]) * (LANE + GAP)
        name = html.escape(e["name"])
        tip = html.escape(f"{e['name']}: {e['dur'] * 1000:.0f} ticks; {e['args']['exit']} {e['args']['details']}")
        out.write(f'<rect x="{x:.2f}" y="{y}" width="{w:.2f}" height="{LANE}" fill="{COLORS[e["tid"]]}" stroke="#fff" stroke-width=".5">'
                  f"<title>{tip}</title></rect>")
        if w > LABEL * len(e["name"]) / 8 + 8:
            out.write(f'<text x="{x + 4:.2f}" y="{y + LANE / 2 + 4}" fill="#fff">{name}</text>')
        out.write("\n")
    for i in range(11):
        x = LEFT + WIDTH * i / 10
        out.write(f'<text x="{x:.0f}" y="{high - 10}" text-anchor="middle" fill="#777">{(end - first) * 100 * i:.0f}</text>\n')
    out.write("</svg>\n")
