"""How far predictions move when distances do and edges do not: HeMeNet beside HeMeNet+.

``python benchmarks/distance_sensitivity.py STORE NAME=CHECKPOINT ...`` prints a Markdown table
of mean and largest absolute changes of affinities, pKd, over complexes of a store that have one:

* *scale*: all coordinates times 1.5;
* *partner*: the ligand, or the partner's chains, moved 4 Å from the rest.

The edges stay those of the true structure: only what the encoder knows of distance can answer.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import torch
from torch_geometric.data import Batch

from hemenet_lab.graphs import ProteinGraph, build_graph
from hemenet_lab.model import MultiTaskModule
from hemenet_lab.prediction import load_module
from hemenet_lab.store import Entry, Store

SHIFT = 4.0
"""How far the ligand or partner moves, Å."""
SCALE = 1.5


def scaled(graph: ProteinGraph) -> ProteinGraph:
    """The graph with all coordinates larger and the same edges."""
    changed = graph.clone()
    changed.coords, changed.pos = graph.coords * SCALE, graph.pos * SCALE
    return changed


def moved(graph: ProteinGraph) -> ProteinGraph:
    """The graph with its ligand or partner further away and the same edges."""
    changed, other = graph.clone(), graph.entity > 0
    way = graph.pos[other].mean(0) - graph.pos[~other].mean(0)
    step = SHIFT * way / way.norm().clamp(min=1e-6)
    changed.pos = graph.pos + other.unsqueeze(1) * step
    changed.coords = graph.coords + other.view(-1, 1, 1) * step
    return changed


CHANGES: dict[str, Callable[[ProteinGraph], ProteinGraph]] = {"scale": scaled, "partner": moved}


def affinity(module: MultiTaskModule, graph: ProteinGraph, task: str) -> float:
    """The predicted affinity of one complex, pKd."""
    return float(module.predict_step(Batch.from_data_list([graph]), 0)[task])


@torch.no_grad()
def changes(module: MultiTaskModule, entries: list[tuple[str, Entry]], name: str) -> torch.Tensor:
    """Absolute change of each complex's affinity, pKd."""
    found = []
    for task, entry in entries:
        graph = build_graph(entry, module.encoder.view)
        before = affinity(module, graph, task)
        found.append(abs(affinity(module, CHANGES[name](graph), task) - before))
    return torch.tensor(found)


def complexes(store: Store, limit: int) -> list[tuple[str, Entry]]:
    """(affinity's task, entry) of up to ``limit`` entries at even steps that have an affinity."""
    every = [store[index] for index in range(len(store))]
    found = [(task, entry) for entry in every for task in ("lba", "ppa") if task in entry.values]
    return found[:: max(1, len(found) // limit)][:limit]


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("store", type=Path)
    parser.add_argument("models", nargs="+", metavar="NAME=CHECKPOINT")
    parser.add_argument("--limit", type=int, default=60, help="complexes")
    options = parser.parse_args()
    entries = complexes(Store(options.store), options.limit)
    print(f"{len(entries)} complexes of {options.store.name}\n")
    print("| model | change | mean, pKd | largest, pKd |\n|---|---|---:|---:|")
    for model in options.models:
        name, _, checkpoint = model.partition("=")
        module = load_module(checkpoint)
        for change in CHANGES:
            found = changes(module, entries, change)
            print(f"| {name} | {change} | {found.mean():.4f} | {found.max():.4f} |", flush=True)


if __name__ == "__main__":
    main()
