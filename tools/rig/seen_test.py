#!/usr/bin/env python3
"""What a person sees of a Nidus that dies: the screen, and the ring behind a reset.

  screen   in QEMU, whose firmware has a framebuffer: a planted panic of L0, and the picture compared dot by dot with what
           the log says and hv/screen/font.def draws
  ring     in Bochs: a planted panic after the launch, a reset, and what `nidus.efi ring` and tools/ring.py find then
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


def picture(text, columns, glyphs):
    """The 16 lines of pixels of one line of text."""
    text = text[:columns].ljust(columns)
    lines = []
    for line in range(16):
        pixels = b""
        for c in text:
            at = (line + 1) // 2 - 1
            dots = glyphs[c][at] << 2 if line and at < 7 else 0
            pixels += b"".join(WHITE if dots >> (7 - i) & 1 else BLACK for i in range(8))
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


def monitor(path, command):
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(path)
        s.settimeout(20)
        s.recv(4096)
        s.sendall(command.encode() + b"\n")
        time.sleep(2)


def read_ppm(path):
    with open(path, "rb") as f:
        data = f.read()
    head = re.match(rb"P6\s+(\d+)\s+(\d+)\s+255\s", data)
    return int(head[1]), int(head[2]), data[head.end():]


def compare(ppm, expected):
    """What of the expected lines is not at the top of the picture."""
    width, height, pixels = read_ppm(ppm)
    glyphs, problems = font(), []
    for row, text in enumerate(expected[:height // 16]):
        for line, want in enumerate(picture(text, width // 8, glyphs)):
            at = (row * 16 + line) * width * 3
            if pixels[at:at + len(want)] != want:
                problems.append(f"row {row} of the screen is not \"{text}\" (line {line} of it)")
                break
    return problems


def screen():
    directory = os.path.join(OUT, "screen")
    os.makedirs(directory, exist_ok=True)
    nsh = script(directory, ["nidus.efi dry log=e9 plant=407 cpus=bsp"])
    img = disk(directory, {"::/nidus.efi": f"{ROOT}/build/nidus.efi", "::/startup.nsh": nsh})
    sock = os.path.join(directory, "monitor")
    if os.path.exists(sock):
        os.unlink(sock)
    m = emu.Machine(img, directory, kind="qemu")
    command = m.qemu_command()
    command[command.index("-monitor") + 1] = f"unix:{os.path.relpath(sock, directory)},server,nowait"
    m.qemu_command = lambda: command
    try:
        m.start()
        code = m.wait(STOPPED, 300)
        if code:
            return [f"no panic in the log (exit code {code})"]
        ppm = os.path.join(directory, "screen.ppm")
        here = os.getcwd()
        os.chdir(directory)         # the path of a socket is short
        try:
            monitor("monitor", f"screendump {ppm}")
        finally:
            os.chdir(here)
    finally:
        m.stop()
    lines = [l for l in m.output("e9").decode("latin-1").splitlines() if l.startswith("nidus: ")]
    first = next(i for i, l in enumerate(lines) if l.startswith("nidus: bug: planted"))
    return compare(ppm, lines[first:])


def ring():
    directory = os.path.join(OUT, "ring")
    os.makedirs(directory, exist_ok=True)
    nsh = script(directory, ["if not exist \\ran then", "  echo ran > \\ran",
                             "  nidus.efi cpus=bsp log=e9 cmos=on plant=406", "endif",
                             "nidus.efi ring", "echo STATUS %lasterror%", "echo RING END"])
    img = disk(directory, {"::/nidus.efi": f"{ROOT}/build/nidus.efi", "::/startup.nsh": nsh})
    m = emu.Machine(img, directory)
    try:
        m.start()
        code = m.wait("RING END", 600)
    finally:
        m.stop()
    text = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", m.output("com1").decode("latin-1")).replace("\r", "")
    if code:
        return [f"the second boot did not come to its end (exit code {code})"]
    wanted = [r"^nidus: the last run with cmos=on came to stage 21, L0 panicked; exit reason \d+$",
              r"^nidus: ring at 0x\w+, whole, \d+ characters written$", r"^ring\| nidus: bug: planted, as plant=406 asks$",
              r"^ring\| nidus: L1 runs; region ", r"^ring\| nidus: reset$", r"^ring\| cpu 0 exit reason 10 at rip 0x"]
    problems = [f"missing: {w}" for w in wanted if not re.search(w, text, re.M)]
    logged = [l for l in m.output("e9").decode("latin-1").splitlines() if l.startswith("nidus: ")]
    shown = [l[6:] for l in text.splitlines() if l.startswith("ring| nidus: ")]
    if logged != shown:
        problems.append(f"the ring has {len(shown)} lines, port 0xE9 got {len(logged)}")
    return problems


TESTS = {"screen": screen, "ring": ring}


def main():
    signal.signal(signal.SIGTERM, emu.raise_on_term)
    names = sys.argv[1:] or list(TESTS)
    failed = 0
    for name in names:
        problems = TESTS[name]()
        print(f"{'FAIL ' if problems else 'ok   '} {name}")
        for p in problems[:10]:
            print("      " + p)
        failed += bool(problems)
    print(f"seen: {len(names) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
