"""Speed and memory of the data side on generated structures: edges, opening, plan, loading.

    python benchmarks/bench_data.py --entries 2000
    python benchmarks/bench_data.py --entries 40000 --median 40

Prints two Markdown tables. Lengths follow the mixture of the full benchmark: single chains (median
250 residues, log-normal), complexes with a ligand and complexes of two chains.
"""

from __future__ import annotations

import argparse
import itertools
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import psutil

from hemenet_lab.graphs.build import view_edges
from hemenet_lab.graphs.edge_cache import EdgeCache
from hemenet_lab.graphs.view import GraphView
from hemenet_lab.loading.datamodule import ProteinMTDataModule
from hemenet_lab.store.entry import Entry
from hemenet_lab.store.reader import Store, StoreWriter
from hemenet_lab.structures import RESIDUE_ATOMS, RESIDUES
from hemenet_lab.tasks import BP, CC, EC, LBA, MF, PPA

TERMS = {"ec": 538, "mf": 489, "bp": 1943, "cc": 320}
TASKS = (
    *(LBA, PPA),
    *(
        task.with_terms(f"{task.name}{i}" for i in range(TERMS[task.name]))
        for task in (EC, MF, BP, CC)
    ),
)
LBA_SHARE, PPA_SHARE = 0.12, 0.06
ATOM_COUNT = np.array([len(RESIDUE_ATOMS[name]) for name in RESIDUES[:-1]])


def generated_entry(number: int, median: int = 250) -> Entry:
    """A compact random walk per chain with atoms around each residue; random labels."""
    rng = np.random.default_rng(number)
    draw = rng.random()
    kind = "lba" if draw < LBA_SHARE else "ppa" if draw < LBA_SHARE + PPA_SHARE else "chain"
    drawn = median * rng.lognormal(0.0, 0.6, 2 if kind == "ppa" else 1)
    lengths = np.clip(drawn, median / 6, 6 * median).astype(int)
    if kind == "lba":
        lengths = np.repeat(lengths, 1 + (rng.random() < 0.4))
    ligand = int(rng.integers(10, 40)) if kind == "lba" else 0
    residues = int(lengths.sum())
    node_type = np.r_[rng.integers(0, 20, residues), rng.integers(22, 25, ligand)].astype(np.int8)
    node_atoms = np.r_[ATOM_COUNT[node_type[:residues]], np.ones(ligand, int)].astype(np.uint8)
    chain = np.repeat(np.arange(len(lengths)), lengths)
    centres = np.r_[compact_walk(residues, rng), rng.normal(scale=4.0, size=(ligand, 3))]
    coords = np.repeat(centres, node_atoms, axis=0)
    coords += rng.normal(scale=1.4, size=coords.shape)
    sequence = np.concatenate([np.arange(1, length + 1) for length in lengths])
    terms = {
        name: {c: np.sort(rng.choice(count, 3, replace=False)) for c in range(len(lengths))}
        for name, count in TERMS.items()
        if rng.random() < (0.5 if kind == "chain" else 0.2)
    }
    if kind == "chain" and not terms:
        terms = {"ec": {0: np.array([number % 538])}}
    slot = np.concatenate([np.arange(count) for count in node_atoms.tolist()])
    return Entry(
        id=f"g{number:06d}",
        kind=kind,
        node_type=node_type,
        entity=np.r_[np.zeros(residues), np.full(ligand, 2)].astype(np.int8),
        node_chain=np.r_[chain, np.full(ligand, -1)].astype(np.int16),
        sequence_index=np.r_[sequence, np.zeros(ligand)].astype(np.int32),
        residue_number=np.r_[sequence, np.zeros(ligand)].astype(np.int32),
        insertion_code=np.zeros(residues + ligand, dtype=np.uint8),
        node_atoms=node_atoms,
        coords=coords.astype(np.float32),
        atom_element=(1 + slot % 3).astype(np.int8),
        atom_slot=slot.astype(np.int8),
        chain_names=tuple("AB"[: len(lengths)]),
        chain_uniprot=tuple(f"P{number:06d}" for _ in lengths),
        values={kind: 6.0} if kind != "chain" else {},
        terms={
            name: {c: found.astype(np.int32) for c, found in rows.items()}
            for name, rows in terms.items()
        },
    )


def compact_walk(length: int, rng: np.random.Generator) -> np.ndarray:
    """Positions that fill a cube row by row, 5 Å apart: the density of a folded protein."""
    side = int(np.ceil(length ** (1 / 3)))
    x, y, z = np.unravel_index(np.arange(length), (side, side, side))
    y = np.where(x % 2, side - 1 - y, y)
    z = np.where((x * side + y) % 2, side - 1 - z, z)
    centred = np.stack([x, y, z], axis=1) - (side - 1) / 2
    return 5.0 * centred + rng.normal(scale=0.5, size=(length, 3))


def write_store(path: Path, entries: int, median: int) -> None:
    """A store with 90 % training, 5 % validation and 5 % test entries."""
    with StoreWriter(path, TASKS) as writer:
        parts = {}
        for number in range(entries):
            entry = generated_entry(number, median)
            writer.add(entry)
            parts[entry.id] = "val" if number % 20 == 0 else "test" if number % 20 == 1 else "train"
        writer.set_split("default", parts)
        writer.close()


def memory() -> tuple[float, float]:
    """Private memory (MB) of this process and of its largest worker; mapped files do not count."""
    process = psutil.Process()
    workers = [each.memory_full_info().uss for each in process.children(True)]
    return process.memory_full_info().uss / 1e6, max(workers, default=0) / 1e6


def measured(path: Path, workers: int, limit: int) -> Iterator[tuple[str, str]]:
    """Rows (what, value) of one process."""
    start = time.perf_counter()
    store = Store(path)
    _ = store.ids, store.labelled.sum(), store.num_atoms.sum()
    yield "open the store", f"{time.perf_counter() - start:.3f} s"
    start = time.perf_counter()
    cache = EdgeCache(store, GraphView())
    yield "open the edges", f"{time.perf_counter() - start:.3f} s"
    del cache
    module = ProteinMTDataModule(str(path), num_workers=workers, pin_memory=False)
    module.setup()
    start = time.perf_counter()
    loader = module.train_dataloader()
    yield "plan the training batches", f"{time.perf_counter() - start:.2f} s"
    start = time.perf_counter()
    batches = iter(loader)
    next(batches)
    yield "first batch", f"{time.perf_counter() - start:.2f} s"
    start, graphs, nodes, count = time.perf_counter(), 0, 0, 0
    used = time.process_time()
    for batch in itertools.islice(batches, limit):
        graphs, nodes, count = graphs + batch.num_graphs, nodes + batch.num_nodes, count + 1
    seconds = time.perf_counter() - start
    used = time.process_time() - used
    whole = len(loader) * seconds / count
    yield "batches per epoch", f"{len(loader)} (measured {count})"
    yield "graphs/s", f"{graphs / seconds:.0f}"
    yield "nodes/s", f"{nodes / seconds:.0f}"
    yield "whole epoch", f"{whole:.1f} s"
    yield "main process's CPU time per batch", f"{1e3 * used / count:.1f} ms"
    yield "private memory, main + each worker", "{:.0f} + {:.0f} MB".format(*memory())
    if workers:
        loader._iterator._shutdown_workers()


def edge_times() -> Iterator[str]:
    """Rows of the table of edge-building CPU times, best of five, for one chain of some lengths."""
    views = {
        "residues, k = 7": GraphView(),
        "alpha carbons, k = 7": GraphView(nodes="alpha"),
        "atoms, 4.5 Å, at most 9": GraphView(nodes="atom", k=0, radius=4.5, radius_max_neighbors=9),
    }
    for length in (500, 1900):
        entry = single_chain(length)
        for name, view in views.items():
            best = min(cpu_time(partial(view_edges, entry, view)) for _ in range(5))
            yield f"| {length} residues, {entry.num_atoms} atoms | {name} | {1e3 * best:.1f} ms |"


def cpu_time(work: Callable[[], object]) -> float:
    """CPU seconds of one call: other programs on the machine hardly matter."""
    start = time.process_time()
    work()
    return time.process_time() - start


def single_chain(length: int) -> Entry:
    """The first generated single chain of about this length."""
    found = (generated_entry(number, length) for number in itertools.count())
    return next(e for e in found if e.kind == "chain" and abs(e.num_nodes / length - 1) < 0.01)


def main() -> None:
    """Writes or opens the store, then measures with each number of workers in its own process."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--entries", type=int, default=2000)
    parser.add_argument("--median", type=int, default=250, help="median chain length")
    parser.add_argument("--folder", type=Path, help="keep the store here (default: temporary)")
    parser.add_argument("--workers", type=int, nargs="+", default=[0, 2, 4])
    parser.add_argument("--limit", type=int, default=400, help="most batches to load")
    parser.add_argument("--measure", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure is not None:
        for what, value in measured(args.folder, args.measure, args.limit):
            print(f"ROW\t{what}\t{value}")
        return
    print("| structure | edges | CPU time |\n|---|---|---|", *edge_times(), sep="\n", end="\n\n")
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.folder or Path(temporary) / "store"
        rows = {}
        if not folder.exists():
            start = time.perf_counter()
            write_store(folder, args.entries, args.median)
            rows["write the store"] = [f"{time.perf_counter() - start:.0f} s"]
        print_report(folder, rows, args.workers, args.limit)


def print_report(folder: Path, rows: dict[str, list[str]], workers: list[int], limit: int) -> None:
    """The Markdown table, with the rows known so far on top."""
    store = Store(folder)
    start = time.perf_counter()
    EdgeCache(store, GraphView())
    rows["edges of all entries (0: were there)"] = [f"{time.perf_counter() - start:.0f} s"]
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 1e9
    for number in workers:
        command = [sys.executable, __file__, "--folder", str(folder), "--measure", str(number)]
        done = subprocess.run(
            [*command, "--limit", str(limit)], capture_output=True, text=True, check=True
        )
        for line in done.stdout.splitlines():
            if line.startswith("ROW\t"):
                _, what, value = line.split("\t")
                rows.setdefault(what, []).append(value)
    print(
        f"{len(store)} entries, on average {store.num_nodes.mean():.0f} nodes and "
        f"{store.num_atoms.mean():.0f} atoms, {size:.2f} GB with edges; {os.cpu_count()} cores "
        f"({platform.machine()}), {psutil.virtual_memory().total / 1e9:.0f} GB, "
        f"Python {platform.python_version()}\n"
    )
    print("| | " + " | ".join(f"{number} workers" for number in workers) + " |")
    print("|---" * (len(workers) + 1) + "|")
    for what, values in rows.items():
        print(f"| {what} | " + " | ".join([*values, *[""] * (len(workers) - len(values))]) + " |")


if __name__ == "__main__":
    main()
