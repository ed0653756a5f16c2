"""Parts that several baselines share: node features, and ranges of edges."""

from baselines.common.features import (
    ATOM_VIEW,
    NUM_ENTITIES,
    LoopedEdges,
    NodeEmbedding,
    edge_lengths,
    lengths_between,
    node_chain,
    present_neighbor,
    sequence_neighbor,
    unit,
)
from baselines.common.ranges import Block, expand_ranges, target_blocks

__all__ = [
    "ATOM_VIEW",
    "NUM_ENTITIES",
    "Block",
    "LoopedEdges",
    "NodeEmbedding",
    "edge_lengths",
    "expand_ranges",
    "lengths_between",
    "node_chain",
    "present_neighbor",
    "sequence_neighbor",
    "target_blocks",
    "unit",
]
