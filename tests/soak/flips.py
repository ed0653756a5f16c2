"""Single bits flipped in every file of a store and its edges: who notices, and is any flip missed?

``python -m tests.soak.flips STORE`` prints the counts for a copy of a store that a build made.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from hemenet_lab.graphs import EdgeCache, GraphView
from hemenet_lab.protein_mt.verify import verify_store
from hemenet_lab.store import Store

VIEW = GraphView(nodes="residue")
FLIPS = 600
CLEAN = (ValueError,)
"""What a reader of a damaged file may raise; anything else is a crash."""


def content(path: Path) -> list[Any]:
    """Everything that training takes from a store: entries, splits, groups, labels and edges."""
    store = Store(path)
    edges = EdgeCache(store, VIEW, workers=1)
    found: list[Any] = [store.ids, store.groups.tolist(), store.num_labels.tolist(), store.tasks]
    found += [store.split(name).tolist() for name in store.split_names]
    for index in range(len(store)):
        entry = store[index]
        arrays = [value for value in vars(entry).values() if isinstance(value, np.ndarray)]
        found += [(array.tobytes(), str(array.dtype)) for array in (*arrays, *edges[index])]
        found += [entry.kind, entry.chain_names, entry.chain_uniprot, entry.values]
        found += [{t: {c: r.tolist() for c, r in rows.items()} for t, rows in entry.terms.items()}]
    return found


def outcome(path: Path, before: list[Any]) -> str:
    """What becomes of a store with a flipped bit."""
    try:
        read = "same" if content(path) == before else "OTHER CONTENT"
    except CLEAN:
        read = "noticed by reading"
    except Exception as error:
        return f"CRASH of reading: {type(error).__name__}"
    try:
        verified = any(check.faults for check in verify_store(path))
    except CLEAN:
        verified = True
    except Exception as error:
        return f"CRASH of verify: {type(error).__name__}"
    if read == "OTHER CONTENT":
        return "other content, noticed by verify only" if verified else "MISSED"
    if read == "same":
        return "not read, noticed by verify" if verified else "harmless: read as before"
    return "noticed by reading and verify" if verified else "noticed by reading"


def flip_run(path: Path, flips: int, seed: int = 0) -> Counter[str]:
    """Flips one bit after the other, in all files in turn, and counts the outcomes.

    Args:
        path: A store that may be changed; each flip is undone.
        flips: Number of bits.
        seed: Of the places.
    """
    before, counts = content(path), Counter[str]()
    files = sorted(file for file in path.rglob("*") if file.is_file() and file.suffix != ".lock")
    rng = np.random.default_rng(seed)
    for number in range(flips):
        file = files[number % len(files)]
        whole = file.read_bytes()
        if not whole:
            continue
        damaged = bytearray(whole)
        # every other one in the first bytes, where headers are
        reach = len(whole) if number // len(files) % 2 else min(len(whole), 128)
        damaged[int(rng.integers(reach))] ^= 1 << int(rng.integers(8))
        file.write_bytes(damaged)
        found = outcome(path, before)
        where = "edges" if "edges" in file.relative_to(path).parts[:1] else "store"
        counts[f"{where}: {found}"] += 1
        file.parent.mkdir(parents=True, exist_ok=True)  # edges may have been computed again
        file.write_bytes(whole)
    assert content(path) == before
    return counts


def main(store: Path, flips: int = FLIPS) -> int:
    """Runs it on a copy, prints the counts; 1 if a flip was missed or something crashed."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(shutil.copytree(store, Path(folder) / "store"))
        counts = flip_run(copy, flips)
    for name, count in sorted(counts.items()):
        print(f"{count:5d}  {name}")
    return int(any(word in name for name in counts for word in ("CRASH", "MISSED")))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else FLIPS))
