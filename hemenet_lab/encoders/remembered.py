"""Features by a frozen network that are computed once for each structure of a store."""

from __future__ import annotations

import hashlib
import io
from abc import abstractmethod
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from hemenet_lab.basics import put_file
from hemenet_lab.encoders.base import Preparation
from hemenet_lab.graphs import ProteinGraph, count_graphs, node_batch
from hemenet_lab.store import cache_folder


class Remembered(Preparation):
    """``features`` [N, width] of a store's graphs by a network that does not learn.

    They are kept in the cache folder, float32, by what the network sees of each structure, so that
    later epochs and all other runs read them. The loaders compute those that are not there yet, on
    the CPU. Graphs that are of no store get the tensors of `otherwise`, and nothing is kept.

    A subclass is a frozen dataclass whose settings tell which network it is.
    """

    @property
    @abstractmethod
    def name(self) -> str:
        """Name of the network with its weights: a folder's, other for other weights."""

    @abstractmethod
    def seen(self, graph: ProteinGraph) -> tuple[Tensor, ...]:
        """All that the features are made of, [N, ...] each.

        A structure must look the same alone and in a batch: chains, for one, are counted in each
        structure from 0 (`own_chain`).
        """

    @abstractmethod
    def compute(self, graph: ProteinGraph) -> Float[Tensor, "nodes width"]:
        """The features themselves; a run's random numbers must be left as they are."""

    def otherwise(self, graph: ProteinGraph) -> dict[str, Tensor]:
        """Tensors of graphs that are of no store; none."""
        return {}

    def tensors(self, graph: ProteinGraph) -> dict[str, Tensor]:
        if getattr(graph, "entry_index", None) is None:
            return self.otherwise(graph)
        device = graph.pos.device
        if device.type != "cpu":  # a batch that no loader has prepared
            found = self.tensors(graph.clone().cpu())
            return {name: value.to(device) for name, value in found.items()}
        folder = cache_folder() / "features" / self.name
        sizes = node_batch(graph).bincount(minlength=count_graphs(graph)).tolist()
        parts = zip(*(each.split(sizes) for each in self.seen(graph)), strict=True)
        names = [_digest(part) for part in parts]
        files = [folder / name[:2] / f"{name}.npy" for name in names]
        kept = [_kept(file, size) for file, size in zip(files, sizes, strict=True)]
        rows = [each for each in kept if each is not None]
        if len(rows) < len(files):
            with torch.no_grad():
                rows = [part.float().numpy() for part in self.compute(graph).split(sizes)]
            for file, part in zip(files, rows, strict=True):
                put_file(file, _bytes(part))
        return {"features": torch.from_numpy(np.concatenate(rows))}


def own_chain(graph: ProteinGraph) -> Tensor:
    """Number of each node's chain in its structure, from 0, int64 [N]; -1 for ligand atoms."""
    count = graph.chain_graph.bincount(minlength=count_graphs(graph))
    first = (count.cumsum(0) - count)[node_batch(graph)]
    chain = torch.full_like(graph.sequence_index, -1)
    own = graph.polymer_chain - first[graph.polymer_node]
    return chain.index_copy(0, graph.polymer_node, own)


def _digest(seen: tuple[Tensor, ...]) -> str:
    """SHA-256 of what is seen of one structure, with its kinds and shapes."""
    whole = hashlib.sha256()
    for part in seen:
        whole.update(f"{part.dtype} {tuple(part.shape)}\n".encode())
        whole.update(part.contiguous().numpy().tobytes())
    return whole.hexdigest()


def _kept(file: Path, size: int) -> NDArray[np.float32] | None:
    """Features [size, width]; None if there are none, or if the file is damaged."""
    try:
        rows = np.load(file, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    fits = isinstance(rows, np.ndarray) and rows.ndim == 2 and rows.dtype == np.float32
    return rows if fits and len(rows) == size and bool(np.isfinite(rows).all()) else None


def _bytes(rows: NDArray[np.float32]) -> bytes:
    """The content of a .npy file."""
    stream = io.BytesIO()
    np.save(stream, rows)
    return stream.getvalue()
