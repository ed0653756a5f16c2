"""One's own structures: files of any name that a table of labels has as an id."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Collection
from pathlib import Path

from hemenet_lab.protein_mt.raw.archive import Archive
from hemenet_lab.protein_mt.raw.ids import entry_code
from hemenet_lab.protein_mt.raw.layout import (
    LIGAND_ENDINGS,
    SYNTHETIC_MARK,
    RawFolder,
    Source,
    newest,
    structure_stem,
    structures_in,
)

_OF_ALPHAFOLD = re.compile(r"AF-(\w+)-F1-model_v\d+", re.IGNORECASE)
"""Name of a file of the AlphaFold database, with the UniProt id of its protein."""


def find_structures(
    path: str | Path | None, ids: Collection[str], archive: Archive | None = None
) -> RawFolder:
    """Finds one's own structures: every structure file below a folder whose name a table has.

    ``P12931.cif.gz`` and ``pdb1abc.ent`` are the entries ``p12931`` and ``1abc``, and so is
    ``AF-P12931-F1-model_v4.cif`` the former, if a table has no such longer id. A ligand is
    ``<id>_ligand.sdf`` or ``.mol2`` beside ``<id>.pdb`` or ``<id>_protein.pdb``.

    Args:
        path: The folder; None where there is only an archive.
        ids: Ids that tables name, as `entry_code` gives them.
        archive: A local copy of the PDB, for ids that have no file in the folder.

    Raises:
        ValueError: No folder, or no structure that a table names.
    """
    if path is None and archive is None:
        raise ValueError("own data need a folder of structures, or an archive of the PDB")
    if path is not None and not Path(path).is_dir():
        raise ValueError(f"the folder of structures {path} does not exist")
    place = archive.path if archive else None
    found: dict[str, list[Path]] = defaultdict(list)
    for folder, folders, _ in os.walk(path) if path is not None else ():
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for file in structures_in(Path(folder)):
            stem = structure_stem(file.name) or ""
            short = stem[3:] if stem[:3].lower() == "pdb" and len(stem) == 7 else stem
            model = _OF_ALPHAFOLD.fullmatch(stem)
            names: tuple[str, ...] = (
                stem,
                short,
                stem[:-8] if stem.lower().endswith("_protein") else stem,
            )
            names += (model[1],) if model else ()
            code = next((entry_code(name) for name in names if entry_code(name) in ids), None)
            if code is not None and not file.name.startswith("."):
                found[code].append(file)
    if archive is not None:
        of_archive = ((code, archive.find(code)) for code in sorted(set(ids) - set(found)))
        found |= {code: [file] for code, file in of_archive if file is not None}
    path = Path(path if path is not None else place or "")
    if not found:
        some = ", ".join(sorted(ids)[:3])
        raise ValueError(
            f"{path} holds no structure that a table names; its ids are {some}…: expected for "
            f"example {next(iter(sorted(ids)), 'id')}.pdb or .cif, plain or .gz"
        )
    sources = (
        Source(code, "user", code, "", files[0], _ligands(files[0], code), tuple(files[1:]))
        for code, files in sorted(found.items())
    )
    sifts = newest([path / "sifts", path], "pdb_chain_uniprot.csv*", [])
    synthetic = (path / SYNTHETIC_MARK).exists()
    return RawFolder(
        path, tuple(sources), sifts=sifts, synthetic=synthetic, own=True, archive=place
    )


def _ligands(structure: Path, code: str) -> tuple[Path, ...]:
    files = sorted(structure.parent.iterdir())
    return tuple(
        file
        for ending in LIGAND_ENDINGS
        for file in files
        if entry_code(file.name) == f"{code}_ligand{ending}"
    )
