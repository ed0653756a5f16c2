"""The files of one item become an entry without labels, or a reason why not."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from hemenet_lab.data.convert import entry_from_structure
from hemenet_lab.data.entry import Entry
from hemenet_lab.protein_mt.drops import DropRow
from hemenet_lab.protein_mt.layout import Source
from hemenet_lab.protein_mt.read_date import read_date
from hemenet_lab.protein_mt.read_fingerprint import read_fingerprint
from hemenet_lab.protein_mt.select_chain import protein_chains, select_chain
from hemenet_lab.structures.ligand import LigandError, read_ligand
from hemenet_lab.structures.parse import StructureError, read_structure
from hemenet_lab.structures.structure import Drop, Ligand

UNCHECKED_LIGAND = "ligand read without chemistry checks"
SECOND_LIGAND = "ligand read from its second file"
RENAMED_CHAIN = "chain named by its file name"
MISSING_PARTNER = "partner chain not in the structure"


@dataclass(frozen=True)
class ReadResult:
    """What became of one item."""

    entry: Entry | None
    """Entry without labels; None where the item is dropped."""
    drops: tuple[DropRow, ...] = ()
    notes: tuple[str, ...] = ()
    """Things worth counting that lost nothing."""
    date: str = ""
    """Date of the structure's release as its file gives it, such as ``2004-05-18``."""
    fingerprint: str = ""
    """Of the ligand: packed bits in hexadecimal; empty where its chemistry is not readable."""


def read_source(
    source: Source, partners: tuple[str, ...] = (), *, keep_hetero: bool = False
) -> ReadResult:
    """Reads structure and ligand of an item.

    A file that cannot be read drops the item and says why; so does an error that nobody foresaw,
    since one bad file among tens of thousands must not end a build.

    Args:
        source: The item and its files.
        partners: Author chain ids of the binding partner in a protein-protein complex.
        keep_hetero: Keep ions and cofactors.
    """
    rows: list[DropRow] = []
    notes: list[str] = []
    entry = None
    try:
        entry = _read(source, partners, keep_hetero, rows, notes)
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
    return ReadResult(entry, tuple(rows), tuple(notes), read_date(source.structure), fingerprint)


def _read(
    source: Source,
    partners: tuple[str, ...],
    keep_hetero: bool,
    rows: list[DropRow],
    notes: list[str],
) -> Entry:
    structure = read_structure(source.structure, id=source.id, keep_hetero=keep_hetero)
    if source.chain:
        notes += [RENAMED_CHAIN] if source.chain not in protein_chains(structure) else []
        structure = select_chain(structure, source.chain)
    rows += _atom_rows(source, structure.drops)
    ligand = _read_ligand(source, rows, notes) if source.kind == "lba" else None
    present = tuple(chain for chain in protein_chains(structure) if chain in partners)
    notes += [MISSING_PARTNER] * (len(partners) - len(present))
    return entry_from_structure(structure, ligand=ligand, partner_chains=present, kind=source.kind)


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
