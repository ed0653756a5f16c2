"""Heads of structure files: when the entry was released, and which sequences its chains have."""

from __future__ import annotations

import gzip
import re
import zlib
from dataclasses import dataclass, field
from datetime import date, datetime
from difflib import SequenceMatcher
from io import BytesIO
from pathlib import Path
from typing import Any

import gemmi

from hemenet_lab.structures import ONE_LETTER, is_amino_acid

_TAGS = (
    ("pdbx_audit_revision_history", "revision_date"),
    ("pdbx_database_status", "recvd_initial_deposition_date"),
)
"""Category and column of the releases and, where these are not given, of the deposition."""
_SEQUENCE = tuple(
    ("entity_poly", name) for name in ("type", "pdbx_seq_one_letter_code_can", "pdbx_strand_id")
)
_HEAD = 1 << 20
"""Bytes of a text file in which its header is looked for."""
_DAY = re.compile(rb"\d\d-[A-Z]{3}-\d\d")


@dataclass(frozen=True)
class Header:
    """What the head of a structure file says about its entry."""

    date: str = ""
    """Date of the first release such as ``2004-05-18``, else of the deposition, else empty."""
    sequences: dict[str, str] = field(default_factory=dict)
    """Author chain id → sequence of the whole chain in one-letter code, ``X`` for what has none."""


def read_header(path: Path) -> Header:
    """Reads release and sequences of a PDB, mmCIF or BinaryCIF file, plain or gzipped.

    Files of processed data sets mostly have no such header.
    """
    try:
        with path.open("rb") as file:
            packed = file.read(2) == b"\x1f\x8b"
        with gzip.open(path) if packed else path.open("rb") as file:
            head = file.read(_HEAD)
            if head[:1] >= b"\x80":
                return _of_cif(_binary_cif_columns(head + file.read()))
    except (OSError, EOFError, zlib.error, ValueError, KeyError):
        return Header()  # reading the structure itself says what is wrong with the file
    if b"_atom_site." in head:
        return _of_cif(_mmcif_columns(head.partition(b"_atom_site.")[0]))
    head = head.partition(b"\nATOM ")[0].partition(b"\nHETATM")[0]
    return Header(_pdb_date(head), _seqres(head))


def agreement(declared: str, observed: str) -> float:
    """Share of the observed residues that lie in order in the declared sequence, 0 to 1.

    Args:
        declared: Sequence of the whole chain; ``X`` stands for any residue.
        observed: Sequence of the residues with coordinates; those that are ``X`` do not count.
    """
    observed = observed.replace("X", "")
    place = -1
    for letter in observed:
        found = [declared.find(one, place + 1) for one in (letter, "X")]
        place = min((at for at in found if at >= 0), default=-1)
        if place < 0:
            break
    else:
        return 1.0
    blocks = SequenceMatcher(None, declared, observed, autojunk=False).get_matching_blocks()
    return sum(block.size for block in blocks) / len(observed)


def _seqres(head: bytes) -> dict[str, str]:
    """Sequences of the chains with amino acids."""
    found: dict[str, list[str]] = {}
    for line in head.decode("ascii", errors="replace").splitlines():
        if line.startswith("SEQRES") and len(line) > 19:
            found.setdefault(line[11].strip(), []).extend(line[19:70].split())
    return {
        chain: "".join(map(_letter, names))
        for chain, names in found.items()
        if any(map(is_amino_acid, names))
    }


def _letter(name: str) -> str:
    """One-letter code of a residue or its parent; ``X`` where it has none."""
    letter = gemmi.find_tabulated_residue(name).one_letter_code.upper()
    return letter if letter in ONE_LETTER else "X"


Columns = dict[tuple[str, str], list[str]]
"""Category and column → its cells, of those that are there."""


def _binary_cif_columns(data: bytes) -> Columns:
    from biotite.structure.io.pdbx import BinaryCIFFile  # takes a second, and few need it

    block: Any = BinaryCIFFile.read(BytesIO(data)).block
    return {
        (category, column): [str(value) for value in block[category][column].as_array()]
        for category, column in (*_TAGS, *_SEQUENCE)
        if category in block and column in block[category]
    }


def _mmcif_columns(head: bytes) -> Columns:
    text = head.decode("utf-8", errors="replace")
    text = re.sub(r"loop_\s*$", "", text)
    try:
        block = gemmi.cif.read_string(text)[0]
    except (ValueError, RuntimeError, IndexError):
        return {}
    return {
        tag: [gemmi.cif.as_string(cell) for cell in block.find_values(f"_{tag[0]}.{tag[1]}")]
        for tag in (*_TAGS, *_SEQUENCE)
    }


def _of_cif(columns: Columns) -> Header:
    kinds, texts, names = (columns.get(tag, []) for tag in _SEQUENCE)
    sequences: dict[str, str] = {}
    if len(kinds) == len(texts) == len(names):
        for kind, text, chains in zip(kinds, texts, names, strict=True):
            if kind.lower().startswith("polypeptide"):
                letters = re.sub(r"[^A-Z]", "", text.upper())
                sequence = "".join(one if one in ONE_LETTER else "X" for one in letters)
                sequences |= dict.fromkeys((name.strip() for name in chains.split(",")), sequence)
    return Header(_first_day([columns.get(tag, []) for tag in _TAGS]), sequences)


def _first_day(columns: list[list[str]]) -> str:
    """The earliest date of the first column that has any."""
    for column in columns:
        days = sorted(day for day in map(_iso, column) if day)
        if days:
            return days[0]
    return ""


def _iso(text: str) -> str:
    try:
        return date.fromisoformat(text.strip("'\" ")[:10]).isoformat()
    except ValueError:
        return ""


def _pdb_date(head: bytes) -> str:
    """Of the first revision, else of the deposition (columns 14-22 and 51-59)."""
    found = {}
    for line in head.splitlines():
        if line.startswith(b"REVDAT   1 ") and _DAY.fullmatch(line[13:22]):
            found["release"] = line[13:22]
        elif line.startswith(b"HEADER") and _DAY.fullmatch(line[50:59]):
            found["deposition"] = line[50:59]
    text = found.get("release") or found.get("deposition") or b""
    try:
        day = datetime.strptime(text.decode(), "%d-%b-%y")
    except ValueError:
        return ""
    # two digits: the PDB began in 1971
    year = day.year % 100 + (1900 if day.year % 100 >= 71 else 2000)
    return day.replace(year=year).date().isoformat()
