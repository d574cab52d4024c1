#!/usr/bin/env python3
"""`make run`: boots Nidus in the emulator, Linux as L1 under it, and gives the terminal to L1's serial console.

Owns the terminal: it is put back on every way out. Without a terminal on standard input L1 shows what it is
(tests/linux/rc, "auto"), and the program ends with it.

Environment: MEM=MiB, KERNEL=, INITRD=, ARGS= (more words for the kernel), NIDUS= (options for nidus.efi; nested=on),
RUN_BARE=1 (no Nidus), DEPTH=N (N + 1 of them, each in the one before, then Linux), QEMU=1 (L1 has qemu-linux:
build/l1/qemu.img), LIMIT=seconds, CPUS=N (processors; ACPI tables from tools/rig/tables.c), BOCHS=, EMU= (tools/rig/emu.py).
"""
import os, pty, select, signal, subprocess, sys, termios, time, tty

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, HERE)
sys.dont_write_bytecode = True
import emu, emulator

# The kernel's self-tests of its ciphers are half of its boot in an emulator; there are no ACPI tables.
KERNEL_ARGS = "console=ttyS0 acpi=off quiet cryptomgr.notests=1 tsc=reliable"
QEMU_IPS = 200000000        # at the usual 25 M a timer tick is 100,000 instructions, and most of an L2's are the tick's own
LEAVE = 0x1d                # Ctrl-]
READY = b"L1 SHELL\r\n"     # tests/linux/rc prints it when the terminal is L1's

def kernel_args():
    """Several processors take ACPI tables: tables.efi (tools/rig/tables.c) installs them."""
    return KERNEL_ARGS if emulator.cpus() == 1 else KERNEL_ARGS.replace("acpi=off ", "")


# What each text on the console means for the person who waits, in the order of their coming.
STAGES = [(b"BdsDxe: starting", "the firmware starts nidus.efi"), (b"nidus: launched", "Nidus is live; the kernel is loaded as L1"),
          (b"EFI stub:", "Linux boots as L1"), (READY, "L1 is up")]


def environ(name, default=""):
    return os.environ.get(name) or default


class Progress:
    """One line that says the stage and the time: rewritten on a terminal, one line a stage elsewhere."""

    def __init__(self):
        self.start, self.live, self.shown = time.monotonic(), sys.stderr.isatty(), None

    def show(self, stage):
        seconds = int(time.monotonic() - self.start)
        if self.live:
            sys.stderr.write(f"\r\x1b[K[{seconds:3} s] {stage} ")
        elif stage != self.shown:
            sys.stderr.write(f"[{seconds:3} s] {stage}\n")
        self.shown = stage
        sys.stderr.flush()

    def clear(self):
        if self.live and self.shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()


def make_disk(rundir, mode, bare):
    kernel, initrd = environ("KERNEL", f"{ROOT}/build/l1/vmlinuz"), environ("INITRD", f"{ROOT}/build/l1/initrd.img")
    for f in (kernel, initrd):
        if not os.path.isfile(f):
            raise FileNotFoundError(f"{f}: no such file")
    args = " ".join(f"{kernel_args()} {environ('ARGS')}".split())
    qemu = [f"::/qemu.img={ROOT}/build/l1/qemu.img"] if environ("QEMU") else []
    second = r"initrd=\qemu.img " if qemu else ""
    line = f"\\vmlinuz initrd=\\initrd.img {second}{args}{emulator.chosen().kernel_words()} -- {mode}"
    options, depth = environ("NIDUS", "nested=on").split(), int(environ("DEPTH", "0"))
    with open(f"{rundir}/nidus.cfg", "w") as f:
        f.write("".join(w + "\n" for w in options) + f"chain={line}\n")
    with open(f"{rundir}/chain.txt", "w") as f:
        tables = emulator.lacks_tables()
        f.write("\\tables.efi\n" * tables
                + ("" if bare else (" ".join(["\\nidus.efi", *options]) + "\n") * (depth + 1)) + line + "\n")
    b = f"{ROOT}/build"
    if bare or depth or tables:
        files = [f"::/tables.efi={b}/tables.efi"] * tables + [f"::/EFI/BOOT/BOOTX64.EFI={b}/chain.efi", f"::/chain.txt={rundir}/chain.txt", f"::/nidus.efi={b}/nidus.efi"]
    else:
        files = [f"::/EFI/BOOT/BOOTX64.EFI={b}/nidus.efi", f"::/EFI/nidus/nidus.cfg={rundir}/nidus.cfg"]
    files += [f"::/vmlinuz={kernel}", f"::/initrd.img={initrd}", *qemu]
    subprocess.run([f"{HERE}/mkesp.sh", f"{rundir}/esp.img", *files], check=True)
    return f"{rundir}/esp.img"


def stage_of(console):
    told = [text for mark, text in STAGES if mark in console]
    return told[-1] if told else "the firmware starts"


def last_words(console):
    text = console.decode("utf-8", "replace").splitlines()[-12:]
    print("\nL1's console ended with:\n" + "\n".join("  " + l for l in text), file=sys.stderr)


class Console:
    """COM1 as a pseudo-terminal: the emulator has the one end, this program the other."""

    def __init__(self):
        self.master, self.slave = pty.openpty()
        tty.setraw(self.slave)
        self.name = os.ttyname(self.slave)
        self.text = b""

    def read(self, wait):
        """What came within `wait` seconds; kept in .text as well."""
        if not select.select([self.master], [], [], wait)[0]:
            return b""
        data = os.read(self.master, 65536)
        self.text += data
        return data


def wait_for_shell(m, console, limit, progress):
    """True when L1's shell is there (or the payload is not ours and the firmware is done)."""
    mark = b"BdsDxe: starting" if environ("INITRD") or environ("KERNEL") else READY
    while time.monotonic() - progress.start < limit:
        console.read(0.2)
        progress.show(stage_of(console.text))
        if mark in console.text:
            return True
        if not m.running():
            return False
    return False


def converse(m, console):
    """Copies bytes both ways until the machine ends or the person leaves."""
    stdin = sys.stdin.fileno()
    while m.running():
        ready = select.select([stdin, console.master], [], [], 0.3)[0]
        if console.master in ready:
            sys.stdout.buffer.write(console.read(0))
            sys.stdout.buffer.flush()
        if stdin in ready:
            data = os.read(stdin, 256)
            if not data or LEAVE in data:
                return
            os.write(console.master, data)


def interactive(m, console, progress):
    stdin = sys.stdin.fileno()
    saved = termios.tcgetattr(stdin)
    who = "Bare, no Nidus" if environ("RUN_BARE") else "Nidus"
    print(f"{who}: the emulator works for about a minute. Ctrl-C ends it now; in L1's shell, Ctrl-] does.", file=sys.stderr)
    try:
        up = wait_for_shell(m, console, float(environ("LIMIT", "900")), progress)
        progress.clear()
        if not up:
            last_words(console.text)
            return 1
        seconds = int(time.monotonic() - progress.start)
        print(f"[{seconds} s] This terminal is L1's serial console now. Ctrl-] leaves.", file=sys.stderr)
        termios.tcflush(stdin, termios.TCIFLUSH)
        tty.setraw(stdin)
        shown = console.text.split(READY, 1)[-1] if READY in console.text else b""
        sys.stdout.buffer.write(shown)
        sys.stdout.buffer.flush()
        converse(m, console)
        return 0
    finally:
        termios.tcsetattr(stdin, termios.TCSADRAIN, saved)
        print("\r")


def unattended(m, console, progress):
    """No terminal: L1 tells what it is and ends the machine."""
    deadline = progress.start + float(environ("LIMIT", "600"))
    while m.running() and time.monotonic() < deadline:
        console.read(0.5)
        progress.show(stage_of(console.text))
    while console.read(0.2):
        pass
    if READY not in console.text or m.running():
        last_words(console.text)
        return 1
    print(console.text.split(READY, 1)[1].decode("utf-8", "replace").replace("\r\n", "\n"), end="")
    return 0


def main():
    person = sys.stdin.isatty()
    bare = bool(environ("RUN_BARE"))
    rundir = os.path.join(ROOT, "build/run")
    os.makedirs(rundir, exist_ok=True)
    for s in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(s, emu.raise_on_term)
    progress, console, m = Progress(), Console(), None
    try:
        disk = make_disk(rundir, "shell" if person else "auto", bare)
        ips = emu.IPS_AT_DEPTH if int(environ("DEPTH", "0")) else QEMU_IPS if environ("QEMU") else None
        m = emu.Machine(disk, rundir, com1=console.name, ips=ips, mem=environ("MEM", "1024" if environ("QEMU") else ""))
        m.start()
        return (interactive if person else unattended)(m, console, progress)
    except (FileNotFoundError, subprocess.CalledProcessError) as e:
        print(f"run: {e}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        progress.clear()
        print("run: ended", file=sys.stderr)
        return emu.INTERRUPTED
    finally:
        if m:
            m.stop()


if __name__ == "__main__":
    sys.exit(main())
