"""The published encoders that HeMeNet is compared with, one file each."""

from baselines.cdconv import CDConv
from baselines.dymean import DyMEAN
from baselines.egnn import EGNN
from baselines.gat import GAT
from baselines.gcn import GCN
from baselines.gearnet import GearNet, GearNetFullAtom
from baselines.gvp import GVP
from baselines.schnet import SchNet
from baselines.se3set import SE3Set

__all__ = [
    "EGNN",
    "GAT",
    "GCN",
    "GVP",
    "CDConv",
    "DyMEAN",
    "GearNet",
    "GearNetFullAtom",
    "SE3Set",
    "SchNet",
]
