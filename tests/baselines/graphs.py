"""Small graphs for the tests of the baselines, and encoders made from their configs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import yaml
from jsonargparse import ArgumentParser
from torch import Tensor, nn

from hemenet_lab.encoders.base import Encoder
from hemenet_lab.graphs.graph import ProteinGraph
from hemenet_lab.graphs.view import GraphView
from hemenet_lab.testing.random_graphs import random_graph

CONFIGS = Path(__file__).parents[2] / "configs" / "encoder"
GOLDENS = Path(__file__).parents[1] / "goldens"


def hand_graph(pos: list[list[float]], edges: list[tuple[int, int]]) -> ProteinGraph:
    """Atoms of different kinds at ``pos`` (float64, Å), with edges (source, target)."""
    n = len(pos)
    graph = ProteinGraph()
    graph.pos = torch.tensor(pos, dtype=torch.float64)
    graph.node_type = torch.arange(n) * 7 % 30
    graph.element = torch.arange(n) % 9
    graph.entity = torch.arange(n) % 3
    graph.edge_index = torch.tensor(edges, dtype=torch.long).reshape(-1, 2).T
    graph.edge_type = torch.zeros(len(edges), dtype=torch.long)
    return graph


def triangle() -> ProteinGraph:
    """Four atoms: 0, 1 and 2 joined in both directions, 2 → 0 once only; 3 has no edge."""
    pos = [[0.0, 0.0, 0.0], [1.5, 0.0, 0.0], [0.0, 2.0, 0.5], [9.0, 9.0, 9.0]]
    return hand_graph(pos, [(1, 0), (2, 0), (0, 1), (2, 1), (1, 2)])


def protein(view: GraphView, seed: int = 0, dtype: torch.dtype = torch.float32) -> ProteinGraph:
    """Two chains and a ligand in the given view."""
    return random_graph(view, seed, dtype=dtype)


def from_config(path: str, **changes: Any) -> Encoder:
    """The encoder of a config, a path under ``configs/encoder``, with some arguments changed."""
    config = yaml.safe_load((CONFIGS / path).read_text())["model"]["encoder"]
    config["init_args"] |= changes
    parser = ArgumentParser(exit_on_error=False)
    parser.add_subclass_arguments(Encoder, "encoder")
    return parser.instantiate(parser.parse_object({"encoder": config})).encoder


def count_parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def parameters_without_gradient(encoder: Encoder, graph: ProteinGraph) -> list[str]:
    """Names of the parameters that a loss on the node features does not reach."""
    encoder.zero_grad()
    encoder(graph).square().sum().backward()
    return [name for name, value in encoder.named_parameters() if value.grad is None]


def check_bf16(encoder: Encoder, graph: ProteinGraph) -> None:
    """Forward and backward in bf16-mixed precision stay finite and near the float32 numbers."""
    with torch.no_grad():
        exact = encoder(graph)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed: Tensor = encoder(graph)
    mixed.float().square().mean().backward()
    assert (mixed - exact).abs().max() < 0.1 * exact.abs().max()
    assert all(p.grad is None or p.grad.isfinite().all() for p in encoder.parameters())
