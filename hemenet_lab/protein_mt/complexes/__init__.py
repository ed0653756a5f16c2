"""Complexes that a user's affinity table names, cut out of entries of the PDB."""

from __future__ import annotations

from hemenet_lab.protein_mt.complexes.table import Complex, ComplexTable, read_affinity_table
from hemenet_lab.protein_mt.complexes.write import Written, write_complex, write_indices

__all__ = [
    "Complex",
    "ComplexTable",
    "Written",
    "read_affinity_table",
    "write_complex",
    "write_indices",
]
