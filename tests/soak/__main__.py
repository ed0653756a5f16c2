"""The long checks: ``python -m tests.soak [PART …]``.

They run one after the other, but for the long run: it looks at memory and lasts its minutes however
fast the machine is, so the parts named after it run beside it.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from hemenet_lab.protein_mt.build import build_store
from tests.examples import VARIABLE
from tests.protein_mt.raw_folder import write_raw
from tests.soak.flips import main as flip_run
from tests.soak.long_run import main as long_run
from tests.soak.processes import main as processes
from tests.soak.resume import main as resume

READERS = ("tests/structures/test_fuzz.py", "tests/protein_mt/labels/test_any_input.py")


def readers() -> int:
    """Thousands of damaged files for every reader of structures, ligands, tables and ontologies."""
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *READERS]
    return subprocess.run(words, env={**os.environ, VARIABLE: "1500"}, check=False).returncode


def flips() -> int:
    """Single bits flipped in every file of a small store and its edges."""
    with tempfile.TemporaryDirectory() as folder:
        raw = write_raw(Path(folder) / "raw")
        return flip_run(build_store(raw, Path(folder) / "store").path)


PARTS = {
    "processes": lambda: processes([]),
    "long run": lambda: long_run(["--minutes", "20"]),
    "flips": flips,
    "resume": lambda: resume(["--kills", "4"]),
    "readers": readers,
}
"""Name of each part, and what runs it; the exit status says whether it held."""
BESIDE = "long run"
"""The part that later ones run beside."""


def run(names: list[str]) -> int:
    """Run one part here, or several in processes of their own; 1 if any did not hold."""
    unknown = [name for name in names if name not in PARTS]
    if unknown:
        raise SystemExit(f"no part {unknown} of the long checks; there are {[*PARTS]}")
    if len(names) == 1:
        return PARTS[names[0]]()
    failed, begun, beside = [], (time.monotonic(), _computed()), None
    for name in names or PARTS:
        print(f"== {name}", flush=True)
        start = (time.monotonic(), _computed())
        part = subprocess.Popen([sys.executable, "-m", "tests.soak", name])
        if name == BESIDE:
            beside = part
            continue
        if part.wait():
            failed.append(name)
        print(f"   {name}: {_since(*start)}", flush=True)
    if beside is not None and beside.wait():
        failed.append(BESIDE)
    print("all held" if not failed else f"did not hold: {', '.join(failed)}", f"({_since(*begun)})")
    return int(bool(failed))


def _computed() -> float:
    """Seconds of CPU time of all processes that were started here and have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _since(clock: float, computed: float) -> str:
    minutes = (time.monotonic() - clock) / 60, (_computed() - computed) / 60
    return f"{minutes[0]:.1f} minutes, {minutes[1]:.1f} of CPU time"


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
