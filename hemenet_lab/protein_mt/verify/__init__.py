"""Checks of a store, with code that the build does not use."""

from __future__ import annotations

from hemenet_lab.protein_mt.verify.store import Check, table
from hemenet_lab.protein_mt.verify.suite import verify_store

__all__ = ["Check", "table", "verify_store"]
