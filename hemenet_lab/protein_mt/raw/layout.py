"""Layout of a raw folder: where PDBbind, DeepFRI and SIFTS put their files.

``structures/chains.csv`` lists single chains that are read from the files of whole entries: one
file serves all chains of an entry, and chain ids that differ in case only (``6HHQ-h`` and
``6HHQ-H``) cannot be told apart as file names on every file system.
"""

from __future__ import annotations

import csv
import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from hemenet_lab.protein_mt.raw.drops import csv_text
from hemenet_lab.protein_mt.raw.ids import split_chain_name

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
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        if tuple(reader.fieldnames or ()) != COLUMNS:
            raise ValueError(f"{path} has the columns {reader.fieldnames}, expected {COLUMNS}")
        names = set(os.listdir(path.parent))
        for row in reader:
            if row["file"] not in names:
                raise ValueError(
                    f"{path} names {row['file']!r} for chain {row['chain']}, which is not in "
                    f"{path.parent}; run `hemenet data fetch` again"
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
CHAIN_FOLDERS = ("EnzymeCommission", "GeneOntology")
PAIR_FOLDERS = ("PP", "P-P")
OTHER_FOLDERS = (*CHAIN_FOLDERS, *PAIR_FOLDERS, "index", "readme", "sifts", "hard_cases")
"""Top-level folders that hold no protein-ligand complexes."""
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

    def name(self, path: Path) -> str:
        """A file's place in the folder, the same on every machine."""
        return path.relative_to(self.path).as_posix()

    @property
    def label_files(self) -> tuple[Path, ...]:
        """All files that labels come from."""
        single = [path for path in (self.ec, self.go, self.sifts) if path]
        return (*(path for paths in self.affinities.values() for path in paths), *single)


def find_raw(path: str | Path) -> RawFolder:
    """Finds structures and label files in a raw folder.

    Looks for ``<any>/<id>/<id>_protein.pdb`` with ``<id>_ligand.sdf`` and ``.mol2`` (up to two
    folders deep, as PDBbind's archives unpack), ``PP/<id>.ent.pdb``, ``EnzymeCommission/all`` and
    ``GeneOntology/all`` with ``<ID>-<CHAIN>.pdb``, ``structures/chains.csv`` with files of whole
    entries, ``pp_affinity.csv``, ``pl_affinity.csv``,
    ``index/INDEX_general_*``, ``nrPDB-EC_*_annot.tsv``, ``nrPDB-GO_*_annot.tsv`` and
    ``sifts/pdb_chain_uniprot.csv``. Structures may be .pdb, .ent, .cif or .bcif, plain or .gz.

    Raises:
        ValueError: No folder, or no structure in it.
    """
    path = Path(path)
    if not path.is_dir():
        raise ValueError(f"the raw folder {path} does not exist")
    sources = _sources(path)
    if not sources:
        raise ValueError(
            f"{path} holds no structures; expected for example refined-set/1abc/1abc_protein.pdb, "
            "PP/1abc.ent.pdb, EnzymeCommission/all/1ABC-A.pdb or GeneOntology/all/1ABC-A.pdb"
        )
    unused: list[Path] = []
    places = [path, path / "index", *sorted(path.glob("*/index"))]
    return RawFolder(
        path,
        sources,
        {
            "lba": _affinities(
                path, places, "pl", ("INDEX_general_PL_data", "INDEX_general_PL"), unused
            ),
            "ppa": _affinities(path, places, "pp", ("INDEX_general_PP",), unused),
        },
        _newest([path / "EnzymeCommission", path], "nrPDB-EC_*annot.tsv*", unused),
        _newest([path / "GeneOntology", path], "nrPDB-GO_*annot.tsv*", unused),
        _newest([path / "sifts", path], "pdb_chain_uniprot.csv*", unused),
        tuple(unused),
        (path / SYNTHETIC_MARK).exists(),
    )


def structure_stem(name: str) -> str | None:
    """File name without the endings of structure files; None for another file."""
    for ending in sorted(STRUCTURE_ENDINGS, key=len, reverse=True):
        if name.lower().endswith(ending):
            stem = name[: -len(ending)]
            return stem[:-4] if stem.lower().endswith(".ent") else stem
    return None


def _sources(path: Path) -> tuple[Source, ...]:
    found: dict[tuple[str, str], list[Path]] = defaultdict(list)
    for kind, name, file in (*_ligand_complexes(path), *_pairs(path), *_chains(path)):
        found[kind, name].append(file)
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
                ligands=_ligands(files[0].parent, name) if kind == "lba" else (),
                others=tuple(files[1:]),
                whole_entry=kind == "chain" and files[0].parent == path / FOLDER,
            )
        )
    return tuple(sorted(sources, key=lambda source: source.id))


def _ligand_complexes(path: Path) -> Iterator[tuple[str, str, Path]]:
    tops = [top for top in _folders(path) if top.name not in OTHER_FOLDERS]
    # the refined set is the curated copy of entries that the general set may hold as well
    for top in sorted(tops, key=lambda folder: (folder.name != "refined-set", folder.name)):
        for folder in (*_folders(top), *(deep for sub in _folders(top) for deep in _folders(sub))):
            for file in _structures(folder):
                if structure_stem(file.name) == f"{folder.name}_protein":
                    yield "lba", folder.name.lower(), file


def _pairs(path: Path) -> Iterator[tuple[str, str, Path]]:
    for name in PAIR_FOLDERS:
        top = path / name
        for folder in (top, *_folders(top)):
            for file in _structures(folder):
                stem = structure_stem(file.name) or ""
                if re.fullmatch(r"[0-9][A-Za-z0-9]{3}", stem):
                    yield "ppa", stem.lower(), file


def _chains(path: Path) -> Iterator[tuple[str, str, Path]]:
    for name in CHAIN_FOLDERS:
        for file in _structures(path / name / "all"):
            stem = structure_stem(file.name) or ""
            if re.fullmatch(r"[0-9][A-Za-z0-9]{3}-.+", stem):
                yield "chain", stem, file
    for chain, file in read_chain_list(path):
        yield "chain", chain, file


def _structures(folder: Path) -> list[Path]:
    """Structure files of a folder, by name and then by preference of their endings."""
    if not folder.is_dir():
        return []
    names = [name for name in os.listdir(folder) if structure_stem(name) is not None]
    return [folder / name for name in sorted(names, key=_preference)]


def _preference(name: str) -> tuple[str, int]:
    ending = max((end for end in STRUCTURE_ENDINGS if name.lower().endswith(end)), key=len)
    return structure_stem(name) or "", STRUCTURE_ENDINGS.index(ending)


def _ligands(folder: Path, name: str) -> tuple[Path, ...]:
    files = (folder / f"{name}_ligand{ending}" for ending in (".sdf", ".mol2"))
    return tuple(file for file in files if file.is_file())


def _affinities(
    path: Path, places: list[Path], short: str, stems: tuple[str, ...], unused: list[Path]
) -> tuple[Path, ...]:
    table = path / f"{short}_affinity.csv"
    for stem in stems:
        index = _newest(places, f"{stem}.*", unused)
        if index:
            return (table, index) if table.is_file() else (index,)
    return (table,) if table.is_file() else ()


def _newest(places: Iterable[Path], pattern: str, unused: list[Path]) -> Path | None:
    """The file of the first place that has any; the last by name, which is the newest release."""
    for place in places:
        files = sorted(file for file in place.glob(pattern) if file.is_file())
        if files:
            unused += files[:-1]
            return files[-1]
    return None


def _folders(path: Path) -> list[Path]:
    return sorted(entry for entry in path.iterdir() if entry.is_dir()) if path.is_dir() else []
