"""The long checks, one after the other: ``python -m tests.soak [PART …]``."""

from __future__ import annotations

import sys

from tests.soak.resume import main as resume

PARTS = {"resume": lambda: resume(["--kills", "4"])}
"""Name of each part, and what runs it; the exit status says whether it held."""


def run(names: list[str]) -> int:
    """Run some parts, or all; exit status 1 if any did not hold."""
    unknown = [name for name in names if name not in PARTS]
    if unknown:
        raise SystemExit(f"no part {unknown} of the long checks; there are {[*PARTS]}")
    failed = []
    for name in names or PARTS:
        print(f"== {name}", flush=True)
        if PARTS[name]():
            failed.append(name)
    print("all held" if not failed else f"did not hold: {', '.join(failed)}")
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
