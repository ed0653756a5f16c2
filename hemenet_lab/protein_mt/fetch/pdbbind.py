"""PDBbind's unpacked archives: find them, check them, link them into the raw folder."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from hemenet_lab.protein_mt.fetch.archived import link_or_copy
from hemenet_lab.protein_mt.fetch.report import Record
from hemenet_lab.protein_mt.labels import read_pdbbind_index
from hemenet_lab.protein_mt.raw import read_lines

SITE = "http://www.pdbbind.org.cn (or its successor, https://www.pdbbind-plus.org.cn)"
_CODE = re.compile(r"[0-9][a-z0-9]{3}")
_PAIR = re.compile(r"([0-9][a-z0-9]{3})(\.ent|_complex|_protein)?\.(pdb|ent|cif)(\.gz)?")
_INDEX = {
    "refined": ("INDEX_refined_data.*", "INDEX_refined_set.*", "INDEX_refined*"),
    "ligands": ("INDEX_general_PL_data.*", "INDEX_general_PL.*"),
    "pairs": ("INDEX_general_PP.*",),
}


@dataclass(frozen=True)
class PDBbind:
    """Files that were found in the user's folder."""

    path: Path
    ligands: dict[str, Path] = field(default_factory=dict)
    """PDB code → folder of a protein-ligand complex."""
    refined: frozenset[str] | None = None
    """Codes of the refined set; None where nothing says which they are."""
    pairs: dict[str, Path] = field(default_factory=dict)
    """PDB code → structure file of a protein-protein complex."""
    indices: dict[str, Path] = field(default_factory=dict)
    """``ligands`` and ``pairs`` → index file."""


def find_pdbbind(path: str | Path) -> PDBbind:
    """Looks through a folder with PDBbind's unpacked archives, however deep they lie (to 5).

    Knows the layout of v2020 (``refined-set``, ``v2020-other-PL``, ``PP``, ``index``) and the later
    one (``P-L/<years>/<id>``, ``P-P``, ``index``).

    Raises:
        ValueError: There is no such folder.
    """
    path = Path(path)
    if not path.is_dir():
        raise ValueError(f"the PDBbind folder {path} does not exist")
    ligands: dict[str, Path] = {}
    refined: set[str] = set()
    pairs: dict[str, Path] = {}
    for folder in _folders(path, 5):
        code = folder.name.lower()
        if _CODE.fullmatch(code) and any(folder.glob("*_protein.*")):
            in_refined = folder.parent.name.startswith("refined")
            if in_refined or code not in ligands:  # the refined set's copy is the curated one
                ligands[code] = folder
            refined |= {code} if in_refined else set()
        elif folder.name in ("PP", "P-P"):
            for file in sorted(folder.rglob("*")):
                if (match := _PAIR.fullmatch(file.name.lower())) and file.is_file():
                    pairs.setdefault(match[1], file)
    files = list(path.rglob("INDEX_*"))
    newest = {kind: _index(files, kind) for kind in _INDEX}
    indices = {kind: index for kind, index in newest.items() if index}
    listed = indices.pop("refined", None)
    if not refined and listed:
        refined = set(_codes(listed))
    return PDBbind(path, ligands, frozenset(refined) or None, pairs, indices)


def _missing_parts(found: PDBbind, ligand_set: str) -> list[Record]:
    """Parts that the folder lacks, each with what to download and where to unpack it."""
    where = f"into {found.path}"
    lacks = []
    if not found.ligands:
        lacks.append(("refined set", _archive("the refined set", "PDBbind_v2020_refined", where)))
    elif ligand_set == "refined" and found.refined is None:
        lacks.append(
            (
                "list of the refined set",
                f"{found.path} has protein-ligand complexes, but neither a folder refined-set nor "
                "a file INDEX_refined_data.* says which of them are the refined set: "
                + _archive("v2020's index files", "PDBbind_v2020_plain_text_index", where)
                + ", or choose --ligand-set general to take all complexes",
            )
        )
    elif ligand_set == "general" and frozenset(found.ligands) == found.refined:
        lacks.append(
            ("general set", _archive("the other complexes", "PDBbind_v2020_other_PL", where))
        )
    if not found.pairs:
        lacks.append(("PP", _archive("protein-protein complexes", "PDBbind_v2020_PP", where)))
    for kind, name in (("ligands", "INDEX_general_PL_data.*"), ("pairs", "INDEX_general_PP.*")):
        if kind not in found.indices:
            archive = _archive("the index files", "PDBbind_v2020_plain_text_index", where)
            lacks.append((name, archive))
    return [Record(item, "pdbbind", "missing", note=note) for item, note in lacks]


def _archive(what: str, name: str, where: str) -> str:
    return f"download {what} ({name}.tar.gz, after registering at {SITE}) and unpack it {where}"


def take_pdbbind(found: PDBbind, raw: Path, ligand_set: str, *, copy: bool) -> list[Record]:
    """Checks the files of each complex and links (or copies) them into the raw folder.

    Returns:
        A record per complex of the index files and per part; ``missing`` with instructions where
        something is not there.

    Raises:
        ValueError: The raw folder holds other files in these places.
    """
    records = _missing_parts(found, ligand_set)
    chosen = set(found.ligands)
    if ligand_set == "refined":
        chosen = set(found.refined or ())
    top = "refined-set" if ligand_set == "refined" else "general-set"
    for code in sorted(chosen):
        records.append(_take_ligand(found, code, raw / top / code, copy))
    listed = set(_codes(found.indices["pairs"])) if "pairs" in found.indices else set()
    for code in sorted(listed | set(found.pairs) if found.pairs else ()):
        records.append(_take_pair(found, code, raw, copy))
    for kind, file in sorted(found.indices.items()):
        link_or_copy(file, raw / "index" / file.name, copy=copy)
        records += _index_records(kind, file, chosen if kind == "ligands" else {*found.pairs})
    return records


def _take_ligand(found: PDBbind, code: str, place: Path, copy: bool) -> Record:
    record = Record(code, "pdbbind-ligands", "missing", note="no folder of this complex")
    folder = found.ligands.get(code)
    if folder is None:
        return record
    files = {file.name.lower(): file for file in folder.iterdir() if file.is_file()}
    protein = [n for n in files if n.startswith(f"{code}_protein.")]
    ligand = [n for n in files if re.fullmatch(rf"{code}_ligand\.(sdf|mol2)", n)]
    empty = [n for n in (*protein, *ligand) if not files[n].stat().st_size]
    if not protein or not ligand or empty:
        lack = f"{', '.join(empty)} empty" if empty else "no protein or no ligand file"
        return _with(record, "unusable", f"{folder}: {lack}; unpack the archive again")
    for name in (*protein, *ligand):
        link_or_copy(files[name], place / name, copy=copy)
    size = sum(files[name].stat().st_size for name in (*protein, *ligand))
    return _with(record, "copied" if copy else "linked", "", f"{place.parent.name}/{code}", size)


def _take_pair(found: PDBbind, code: str, raw: Path, copy: bool) -> Record:
    record = Record(code, "pdbbind-pairs", "missing", note="in the index, but without a file in PP")
    file = found.pairs.get(code)
    if file is None:
        return record
    size = file.stat().st_size
    if not size:
        return _with(record, "unusable", f"{file}: empty; unpack the archive again")
    ending = "".join(file.suffixes[-2:] if file.suffix == ".gz" else file.suffixes[-1:])
    place = raw / "PP" / f"{code}{ending}"
    link_or_copy(file, place, copy=copy)
    return _with(record, "copied" if copy else "linked", "", f"PP/{place.name}", size)


def _index_records(kind: str, file: Path, there: set[str]) -> Iterator[Record]:
    if there and not any(record.id in there for record in read_pdbbind_index(file).records):
        yield Record(
            file.name,
            "pdbbind",
            "unusable",
            note=f"names none of the {kind} that are there; is it the index of another release?",
        )


def _with(record: Record, status: str, note: str, path: str = "", size: int = 0) -> Record:
    return Record(record.item, record.source, status, path, size, note=note)


def _codes(index: Path) -> Iterator[str]:
    for _, line in read_lines(index):
        word = line.split(maxsplit=1)[0].lower() if line.strip() else ""
        if _CODE.fullmatch(word):
            yield word


def _index(files: list[Path], kind: str) -> Path | None:
    """The newest file of the first pattern that has any."""
    for pattern in _INDEX[kind]:
        fitting = [file for file in files if file.match(pattern) and file.is_file()]
        if fitting:
            return max(fitting, key=lambda file: (file.name, str(file)))
    return None


def _folders(path: Path, depth: int) -> Iterator[Path]:
    """Folders below a folder, sorted; those of single complexes are not entered."""
    for folder in sorted(entry for entry in path.iterdir() if entry.is_dir()):
        yield folder
        if depth > 1 and not _CODE.fullmatch(folder.name.lower()):
            yield from _folders(folder, depth - 1)
