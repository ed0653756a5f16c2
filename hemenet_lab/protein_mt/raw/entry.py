"""Reading of one item: its files become an entry without labels, or a reason why not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hemenet_lab.protein_mt.raw.drops import DropRow
from hemenet_lab.protein_mt.raw.fingerprint import read_fingerprint, read_smiles
from hemenet_lab.protein_mt.raw.header import Header, agreement, read_header
from hemenet_lab.protein_mt.raw.layout import Source
from hemenet_lab.store import CONTACT, ContactError, Entry, entry_from_structure
from hemenet_lab.structures import (
    Drop,
    Ligand,
    LigandError,
    Structure,
    StructureError,
    read_ligand,
    read_structure,
)

OTHER_CHAIN = "other chain"
"""Kind of drop: the atoms of the chains that were not asked for."""
MOST_PLDDT = 100.5
"""A little above 100, for rounding."""
MOST_SHOWN = 20
"""Chains that an error names."""
ATOM_ARRAYS = ("coords", "element", "atom_name", "slot", "occupancy", "b_factor")
RESIDUE_ARRAYS = (
    *("residue_name", "residue_type", "residue_number", "insertion_code"),
    *("is_polymer", "sequence_index", "sequence_place"),
)


class ChainNotFound(StructureError):
    """The file has no protein chain with the author id that was asked for."""


def protein_chains(structure: Structure) -> tuple[str, ...]:
    """Author ids of the chains with residues; chains of ions and cofactors only have none."""
    chains = np.unique(structure.residue_chain[structure.is_polymer])
    return tuple(structure.chain_id[chain] for chain in chains)


def select_chain(structure: Structure, chain: str, *, by_author_id: bool = False) -> Structure:
    """The structure with one chain only; the atoms of the others are counted as dropped.

    Chains are named by their author ids, as in SIFTS's tables and DeepFRI's lists (which have
    ``1A`` and ``3O``; mmCIF's label ids have no digits); a label id is never taken for one.

    Args:
        structure: Structure of a file.
        chain: Author id of the chain.
        by_author_id: The file holds a whole entry, in which the chain must have this id. Else a
            file with a single chain is taken whatever it calls the chain (files in PDB format cut
            names of several letters), and the chain gets the name that was asked for.

    Raises:
        ChainNotFound: No chain with residues has this author id.
    """
    names = protein_chains(structure)
    if chain not in names and (by_author_id or len(names) != 1):
        raise ChainNotFound(_not_found(structure, chain, names))
    index = structure.chain_id.index(chain if chain in names else names[0])
    residues = structure.residue_chain == index
    kept = _with_residues(structure, residues, OTHER_CHAIN, "not the chain of this item")
    return replace(
        kept,
        residue_chain=np.zeros(int(residues.sum()), dtype=np.int32),
        chain_id=(chain,),
        chain_label=(structure.chain_label[index],),
        chain_sequence=(structure.chain_sequence[index],),
    )


def _with_residues(
    structure: Structure, residues: NDArray[np.bool_], kind: str, reason: str
) -> Structure:
    """The structure with some of its residues [R] only; the atoms of the others are drops."""
    atoms = residues[structure.atom_residue]
    others = int((~atoms).sum())
    return replace(
        structure,
        **{name: getattr(structure, name)[atoms] for name in ATOM_ARRAYS},
        **{name: getattr(structure, name)[residues] for name in RESIDUE_ARRAYS},
        atom_residue=(np.cumsum(residues, dtype=np.int32) - 1)[structure.atom_residue[atoms]],
        residue_chain=structure.residue_chain[residues],
        drops=structure.drops + ((Drop(kind, reason, others),) if others else ()),
    )


def mask_uncertain(structure: Structure, least: float) -> Structure:
    """A predicted model without the residues of a low pLDDT, which is in its B-factors.

    Args:
        structure: The model; pLDDT is 0 to 100 (AlphaFold), or 0 to 1 (some other programs).
        least: Lowest pLDDT that is kept, 0 to 100.

    Raises:
        StructureError: B-factors that are no pLDDT, or no residue that is kept.
    """
    counts = np.bincount(structure.atom_residue, minlength=structure.num_residues)
    sums = np.bincount(structure.atom_residue, structure.b_factor, structure.num_residues)
    plddt = sums / np.maximum(counts, 1)
    found = plddt[structure.is_polymer]
    low, high = float(found.min()), float(found.max())
    if low < 0 or high > MOST_PLDDT or high == 0:
        raise StructureError(
            f"{structure.id}: B-factors of {low:.1f} to {high:.1f} are no pLDDT (0 to 100); build "
            "predicted models apart from other structures, or leave out --min-plddt"
        )
    kept = ~structure.is_polymer | (plddt * (100 if high <= 1 else 1) >= least)
    if not kept[structure.is_polymer].any():
        raise StructureError(f"{structure.id}: no residue has a pLDDT of {least:g} or more")
    return _with_residues(structure, kept, "uncertain", f"pLDDT below {least:g}")


def _not_found(structure: Structure, chain: str, names: tuple[str, ...]) -> str:
    labels = dict(zip(structure.chain_id, structure.chain_label, strict=True))
    shown = [
        repr(name) if labels[name] == name else f"{name!r} (label id {labels[name]!r})"
        for name in names[:MOST_SHOWN]
    ]
    shown += [f"… {len(names)} in all"] if len(names) > MOST_SHOWN else []
    return (
        f"{structure.id}: chain {chain!r} is not among the protein chains of the file, whose "
        f"author ids are {', '.join(shown)}; is it another version of the entry, or the wrong name?"
    )


UNCHECKED_LIGAND = "ligand read without chemistry checks"
SECOND_LIGAND = "ligand read from its second file"
RENAMED_CHAIN = "chain named by its file name"
MISSING_PARTNER = "partner chain not in the structure"
OTHER_SEQUENCE = "residues are not those of the sequence (SEQRES)"
UNPLACED = "chain whose residues are not one by one those of its sequence (SEQRES)"
AGREEING, FEWEST_RESIDUES = 0.9, 10
"""Share of a chain's residues that must lie in its declared sequence, of chains of this length."""


@dataclass(frozen=True)
class ReadResult:
    """Outcome of reading one item."""

    entry: Entry | None
    """Entry without labels; None where the item is dropped."""
    drops: tuple[DropRow, ...] = ()
    notes: tuple[str, ...] = ()
    """Things worth counting that lost nothing."""
    date: str = ""
    """Date of the structure's release as its file gives it, such as ``2004-05-18``."""
    fingerprint: str = ""
    """Of the ligand: packed bits in hexadecimal; empty where its chemistry is not readable."""
    smiles: str = ""
    """Of the ligand; empty where its chemistry is not readable."""


def read_sources(
    items: Sequence[tuple[Source, tuple[str, ...]]],
    *,
    keep_hetero: bool = False,
    contact: float = CONTACT,
    min_plddt: float = 0.0,
) -> Iterator[ReadResult]:
    """Reads the items of one structure file, which is parsed once, with their ligands.

    A file that cannot be read drops its items and says why; so does an error that nobody foresaw,
    since one bad file among tens of thousands must not end a build.

    Args:
        items: Items with the same structure file, each with the author chain ids of the binding
            partner in a protein-protein complex.
        keep_hetero: Keep ions and cofactors.
        contact: Å within which a ligand or partner must touch the protein.
        min_plddt: Residues of predicted models below it are left out; 0 keeps all.

    Yields:
        What became of each item, in their order.
    """
    if not items:
        return
    path = items[0][0].structure
    assert all(source.structure == path for source, _ in items)
    parsed = _parsed(path, keep_hetero, min_plddt)
    header = read_header(path) if isinstance(parsed, Structure) else Header()
    for source, partners in items:
        yield _result(source, parsed, partners, header, contact)


def _parsed(path: Path, keep_hetero: bool, min_plddt: float) -> Structure | Exception:
    """The structure, or what prevents it, which every item of the file is dropped for."""
    try:
        structure = read_structure(path, keep_hetero=keep_hetero)
        return mask_uncertain(structure, min_plddt) if min_plddt else structure
    except Exception as error:
        return error


def _result(
    source: Source,
    parsed: Structure | Exception,
    partners: tuple[str, ...],
    header: Header,
    contact: float,
) -> ReadResult:
    rows: list[DropRow] = []
    notes: list[str] = []
    entry = None
    try:
        if isinstance(parsed, Exception):
            raise parsed
        parsed = replace(parsed, id=source.id)
        entry = _read(source, parsed, partners, contact, rows, notes)
    except ChainNotFound as error:
        rows.append(_dropped(source, f"chain not in the file: {_short(str(error), source)}"))
    except ContactError as error:
        rows.append(_dropped(source, f"no contact: {_short(str(error), source)}"))
    except (StructureError, LigandError) as error:
        rows.append(_dropped(source, f"files not readable: {_short(str(error), source)}"))
    except Exception as error:
        what = f"{type(error).__name__} {_short(str(error), source)}"
        rows.append(_dropped(source, f"unexpected error while reading: {what}"))
    content = source.structure.read_bytes() if source.others else b""
    rows += [
        DropRow(source.id, source.kind, "file", f"other structure file not used: {_name(path)}")
        for path in source.others
        if path.read_bytes() != content
    ]
    if entry is None:
        return ReadResult(None, tuple(rows), tuple(notes))
    fingerprint = read_fingerprint(source.ligands).hex()
    smiles = read_smiles(source.ligands)
    notes += _other_sequences(entry, header.sequences)
    return ReadResult(entry, tuple(rows), tuple(notes), header.date, fingerprint, smiles)


def _other_sequences(entry: Entry, declared: Mapping[str, str]) -> Iterator[str]:
    """Notes on chains whose residues are not those of the sequence that the file's head gives."""
    for chain, observed in zip(entry.chain_names, entry.sequences, strict=True):
        sequence = declared.get(chain, next(iter(declared.values()), ""))
        if chain not in declared and not (len(declared) == entry.num_chains == 1):
            continue
        known = len(observed.replace("X", ""))
        share = agreement(sequence, observed)
        if known >= FEWEST_RESIDUES and share < AGREEING:
            yield (
                f"{OTHER_SEQUENCE}: chain {chain}, {share * known:.0f} of {known} residues agree"
            )


def _read(
    source: Source,
    structure: Structure,
    partners: tuple[str, ...],
    contact: float,
    rows: list[DropRow],
    notes: list[str],
) -> Entry:
    if source.chain:
        names = protein_chains(structure)
        structure = select_chain(structure, source.chain, by_author_id=source.whole_entry)
        notes += [RENAMED_CHAIN] if source.chain not in names else []
    rows += _structure_rows(source, structure.drops)
    notes += [UNPLACED] * _count_unplaced(structure)
    has_ligand = source.kind == "lba" or source.ligands
    ligand = _read_ligand(source, rows, notes) if has_ligand else None
    present = tuple(chain for chain in protein_chains(structure) if chain in partners)
    notes += [MISSING_PARTNER] * (len(partners) - len(present))
    return entry_from_structure(
        structure, ligand=ligand, partner_chains=present, kind=source.kind, contact=contact
    )


def _count_unplaced(structure: Structure) -> int:
    """Chains whose file gives a sequence that is not the residues'."""
    unplaced = structure.residue_chain[structure.is_polymer & (structure.sequence_place < 0)]
    return sum(bool(structure.chain_sequence[chain]) for chain in np.unique(unplaced).tolist())


def _read_ligand(source: Source, rows: list[DropRow], notes: list[str]) -> Ligand:
    errors = []
    for path in source.ligands:
        try:
            ligand = read_ligand(path)
        except LigandError as error:
            errors.append(_short(str(error), source))
            continue
        rows += [
            DropRow(source.id, source.kind, "file", f"ligand file not readable: {error}")
            for error in errors
        ]
        rows += _atom_rows(source, ligand.drops)
        notes += [SECOND_LIGAND] if errors else []
        notes += [] if ligand.sanitized else [UNCHECKED_LIGAND]
        return ligand
    raise LigandError("; ".join(errors) or "there is no ligand file (.sdf or .mol2)")


def _structure_rows(source: Source, drops: Iterable[Drop]) -> list[DropRow]:
    """Drops of the structure; readers of whole entries cannot tell whose waters are."""
    rows = _atom_rows(source, drops)
    if not source.whole_entry:
        return rows
    return [
        row
        if row.reason.startswith(OTHER_CHAIN)
        else replace(row, reason=f"whole entry's {row.reason}, counted for each of its chains")
        for row in rows
    ]


def _atom_rows(source: Source, drops: Iterable[Drop]) -> list[DropRow]:
    return [
        DropRow(source.id, source.kind, "atoms", f"{drop.kind}: {drop.reason}", drop.count)
        for drop in drops
        if drop.count
    ]


def _dropped(source: Source, reason: str) -> DropRow:
    return DropRow(source.id, source.kind, "entry", reason)


def _short(text: str, source: Source) -> str:
    """The text without the place of the raw folder, which differs between machines."""
    for path in (source.structure, *source.ligands):
        text = text.replace(str(path), _name(path))
    return " ".join(text.split())


def _name(path: Path) -> str:
    return "/".join(path.parts[-2:])
