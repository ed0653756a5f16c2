"""Label files of a raw folder, read once more, plainly, and without the code of the build."""

from __future__ import annotations

import csv
import gzip
import math
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

Chain = tuple[str, str]
"""PDB code in small letters and chain."""
_BINDING = re.compile(r"(Kd|Ki|IC50|Ka)\s*(<=|>=|[=~<>≤≥])\s*([\d.eE+-]+?)\s*([fpnuµμm]?M)(\S*)")
_POWER = {"f": 15, "p": 12, "n": 9, "u": 6, "µ": 6, "μ": 6, "m": 3, "M": 0}


def lines_of(path: Path) -> Iterator[str]:
    """Lines of a text file, gzipped or not."""
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    with (gzip.open if packed else open)(
        path, "rt", encoding="utf-8-sig", errors="replace", newline=""
    ) as file:
        for line in file:
            yield line.rstrip("\r\n")


def uniprot_of_chains(path: Path) -> dict[Chain, set[str]]:
    """SIFTS: chain → UniProt ids."""
    found: dict[Chain, set[str]] = defaultdict(set)
    rows = csv.DictReader(line for line in lines_of(path) if line and not line.startswith("#"))
    for row in rows:
        name = (row["SP_PRIMARY"] or "").strip()
        if name not in ("", "None", "null"):
            found[row["PDB"].strip().lower(), row["CHAIN"].strip()].add(name)
    return found


class Annotations:
    """An annotation table of DeepFRI.

    Args:
        path: The table.
        tasks: Names of its tasks: ``ec``, or ``mf``, ``bp`` and ``cc``.
    """

    def __init__(self, path: Path, tasks: tuple[str, ...]) -> None:
        lines = list(lines_of(path))
        step = 2 if len(tasks) == 1 else 4
        self.terms = {
            task: [term for term in lines[1 + step * i].split("\t") if term.strip()]
            for i, task in enumerate(tasks)
        }
        rows = [line.split("\t") for line in lines[step * len(tasks) + 1 :] if line.strip()]
        self.rows = len(rows)
        self.chains: dict[Chain, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
        for name, *fields in rows:
            code, _, chain = name.partition("-")
            for task, text in zip(tasks, fields, strict=False):
                known = set(self.terms[task])
                found = {term.strip() for term in text.split(",")} & known
                if found:
                    self.chains[code.lower(), chain][task] |= found


def affinities(paths: Iterable[Path], bounds: bool) -> dict[str, float]:
    """PDB code → pK of the first row of the first file that has the complex.

    Args:
        paths: CSV or PDBbind index files, the preferred one first.
        bounds: Whether values that are bounds count.
    """
    found: dict[str, float | None] = {}
    for path in paths:
        for code, value in _csv(path) if path.suffix == ".csv" else _index(path, bounds):
            found.setdefault(code, value)
    return {code: value for code, value in found.items() if value is not None}


def _csv(path: Path) -> Iterator[tuple[str, float | None]]:
    rows = csv.DictReader(line for line in lines_of(path) if not line.startswith("#"))
    for row in rows:
        try:
            yield row["id"].strip().lower(), float(row["pKd"])
        except (TypeError, ValueError):
            continue


def _index(path: Path, bounds: bool) -> Iterator[tuple[str, float | None]]:
    for line in lines_of(path):
        fields = line.split("//")[0].split()
        match = _BINDING.search(line.split("//")[0])
        if line.lstrip().startswith("#") or len(fields) < 4 or not match:
            continue
        measure, sign, number, unit, inverse = match.groups()
        if measure == "Ka":
            value = math.log10(float(number)) + _POWER[unit[0]]
        elif inverse:
            continue
        else:
            value = _POWER[unit[0]] - math.log10(float(number))
        if re.fullmatch(r"[+-]?\d*\.?\d+", fields[3]):
            value = float(fields[3])
        yield fields[0].lower(), value if bounds or sign in "=~" else None
