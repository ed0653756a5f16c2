"""Graph views of entries: nodes, channels and edges as an encoder asks for them."""

from hemenet_lab.graphs.build import ResidueRows, build_graph, view_edges
from hemenet_lab.graphs.edge_cache import EdgeCache
from hemenet_lab.graphs.graph import (
    ProteinGraph,
    count_chains,
    count_graphs,
    make_batch,
    node_batch,
    row_items,
)
from hemenet_lab.graphs.view import GraphView

__all__ = [
    "EdgeCache",
    "GraphView",
    "ProteinGraph",
    "ResidueRows",
    "build_graph",
    "count_chains",
    "count_graphs",
    "make_batch",
    "node_batch",
    "row_items",
    "view_edges",
]
