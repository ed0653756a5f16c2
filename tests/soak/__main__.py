"""The long checks, one after the other: ``python -m tests.soak [PART …]``."""

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
    "flips": flips,
    "resume": lambda: resume(["--kills", "4"]),
    "readers": readers,
    "long run": lambda: long_run(["--minutes", "20"]),
    "processes": lambda: processes([]),
}
"""Name of each part, and what runs it; the exit status says whether it held."""


def run(names: list[str]) -> int:
    """Run one part here, or several in processes of their own; 1 if any did not hold."""
    unknown = [name for name in names if name not in PARTS]
    if unknown:
        raise SystemExit(f"no part {unknown} of the long checks; there are {[*PARTS]}")
    if len(names) == 1:
        return PARTS[names[0]]()
    failed, begun = [], (time.monotonic(), _computed())
    for name in names or PARTS:
        print(f"== {name}", flush=True)
        start = (time.monotonic(), _computed())
        if subprocess.run([sys.executable, "-m", "tests.soak", name], check=False).returncode:
            failed.append(name)
        print(f"   {name}: {_since(*start)}", flush=True)
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
