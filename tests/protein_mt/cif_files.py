"""Entries of the PDB as RCSB serves them (mmCIF and BinaryCIF, gzipped), made by hand."""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from io import BytesIO, StringIO
from typing import Any

import numpy as np
from biotite.structure.io import pdbx

from tests.structures.files import Atom, peptide

TAGS = (
    *("group_PDB", "id", "type_symbol", "label_atom_id", "label_alt_id", "label_comp_id"),
    *("label_asym_id", "label_seq_id", "pdbx_PDB_ins_code", "Cartn_x", "Cartn_y", "Cartn_z"),
    *("occupancy", "B_iso_or_equiv", "auth_seq_id", "auth_asym_id", "pdbx_PDB_model_num"),
)
COMPONENT = """\
data_LIG
loop_
_chem_comp_atom.comp_id
_chem_comp_atom.atom_id
_chem_comp_atom.type_symbol
_chem_comp_atom.charge
LIG C1 C 0
LIG O1 O 0
LIG N1 N 1
LIG H1 H 0
loop_
_chem_comp_bond.comp_id
_chem_comp_bond.atom_id_1
_chem_comp_bond.atom_id_2
_chem_comp_bond.value_order
LIG C1 O1 DOUB
LIG C1 N1 SING
LIG C1 H1 SING
"""
"""A made-up component: O=C-N+ with a hydrogen."""


def ligand(
    chain: str, number: int, x: float, y: float = 0.0, names: str = "CON", **fields: Any
) -> list[Atom]:
    """A copy of the component with its atoms 1.3 Å apart along x."""
    return [
        Atom(f"{name}1", "LIG", chain, number, (x + 1.3 * i, y, 5.0), name, hetero=True, **fields)
        for i, name in enumerate(names)
    ]


def two_chains() -> list[Atom]:
    """Chain A along y = 0, chain B along y = 40; a ligand near each, B's copy is cut short."""
    return [
        *peptide(["ALA", "GLY", "SER", "ALA", "GLY"], "A"),
        *peptide(["SER", "SER", "GLY", "ALA"], "B", y=40.0),
        *ligand("A", 301, 2.0),
        *ligand("B", 302, 2.0, 40.0, names="CO"),
        Atom("O", "HOH", "A", 401, (0.0, 0.0, 20.0), hetero=True),
    ]


def cif_text(code: str, atoms: list[Atom], labels: Mapping[str, str] | None = None) -> str:
    """mmCIF: polymer residues have a place in the sequence, the others do not.

    Args:
        code: PDB code.
        atoms: Atoms with author chain ids.
        labels: Author chain id → label id, where they differ.
    """
    rows = [_row(i + 1, atom, labels or {}) for i, atom in enumerate(atoms)]
    head = "\n".join(f"_atom_site.{tag}" for tag in TAGS)
    blocks = (
        *(f"data_{code.upper()}", f"_entry.id {code.upper()}", "_exptl.method 'X-RAY DIFFRACTION'"),
        *("_refine.ls_d_res_high 1.9", "_pdbx_audit_revision_history.revision_date 2004-05-01"),
        "\n".join(["loop_", head, *rows]),
        "",
    )
    return "\n#\n".join(blocks)


def _row(serial: int, atom: Atom, labels: Mapping[str, str]) -> str:
    placed = not atom.hetero or atom.residue == "MSE"
    x, y, z = (f"{value:.3f}" for value in atom.place)
    values = (
        *("HETATM" if atom.hetero else "ATOM", serial, atom.element or atom.name[0], atom.name),
        *(atom.altloc or ".", atom.residue, labels.get(atom.chain, atom.chain)),
        atom.number if placed else ".",
        *(atom.insertion or "?", x, y, z, atom.occupancy, atom.b_factor, atom.number, atom.chain),
        1,
    )
    return " ".join(str(value) for value in values)


def cif_gz(code: str, atoms: list[Atom]) -> bytes:
    return gzip.compress(cif_text(code, atoms).encode(), mtime=0)


def bcif_gz(code: str, atoms: list[Atom], labels: Mapping[str, str] | None = None) -> bytes:
    """The same content as BinaryCIF, with numbers as numbers."""
    source = pdbx.CIFFile.read(StringIO(cif_text(code, atoms, labels))).block
    block = pdbx.BinaryCIFBlock(
        {
            name: pdbx.BinaryCIFCategory(
                {tag: _binary(tag, column) for tag, column in category.items()}
            )
            for name, category in source.items()
        }
    )
    buffer = BytesIO()
    pdbx.BinaryCIFFile({code.upper(): block}).write(buffer)
    return gzip.compress(buffer.getvalue(), mtime=0)


def _binary(tag: str, column: pdbx.CIFColumn) -> pdbx.BinaryCIFColumn:
    if tag in ("Cartn_x", "Cartn_y", "Cartn_z", "occupancy", "B_iso_or_equiv"):
        return pdbx.BinaryCIFColumn(column.as_array(np.float32))
    if tag in ("auth_seq_id", "pdbx_PDB_model_num"):
        return pdbx.BinaryCIFColumn(column.as_array(np.int32))
    mask = None if column.mask is None else column.mask.array.astype(np.uint8)
    return pdbx.BinaryCIFColumn(column.as_array(str), mask)
