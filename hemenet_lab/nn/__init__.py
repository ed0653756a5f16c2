"""Small building blocks that several encoders share."""

from hemenet_lab.nn.dropout import Dropout
from hemenet_lab.nn.gather import Gathering, gather_sum, gathering
from hemenet_lab.nn.mlp import linear_at, mlp
from hemenet_lab.nn.norm import NodeBatchNorm, Norm, node_norm
from hemenet_lab.nn.radial import GaussianBasis, cosine_cutoff, safe_norm, safe_sqrt
from hemenet_lab.nn.segment import (
    segment_count,
    segment_max,
    segment_mean,
    segment_softmax,
    segment_sum,
)

__all__ = [
    "Dropout",
    "Gathering",
    "GaussianBasis",
    "NodeBatchNorm",
    "Norm",
    "cosine_cutoff",
    "gather_sum",
    "gathering",
    "linear_at",
    "mlp",
    "node_norm",
    "safe_norm",
    "safe_sqrt",
    "segment_count",
    "segment_max",
    "segment_mean",
    "segment_softmax",
    "segment_sum",
]
