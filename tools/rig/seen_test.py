#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What a person sees of a Nidus that dies: the screen, and the ring behind a reset.

The first two run in QEMU, whose firmware has a framebuffer, keeps memory over a reset and boots again. It has no VMX, so the
planted panic (hv/plant.h) is one of L0's before the launch, in L0's own tables.

  screen   the picture, compared dot by dot with what the log says and hv/screen/font.def draws
  corner   the same with screen=corner: the log's last line stands at the bottom as well, in the other colours
  ring     what `nidus.efi ring` finds after a reset, and tools/ring.py in a dump of the memory
  launched in Bochs: what a panic behind the launch tells
  port     the same on a UART that log=port: names by a number (COM2's)
"""
import os, re, signal, socket, subprocess, sys, time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, HERE)
sys.dont_write_bytecode = True
import emu

OUT = os.path.join(ROOT, "build/seen")
STOPPED = "this CPU is stopped"
WHITE, BLACK = b"\xff\xff\xff", b"\0\0\0"


def font():
    """character -> its seven lines of dots, from the table that L0 draws by."""
    rows = {}
    with open(os.path.join(ROOT, "hv/screen/font.def")) as f:
        for m in re.finditer(r"^GLYPH\('(\\?.)', (.*)\)$", f.read(), re.M):
            rows[m[1][-1]] = [int(n, 16) for n in m[2].split(", ")]
    return rows


def picture(text, columns, glyphs, ink=WHITE, paper=BLACK):
    """The 16 lines of pixels of one line of text."""
    text = text[:columns].ljust(columns)
    lines = []
    for line in range(16):
        pixels = b""
        for c in text:
            at = (line + 1) // 2 - 1
            dots = glyphs[c][at] << 2 if line and at < 7 else 0
            pixels += b"".join(ink if dots >> (7 - i) & 1 else paper for i in range(8))
        lines.append(pixels)
    return lines


def disk(directory, files):
    img = os.path.join(directory, "esp.img")
    subprocess.run([os.path.join(HERE, "mkesp.sh"), img, *(f"{k}={v}" for k, v in files.items())], check=True)
    return img


def script(directory, lines):
    path = os.path.join(directory, "startup.nsh")
    with open(path, "w", newline="\r\n") as f:
        f.write("\n".join(["@echo -off", "fs0:", *lines, ""]))
    return path


def read_ppm(path):
    with open(path, "rb") as f:
        data = f.read()
    head = re.match(rb"P6\s+(\d+)\s+(\d+)\s+255\s", data)
    return int(head[1]), int(head[2]), data[head.end():]


def compare(ppm, expected, corner=None):
    """What of the expected lines is not at the top of the picture, and of the corner's line at the bottom."""
    width, height, pixels = read_ppm(ppm)
    glyphs, problems, rows = font(), [], height // 16
    shown = [(row, text, WHITE, BLACK) for row, text in enumerate(expected[:rows - 1])]
    shown.append((rows - 1, corner, BLACK, WHITE) if corner else (rows - 1, *expected[rows - 1:rows], WHITE, BLACK))
    for row, text, ink, paper in (s for s in shown if len(s) == 4):
        for line, want in enumerate(picture(text, width // 8, glyphs, ink, paper)):
            at = (row * 16 + line) * width * 3
            if pixels[at:at + len(want)] != want:
                problems.append(f"row {row} of the screen is not \"{text}\" (line {line} of it)")
                break
    return problems


class Panic:
    """A machine in QEMU that runs until L0 has panicked."""

    def __init__(self, name, lines):
        self.dir = os.path.join(OUT, name)
        os.makedirs(self.dir, exist_ok=True)
        img = disk(self.dir, {"::/nidus.efi": f"{ROOT}/build/nidus.efi", "::/startup.nsh": script(self.dir, lines)})
        for left in ("monitor", "screen.ppm", "memory"):
            if os.path.exists(self.path(left)):
                os.unlink(self.path(left))
        self.machine = emu.Machine(img, self.dir, kind="qemu")
        command = [w for w in self.machine.qemu_command() if w != "-no-reboot"]
        command[command.index("-monitor") + 1] = "unix:monitor,server,nowait"
        self.machine.qemu_command = lambda: command
        self.machine.start()
        code = self.machine.wait(STOPPED, 300)
        self.problems = [f"no panic in the log (exit code {code})"] if code else []

    def path(self, name):
        return os.path.join(self.dir, name)

    def monitor(self, command):
        """One command; the answer is not looked at. The path of a socket must be short."""
        here = os.getcwd()
        os.chdir(self.dir)
        try:
            with socket.socket(socket.AF_UNIX) as s:
                s.connect("monitor")
                s.settimeout(60)
                for words in (b"", command.encode() + b"\n"):      # its greeting ends with a prompt, and so does its answer
                    s.sendall(words)
                    said = more = b" "
                    while more and not said.rstrip().endswith(b"(qemu)"):
                        more = s.recv(4096)
                        said += more
        finally:
            os.chdir(here)

    def logged(self):
        return [l for l in self.machine.output("e9").decode("latin-1").splitlines() if l.startswith("nidus: ")]


def screen(name="screen", options=""):
    p = Panic(name, [f"nidus.efi dry log=e9 plant=406 cpus=bsp{options}"])
    try:
        if not p.problems:
            p.monitor("screendump screen.ppm")
    finally:
        p.machine.stop()
    if p.problems:
        return p.problems
    lines = p.logged()
    first = next(i for i, l in enumerate(lines) if l.startswith("nidus: bug: planted"))
    return compare(p.path("screen.ppm"), lines[first:], lines[-1] if options else None)


def corner():
    return screen("corner", " screen=corner")


def ring():
    p = Panic("ring", ["if not exist \\ran then", "  echo ran > \\ran", "  nidus.efi dry cpus=bsp log=e9 cmos=on plant=406",
                       "endif", "nidus.efi ring", "echo STATUS %lasterror%", "echo RING END"])
    try:
        if not p.problems:
            p.monitor(f"pmemsave 0 {p.machine.mem << 20} memory")
            p.monitor("system_reset")
            code = p.machine.wait("RING END", 300)
            if code:
                p.problems.append(f"the second boot did not come to its end (exit code {code})")
    finally:
        p.machine.stop()
    if p.problems:
        return p.problems
    text = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", p.machine.output("com1").decode("latin-1")).replace("\r", "")
    tool = subprocess.run([os.path.join(ROOT, "tools/ring.py"), p.path("memory")], capture_output=True, text=True)
    os.unlink(p.path("memory"))
    wanted = [r"^nidus: the last run with cmos=on came to stage 21, L0 panicked; exit reason 0$",
              r"^nidus: ring at 0x\w+, whole, \d+ characters written$", r"^ring\| nidus: bug: planted, as plant=406 asks$",
              r"^STATUS 0x0$"]
    problems = [f"missing: {w}" for w in wanted if not re.search(w, text, re.M)]
    logged = p.logged()
    if [l[6:] for l in text.splitlines() if l.startswith("ring| ")] != logged:
        problems.append("nidus.efi ring does not show what port 0xE9 got")
    if not re.match(r"ring at 0x\w+, whole, ", tool.stdout) or tool.stdout.splitlines()[1:1 + len(logged)] != logged:
        problems.append("tools/ring.py does not: " + (tool.stdout + tool.stderr)[:100])
    return problems


def launched(name="launched", log="e9", file="e9.txt"):
    directory = os.path.join(OUT, name)
    os.makedirs(directory, exist_ok=True)
    nsh = script(directory, [f"nidus.efi cpus=bsp log={log} plant=405"])
    img = disk(directory, {"::/nidus.efi": f"{ROOT}/build/nidus.efi", "::/startup.nsh": nsh})
    m = emu.Machine(img, directory, kind="bochs", com2=True)

    def said():
        if file == "e9.txt":
            return m.output("e9").decode("latin-1")
        if not os.path.exists(m.path(file)):
            return ""
        with open(m.path(file), "rb") as f:
            return f.read().decode("latin-1").replace("\r", "")
    try:
        m.start()
        while m.running() and m.spent() < 300 and STOPPED not in said():
            time.sleep(0.2)
    finally:
        m.stop()
    text = said()
    wanted = [r"^nidus: L1 runs; ", r"^nidus: bug: planted, as plant=405 asks$", r"^nidus:   exit a at rip \w+$",
              r"^nidus:   guest_rip = \w+$", rf"^nidus: {STOPPED}$"]
    return [f"missing: {w}" for w in wanted if not re.search(w, text, re.M)]


def port():
    return launched("port", "port:0x2f8", "com2.bin")


TESTS = {"screen": screen, "corner": corner, "ring": ring, "launched": launched, "port": port}


def main():
    signal.signal(signal.SIGTERM, emu.raise_on_term)
    names = sys.argv[1:] or list(TESTS)
    return emu.tell("seen", ((name, TESTS[name]()) for name in names), 10)


if __name__ == "__main__":
    sys.exit(main())
