"""Graphs of entries with all that a module reads, wherever the entries come from."""

from __future__ import annotations

from collections.abc import Sequence

from hemenet_lab.graphs import ProteinGraph, build_graph
from hemenet_lab.model.module import MultiTaskModule
from hemenet_lab.store import Entry


def entry_graphs(module: MultiTaskModule, entries: Sequence[Entry]) -> list[ProteinGraph]:
    """The graph of each entry in the view of the module's encoder, without labels, on the CPU.

    Where the module reads vectors of a language model, they are computed here.

    Raises:
        ValueError: That language model is not there.
    """
    view = module.encoder.view
    if module.node_input is None:
        return [build_graph(entry, view) for entry in entries]
    vectors = module.node_input.computed(entries, module.device)
    return [
        build_graph(entry, view, residue_embedding=rows)
        for entry, rows in zip(entries, vectors, strict=True)
    ]
