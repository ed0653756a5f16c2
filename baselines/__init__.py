"""The published encoders that HeMeNet is compared with, and their layers.

The layers are here for `hemenet_lab.testing.checks`, which compares them with their originals.
"""

from baselines.cdconv import CDConv, CDConvBlock
from baselines.cdconv_layer import (
    ContinuousDiscreteConv,
    Neighborhood,
    Points,
    average_pool,
    neighborhood,
)
from baselines.dymean import DyMEAN, DyMEANLayer
from baselines.egnn import EGNN, EGNNLayer
from baselines.gat import GAT
from baselines.gcn import GCN
from baselines.gearnet import GearNet, GearNetFullAtom, GearNetStack
from baselines.gearnet_layer import RelationalConv, RelationalEdges, line_graph
from baselines.get import GET
from baselines.gvp import GVP
from baselines.gvp_layer import SQUARE_FLOOR, Activation, GVPConvLayer, Pair, VectorPerceptron
from baselines.proteinmpnn import ProteinMPNN
from baselines.schnet import SchNet
from baselines.schnetpack import SchNetPack
from baselines.se3set import SE3Set

__all__ = [
    "EGNN",
    "GAT",
    "GCN",
    "GET",
    "GVP",
    "SQUARE_FLOOR",
    "Activation",
    "CDConv",
    "CDConvBlock",
    "ContinuousDiscreteConv",
    "DyMEAN",
    "DyMEANLayer",
    "EGNNLayer",
    "GVPConvLayer",
    "GearNet",
    "GearNetFullAtom",
    "GearNetStack",
    "Neighborhood",
    "Pair",
    "Points",
    "ProteinMPNN",
    "RelationalConv",
    "RelationalEdges",
    "SE3Set",
    "SchNet",
    "SchNetPack",
    "VectorPerceptron",
    "average_pool",
    "line_graph",
    "neighborhood",
]
