"""Encoders: the base classes, multi-channel geometry, and HeMeNet."""

from hemenet_lab.encoders.base import Encoder, Equivariant, Preparation
from hemenet_lab.encoders.hemenet import HeMeNet, HeMeNetLayer, HeMeNetStack
from hemenet_lab.encoders.multichannel import (
    Aggregation,
    ChannelGraph,
    MultichannelEncoder,
    channel_graph,
    check_aggregation,
    coordinate_change,
    first_linear,
    pooling_table,
)
from hemenet_lab.encoders.node_input import (
    EntryVectors,
    LigandChemistry,
    NodeInput,
    ResidueEmbedding,
)
from hemenet_lab.encoders.remembered import Remembered, own_chain
from hemenet_lab.encoders.sequence_only import SequenceOnly
from hemenet_lab.encoders.tuned_language_model import TunedLanguageModel
from hemenet_lab.encoders.typed_distances import fold_radial, normalised_radial

__all__ = [
    "Aggregation",
    "ChannelGraph",
    "Encoder",
    "EntryVectors",
    "Equivariant",
    "HeMeNet",
    "HeMeNetLayer",
    "HeMeNetStack",
    "LigandChemistry",
    "MultichannelEncoder",
    "NodeInput",
    "Preparation",
    "Remembered",
    "ResidueEmbedding",
    "SequenceOnly",
    "TunedLanguageModel",
    "channel_graph",
    "check_aggregation",
    "coordinate_change",
    "first_linear",
    "fold_radial",
    "normalised_radial",
    "own_chain",
    "pooling_table",
]
