"""Batches of a store: the data module, the plan of each epoch and the loaders."""

from hemenet_lab.loading.datamodule import ProteinMTDataModule
from hemenet_lab.loading.loader import collate
from hemenet_lab.loading.plan import groups_within

__all__ = ["ProteinMTDataModule", "collate", "groups_within"]
