"""Kills runs of every kind, resumes them and demands bitwise equality; prints a table.

``python -m tests.soak.resume [--kills N] [--only NAME] [--seed N]``
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.soak.kills import VARIANTS, broken, differences, left, whole
from tests.store.small_store import small_store


def main(words: list[str] | None = None) -> int:
    """Exit status 1 if any resumed run differs."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak.resume", description=__doc__)
    parser.add_argument("--kills", type=int, default=3, help="trials of each kind of run")
    parser.add_argument("--only", help="one kind of run")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args(words)
    wrong = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        store = small_store(folder / "store", 40).path
        print(f"seed {options.seed}")
        # the first run computes the store's edges: by its time, most kills would come too late
        whole(VARIANTS["plain"], store, folder / "first")
        for kind in [options.only] if options.only else list(VARIANTS):
            variant = VARIANTS[kind]
            seconds = whole(variant, store, folder / kind / "straight")
            expected = left(folder / kind / "straight")
            kills, different = 0, []
            for trial in range(options.kills):
                place = folder / kind / f"broken{trial}"
                seed = options.seed + trial
                kills += broken(variant, store, place, seconds, seed, kills=1 + trial % 2)
                found = differences(expected, left(place))
                different += [f"- trial {trial} (seed {seed}): {line}" for line in found[:8]]
                wrong += bool(found)
            print(f"{kind}: {kills} kills, {'same' if not different else 'DIFFERENT'}", flush=True)
            print(*different, sep="\n" if different else "", end="\n" if different else "")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
