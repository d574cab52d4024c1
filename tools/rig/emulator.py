"""Which emulator the environment asks for: its program, its version, the processors that it can be.

Owns: EMU=, BOCHS= and MODEL=, and what a version needs said differently. Whoever asks for what is not there ends, in
whichever thread, with one line that names what there is. emu.py starts the program.

  EMU=bochs|qemu      bochs
  BOCHS=PROGRAM       another Bochs; 3.0 is the one that `tools/make/setup.sh bochs3` unpacks
  CPUS=N              its processors, 1 to 8. With more than one and no BOCHS=, 3.0: an INIT makes 2.7 exit for ever
  MODEL=NAME          a model of it ("bochs --help cpu"); the brand before the last words may be left out: skylake_x
"""
import functools, os, re, shutil, subprocess

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
UNPACKED = os.path.join(ROOT, ".bochs3/bochs")
MOST_CPUS = 8
DEFAULT_MODEL = "broadwell_ult"
# Firmware that leaves CET on writes read-only pages with CR0.WP clear, and Bochs 3 calls a panic what it then does.
WITH_CET = ("tigerlake", "sapphire_rapids", "arrow_lake")

# What Linux must leave alone on a model of Bochs 3.0: CAVEAT(bochs-linux-features)
LINUX_WORDS = {"corei7_icelake_u": "clearcpuid=fsrm", "tigerlake": "clearcpuid=fsrm", "sapphire_rapids": "clearcpuid=fsrm,amx_tile no5lvl"}


class Unusable(SystemExit):
    """Ends the program with status 1 and this line, unless somebody knows better."""

    def __init__(self, text):
        super().__init__("emu: " + text)


class Emulator:
    """kind, program, version ("3.0"), models (of Bochs)."""

    def __init__(self, kind, program, said):
        self.kind, self.program = kind, program
        found = re.search(r"(?:Bochs x86 Emulator|QEMU emulator version) (\d+\.\d+)", said)
        if not found:
            raise Unusable(f"{program}: not {kind}; it says: " + (said.strip().splitlines() or ["nothing"])[0][:100])
        self.version = found[1]
        listed = said.partition("Supported CPU models:")[2].strip()
        self.models = listed.split("\n\n")[0].split()

    def name(self):
        """As docs/CAVEATS.md spells it."""
        return ("Bochs " if self.kind == "bochs" else "QEMU ") + self.version

    def model(self, wanted=None):
        """The whole name of a model: the one wanted, or else of MODEL=."""
        wanted = wanted or os.environ.get("MODEL") or DEFAULT_MODEL
        fits = [m for m in self.models if m == wanted] or [m for m in self.models if m.endswith("_" + wanted)]
        if len(fits) != 1:
            raise Unusable(f"no model {wanted} in {self.name()}; it has: " + " ".join(self.models))
        return fits[0]

    def short_model(self):
        """MODEL= as docs/CAVEATS.md spells models; None of QEMU."""
        return re.sub(r"^corei\d_", "", self.model()) if self.models else None

    def debugger(self, wanted):
        """The words that start it with its debugger: none for 2.7, which always has it. Without it 3.0 is quicker."""
        return ["-debugger"] if wanted and float(self.version) >= 3 else []

    def has_debugger(self, wanted):
        return wanted or float(self.version) < 3

    def kernel_words(self):
        """What is added to Linux's command line on the model that MODEL= names."""
        words = LINUX_WORDS.get(self.model()) if self.kind == "bochs" and float(self.version) >= 3 else None
        return f" {words}" if words else ""

    def panics(self, model, cpus):
        """What the configuration says of panics."""
        if self.kind == "bochs" and float(self.version) >= 3 and model in WITH_CET:
            return ", ".join(["action=fatal"] + [f"cpu{n}=report" for n in range(cpus)])
        return "action=fatal"


def cpus():
    """How many processors CPUS= asks for."""
    wanted = os.environ.get("CPUS") or "1"
    if wanted not in [str(n) for n in range(1, MOST_CPUS + 1)]:
        raise Unusable(f"CPUS={wanted}: 1 to {MOST_CPUS}")
    return int(wanted)


def program_of(kind):
    if kind == "qemu":
        return "qemu-system-x86_64"
    wanted = os.environ.get("BOCHS") or ("3.0" if cpus() > 1 else "bochs")
    return UNPACKED if wanted == "3.0" else wanted


@functools.lru_cache
def ask(kind, program):
    there = [p for p in ("bochs", UNPACKED) if shutil.which(p)]
    if not shutil.which(program):
        have = "; there are: " + " ".join(there) if kind == "bochs" and there else ""
        how = "bochs3 unpacks it" if program == UNPACKED else "run installs the system's"
        raise Unusable(f"no program {program} (tools/make/setup.sh {how}){have}")
    said = subprocess.run([program, *(["--help", "cpu"] if kind == "bochs" else ["--version"])], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, errors="replace", timeout=60)
    return Emulator(kind, shutil.which(program), said.stdout + said.stderr)


def chosen(kind=None):
    """The emulator that the environment asks for (or this kind of it)."""
    kind = kind or os.environ.get("EMU") or "bochs"
    if kind == "bochs3":
        return ask("bochs", UNPACKED)
    if kind not in ("bochs", "qemu"):
        raise Unusable(f"EMU={kind}: bochs or qemu")
    return ask(kind, program_of(kind))
