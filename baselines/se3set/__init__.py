"""SE3Set: the encoder, its attention layers, and the features of degree 0 to 2 they work on."""

from baselines.se3set.attention import (
    Hypergraph,
    HypergraphAttention,
    MemberPairs,
    SE3SetBlock,
    SE3SetOptions,
    State,
)
from baselines.se3set.encoder import GaussianRadial, SE3Set
from baselines.se3set.irreps import (
    DEGREES,
    Dims,
    Features,
    spherical_harmonics,
    three_j,
)

__all__ = [
    "DEGREES",
    "Dims",
    "Features",
    "GaussianRadial",
    "Hypergraph",
    "HypergraphAttention",
    "MemberPairs",
    "SE3Set",
    "SE3SetBlock",
    "SE3SetOptions",
    "State",
    "spherical_harmonics",
    "three_j",
]
