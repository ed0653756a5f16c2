"""Time and memory of every encoder on a protein of 500 residues and on one of 15,000 atoms.

    OMP_NUM_THREADS=1 python benchmarks/bench_encoders.py
    OMP_NUM_THREADS=1 python benchmarks/bench_encoders.py --only gvp cdconv --sizes published

Forward + backward in training mode, float32, one thread, each row in a fresh process; prints a
Markdown table. The peak is that of the first step, graph, parameters, gradients and Adam's state
included, above the process without them. "Products" is the CPU time of the step's own matrix
products; the factor is the step's CPU time over theirs. The proteins are generated
(`bench_data.single_chain`):
compact chains of the density of folded ones, all heavy atoms.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from bench_data import single_chain
from jsonargparse import ArgumentParser
from matrix_products import MatrixProducts
from meters import Meter

from hemenet_lab.encoders.base import Encoder
from hemenet_lab.graphs.build import build_graph
from hemenet_lab.loading import collate
from hemenet_lab.store.entry import Entry
from hemenet_lab.store.fields import ATOM_FIELDS, NODE_FIELDS
from hemenet_lab.testing.largest_tensor import LargestTensor

CONFIGS = Path(__file__).parents[1] / "configs" / "encoder"
FOLDERS = {"published": CONFIGS, "comparable": CONFIGS / "comparable"}
LIMIT_GB = 8.0
"""What a protein of 15,000 atoms may take."""
PROTEINS = ("residues", "atoms")
"""One of 500 residues, one of 15,000 atoms."""
MOST_ATOMS = 15_000
TIMES = ("wall", "cpu", "products")


def encoder_names() -> list[str]:
    """Encoders that have a config of both sizes."""
    return sorted(path.stem for path in FOLDERS["comparable"].glob("*.yaml"))


def make_encoder(name: str, size: str, **changes: Any) -> Encoder:
    """The encoder of ``configs/encoder/[comparable/]<name>.yaml``, with some options changed."""
    config = yaml.safe_load((FOLDERS[size] / f"{name}.yaml").read_text())["model"]["encoder"]
    config["init_args"] |= changes
    parser = ArgumentParser(exit_on_error=False)
    parser.add_subclass_arguments(Encoder, "encoder")
    return parser.instantiate(parser.parse_object({"encoder": config})).encoder


def protein(kind: str, residues: int = 500) -> Entry:
    """A chain of about so many residues, or one of as many as fit into 15,000 atoms."""
    if kind == "residues":
        return single_chain(residues)
    # 8.3 atoms per residue on average
    return first_residues(single_chain(MOST_ATOMS // 8), MOST_ATOMS)


def first_residues(entry: Entry, most_atoms: int) -> Entry:
    """The longest beginning of a chain that has no more than so many atoms."""
    nodes = int(np.searchsorted(entry.node_atoms.cumsum(dtype=np.int64), most_atoms, "right"))
    atoms = int(entry.node_atoms[:nodes].sum(dtype=np.int64))
    cut = {field.name: getattr(entry, field.name)[:nodes] for field in NODE_FIELDS}
    cut |= {field.name: getattr(entry, field.name)[:atoms] for field in ATOM_FIELDS}
    return replace(entry, **cut)


def worker(options: argparse.Namespace) -> dict[str, Any]:
    """Measures one encoder in this process."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    entry = protein(options.protein, options.residues)
    meter = Meter.on(options.device)
    meter.reset()
    encoder = make_encoder(options.worker, options.size).train().to(meter.device)
    graph = encoder.prepare(collate([build_graph(entry, encoder.view)])).to(meter.device)
    optimizer = torch.optim.Adam(encoder.parameters())

    def step() -> None:
        encoder.zero_grad()
        encoder(graph).square().mean().backward()

    step()
    optimizer.step()
    peak = meter.peak()
    with LargestTensor() as largest:
        step()
    found = []
    for _ in range(options.repeat):
        with MatrixProducts() as products:
            step()
        found.append(products.seconds)
    wall, cpu = meter.best_of(step, options.repeat)
    return {
        "parameters": sum(parameter.numel() for parameter in encoder.parameters()),
        "nodes": len(graph.pos),
        "edges": graph.edge_index.shape[1],
        "atoms": entry.num_atoms,
        "wall": wall,
        "cpu": cpu,
        "products": min(found),
        "operations": products.operations,
        "peak_gb": peak,
        "largest_mb": largest.bytes / 2**20,
        "largest_shape": list(largest.shape),
    }


def measure(name: str, size: str, kind: str, repeat: int, device: str) -> dict[str, Any] | str:
    """Runs `worker` in a fresh process; a text says why there are no numbers."""
    done = subprocess.run(
        [
            *(sys.executable, __file__, f"--worker={name}", f"--size={size}"),
            *(f"--protein={kind}", f"--repeat={repeat}", f"--device={device}"),
        ],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
    )
    if done.returncode < 0:
        return f"killed by signal {-done.returncode}, out of memory in all likelihood"
    done.check_returncode()
    return json.loads(done.stdout)


HEADER = (
    "| encoder | config | parameters | nodes / edges | wall s | CPU s | products s | factor "
    "| GFLOP | peak GB | largest tensor |"
)


def row(name: str, size: str, result: dict[str, Any] | str) -> str:
    """A line of the table."""
    if isinstance(result, str):
        return f"| {name} | {size} | {result} |" + " |" * 8
    peak = f"{result['peak_gb']:.2f}"
    if result["peak_gb"] > LIMIT_GB:
        peak = f"**{peak}**"
    shape = " × ".join(map(str, result["largest_shape"]))
    cells = (
        name,
        size,
        f"{result['parameters'] / 1e6:.2f} M",
        f"{result['nodes']} / {result['edges']}",
        f"{result['wall']:.2f}",
        f"{result['cpu']:.2f}",
        f"{result['products']:.2f}",
        f"{result['cpu'] / result['products']:.2f}",
        f"{result['operations'] / 1e9:.0f}",
        peak,
        f"{result['largest_mb']:.0f} MB ({shape})",
    )
    return f"| {' | '.join(cells)} |"


def best(results: list[dict[str, Any] | str]) -> dict[str, Any] | str:
    """The smallest times of several processes, or what went wrong in one."""
    made: dict[str, Any] = {}
    for result in results:
        if isinstance(result, str):
            return result
        smaller = {key: min(result[key], made.get(key, result[key])) for key in TIMES}
        made = result | smaller
    return made


def compare(options: argparse.Namespace) -> None:
    """Prints a table per protein."""
    print(f"{os.cpu_count()} CPUs, {platform.machine()}, torch {torch.__version__}")
    for kind in options.proteins:
        repeats = options.repeat if kind == "residues" else 1
        entry = protein(kind)
        print(f"\n## {entry.num_nodes} residues, {entry.num_atoms} atoms\n")
        print(HEADER)
        print("|" + "---|" * (HEADER.count("|") - 1))
        for name in options.only:
            for size in options.sizes:
                results = [
                    measure(name, size, kind, repeats, options.device) for _ in range(options.tries)
                ]
                print(row(name, size, best(results)), flush=True)


def argument_parser() -> argparse.ArgumentParser:
    """Options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    names = encoder_names()
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="NAME")
    parser.add_argument("--sizes", nargs="+", choices=FOLDERS, default=list(FOLDERS))
    parser.add_argument("--proteins", nargs="+", choices=PROTEINS, default=list(PROTEINS))
    parser.add_argument("--worker", choices=names, help="measure this one in this process")
    parser.add_argument("--size", choices=FOLDERS, default="published")
    parser.add_argument("--protein", choices=PROTEINS, default="residues")
    parser.add_argument("--residues", type=int, default=500)
    parser.add_argument("--device", default="", help="such as cuda; the CPU if not given")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--tries", type=int, default=1, help="processes per row, the best counts")
    return parser


def main() -> None:
    """Command line."""
    options = argument_parser().parse_args()
    if options.worker:
        print(json.dumps(worker(options)))
    else:
        compare(options)


if __name__ == "__main__":
    main()
