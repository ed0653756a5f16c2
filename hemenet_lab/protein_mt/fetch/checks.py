"""Checks of fetched files, one per kind of file."""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import gemmi

from hemenet_lab.protein_mt.fetch.request import Check, Job
from hemenet_lab.protein_mt.fetch.wanted import is_chain_name, read_obsolete
from hemenet_lab.protein_mt.labels import read_ec, read_go, read_identity_flags
from hemenet_lab.protein_mt.raw import read_lines
from hemenet_lab.structures import read_atoms

UNPACKED = 10
"""Times the source's largest size that a gzip file may unpack to."""
RATIO, FREE = 100, 1 << 24
"""A gzip file may unpack to this many times its size, and these bytes; bombs reach 1,000."""
CHUNK = 1 << 20


def check_file(job: Job, path: Path) -> None:
    """Checks that a file is what the job wants.

    Raises:
        ValueError: It is not, or it unpacks to far more than its size.
    """
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    if packed:
        _check_unpacked(path, min(UNPACKED * job.most, RATIO * path.stat().st_size + FREE))
    job.check(path)


def _check_unpacked(path: Path, most: int) -> None:
    size = 0
    try:
        with gzip.open(path) as file:
            while chunk := file.read(CHUNK):
                size += len(chunk)
                if size > most:
                    raise ValueError(f"a gzip file that unpacks to more than {most:,} bytes")
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"not a whole gzip file ({error})") from None


def check_structure(path: Path) -> None:
    """Checks a structure file in any format: whole, with atoms.

    Raises:
        ValueError: It is not.
    """
    if not len(read_atoms(path)):
        raise ValueError("a structure file without atoms")


def check_component(path: Path) -> None:
    """Checks a definition of a chemical component.

    Raises:
        ValueError: It is not, or it has no atoms.
    """
    try:
        block = gemmi.cif.read_string(path.read_text(encoding="utf-8", errors="replace"))[0]
    except (ValueError, RuntimeError, IndexError) as error:
        raise ValueError(f"not a whole CIF file ({error})") from None
    if not block.find("_chem_comp_atom.", ["atom_id", "type_symbol"]):
        raise ValueError("a chemical component without atoms")


def check_chains(path: Path) -> None:
    """Checks a list of chains such as ``1ABC-A``, one per line.

    Raises:
        ValueError: A line of another form, or no line.
    """
    names = [line.strip() for _, line in read_lines(path) if line.strip()]
    wrong = [name for name in names if not is_chain_name(name)]
    if wrong or not names:
        raise ValueError(f"a list of chains with {wrong[0][:40]!r}" if wrong else "an empty list")


def check_obsolete(path: Path) -> None:
    """Checks the list of obsolete entries.

    Raises:
        ValueError: It has none.
    """
    if not read_obsolete(path):
        raise ValueError("no OBSLTE line")


def check_enzyme(path: Path) -> None:
    """Checks ENZYME's data file: entries that begin with ``ID`` and end with ``//``.

    Raises:
        ValueError: No entry, or the last one is cut.
    """
    lines = [line for _, line in read_lines(path) if line.strip()]
    if not any(line.startswith("ID   ") for line in lines) or lines[-1].strip() != "//":
        raise ValueError("not a whole enzyme.dat (no ID lines, or no // at its end)")


def _check_enzclass(path: Path) -> None:
    _needs_line(path, r"[1-9]\. *-\. *-\.-", "line such as '1. -. -.-'")


def _check_obo(path: Path) -> None:
    if not any(re.match("format-version:", line) for _, line in islice(read_lines(path), 20)):
        raise ValueError("not an OBO file: no format-version in its first lines")
    _needs_line(path, r"\[Term\]", "[Term]")


def _needs_line(path: Path, pattern: str, what: str) -> None:
    if not any(re.match(pattern, line) for _, line in read_lines(path)):
        raise ValueError(f"no {what}")


def _table_check(*columns: str) -> Check:
    """Check of a CSV file of SIFTS: comments, a header with these columns, rows."""

    def check(path: Path) -> None:
        lines = (line for _, line in read_lines(path) if not line.startswith("#"))
        header = next(lines, "").split(",")
        if not {*columns} <= {*header} or not sum(1 for line in lines if line):
            raise ValueError(f"a table with the header {header[:20]}; expected {columns} and rows")

    return check


def _reader_check(read: Callable[[Path], object]) -> Check:
    """Check that passes what one of our readers reads."""

    def check(path: Path) -> None:
        read(path)

    return check


CHECKS: dict[str, Check] = {
    "structure": check_structure,
    "component": check_component,
    "obsolete": check_obsolete,
    "ec": _reader_check(read_ec),
    "go": _reader_check(read_go),
    "chains": check_chains,
    "identities": _reader_check(read_identity_flags),
    "pdb_chain_uniprot": _table_check("PDB", "CHAIN", "SP_PRIMARY"),
    "pdb_chain_enzyme": _table_check("PDB", "CHAIN", "EC_NUMBER"),
    "pdb_chain_go": _table_check("PDB", "CHAIN", "GO_ID"),
    "obo": _check_obo,
    "enzyme": check_enzyme,
    "enzclass": _check_enzclass,
}
"""Name in the table of sources → test, which raises ValueError with the reason."""
