"""Structures that other libraries hold in memory (Biopython, gemmi, biotite) → `Structure`.

None of the libraries is imported: an object is known by what it can do.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from hemenet_lab.structures.assemble import assemble
from hemenet_lab.structures.deposited import letters
from hemenet_lab.structures.residues import is_amino_acid, pdb_element
from hemenet_lab.structures.select import choose_model, select_atoms
from hemenet_lab.structures.structure import Structure, StructureError, file_errors
from hemenet_lab.structures.table import NAMELESS_CHAIN, AtomTable, PolymerHint, Text, narrow


@dataclass(frozen=True)
class _Row:
    """One atom."""

    model: int
    chain: str
    residue: str
    number: int
    insertion: str
    hetero: bool
    name: str
    altloc: str
    element: str
    place: tuple[float, float, float]
    occupancy: float = 1.0
    b_factor: float = 0.0
    segment: str = ""
    hint: int = PolymerHint.UNKNOWN
    molecule: str = ""
    position: int = -1


def structure_from(
    structure: object,
    *,
    id: str | None = None,
    keep_hetero: bool = False,
    model: int | None = None,
) -> Structure:
    """The protein chains of a structure that another library has read.

    The rules are those of `read_structure`. Deposited sequences are known of gemmi's alone.

    Args:
        structure: A structure, model or chain of ``Bio.PDB``; a ``gemmi.Structure``; an
            ``AtomArray`` or ``AtomArrayStack`` of biotite; or a `Structure`, which is given back.
        id: Id of the result; that of the object, or ``structure``, if not given.
        keep_hetero: Keep ions and cofactors.
        model: Number of the model, from 1 (Biopython's model 0 is 1).

    Raises:
        StructureError: There is no protein residue, or no such model.
        TypeError: An object of another kind.
    """
    if isinstance(structure, Structure):
        return structure
    declared: dict[str, str] = {}
    if hasattr(structure, "get_level"):
        found, name = list(_of_biopython(structure)), _first_id(structure)
    elif hasattr(structure, "cell") and hasattr(structure, "setup_entities"):
        found, name = list(_of_gemmi(structure)), str(getattr(structure, "name", ""))
        declared = _declared(structure)
    elif hasattr(structure, "get_annotation") and hasattr(structure, "coord"):
        found, name = list(_of_biotite(structure)), ""
    else:
        raise TypeError(
            f"a {type(structure).__name__} is no structure; give one of Bio.PDB, gemmi or biotite, "
            "or read a file by read_structure"
        )
    id = id or name or "structure"
    if not found:
        raise StructureError(f"{id}: the structure has no atoms")
    with file_errors(id, StructureError):
        table = choose_model(replace(_table(found, id), declared=declared), model)
        return assemble(select_atoms(table), id, keep_hetero)


def _first_id(structure: Any) -> str:
    """Id of the whole structure that a part belongs to."""
    while structure.get_parent() is not None:
        structure = structure.get_parent()
    return str(structure.id)


def _of_biopython(structure: Any) -> Iterator[_Row]:
    level = structure.get_level()
    if level not in "SMC":
        raise TypeError(f"an object of level {level} is no structure, model or chain of Bio.PDB")
    models = list(structure) if level == "S" else [structure]
    for number, model in enumerate(models, start=1):
        for chain in [model] if level == "C" else model:
            for residue in chain.get_unpacked_list():
                hetero, place, insertion = residue.id
                for atom in residue.get_unpacked_list():
                    yield _Row(
                        *(number, str(chain.id).strip(), residue.resname.strip(), int(place)),
                        *(insertion.strip(), hetero.strip() != "", atom.fullname),
                        *(atom.altloc.strip(), str(atom.element or ""), tuple(atom.coord)),
                        1.0 if atom.occupancy is None else float(atom.occupancy),
                        float(atom.bfactor or 0.0),
                        str(residue.segid).strip(),
                    )


def _of_gemmi(structure: Any) -> Iterator[_Row]:
    for number, model in enumerate(structure, start=1):
        for chain in model:
            for residue in chain:
                hint = PolymerHint.UNKNOWN
                if residue.het_flag == "H" and residue.entity_type.name in ("NonPolymer", "Water"):
                    hint = PolymerHint.AFTER_TER
                for atom in residue:
                    yield _Row(
                        *(number, chain.name.strip(), residue.name, int(residue.seqid.num)),
                        *(residue.seqid.icode.strip(), residue.het_flag == "H", atom.padded_name()),
                        *(atom.altloc.strip("\0 "), atom.element.name, tuple(atom.pos)),
                        *(float(atom.occ), float(atom.b_iso), str(residue.segment).strip()),
                        hint=int(hint),
                        molecule=residue.subchain or chain.name.strip(),
                        position=(residue.label_seq or 0) - 1,
                    )


def _declared(structure: Any) -> dict[str, str]:
    """Sequences of gemmi's entities by their subchains, or by the name of a PDB file's chain."""
    return {
        part: letters(name.partition(",")[0] for name in entity.full_sequence)
        for entity in structure.entities
        for part in entity.subchains or [entity.name]
    }


def _of_biotite(array: Any) -> Iterator[_Row]:
    categories = set(array.get_annotation_categories())
    coords = array.coord if array.coord.ndim == 3 else array.coord[None]

    def column(name: str, default: object) -> list[Any]:
        found = array.get_annotation(name).tolist() if name in categories else None
        return found or [default] * array.array_length()

    columns = [
        column(*pair)
        for pair in (
            *(("chain_id", ""), ("res_name", ""), ("res_id", 0), ("ins_code", "")),
            *(("hetero", False), ("atom_name", ""), ("altloc_id", ""), ("element", "")),
            *(("occupancy", 1.0), ("b_factor", 0.0)),
        )
    ]
    for number, places in enumerate(coords.tolist(), start=1):
        for place, *fields in zip(places, *columns, strict=True):
            chain, residue, of_residue, insertion, hetero, name, altloc, element, *rest = fields
            yield _Row(
                *(number, chain.strip(), residue, int(of_residue), insertion.strip(), bool(hetero)),
                *(name, altloc.strip(" .?"), element, tuple(place), *map(float, rest)),
            )


def _table(rows: list[_Row], source: str) -> AtomTable:
    def words(name: str) -> Text:
        return Text.of(np.array([getattr(row, name) for row in rows], np.str_))

    def numbers(name: str, kind: type) -> Any:
        return np.array([getattr(row, name) for row in rows], kind)

    elements = [
        pdb_element(row.element, row.name, row.residue, is_amino_acid(row.residue)) for row in rows
    ]
    chain = words("chain").replaced("", NAMELESS_CHAIN)
    return AtomTable(
        source=source,
        name=Text.of(np.array([row.name.strip() for row in rows], np.str_)),
        element=Text.of(np.array(elements, np.str_)),
        altloc=words("altloc"),
        residue_name=words("residue"),
        chain=chain,
        label=chain,
        number=numbers("number", np.int32),
        insertion=words("insertion"),
        hetero=numbers("hetero", np.bool_),
        hint=numbers("hint", np.int8),
        segment=words("segment"),
        part=np.zeros(len(rows), np.int32),
        model=numbers("model", np.int32),
        molecule=words("molecule"),
        position=numbers("position", np.int32),
        line=np.arange(1, len(rows) + 1),
        coords=narrow(numbers("place", np.float64)),
        occupancy=narrow(numbers("occupancy", np.float64)),
        b_factor=narrow(numbers("b_factor", np.float64)),
        line_word="atom",
    )
