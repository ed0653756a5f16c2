"""Cost as work grows: atoms per complex, complexes per batch, entries in the store, classes.

    OMP_NUM_THREADS=1 python benchmarks/bench_scaling.py [--most 50000] [--out docs]

Forward + backward of HeMeNet at its published size, float32, one thread, each row in a fresh
process. Prints Markdown tables and draws ``images/scaling.svg`` below ``--out``.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from bench_data import single_chain, write_store
from bench_encoders import first_residues, make_encoder
from bench_hemenet import best_of, memory, reset_peak
from matrix_products import MatrixProducts

from hemenet_lab.graphs import EdgeCache, build_graph
from hemenet_lab.loading import ProteinMTDataModule, collate
from hemenet_lab.model import MultiTaskModule
from hemenet_lab.store import Store
from hemenet_lab.tasks import Task
from hemenet_lab.testing import LargestTensor

ATOMS = (500, 1500, 5000, 15_000, 50_000)
COMPLEXES = (1, 2, 4, 8, 16)
ENTRIES = (100, 400, 1600)
CLASSES = (10, 100, 1000, 5000)
RESIDUES = 150
"""Of each complex where something else grows."""
Row = dict[str, Any]


def measured(step: Callable[[], object], before: float) -> Row:
    """CPU time, peak memory, operations and largest tensor of a step; the first warms up."""
    step()
    peak = memory("VmHWM") - before
    with LargestTensor() as largest, MatrixProducts() as products:
        step()
    _, cpu = best_of(step, 2)
    return {
        "CPU s": cpu,
        "peak GB": peak,
        "GFLOP": products.operations / 1e9,
        "largest MB": largest.bytes / 2**20,
    }


def of_atoms(atoms: int) -> Row:
    """A step on one chain of about so many atoms."""
    entry = first_residues(single_chain(atoms // 8 + 1), atoms)
    return _step([entry], {"atoms": entry.num_atoms})


def of_complexes(complexes: int) -> Row:
    """A step on so many chains of 150 residues."""
    return _step([single_chain(RESIDUES) for _ in range(complexes)], {"complexes": complexes})


def _step(entries: list[Any], row: Row) -> Row:
    torch.manual_seed(0)
    before = reset_peak()
    encoder = make_encoder("hemenet", "published").train()
    batch = encoder.prepare(collate([build_graph(entry, encoder.view) for entry in entries]))

    def step() -> None:
        encoder.zero_grad()
        encoder(batch).square().mean().backward()

    edges = batch.edge_index.shape[1]
    return {**row, "nodes": len(batch.pos), "edges": edges, **measured(step, before)}


def of_entries(entries: int) -> Row:
    """Opening a store, computing its edges once, and planning an epoch."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "store"
        write_store(path, entries, RESIDUES)
        before, start = reset_peak(), time.process_time()
        store = Store(path)
        assert len(store.ids) == entries
        opened = time.process_time()
        EdgeCache(store, make_encoder("hemenet", "comparable").view, workers=1)
        cached = time.process_time()
        data = ProteinMTDataModule(str(path), num_workers=0, balanced=False)
        data.setup("fit")
        batches = len(data.train_dataloader())
        planned = time.process_time()
        return {
            "entries": entries,
            "batches": batches,
            "open s": opened - start,
            "edges s": cached - opened,
            "plan s": planned - cached,
            "peak GB": memory("VmHWM") - before,
        }


def of_classes(classes: int) -> Row:
    """A step of the whole module with one task of so many classes, a batch of four."""
    torch.manual_seed(0)
    before = reset_peak()
    module = MultiTaskModule(make_encoder("hemenet", "comparable"))
    terms = tuple(f"T{number}" for number in range(classes))
    task = Task("mf", "chain", "multilabel", terms=terms)
    module.build((task,))
    entry = single_chain(RESIDUES)
    graphs = [build_graph(entry, module.encoder.view) for _ in range(4)]
    batch = module.encoder.prepare(collate(graphs))

    def step() -> None:
        module.zero_grad()
        module(batch)["mf"].square().mean().backward()

    parameters = sum(parameter.numel() for parameter in module.parameters())
    return {"classes": classes, "parameters": parameters, **measured(step, before)}


KINDS: dict[str, tuple[Callable[[int], Row], tuple[int, ...], str]] = {
    "atoms": (of_atoms, ATOMS, "Atoms per complex"),
    "complexes": (of_complexes, COMPLEXES, "Complexes per batch, of 150 residues each"),
    "entries": (of_entries, ENTRIES, "Entries in the store, of about 150 residues"),
    "classes": (of_classes, CLASSES, "Classes of a task, four complexes of 150 residues"),
}


def apart(kind: str, size: int) -> Row:
    """A row, measured in a process of its own."""
    done = subprocess.run(
        [sys.executable, __file__, f"--kind={kind}", f"--size={size}"],
        env=os.environ | {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"},
        stdout=subprocess.PIPE,
        check=True,
    )
    return dict(json.loads(done.stdout.splitlines()[-1]))


def table(title: str, rows: list[Row]) -> str:
    """Markdown."""
    names = list(rows[0])
    lines = [f"## {title}\n", "| " + " | ".join(names) + " |", "|" + "---|" * len(names)]
    lines += ["| " + " | ".join(_cell(row[name]) for name in names) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def _cell(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:.3g}"


def draw(found: dict[str, list[Row]], path: Path) -> None:
    """Time and memory against each kind of size, both axes logarithmic."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "scaling"
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, len(found), figsize=(3.2 * len(found), 2.8))
    for axis, (kind, rows) in zip(axes, found.items(), strict=True):
        sizes = [row[kind] for row in rows]
        for name in ("CPU s", "edges s", "plan s", "peak GB"):
            if name in rows[0]:
                axis.plot(sizes, [max(row[name], 1e-3) for row in rows], marker="o", label=name)
        axis.set(xscale="log", yscale="log", xlabel=kind)
        axis.legend(fontsize=7)
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None})


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kind", choices=KINDS)
    parser.add_argument("--size", type=int)
    parser.add_argument("--most", type=int, default=max(ATOMS), help="most atoms of a complex")
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[1] / "docs")
    options = parser.parse_args()
    if options.kind:
        torch.set_num_threads(1)
        print(json.dumps(KINDS[options.kind][0](options.size)))
        return
    found: dict[str, list[Row]] = {}
    for kind, (_, sizes, title) in KINDS.items():
        found[kind] = [apart(kind, size) for size in sizes if size <= options.most]
        print(table(title, found[kind]), flush=True)
    draw(found, options.out / "images" / "scaling.svg")


if __name__ == "__main__":
    main()
