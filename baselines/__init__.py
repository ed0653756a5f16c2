"""The published encoders that HeMeNet is compared with, one file each."""

from baselines.egnn import EGNN
from baselines.gat import GAT
from baselines.gcn import GCN
from baselines.schnet import SchNet

__all__ = ["EGNN", "GAT", "GCN", "SchNet"]
