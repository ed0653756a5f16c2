"""The graph that encoders see: one table of its attributes, and the PyG container that holds them.

===================== ================  ========  =================================================
attribute             shape             dtype     meaning
===================== ================  ========  =================================================
``node_type``         [N]               int64     0-20 residue (20 unknown), 21-29 ligand element
``element``           [N]               int64     element class of the node's representative atom
``entity``            [N]               int64     0 protein, 1 partner, 2 ligand (or cofactor)
``pos``               [N, 3]            float32   representative atom (alpha carbon of a residue), Å
``coords``            [N, C, 3]         float32   atoms in their channels, Å; padding is 0
``channel_type``      [N, C]            int64     element class of each channel; padding is 0
``channel_mask``      [N, C]            bool      True where a channel holds an atom
``sequence_index``    [N]               int64     position along the chain; 0 for ligand atoms
``edge_index``        [2, E]            int64     messages go from row 0 (source) to row 1 (target)
``edge_type``         [E]               int64     relation, an index into the view's ``relations``
``polymer_node``      [M]               int64     nodes that belong to a chain (never ligand atoms)
``polymer_chain``     [M]               int64     chain of each of them, 0 to ``num_chains`` - 1
``num_chains``        int               -         chains in the graph (a tensor [G] in a batch)
``chain_graph``       [chains]          int64     graph of each chain; all 0 in a single graph
``chemistry``         [N]               int64     bits of `CHEMISTRY`, for models that read them
``residue_embedding`` [R, W]            float16   by a language model, or int32 letters of whole
                                                  chains for one
``polymer_residue``   [M]               int64     row of each polymer node in it
``hidden_type``       [N]               int64     type of a masked residue, at its alpha carbon,
                                                  -1 elsewhere (pretraining only)
``y_<task>``          [1 | chains, out] float32   labels, one row per graph or per chain
``mask_<task>``       [1 | chains]      bool      True where the row is labelled
``entry_id``          str               -         id of the entry
``entry_index``       [1]               int64     its index in the store (graphs of a store only)
``counted``           [1]               bool      False for padding of evaluation (as above)
``chain_names``       list of str       -         author ids of the chains
===================== ================  ========  =================================================

C is 14 in the residue view and 1 in the alpha-carbon and atom views. Edges are sorted by target and
then by relation. A batch concatenates all of these and shifts the indices.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import Batch, Data


class ProteinGraph(Data):
    """A structure as a graph; see the table at the head of this file."""

    def __inc__(self, key: str, value: Any, *args: Any, **kwargs: Any) -> Any:
        if key in ("edge_index", "polymer_node"):
            return self.num_nodes
        if key == "polymer_chain":
            return self.num_chains
        if key == "chain_graph":
            return 1
        if key == "polymer_residue":
            return len(self.residue_embedding)
        return 0

    def __cat_dim__(self, key: str, value: Any, *args: Any, **kwargs: Any) -> Any:
        return 1 if key == "edge_index" else 0


def make_batch(attributes: Mapping[str, Any], num_graphs: int) -> Batch:
    """A batch of `ProteinGraph` with these attributes, without PyG's record of their parts.

    PyG makes a batch only from the graphs in it. What it would do with attributes that are joined
    already stands here, in its private words: ``_base_cls`` and ``_num_graphs``.
    """
    batch = Batch(_base_cls=ProteinGraph, **attributes)
    batch._num_graphs = num_graphs
    return batch


def node_batch(graph: Data) -> Tensor:
    """Graph number of each node, int64 [N]; all zero for a single graph."""
    batch = getattr(graph, "batch", None)
    if batch is None:
        return torch.zeros(graph.pos.shape[0], dtype=torch.long, device=graph.pos.device)
    return batch


def count_graphs(graph: Data) -> int:
    """Number of structures in the batch; 1 for a single graph."""
    return int(getattr(graph, "num_graphs", 1) or 1)


def count_chains(graph: Data) -> int:
    """Number of polymer chains in the batch.

    It is a length, so that a device need not be waited for; graphs that were not made by
    `build_graph` may lack it, and their numbers are added up.
    """
    owner = getattr(graph, "chain_graph", None)
    if owner is not None:
        return owner.shape[0]  # type: ignore[no-any-return]  # PyG's attributes are Any
    return int(torch.as_tensor(graph.num_chains).sum())


def row_items(graph: Data, level: str) -> Tensor:
    """Whereabouts of each label row: (index of its entry in the store, chain), int64 [rows, 2].

    Args:
        graph: A batch from a store, with ``entry_index`` [G].
        level: ``complex`` (a row per graph, chain -1) or ``chain``.
    """
    entries = graph.entry_index
    if level == "complex":
        return torch.stack([entries, torch.full_like(entries, -1)], dim=1)
    counts = torch.as_tensor(graph.num_chains, device=entries.device).reshape(-1)
    first = torch.repeat_interleave(counts.cumsum(0) - counts, counts)
    chains = torch.arange(len(first), device=entries.device) - first
    return torch.stack([torch.repeat_interleave(entries, counts), chains], dim=1)
