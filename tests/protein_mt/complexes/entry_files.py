"""The entry of `cif_files.two_chains` as a file, and its ligand's definition."""

from __future__ import annotations

from pathlib import Path

from hemenet_lab.structures import AtomTable, read_atoms
from tests.protein_mt.cif_files import COMPONENT, bcif_gz, cif_gz, two_chains
from tests.structures.files import Atom

WRITERS = {"bcif": bcif_gz, "cif": cif_gz}


def read(tmp_path: Path, atoms: list[Atom], kind: str = "cif") -> AtomTable:
    return read_atoms(entry(tmp_path, atoms, kind))


def entry(tmp_path: Path, atoms: list[Atom] | None = None, kind: str = "bcif") -> Path:
    path = tmp_path / f"1abc.{kind}.gz"
    path.write_bytes(WRITERS[kind]("1abc", two_chains() if atoms is None else atoms))
    return path


def component(tmp_path: Path) -> Path:
    path = tmp_path / "LIG.cif"
    path.write_text(COMPONENT)
    return path
