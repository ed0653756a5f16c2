"""Cost as work grows: atoms per complex, complexes per batch, entries in the store, classes.

    OMP_NUM_THREADS=1 python benchmarks/bench_scaling.py [--most 50000] [--only atoms classes]
    python benchmarks/bench_scaling.py --draw

Forward + backward of HeMeNet at its published size, float32, one thread, each row in a fresh
process; of the edges that they need too, and of every other encoder where it is named with
``--encoder``. Prints Markdown tables, keeps the rows in ``scaling.csv`` beside this file and draws
``docs/images/scaling.svg`` from it; ``--no-record`` only prints.
"""

from __future__ import annotations

import argparse
import csv
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
from bench_encoders import encoder_names, first_residues, make_encoder
from bench_hemenet import memory, reset_peak
from matrix_products import MatrixProducts
from meters import Meter

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
HERE = Path(__file__).parent
RECORD, FIGURE = HERE / "scaling.csv", HERE.parent / "docs" / "images" / "scaling.svg"
Row = dict[str, Any]


def measured(step: Callable[[], object], meter: Meter, repeat: int = 2) -> Row:
    """Time, peak memory, operations and largest tensor of a step; the first warms up."""
    step()
    peak = meter.peak()
    with LargestTensor() as largest, MatrixProducts() as products:
        step()
    wall, cpu = meter.best_of(step, repeat)
    return {
        "wall s": wall,
        "CPU s": cpu,
        "peak GB": peak,
        "GFLOP": products.operations / 1e9,
        "largest MB": largest.bytes / 2**20,
    }


def of_atoms(atoms: int, device: str, encoder: str) -> Row:
    """A step on one chain of about so many atoms."""
    entry = first_residues(single_chain(atoms // 8 + 1), atoms)
    return _step([entry], {"atoms": entry.num_atoms}, device, encoder)


def of_complexes(complexes: int, device: str, encoder: str) -> Row:
    """A step on so many chains of 150 residues."""
    entries = [single_chain(RESIDUES) for _ in range(complexes)]
    return _step(entries, {"complexes": complexes}, device, encoder)


def _step(entries: list[Any], row: Row, device: str, name: str) -> Row:
    torch.manual_seed(0)
    meter = Meter.on(device)
    meter.reset()
    encoder = make_encoder(name, "published").train().to(meter.device)
    start = time.process_time()
    graphs = [build_graph(entry, encoder.view) for entry in entries]
    seconds = time.process_time() - start
    batch = encoder.prepare(collate(graphs)).to(meter.device)

    def step() -> None:
        encoder.zero_grad()
        encoder(batch).square().mean().backward()

    edges = batch.edge_index.shape[1]
    row = {**row, "nodes": len(batch.pos), "edges": edges, "edges s": seconds}
    return row | measured(step, meter, 1 if sum(e.num_atoms for e in entries) > 20_000 else 2)


def of_entries(entries: int, device: str, encoder: str) -> Row:
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


def of_classes(classes: int, device: str, encoder: str) -> Row:
    """A step of the whole module with one task of so many classes, a batch of four."""
    torch.manual_seed(0)
    meter = Meter.on(device)
    meter.reset()
    module = MultiTaskModule(make_encoder(encoder, "comparable"))
    terms = tuple(f"T{number}" for number in range(classes))
    task = Task("mf", "chain", "multilabel", terms=terms)
    module.build((task,))
    module.to(meter.device)
    entry = single_chain(RESIDUES)
    graphs = [build_graph(entry, module.encoder.view) for _ in range(4)]
    batch = module.encoder.prepare(collate(graphs)).to(meter.device)

    def step() -> None:
        module.zero_grad()
        module(batch)["mf"].square().mean().backward()

    parameters = sum(parameter.numel() for parameter in module.parameters())
    return {"classes": classes, "parameters": parameters, **measured(step, meter)}


KINDS: dict[str, tuple[Callable[[int, str, str], Row], tuple[int, ...], str]] = {
    "atoms": (of_atoms, ATOMS, "Atoms per complex"),
    "complexes": (of_complexes, COMPLEXES, "Complexes per batch, of 150 residues each"),
    "entries": (of_entries, ENTRIES, "Entries in the store, of about 150 residues"),
    "classes": (of_classes, CLASSES, "Classes of a task, four complexes of 150 residues"),
}


def apart(kind: str, size: int, device: str, encoder: str) -> Row:
    """A row, measured in a process of its own."""
    words = [f"--kind={kind}", f"--size={size}", f"--device={device}", f"--encoder={encoder}"]
    done = subprocess.run(
        [sys.executable, __file__, *words],
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


def record(found: dict[str, list[Row]], path: Path) -> None:
    """Writes rows as (kind, size, measure, value); those of other kinds stay."""
    kept = [] if not path.exists() else list(csv.reader(path.open()))[1:]
    lines = [line for line in kept if line[0] not in found]
    for kind, rows in found.items():
        for row in rows:
            lines += [[kind, row[kind], name, f"{row[name]:.6g}"] for name in row if name != kind]
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["kind", "size", "measure", "value"])
        writer.writerows(lines)


def recorded(path: Path) -> dict[str, list[Row]]:
    """Inverse of `record`, in the order of `KINDS`."""
    rows: dict[str, dict[int, Row]] = {kind: {} for kind in KINDS}
    for kind, size, name, value in list(csv.reader(path.open()))[1:]:
        rows[kind].setdefault(int(size), {kind: int(size)})[name] = float(value)
    return {kind: list(found.values()) for kind, found in rows.items() if found}


def draw(found: dict[str, list[Row]], path: Path) -> None:
    """Time, memory and operations against each kind of size, both axes logarithmic."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "scaling"
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, len(found), figsize=(3.2 * len(found), 2.8), squeeze=False)
    for axis, (kind, rows) in zip(axes[0], found.items(), strict=True):
        sizes = [row[kind] for row in rows]
        for name in ("CPU s", "edges s", "plan s", "peak GB", "GFLOP"):
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
    parser.add_argument("--only", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--encoder", choices=encoder_names(), default="hemenet")
    parser.add_argument("--device", default="", help="such as cuda; the CPU if not given")
    parser.add_argument("--no-record", action="store_true", help="print only")
    parser.add_argument("--draw", action="store_true", help="the figure, from what is recorded")
    options = parser.parse_args()
    if options.kind:
        torch.set_num_threads(1)
        row = KINDS[options.kind][0](options.size, options.device, options.encoder)
        print(json.dumps(row))
        return
    if options.draw:
        draw(recorded(RECORD), FIGURE)
        return
    found: dict[str, list[Row]] = {}
    for kind in options.only:
        _, sizes, title = KINDS[kind]
        sizes = tuple(size for size in sizes if size <= options.most)
        found[kind] = [apart(kind, size, options.device, options.encoder) for size in sizes]
        print(table(title, found[kind]), flush=True)
        if not options.no_record:  # after each, so that a run that is stopped leaves what it has
            record({kind: found[kind]}, RECORD)
    if not options.no_record:
        draw(recorded(RECORD), FIGURE)


if __name__ == "__main__":
    main()
