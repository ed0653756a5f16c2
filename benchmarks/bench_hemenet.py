"""Time and memory of HeMeNet's fast layer beside the arithmetic of the published one.

``python benchmarks/bench_hemenet.py`` measures forward + backward in fresh processes, one after the
other, and prints a Markdown table. On a shared machine take the best of many repetitions, and
prefer the CPU time, which counts one thread's work without the waiting.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from hemenet_lab.encoders import HeMeNet
from hemenet_lab.encoders.hemenet import HeMeNetLayer
from hemenet_lab.encoders.multichannel import pooling_table
from hemenet_lab.graphs.build import build_graph
from hemenet_lab.graphs.graph import ProteinGraph
from hemenet_lab.graphs.view import GraphView
from hemenet_lab.testing.random_graphs import random_entry


class PublishedLayer(nn.Module):
    """The released layer's arithmetic, edge by edge and dense, on a `HeMeNetLayer`'s parameters.

    Per edge: [C, C] distances of all channels, R [d_c, d_c], a Linear from d_c² features, the first
    Linear of φ_m on all inputs concatenated, and a [C, C] pooling matrix.
    """

    def __init__(self, layer: HeMeNetLayer) -> None:
        super().__init__()
        self.layer = layer
        self.dropout = nn.Dropout(layer.dropout.p)

    def forward(
        self, h: Tensor, coords: Tensor, graph: ProteinGraph, channels: Tensor, edges: Tensor
    ) -> tuple[Tensor, Tensor]:
        layer, (source, target) = self.layer, graph.edge_index
        mask = graph.channel_mask.to(coords.dtype)
        distances = (coords[target].unsqueeze(2) - coords[source].unsqueeze(1)).norm(dim=-1)
        distances = distances / (distances.max() + 1e-3)
        distances = distances * mask[target].unsqueeze(2) * mask[source].unsqueeze(1)
        attr = channels[graph.channel_type]
        relation = attr[target].transpose(1, 2) @ distances @ attr[source]
        scale = relation.flatten(1).norm(dim=1).view(-1, 1, 1) + 1e-3
        radial = layer.radial_linear((relation / scale).flatten(1))
        inputs = torch.cat([h[target], h[source], radial, edges[graph.edge_type]], dim=1)
        message = self.dropout(layer.message_mlp(inputs))
        coords = coords + self._move(message, coords, graph, mask)
        slots = target * layer.num_relations + graph.edge_type
        sums = h.new_zeros(len(h) * layer.num_relations, message.shape[1])
        sums = sums.index_add(0, slots, message).view(len(h), -1)
        return h + functional.silu(layer.norm(layer.hetero_linear(sums))), coords

    def _move(self, message: Tensor, coords: Tensor, graph: ProteinGraph, mask: Tensor) -> Tensor:
        layer, (source, target) = self.layer, graph.edge_index
        table = pooling_table(mask.shape[1]).to(coords)[mask.sum(1).long()]
        scores = (table[target] @ layer.coord_mlp(message).unsqueeze(-1)).squeeze(-1)
        centre = (coords * mask.unsqueeze(-1)).sum(1) / (mask.sum(1, keepdim=True) + 1e-3)
        moves = (coords[target] - centre[source].unsqueeze(1)) * scores.unsqueeze(-1)
        moves = moves * layer.w_r[graph.edge_type].unsqueeze(-1)
        total = torch.zeros_like(coords).index_add(0, target, moves)
        degree = torch.bincount(target, minlength=len(coords)).clamp(min=1)
        return total / degree.view(-1, 1, 1)


def protein(residues: int) -> ProteinGraph:
    """A random chain without gaps or missing atoms, as a graph of the published view."""
    entry = random_entry(0, (residues,), ligand_atoms=0, missing_atoms=0.0, partner_chains=())
    unbroken = np.arange(residues, dtype=np.int32)
    return build_graph(replace(entry, sequence_index=unbroken), GraphView())


class PublishedStack(nn.Module):
    """The layers of a `HeMeNet`, computed as published."""

    def __init__(self, encoder: HeMeNet) -> None:
        super().__init__()
        self.encoder = encoder
        layers = cast(list[HeMeNetLayer], list(encoder.stack.layers))
        self.layers = nn.ModuleList(PublishedLayer(layer) for layer in layers)

    def forward(self, graph: ProteinGraph) -> tuple[Tensor, Tensor]:
        encoder, outputs = self.encoder, []
        assert encoder.relation_embedding is not None
        h, coords = encoder.node_embedding(graph.node_type), graph.coords
        tables = encoder.channel_embedding.weight, encoder.relation_embedding.weight
        for layer, norm in zip(self.layers, encoder.stack.layer_norms, strict=True):
            h, coords = layer(h, coords, graph, *tables)
            h = norm(h)
            outputs.append(h)
        return torch.cat(outputs, 1), coords


class FastStack(nn.Module):
    """The encoder as it is, with its coordinates."""

    def __init__(self, encoder: HeMeNet) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, graph: ProteinGraph) -> tuple[Tensor, Tensor]:
        return self.encoder.encode(graph)


def worker(options: argparse.Namespace) -> dict[str, Any]:
    """Measures one setting in this process."""
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    graph = protein(options.residues)
    encoder = HeMeNet(num_layers=options.layers, final_coords=True)
    net = {"fast": FastStack, "published": PublishedStack}[options.worker](encoder)

    def step() -> None:
        net.zero_grad()
        features, coords = net(graph)
        (features.square().mean() + coords.square().mean()).backward()

    before = reset_peak()
    step()
    peak = memory("VmHWM") - before
    wall, cpu = best_of(step, options.repeat)
    return {
        "nodes": len(graph.node_type),
        "edges": graph.edge_index.shape[1],
        "atoms": int(graph.channel_mask.sum()),
        "wall": wall,
        "cpu": cpu,
        "peak_gb": peak,
    }


def memory(name: str) -> float:
    """A field of this process's memory in GB: ``VmRSS`` now, ``VmHWM`` the peak (Linux)."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1]) / 1024**2
    raise ValueError(f"/proc/self/status has no {name}; this benchmark needs Linux")


def reset_peak() -> float:
    """Starts a new peak at the present memory, which is returned in GB."""
    Path("/proc/self/clear_refs").write_text("5")
    return memory("VmRSS")


def best_of(step: Callable[[], None], repeat: int) -> tuple[float, float]:
    """Smallest wall time and smallest CPU time of a step, s."""
    wall, cpu = [], []
    for _ in range(repeat):
        start, started = time.perf_counter(), time.process_time()
        step()
        wall.append(time.perf_counter() - start)
        cpu.append(time.process_time() - started)
    return min(wall), min(cpu)


def measure(kind: str, threads: int, residues: int, layers: int, repeat: int) -> dict[str, Any]:
    """Runs `worker` in a fresh process."""
    numbers = {"threads": threads, "residues": residues, "layers": layers, "repeat": repeat}
    arguments = [f"--{name}={value}" for name, value in numbers.items()]
    done = subprocess.run(
        [sys.executable, __file__, "--worker", kind, *arguments],
        # threads that wait must not count as working
        env=os.environ | {"OMP_NUM_THREADS": str(threads), "OMP_WAIT_POLICY": "PASSIVE"},
        stdout=subprocess.PIPE,
        check=True,
    )
    return json.loads(done.stdout)


CASES = [
    ("1 layer, 400 residues", 400, 1, 1, 4),
    ("1 layer, 400 residues", 400, 1, 2, 4),
    ("6 layers, 100 residues", 100, 6, 1, 2),
]
"""Name, residues, layers, threads, repetitions of the published form."""

FAST_ONLY = [("6 layers, 500 residues", 500, 1), ("6 layers, 500 residues", 500, 2)]
FAST_ONLY += [("6 layers, largest complex", 1900, 1)]
"""Name, residues and threads of cases for which the published form would need 14 to 60 GB."""


def differences(residues: int = 60) -> tuple[float, float]:
    """Largest difference of both forms' features and coordinates (Å), one untrained layer."""
    torch.manual_seed(0)
    encoder, graph = HeMeNet(num_layers=1, final_coords=True), protein(residues)
    with torch.no_grad():
        fast = FastStack(encoder).eval()(graph)
        published = PublishedStack(encoder).eval()(graph)
    first, second = ((a - b).abs().max().item() for a, b in zip(fast, published, strict=True))
    return first, second


def compare(small: bool) -> None:
    """Prints the table; of the smaller cases only, or of all."""
    print(f"{os.cpu_count()} CPUs, {platform.machine()}, torch {torch.__version__}")
    features, coords = differences()
    print(f"Largest difference: features {features:.1e}, coordinates {coords:.1e} Å\n")
    print("| case | nodes / edges | threads | form | wall s | CPU s | peak GB above base |")
    print("|---|---|---|---|---|---|---|")
    for name, residues, layers, threads, repeat in CASES[:1] if small else CASES:
        slow = measure("published", threads, residues, layers, repeat)
        fast = measure("fast", threads, residues, layers, 5 * repeat)
        print(row(name, threads, "published", slow))
        print(row(name, threads, "fast", fast))
        ratios = [slow[key] / fast[key] for key in ("wall", "cpu", "peak_gb")]
        print(f"| | | | **ratio** | {' | '.join(f'**{x:.1f}**' for x in ratios)} |", flush=True)
    for name, residues, threads in FAST_ONLY[:1] if small else FAST_ONLY:
        fast = measure("fast", threads, residues, 6, 3)
        print(row(f"{name} ({fast['atoms']} atoms)", threads, "fast", fast), flush=True)


def row(name: str, threads: int, form: str, result: dict[str, Any]) -> str:
    """A line of the table."""
    size = f"{result['nodes']} / {result['edges']}"
    times = f"{result['wall']:.3f} | {result['cpu']:.3f} | {result['peak_gb']:.2f}"
    return f"| {name} | {size} | {threads} | {form} | {times} |"


def argument_parser() -> argparse.ArgumentParser:
    """Options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--worker", choices=["fast", "published"], help="measure in this process")
    for name, default in {"threads": 1, "residues": 400, "layers": 1, "repeat": 5}.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--small", action="store_true", help="a case of each kind only")
    return parser


def main() -> None:
    """Command line."""
    options = argument_parser().parse_args()
    if options.worker:
        print(json.dumps(worker(options)))
    else:
        compare(options.small)


if __name__ == "__main__":
    main()
