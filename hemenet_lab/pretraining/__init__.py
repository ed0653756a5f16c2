"""Pretraining of encoders on structures without labels, by the types of masked residues."""

from hemenet_lab.pretraining.data import PretrainingDataModule, mask_residues
from hemenet_lab.pretraining.module import MaskedResidues

__all__ = ["MaskedResidues", "PretrainingDataModule", "mask_residues"]
