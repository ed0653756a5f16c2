"""Batches of a store: the data module, the plan of each epoch and the loaders."""

from hemenet_lab.loading.datamodule import ProteinMTDataModule

__all__ = ["ProteinMTDataModule"]
