"""Our graph convolution and attention beside PyG's layers of the same shape and parameters.

    OMP_NUM_THREADS=1 python benchmarks/bench_pyg.py [--residues 500] [--width 256]

Forward + backward on the atom graph of a generated protein, float32, one thread; prints a table.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import torch
from bench_data import single_chain
from bench_hemenet import best_of
from torch import Tensor
from torch_geometric.nn import GATConv, GATv2Conv, GCNConv

from baselines.common import ATOM_VIEW, LoopedEdges
from baselines.gat import attention, told_of_edges
from hemenet_lab.graphs import build_graph
from hemenet_lab.nn import Gathering, gather_sum

HEADS, EDGE_DIM = 4, 32


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in {"residues": 500, "width": 256, "repeat": 5}.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    graph = build_graph(single_chain(options.residues), ATOM_VIEW)
    known = LoopedEdges(ATOM_VIEW.num_relations).tensors(graph)
    entries = Gathering(*(known[name] for name in Gathering._fields))
    edge_index = torch.stack([entries.row, entries.group])
    weight, features = torch.rand(len(entries.row)), torch.randn(len(entries.row), EDGE_DIM)
    h = torch.randn(len(graph.pos), options.width, requires_grad=True)
    width = options.width
    gcn = GCNConv(width, width, normalize=False)
    kinds: dict[str, tuple[Callable[[], Tensor], Callable[[], Tensor]]] = {
        "GCNConv": (
            lambda: gather_sum(gcn.lin(h), entries, weight) + gcn.bias,
            lambda: gcn(h, edge_index, weight),
        )
    }
    for kind in (GATConv, GATv2Conv):
        layer = kind(width, width // HEADS, HEADS, edge_dim=EDGE_DIM, add_self_loops=False)
        kinds[kind.__name__] = (
            lambda layer=layer: attention(layer, h, entries, told_of_edges([layer], features)[0]),
            lambda layer=layer: layer(h, edge_index, features),
        )
    print(f"{len(graph.pos)} nodes, {len(entries.row)} edges, width {width}\n")
    print("| layer | PyG, CPU s | ours, CPU s | ratio | largest difference |")
    print("|---|---|---|---|---|")
    for name, (ours, theirs) in kinds.items():
        with torch.no_grad():
            difference = (ours() - theirs()).abs().max().item()
        cpu = [best_of(lambda run=run: _step(run), options.repeat)[1] for run in (theirs, ours)]
        numbers = f"{cpu[0]:.3f} | {cpu[1]:.3f} | {cpu[1] / cpu[0]:.2f} | {difference:.1e}"
        print(f"| {name} | {numbers} |", flush=True)


def _step(run: Callable[[], Tensor]) -> None:
    run().square().mean().backward()


if __name__ == "__main__":
    main()
