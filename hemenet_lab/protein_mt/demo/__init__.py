"""The embedded default data: small synthetic proteins in the public raw formats.

`demo_store` is what ``--data.root demo`` opens. Nothing here is a real protein or a measured
value; ``docs/demo.md`` lists the rules that the labels are planted by.
"""

from __future__ import annotations

from hemenet_lab.protein_mt.demo.rules import planted_residues
from hemenet_lab.protein_mt.demo.settings import DemoSettings
from hemenet_lab.protein_mt.demo.write import demo_store, demo_stores, tiny_store, write_demo

__all__ = [
    "DemoSettings",
    "demo_store",
    "demo_stores",
    "planted_residues",
    "tiny_store",
    "write_demo",
]
