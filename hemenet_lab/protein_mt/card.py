"""The data card in the manifest: where the raw files come from, and under which licences."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatch
from typing import Any

from hemenet_lab.protein_mt.sources import PDBBIND, SOURCES, STRUCTURES

DIFFERENCES = (
    "Differs from the published Protein-MT in its labels (EC and GO by the union over all chains "
    "of a UniProt id, in both directions), its terms (489, 1,943 and 320 instead of one more "
    "each), its splits (validation, too, is apart from training by sequence) and its structures "
    "(waters, buffers and hydrogens are left out); docs/data.md says why"
)


def data_card(origin: Mapping[str, Any]) -> dict[str, Any]:
    """Sources and licences of the label files and structures, and what differs from the paper.

    Args:
        origin: Manifest fields of `origin.origin_of`.
    """
    files = origin["sources"]["label_files"]
    return {
        "label_files": {name: _source(name) for name in sorted(files)},
        "structures": {source.name: source.licence for source in STRUCTURES.values()},
        "complexes": f"{PDBBIND.name}: {PDBBIND.licence}, or the user's own table of complexes",
        "synthetic": origin["synthetic"],
        "differences": DIFFERENCES,
    }


def _source(file: str) -> dict[str, str]:
    """Name, description and licence of the public source of a file in the raw folder."""
    plain = file.removesuffix(".gz")
    for source in SOURCES:
        if fnmatch(plain, source.target.removesuffix(".gz")):
            return {"source": source.name, "what": source.what, "licence": source.licence}
    if plain.startswith("index/") or "/index/" in plain:
        return {"source": PDBBIND.name, "what": PDBBIND.what, "licence": PDBBIND.licence}
    return {"source": "the user", "what": "a table of the raw folder", "licence": "not stated"}
