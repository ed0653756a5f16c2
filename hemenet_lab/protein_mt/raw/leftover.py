"""Files of a raw folder that a build does not use, each with the reason."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

from hemenet_lab.protein_mt.raw.drops import DropRow
from hemenet_lab.protein_mt.raw.further import LISTS
from hemenet_lab.protein_mt.raw.layout import (
    CHAIN_FOLDERS,
    CHAIN_LIST,
    FOLDER,
    PAIR_FOLDERS,
    SYNTHETIC_MARK,
    RawFolder,
    structure_stem,
)

MOST_NAMED = 1_000
"""Files of one folder and reason that are named one by one; more are counted together."""
LIGAND_FILES = (".sdf", ".mol2", ".mol", ".pdbqt", ".sdf.gz", ".mol2.gz")
TABLE_FILES = (".csv", ".tsv", ".txt", ".dat", ".obo", ".csv.gz", ".tsv.gz", ".obo.gz", ".dat.gz")


def leftover_rows(raw: RawFolder, used: Iterable[Path]) -> Iterator[DropRow]:
    """Rows for the files that are neither read nor accounted for elsewhere.

    Args:
        raw: The raw folder.
        used: Label files and further tables that the build reads.
    """
    known = {*used, *raw.unused, raw.path / SYNTHETIC_MARK, raw.path / FOLDER / CHAIN_LIST}
    for source in raw.sources:
        known.update((source.structure, *source.ligands, *source.others))
    groups: dict[tuple[str, str], list[str]] = defaultdict(list)
    # of an archive of the whole PDB nobody wants to read what was not asked for
    for path in () if raw.path == raw.archive else _files(raw.path):
        if path not in known:
            place = path.relative_to(raw.path)
            top = place.parts[0] if len(place.parts) > 1 else "."
            reason = _own_reason(place) if raw.own else _reason(place)
            groups[top, reason].append(place.as_posix())
    for (top, reason), names in sorted(groups.items()):
        if len(names) > MOST_NAMED or reason.startswith(("pocket", "hidden")):
            yield DropRow(f"{top}/*", "*", "file", reason, len(names))
        else:
            yield from (DropRow(name, "*", "file", reason) for name in names)


def _own_reason(place: Path) -> str:
    """Reason for which a file in a folder of one's own structures is not used."""
    if structure_stem(place.name) is None or any(part.startswith(".") for part in place.parts):
        return (
            "hidden file not looked at"
            if place.name.startswith(".")
            else ("file not used: neither a structure nor a ligand <id>_ligand.sdf or .mol2 of one")
        )
    return "structure file not used: no table names it"


def _files(folder: Path) -> Iterator[Path]:
    for parent, folders, names in os.walk(folder):
        # a store may be built inside the raw folder, and is no part of it
        folders[:] = sorted(name for name in folders if not _is_store(Path(parent, name)))
        yield from (Path(parent, name) for name in sorted(names))


def _is_store(folder: Path) -> bool:
    return (folder / "manifest.json").is_file() or (folder / ".partial").is_dir()


def _reason(place: Path) -> str:
    """Reason for which a file of this place and name is not used."""
    name, folders = place.name.lower(), place.parts[:-1]
    if any(part.startswith(".") for part in place.parts):
        return "hidden file not looked at"
    stem = structure_stem(place.name)
    if stem is not None:
        return _structure_reason(stem.lower(), folders)
    if name.endswith(LIGAND_FILES):
        return (
            "ligand file not used: a ligand is <id>/<id>_ligand.sdf or .mol2 beside "
            "<id>/<id>_protein.pdb"
        )
    if name.endswith(LISTS):
        return "split list not used: it is not one of a whole set of three"
    if name.endswith(TABLE_FILES) or folders[-1:] == ("index",):
        return "table not used: this build reads none of its name and place"
    return "file not used: of no kind that the build reads"


def _structure_reason(stem: str, folders: tuple[str, ...]) -> str:
    top = folders[0] if folders else ""
    if top in PAIR_FOLDERS:
        why = "its name is neither a PDB id nor an id of the affinity table"
    elif top in CHAIN_FOLDERS:
        why = (
            "its name is neither a chain such as 1ABC-A nor a name of the annotation table"
            if folders[1:] == ("all",)
            else f"chains are read from {top}/all"
        )
    elif top == FOLDER:
        why = f"{FOLDER}/{CHAIN_LIST} does not name it"
    elif stem.endswith("_pocket"):
        return "pocket file not used: the whole protein is read"
    elif stem.endswith("_protein"):
        why = "its folder has another name than the file"
    else:
        why = "a complex with a ligand is <any>/<id>/<id>_protein.pdb, one of proteins PP/<id>.pdb"
    return f"structure file not used: {why}"
