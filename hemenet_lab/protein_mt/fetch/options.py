"""What a run of ``hemenet data fetch`` is asked to do."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from hemenet_lab.protein_mt import HOSTS, STRUCTURES
from hemenet_lab.protein_mt.fetch.pdbbind import LIGAND_SETS
from hemenet_lab.protein_mt.fetch.session import Policy


@dataclass(frozen=True)
class FetchOptions:
    """Settings of a run."""

    format: str = "bcif"
    """``bcif`` or ``cif``."""
    ids: Path | None = None
    """File with PDB codes and chains to keep to; all of DeepFRI's lists if not given."""
    pdbbind: Path | None = None
    """Folder with PDBbind's unpacked archives."""
    ligand_set: str = "refined"
    """``refined`` or ``general``: which protein-ligand complexes of PDBbind are taken."""
    copy: bool = False
    """Copy PDBbind's files instead of linking to them."""
    affinity_table: Path | None = None
    """CSV file of complexes for the open route."""
    workers: int = 8
    policy: Policy = field(default_factory=Policy)
    hosts: dict[str, str] = field(default_factory=lambda: dict(HOSTS))
    progress: bool = False

    def __post_init__(self) -> None:
        if self.format not in STRUCTURES:
            raise ValueError(f"format {self.format!r}; expected one of {', '.join(STRUCTURES)}")
        if self.ligand_set not in LIGAND_SETS:
            raise ValueError(f"ligand set {self.ligand_set!r}; expected {' or '.join(LIGAND_SETS)}")
        if self.workers < 1:
            raise ValueError(f"workers is {self.workers}; it must be 1 or more")
        if self.pdbbind and self.affinity_table:
            raise ValueError(
                "both a PDBbind folder and an affinity table; one raw folder holds the complexes "
                "of one of them: use two, or leave one out"
            )


def check_raw(raw: Path, options: FetchOptions) -> None:
    """Refuses to mix PDBbind's complexes with those of an affinity table.

    Raises:
        ValueError: The raw folder holds the others already, or is a file.
    """
    if raw.exists() and not raw.is_dir():
        raise ValueError(f"{raw} is a file; --out must be a folder")
    names = [path.name for path in (raw / "index").glob("INDEX_*")]
    ours = [name for name in names if re.search(r"\.open$", name)]
    theirs = [name for name in names if name not in ours]
    if options.affinity_table and theirs:
        raise ValueError(
            f"{raw}/index holds {theirs[0]} of PDBbind; fetch the affinity table's complexes into "
            "another --out"
        )
    if options.pdbbind and ours:
        raise ValueError(
            f"{raw}/index holds {ours[0]} of an affinity table; use another --out for PDBbind"
        )
