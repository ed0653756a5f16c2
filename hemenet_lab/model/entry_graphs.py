"""Graphs of entries with all that a module reads, wherever the entries come from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from hemenet_lab.graphs import ProteinGraph, ResidueRows, build_graph
from hemenet_lab.model.module import MultiTaskModule
from hemenet_lab.store import Entry


def entry_graphs(
    module: MultiTaskModule,
    entries: Sequence[Entry],
    edges: Sequence[tuple[NDArray[Any], NDArray[Any]] | None] | None = None,
) -> list[ProteinGraph]:
    """The graph of each entry in the view of the module's encoder, without labels, on the CPU.

    Where the module reads vectors of a language model, they are computed here.

    Args:
        module: The model that will read them.
        entries: Structures.
        edges: Those of each entry in that view, as `view_edges` gives them, or None where they are
            to be computed.

    Raises:
        ValueError: That language model is not there.
    """
    view = module.encoder.view
    vectors: Sequence[ResidueRows | None] = [None] * len(entries)
    if module.node_input is not None:
        vectors = module.node_input.computed(entries, module.device)
    known = [None] * len(entries) if edges is None else edges
    return [
        build_graph(entry, view, edges=each, residue_embedding=rows)
        for entry, each, rows in zip(entries, known, vectors, strict=True)
    ]
