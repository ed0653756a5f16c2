"""Explanations: which residues a prediction rests on, as tables, coloured structures and a page."""

from hemenet_lab.explain.explanation import (
    Explanation,
    Method,
    RelevanceMap,
    Residue,
    explain,
    explain_entry,
)
from hemenet_lab.explain.files import write_files
from hemenet_lab.explain.page import render_page, uniprot_ids, write_page

__all__ = [
    "Explanation",
    "Method",
    "RelevanceMap",
    "Residue",
    "explain",
    "explain_entry",
    "render_page",
    "uniprot_ids",
    "write_files",
    "write_page",
]
