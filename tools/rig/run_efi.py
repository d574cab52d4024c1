# SPDX-License-Identifier: BSD-2-Clause
"""`make run EFI="x.efi ..."`: runs EFI programs of one's own as L1, one after the other in one boot, and shows what each
says and what Nidus says to it. run.py calls it.

Every line of the output is marked with who spoke: "L1", "nidus", "e9" (what a program wrote to port 0xE9) or "run".
L1's console and Nidus share COM1 (log=com1), so these two are in the order in which they spoke.

GDB=1 puts COM2 on the socket gdb.sock of the run directory, for gdb; L1 waits for it (gdb=wait).
TRACE=1 has Nidus write every exit and entry to COM2 (trace=all,com2), and draws them as trace.html beside it.

Environment: EFI= (one file, or several as a shell would read them), ARGS= (words for each), NIDUS= (more options for nidus.efi; log=com1 verbose=1), RUN_BARE=1, GDB=1,
TRACE=1, DEPTH=, CPUS=, MEM=, LIMIT=seconds of the emulator's own time (300).
"""
import os, re, shlex, subprocess, sys, time

import emu, emulator, gdb_line

FOLDER = "own"
OPTIONS = ["log=com1", "verbose=1"]
WANTED = {"GDB": ["gdb=wait"], "TRACE": ["trace=all,com2"]}         # what these add for the outermost Nidus, whose COM2 is
LIMIT = 300
NO_VERDICT = 125            # what main() returns when a program did not end; else the number of its EFI error, or 0

# What UEFI calls its errors: bit 63 and these numbers (UEFI 2.10, appendix D).
ERRORS = dict(enumerate("""LOAD_ERROR INVALID_PARAMETER UNSUPPORTED BAD_BUFFER_SIZE BUFFER_TOO_SMALL NOT_READY DEVICE_ERROR
    WRITE_PROTECTED OUT_OF_RESOURCES VOLUME_CORRUPTED VOLUME_FULL NO_MEDIA MEDIA_CHANGED NOT_FOUND ACCESS_DENIED NO_RESPONSE
    NO_MAPPING TIMEOUT NOT_STARTED ALREADY_STARTED ABORTED ICMP_ERROR TFTP_ERROR PROTOCOL_ERROR INCOMPATIBLE_VERSION
    SECURITY_VIOLATION CRC_ERROR END_OF_MEDIA""".split(), 1)) | {31: "END_OF_FILE", 32: "INVALID_LANGUAGE"}
NOISE = re.compile(r"BdsDxe: |\[PCI: |\s*$")
ESCAPE = re.compile(rb"\x1b\[[0-9;?=]*[A-Za-z]|[\x00-\x08\x0e-\x1f]")


def status_name(status):
    """0x8000000000000015 -> EFI_ABORTED."""
    if not status:
        return "EFI_SUCCESS"
    error = ERRORS.get(status & ~(1 << 63)) if status >> 63 else None
    return f"EFI_{error}" if error else f"status {status:#x}"


def exit_status(status):
    """Of this program, for the status of an EFI program: an error's number, as far as a shell can tell it."""
    return min(status & ~(1 << 63), 120) or 1 if status else 0


class Lines:
    """Cuts bytes into whole lines: each feed() gives those that are complete. Nidus may begin its line behind a half
    one of L1's."""

    def __init__(self):
        self.rest = b""

    def feed(self, data, last=False):
        self.rest += data
        *whole, self.rest = re.split(rb"\r*\n|\r(?!\n)|(?<=[^\r\n])(?=nidus: )", self.rest)
        if last:
            whole, self.rest = [*whole, self.rest], b""
        return [ESCAPE.sub(b"", l).decode("utf-8", "replace").rstrip() for l in whole]


class Talk:
    """What has been said so far: prints each line once, and knows which programs have ended, and how."""

    def __init__(self, names, out=print):
        self.names, self.out = names, out
        self.ended, self.now, self.refusal = [], None, None
        self.debugger = False               # COM2 is L0's
        self.probed = 0                     # fields that a Nidus asked the one below for

    def console(self, line):
        word, _, rest = line.partition(" ")
        if word == "RUN" and rest.startswith("\\"):
            self.now = rest.split()[0].split("\\")[-1]
            if self.now in self.names:
                self.out(f"run   | {self.now} starts")
        elif word == "STATUS" and rest.startswith("0x") and self.now:
            self.status(int(rest, 16))
        elif line.startswith("nidus: VMfail 12: VMREAD: ") and self.now == "nidus.efi":
            self.probed += 1
        elif line.startswith("nidus: "):
            if self.probed:
                self.out(f"nidus | {self.probed} fields that the Nidus above probed do not exist here")
                self.probed = 0
            self.debugger = self.debugger or bool(re.match(r"nidus: (cpu \d+: )?gdb: ", line))
            self.refusal = self.refusal or (line if "cannot run: " in line else None)
            self.out("nidus | " + line.removeprefix("nidus: "))
        elif not NOISE.match(line):
            self.out("L1    | " + line)

    def status(self, status):
        if self.now in self.names:
            self.ended.append(exit_status(status))
            self.out(f"run   | {self.now} returned {status_name(status)}")
        elif status:
            self.refusal = self.refusal or f"nidus.efi returned {status_name(status)}"
        self.now = None

    def e9(self, line):
        if line and not re.match(r"(RUN|STATUS|START|ALIVE|CHAIN) ", line):
            self.out(("nidus | " if line.startswith("nidus: ") else "e9    | ") + line.removeprefix("nidus: "))


def judge_words():
    """Raises ValueError where GDB=1 and TRACE=1 do not fit the rest."""
    given = [name for name in WANTED if os.environ.get(name)]
    if given and (not os.environ.get("EFI") or os.environ.get("RUN_BARE")):
        raise ValueError(f"{given[0]}=1 goes with EFI=, and not with RUN_BARE=1")
    if len(given) > 1:
        raise ValueError("GDB=1 and TRACE=1 both want COM2")


def unsuitable(head):
    """What keeps the firmware from starting a program that begins so, or None: the headers of a PE file."""
    at = int.from_bytes(head[0x3c:0x40], "little")
    if head[:2] != b"MZ" or head[at:at + 4] != b"PE\0\0":
        return "not an EFI program"
    machine, subsystem = (int.from_bytes(head[at + n:at + n + 2], "little") for n in (4, 0x5c))
    if subsystem not in (10, 11, 12):           # application, driver of boot services, of the runtime
        return "a program, but not for EFI"
    return None if machine == 0x8664 else "an EFI program, but not for x86-64"


def programs():
    """[(file, name on the disk)]; raises ValueError with the one line that says what is wrong."""
    found, given = [], os.environ["EFI"]
    try:
        files = [given] if os.path.isfile(given) else shlex.split(given)
    except ValueError as e:
        raise ValueError(f"EFI={given}: {str(e).lower()}")
    for f in files:
        if os.path.isdir(f):
            raise ValueError(f"EFI={f}: is a directory")
        if not os.path.isfile(f):
            raise ValueError(f"EFI={f}: no such file")
        with open(f, "rb") as opened:
            wrong = unsuitable(opened.read(4096))
        if wrong:
            raise ValueError(f"EFI={f}: {wrong}")
        found.append((f, re.sub(r"[^A-Za-z0-9._-]", "_", os.path.basename(f))))
    if len({n for _, n in found}) < len(found):
        raise ValueError(f"EFI={os.environ['EFI']}: two files of one name")
    return found


def make_disk(rundir, root, own, bare, depth):
    wanted = [word for name, words in WANTED.items() if os.environ.get(name) for word in words]
    args, options = os.environ.get("ARGS") or "", [*OPTIONS, *(os.environ.get("NIDUS") or "").split()]
    several, build = emulator.cpus() > 1, f"{root}/build"
    lines = ["@console"] + ["\\tables.efi"] * several
    lines += [] if bare else [" ".join(["\\nidus.efi", *wanted, *options])] + [" ".join(["\\nidus.efi", *options])] * depth
    lines += [f"\\{FOLDER}\\{name} {args}".rstrip() for _, name in own]
    with open(f"{rundir}/chain.txt", "w") as f:
        f.write("\n".join(lines) + "\n")
    files = [f"::/EFI/BOOT/BOOTX64.EFI={build}/chain.efi", f"::/chain.txt={rundir}/chain.txt", f"::/nidus.efi={build}/nidus.efi"]
    files += [f"::/tables.efi={build}/tables.efi"] * several + [f"::/{FOLDER}/{name}={file}" for file, name in own]
    subprocess.run([f"{root}/tools/rig/mkesp.sh", f"{rundir}/esp.img", *files], check=True)
    return f"{rundir}/esp.img"


def watch(m, console, talk, progress, limit, line=None):
    """Until the programs have ended, Nidus has refused, the machine is gone or the time is up. Says why when not the first."""
    com1, e9, seen = Lines(), Lines(), 0
    while True:
        alive = m.running()
        heard = com1.feed(console.read(0.1 if alive else 0), not alive)
        text = m.output("e9")
        said, seen = e9.feed(text[seen:], not alive), len(text)
        if any(heard + said):
            progress.clear()
        for text_line in heard:
            talk.console(text_line)
        for text_line in said:
            talk.e9(text_line)
        if line and talk.debugger:
            line.open.set()
        if talk.refusal:
            return talk.refusal
        if len(talk.ended) == len(talk.names):
            return None
        if not alive:
            return "the emulator ended: " + (m.last_panic() or ("the program shut it down" if m.shut_down_cleanly() else f"see {m.dir}"))
        if m.spent() > limit:
            return f"no end after {limit} s of the emulator's time (LIMIT=)"
        if progress.live or talk.now is None and not talk.ended:
            progress.show("the firmware starts" if talk.now is None else f"{talk.now} runs")


def draw(root, trace, page):
    """The ladder of a trace, and where both are; nidus-trace says what is wrong with one. L1's console is on COM2, too."""
    tool = f"{root}/tools/trace/nidus-trace"
    drawn = subprocess.run([tool, "ladder", trace, "-o", page], stderr=subprocess.PIPE, text=True)
    told = [l for l in drawn.stderr.splitlines() if "are not of the trace" not in l]
    if drawn.returncode == 0:
        told.append(f"every exit and entry: {os.path.relpath(page)}, for a browser; or {os.path.relpath(tool)} text {os.path.relpath(trace)}")
    for line in told:
        print(f"run   | {line}", flush=True)


def main(rundir, root, console, make_progress, bare):
    own, depth = programs(), emulator.number("DEPTH", 0, 0, 4)
    limit = emulator.number("LIMIT", LIMIT * (depth + 1), 1, 10**6)
    disk, talk = make_disk(rundir, root, own, bare, depth), Talk([n for _, n in own])
    print(f"run   | {'bare, no Nidus' if bare else 'under Nidus'}; the emulator works for about ten seconds", flush=True)
    line = gdb_line.Line(f"{rundir}/gdb.sock") if os.environ.get("GDB") else None
    if line:
        print(f"run   | in gdb: target remote {os.path.relpath(line.path)}", flush=True)
    traced = bool(os.environ.get("TRACE"))
    m = emu.Machine(disk, rundir, com1=console.name, com2=line.tty if line else traced or None)
    try:
        m.start()
        why = watch(m, console, talk, make_progress(), limit, line)
    finally:
        m.stop()
        if line:
            line.close()
    if traced:
        draw(root, f"{rundir}/com2.bin", f"{rundir}/trace.html")
    if why:
        print("run   | " + (f"{talk.now}: " if talk.now else "") + why, flush=True)
        return NO_VERDICT
    return next((s for s in talk.ended if s), 0)
