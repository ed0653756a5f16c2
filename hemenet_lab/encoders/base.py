"""Encoder: the one interface between a graph and everything that is learned from it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from torch import Tensor, nn

from hemenet_lab.graphs import GraphView, ProteinGraph


@dataclass
class Equivariant:
    """Outputs that move with the input: positions translate and rotate, vectors rotate only."""

    positions: dict[str, Tensor] = field(default_factory=dict)
    """Name → [..., 3], Å."""
    vectors: dict[str, Tensor] = field(default_factory=dict)
    """Name → [..., 3]."""


class Encoder(nn.Module, ABC):
    """Turns a graph (or a batch of them) into one feature vector per node.

    A subclass takes its settings in ``__init__`` (they become ``--model.encoder.*``), calls
    ``super().__init__(view, out_dim)`` and implements `forward`. Node features must not depend on
    other graphs of the batch, on padding, on the order of the nodes or on the pose;
    `hemenet_lab.testing` holds the tests for that.

    Args:
        view: The graph that this encoder wants; the data module builds it.
        out_dim: Width of the node features.

    Attributes:
        symmetry: ``E(3)``, or ``SE(3)`` where features may change under reflection.
        view_nodes: Kinds of nodes that the encoder can work on.
        paper: Where the architecture was published.
    """

    symmetry: ClassVar[Literal["E(3)", "SE(3)"]] = "E(3)"
    view_nodes: ClassVar[tuple[str, ...]] = ("residue", "alpha", "atom")
    paper: ClassVar[str] = ""

    def __init__(self, view: GraphView, out_dim: int) -> None:
        super().__init__()
        if view.nodes not in self.view_nodes:
            raise ValueError(
                f"{type(self).__name__} works on nodes {' or '.join(self.view_nodes)}, "
                f"the view gives {view.nodes}; set the encoder's view.nodes"
            )
        self.view = view
        self.out_dim = out_dim

    @abstractmethod
    def forward(self, graph: ProteinGraph) -> Tensor:
        """Node features [N, out_dim] of a graph or batch (`hemenet_lab.graphs.graph`)."""

    def equivariant(self, graph: ProteinGraph) -> Equivariant:
        """Outputs that move with the structure; none unless the encoder has some."""
        return Equivariant()
