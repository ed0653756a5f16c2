"""Encoders: the base class, and HeMeNet."""

from hemenet_lab.encoders.base import Encoder, Equivariant
from hemenet_lab.encoders.hemenet import HeMeNet

__all__ = ["Encoder", "Equivariant", "HeMeNet"]
