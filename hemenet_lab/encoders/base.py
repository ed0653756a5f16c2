"""Encoder: the one interface between a graph and everything that is learned from it."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from dataclasses import dataclass, field, is_dataclass
from typing import ClassVar, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from hemenet_lab.graphs import GraphView, ProteinGraph


@dataclass
class Equivariant:
    """Outputs that move with the input: positions translate and rotate, vectors rotate only."""

    positions: dict[str, Tensor] = field(default_factory=dict)
    """Name → [..., 3], Å."""
    vectors: dict[str, Tensor] = field(default_factory=dict)
    """Name → [..., 3]."""


class Preparation(ABC):
    """Tensors that an encoder needs of a batch and that depend on the graph alone.

    Whatever has a size that only the values in the graph tell (pairs of nodes, the types that
    occur, neighbours, pools) belongs here. The loaders compute it once, when they make a batch, on
    the CPU; `Encoder.forward` then never waits for a GPU and `torch.compile` takes it whole.

    A subclass is a frozen dataclass of plain settings (it is sent to loading processes, and its
    settings tell whose tensors a batch holds) and implements `tensors`.
    """

    @abstractmethod
    def tensors(self, graph: ProteinGraph) -> dict[str, Tensor]:
        """Name → tensor for a graph or batch; no gradient goes through them."""

    @property
    def key(self) -> str:
        """Attribute of a batch that lists the tensors stored in it."""
        kind = type(self)
        text = f"{kind.__module__}.{kind.__qualname__} {self!r}"
        return f"prepared_{hashlib.sha256(text.encode()).hexdigest()[:8]}"

    def store(self, batch: ProteinGraph) -> None:
        """Computes the tensors and keeps them in the batch.

        A batch whose nodes, edges or positions are changed afterwards must be prepared again.

        Raises:
            ValueError: A single graph. Its tensors would be wrong once it is joined to others.
        """
        if getattr(batch, "batch", None) is None:
            raise ValueError(
                "only batches are prepared, this is a single graph; join graphs first "
                "(Batch.from_data_list), or give it to the encoder as it is"
            )
        with torch.no_grad():
            found = self.tensors(batch)
        batch[self.key] = tuple(found)
        for name, value in found.items():
            batch[f"{self.key}_{name}"] = value


class Encoder(nn.Module, ABC):
    """Turns a graph (or a batch of them) into one feature vector per node.

    A subclass takes its settings in ``__init__`` (they become ``--model.encoder.*``), calls
    ``super().__init__(view, out_dim)`` and implements `forward`. Node features must not depend on
    other graphs of the batch, on padding, on the order of the nodes or on the pose;
    `hemenet_lab.testing` holds the tests for that.

    Args:
        view: The graph that this encoder wants; the data module builds it.
        out_dim: Width of the node features.
        preparation: What loaders compute for each batch, if anything; read it by `prepared`.

    Attributes:
        symmetry: ``E(3)``, or ``SE(3)`` where features may change under reflection.
        view_nodes: Kinds of nodes that the encoder can work on.
        paper: Where the architecture was published.
    """

    symmetry: ClassVar[Literal["E(3)", "SE(3)"]] = "E(3)"
    view_nodes: ClassVar[tuple[str, ...]] = ("residue", "alpha", "atom")
    paper: ClassVar[str] = ""

    def __init__(
        self, view: GraphView, out_dim: int, preparation: Preparation | None = None
    ) -> None:
        super().__init__()
        if view.nodes not in self.view_nodes:
            raise ValueError(
                f"{type(self).__name__} works on nodes {' or '.join(self.view_nodes)}, "
                f"the view gives {view.nodes}; set the encoder's view.nodes"
            )
        self.view = view
        if preparation is not None and not is_dataclass(preparation):
            raise ValueError(
                f"{type(preparation).__name__}, the preparation of {type(self).__name__}, is not a "
                "dataclass; put @dataclass(frozen=True) over it, its settings name its tensors"
            )
        self.out_dim = out_dim
        self.preparation = preparation
        self._prepared_key = preparation.key if preparation else ""

    @abstractmethod
    def forward(self, graph: ProteinGraph) -> Float[Tensor, "nodes {self.out_dim}"]:
        """Node features [N, out_dim] of a graph or batch (`hemenet_lab.data.graph`)."""

    def equivariant(self, graph: ProteinGraph) -> Equivariant:
        """Outputs that move with the structure; none unless the encoder has some."""
        return Equivariant()

    def prepared(self, graph: ProteinGraph) -> dict[str, Tensor]:
        """The tensors of ``preparation``: those stored in the batch, or else computed now."""
        if self.preparation is None:
            return {}
        names = getattr(graph, self._prepared_key, None)
        if names is None:
            with torch.no_grad():
                return self.preparation.tensors(graph)
        return {name: graph[f"{self._prepared_key}_{name}"] for name in names}

    def prepare(self, batch: ProteinGraph) -> ProteinGraph:
        """The batch itself, with the tensors of ``preparation`` stored in it."""
        if self.preparation is not None:
            self.preparation.store(batch)
        return batch
