"""Layout of a raw folder: where PDBbind, DeepFRI and SIFTS put their files.

``structures/chains.csv`` lists single chains that are read from the files of whole entries: one
file serves all chains of an entry, and chain ids that differ in case only (``6HHQ-h`` and
``6HHQ-H``) cannot be told apart as file names on every file system.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hemenet_lab.protein_mt.raw.archive import Archive
from hemenet_lab.protein_mt.raw.drops import csv_text
from hemenet_lab.protein_mt.raw.ids import (
    chain_name,
    entry_code,
    is_chain_name,
    is_pdb_code,
    split_chain_name,
)
from hemenet_lab.protein_mt.raw.text import read_lines, read_table

FOLDER = "structures"
CHAIN_LIST = "chains.csv"
COLUMNS = ("chain", "file")


def read_chain_list(raw: Path) -> Iterator[tuple[str, Path]]:
    """Chain such as ``1ABC-A`` → structure file of its entry; nothing where there is no list.

    Raises:
        ValueError: The list has other columns, or names a file that is not there.
    """
    path = raw / FOLDER / CHAIN_LIST
    if not path.is_file():
        return
    names = set(os.listdir(path.parent))
    for row in read_table(path, COLUMNS):
        if row["file"] not in names:
            raise ValueError(
                f"{path}, line {row.line} names {row['file']!r} for chain {row['chain']}, which is "
                f"not in {path.parent}; run `hemenet data fetch` again"
            )
        yield row["chain"], path.parent / row["file"]


def write_chain_list(raw: Path, chains: Iterable[tuple[str, str]]) -> None:
    """Writes the list, sorted by chain; it appears whole or not at all.

    Args:
        raw: The raw folder.
        chains: Chain, and name of a file in the folder of structures.
    """
    folder = raw / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    draft = folder / f".{CHAIN_LIST}.{os.getpid()}"
    try:
        draft.write_text(csv_text(COLUMNS, sorted(chains)), encoding="utf-8")
        os.replace(draft, folder / CHAIN_LIST)
    finally:
        draft.unlink(missing_ok=True)


STRUCTURE_ENDINGS = tuple(
    f".{kind}{packed}" for kind in ("pdb", "ent", "cif", "mmcif", "bcif") for packed in ("", ".gz")
)
"""In the order of preference where one item has several files."""
LIGAND_ENDINGS = (".sdf", ".mol2")
CHAIN_FOLDERS = ("EnzymeCommission", "GeneOntology")
PAIR_FOLDERS = ("PP", "P-P")
OTHER_FOLDERS = (*CHAIN_FOLDERS, *PAIR_FOLDERS, "index", "readme", "sifts", "hard_cases")
"""Top-level folders that hold no protein-ligand complexes."""
ARCHIVE_NAME = "pdb-dir"
"""What stands for the folder of a local archive in names of its files."""
SYNTHETIC_MARK = "SYNTHETIC"
"""A file of this name says that the raw folder holds no real data."""


@dataclass(frozen=True)
class Source:
    """One item of the benchmark and its files."""

    id: str
    """``1abc`` for a complex, ``1ABC-A`` for a chain; ``lba_1abc`` and ``ppa_1abc`` where the same
    PDB code is there as both kinds of complex."""
    kind: str
    """``lba``, ``ppa`` or ``chain``."""
    code: str
    """PDB code, lower case."""
    chain: str
    """Author chain id of a single chain, else empty."""
    structure: Path
    ligands: tuple[Path, ...] = ()
    """Files of the ligand in the order in which they are tried."""
    others: tuple[Path, ...] = ()
    """Further structure files for the same item, which are not used."""
    whole_entry: bool = False
    """Whether a single chain is taken from the file of a whole entry, by its author id."""


@dataclass(frozen=True)
class RawFolder:
    """Everything that was found in a raw folder."""

    path: Path
    sources: tuple[Source, ...]
    """Sorted by id."""
    affinities: dict[str, tuple[Path, ...]] = field(default_factory=dict)
    """``lba`` and ``ppa`` → affinity files, the preferred one first."""
    ec: Path | None = None
    go: Path | None = None
    sifts: Path | None = None
    unused: tuple[Path, ...] = ()
    """Label files that another version of the same file replaces."""
    synthetic: bool = False
    own: bool = False
    """Whether it is a folder of one's own structures, whose labels are tables elsewhere."""
    archive: Path | None = None
    """Folder of a local copy of the PDB, of which only the files of sources matter."""

    def name(self, path: Path) -> str:
        """A file's place in the folder or the archive, the same on every machine."""
        if self.archive is not None and not path.is_relative_to(self.path):
            return f"{ARCHIVE_NAME}/{path.relative_to(self.archive).as_posix()}"
        return path.relative_to(self.path).as_posix()

    @property
    def label_files(self) -> tuple[Path, ...]:
        """All files that labels come from."""
        single = [path for path in (self.ec, self.go, self.sifts) if path]
        return (*(path for paths in self.affinities.values() for path in paths), *single)


def find_raw(path: str | Path, archive: Archive | None = None) -> RawFolder:
    """Finds structures and label files in a raw folder.

    Ids are told apart by `entry_code`, so that ``1ABC`` and ``pdb_00001abc`` are ``1abc``; in the
    folders of pairs and chains a name that is no PDB id counts if a table has it as an id.

    Looks for ``<any>/<id>/<id>_protein.pdb`` with ``<id>_ligand.sdf`` and ``.mol2`` (up to two
    folders deep, as PDBbind's archives unpack), ``PP/<id>.ent.pdb``, ``EnzymeCommission/all`` and
    ``GeneOntology/all`` with ``<ID>-<CHAIN>.pdb``, ``structures/chains.csv`` with files of whole
    entries, ``pp_affinity.csv``, ``pl_affinity.csv``,
    ``index/INDEX_general_*``, ``nrPDB-EC_*_annot.tsv``, ``nrPDB-GO_*_annot.tsv`` and
    ``sifts/pdb_chain_uniprot.csv``. Structures may be .pdb, .ent, .cif or .bcif, plain or .gz.

    Args:
        path: The folder.
        archive: A local copy of the PDB, for the chains of the annotation tables that have no file
            in the folder.

    Raises:
        ValueError: No folder, or no structure in it.
    """
    path = Path(path)
    if not path.is_dir():
        raise ValueError(f"the raw folder {path} does not exist")
    unused: list[Path] = []
    places = [path, path / "index", *sorted(path.glob("*/index"))]
    affinities = {
        "lba": _affinities(
            path, places, "pl", ("INDEX_general_PL_data", "INDEX_general_PL"), unused
        ),
        "ppa": _affinities(path, places, "pp", ("INDEX_general_PP",), unused),
    }
    ec = newest([path / "EnzymeCommission", path], "nrPDB-EC_*annot.tsv*", unused)
    go = newest([path / "GeneOntology", path], "nrPDB-GO_*annot.tsv*", unused)
    tables = [table for table in (ec, go) if table]
    sources = _sources(path, affinities["ppa"], tables, archive)
    if not sources:
        raise ValueError(
            f"{path} holds no structures; expected for example refined-set/1abc/1abc_protein.pdb, "
            "PP/1abc.ent.pdb, EnzymeCommission/all/1ABC-A.pdb or GeneOntology/all/1ABC-A.pdb"
        )
    sifts = newest([path / "sifts", path], "pdb_chain_uniprot.csv*", unused)
    synthetic = (path / SYNTHETIC_MARK).exists()
    place = archive.path if archive else None
    return RawFolder(
        path, sources, affinities, ec, go, sifts, tuple(unused), synthetic, archive=place
    )


def structure_stem(name: str) -> str | None:
    """File name without the endings of structure files; None for another file."""
    for ending in sorted(STRUCTURE_ENDINGS, key=len, reverse=True):
        if name.lower().endswith(ending):
            stem = name[: -len(ending)]
            return stem[:-4] if stem.lower().endswith(".ent") else stem
    return None


def _sources(
    path: Path,
    pair_tables: Iterable[Path],
    chain_tables: Sequence[Path],
    archive: Archive | None,
) -> tuple[Source, ...]:
    found: dict[tuple[str, str], list[Path]] = defaultdict(list)
    items = (*_ligand_complexes(path), *_pairs(path, pair_tables), *_chains(path, chain_tables))
    for kind, name, file in items:
        found[kind, name].append(file)
    of_archive = _archived(archive, chain_tables, {name for _, name in found}) if archive else {}
    found |= {("chain", name): [file] for name, file in of_archive.items()}
    codes = {kind: {name for this, name in found if this == kind} for kind in ("lba", "ppa")}
    both = codes["lba"] & codes["ppa"]
    sources = []
    for (kind, name), files in found.items():
        code, chain = split_chain_name(name) if kind == "chain" else (name, "")
        sources.append(
            Source(
                id=f"{kind}_{name}" if kind != "chain" and name in both else name,
                kind=kind,
                code=code,
                chain=chain,
                structure=files[0],
                ligands=_ligands(files[0].parent) if kind == "lba" else (),
                others=tuple(files[1:]),
                whole_entry=kind == "chain"
                and (files[0].parent == path / FOLDER or name in of_archive),
            )
        )
    return tuple(sorted(sources, key=lambda source: source.id))


def _ligand_complexes(path: Path) -> Iterator[tuple[str, str, Path]]:
    tops = [top for top in _folders(path) if top.name not in OTHER_FOLDERS]
    # the refined set is the curated copy of entries that the general set may hold as well
    for top in sorted(tops, key=lambda folder: (folder.name != "refined-set", folder.name)):
        for folder in (*_folders(top), *(deep for sub in _folders(top) for deep in _folders(sub))):
            for file in structures_in(folder):
                if _is_of(folder, structure_stem(file.name) or "", "protein"):
                    yield "lba", entry_code(folder.name), file


def _is_of(folder: Path, stem: str, what: str) -> bool:
    """Check that a file name without endings is ``<folder>_<what>``, in any spelling of the id."""
    name, _, end = stem.rpartition("_")
    return end.lower() == what and entry_code(name) == entry_code(folder.name)


def _pairs(path: Path, tables: Iterable[Path]) -> Iterator[tuple[str, str, Path]]:
    others: dict[str, Path] = {}
    for name in PAIR_FOLDERS:
        top = path / name
        for folder in (top, *_folders(top)):
            for file in structures_in(folder):
                stem = structure_stem(file.name) or ""
                # pdb1abc.ent is the archive's own name of the file of 1abc
                short = stem[3:] if stem[:3].lower() == "pdb" and len(stem) == 7 else stem
                if is_pdb_code(short):
                    yield "ppa", entry_code(short), file
                else:
                    others[entry_code(stem)] = file
    named = _named(tables, entry_code) if others else ()
    yield from (("ppa", code, file) for code, file in others.items() if code in named)


def _chains(path: Path, tables: Iterable[Path]) -> Iterator[tuple[str, str, Path]]:
    others: list[tuple[str, Path]] = []
    for name in CHAIN_FOLDERS:
        for file in structures_in(path / name / "all"):
            stem = structure_stem(file.name) or ""
            if is_chain_name(stem):
                yield "chain", chain_name(*split_chain_name(stem)), file
            else:
                others.append((stem, file))
    named = _named(tables, str) if others else ()
    for stem, file in others:
        if stem in named:
            yield "chain", chain_name(*split_chain_name(stem)), file
    for chain, file in read_chain_list(path):
        yield "chain", chain_name(*split_chain_name(chain)), file


def _archived(archive: Archive, tables: Iterable[Path], there: Collection[str]) -> dict[str, Path]:
    """Chains of annotation tables that are not there yet → file of their entry in the archive."""
    listed = filter(is_chain_name, _named(tables, str))
    names = {chain_name(*split_chain_name(name)) for name in listed} - set(there)
    found = ((name, archive.find(split_chain_name(name)[0])) for name in sorted(names))
    return {name: file for name, file in found if file is not None}


def _named(tables: Iterable[Path], spelling: Callable[[str], str]) -> Collection[str]:
    """Ids of tables with a column ``id``, or of the first column of annotation tables."""
    found: set[str] = set()
    for table in tables:
        try:
            if ".csv" in table.name:
                found |= {spelling(row["id"]) for row in read_table(table, ("id",))}
            elif ".tsv" in table.name:
                found |= {spelling(text.split("\t")[0]) for _, text in read_lines(table)}
        except ValueError:
            continue  # the reader of the labels says what is wrong with the table
    return found


def structures_in(folder: Path) -> list[Path]:
    """Structure files of a folder, by name and then by preference of their endings."""
    if not folder.is_dir():
        return []
    names = [name for name in os.listdir(folder) if structure_stem(name) is not None]
    return [folder / name for name in sorted(names, key=_preference)]


def _preference(name: str) -> tuple[str, int]:
    ending = max((end for end in STRUCTURE_ENDINGS if name.lower().endswith(end)), key=len)
    return structure_stem(name) or "", STRUCTURE_ENDINGS.index(ending)


def _ligands(folder: Path) -> tuple[Path, ...]:
    """Files of the folder's ligand, in the order in which they are tried."""
    files = [file for file in sorted(folder.iterdir()) if file.is_file()]
    return tuple(
        file
        for ending in LIGAND_ENDINGS
        for file in files
        if file.name.lower().endswith(ending)
        and _is_of(folder, file.name[: -len(ending)], "ligand")
    )


def _affinities(
    path: Path, places: list[Path], short: str, stems: tuple[str, ...], unused: list[Path]
) -> tuple[Path, ...]:
    table = path / f"{short}_affinity.csv"
    for stem in stems:
        index = newest(places, f"{stem}.*", unused)
        if index:
            return (table, index) if table.is_file() else (index,)
    return (table,) if table.is_file() else ()


def newest(places: Iterable[Path], pattern: str, unused: list[Path]) -> Path | None:
    """The file of the first place that has any; the last by name, which is the newest release."""
    for place in places:
        files = sorted(file for file in place.glob(pattern) if file.is_file())
        if files:
            unused += files[:-1]
            return files[-1]
    return None


def _folders(path: Path) -> list[Path]:
    return sorted(entry for entry in path.iterdir() if entry.is_dir()) if path.is_dir() else []
