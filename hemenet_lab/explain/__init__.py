"""Explanations: which residues a prediction rests on, as tables and coloured structures."""

from hemenet_lab.explain.explanation import (
    Explanation,
    Method,
    RelevanceMap,
    Residue,
    explain_entry,
    write_files,
)

__all__ = [
    "Explanation",
    "Method",
    "RelevanceMap",
    "Residue",
    "explain_entry",
    "write_files",
]
