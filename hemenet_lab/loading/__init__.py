"""Batches of a store: the data module, the plan of each epoch and the loaders."""

from hemenet_lab.loading.datamodule import ProteinMTDataModule
from hemenet_lab.loading.loader import GraphDataset, Indices, Plan, collate
from hemenet_lab.loading.packing import Items
from hemenet_lab.loading.plan import groups_within

__all__ = [
    "GraphDataset",
    "Indices",
    "Items",
    "Plan",
    "ProteinMTDataModule",
    "collate",
    "groups_within",
]
