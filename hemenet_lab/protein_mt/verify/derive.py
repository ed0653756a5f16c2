"""Labels derived once more from a raw folder, plainly and without the code of the build."""

from __future__ import annotations

import csv
import gzip
import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

Chain = tuple[str, str]
"""PDB code in small letters and chain."""
_BINDING = re.compile(r"(Kd|Ki|IC50|Ka)\s*(<=|>=|[=~<>≤≥])\s*([\d.eE+-]+?)\s*([fpnuµμm]?M)(\S*)")
_POWER = {"f": 15, "p": 12, "n": 9, "u": 6, "µ": 6, "μ": 6, "m": 3, "M": 0}
TASK_OF_BRANCH = {
    "molecular_function": "mf",
    "biological_process": "bp",
    "cellular_component": "cc",
}
NO_LABELS = {"GO:0003674", "GO:0008150", "GO:0005575"}
ELECTRONIC, EMPTY = "IEA", "ND"
EXPERIMENTAL = {"EXP", "IDA", "IPI", "IMP", "IGI", "IEP", "TAS", "IC", "CURATED"}
ChainTerms = dict[Chain, dict[str, set[str]]]


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


def sifts_labels(
    files: Mapping[str, Path], settings: Mapping[str, Any], codes: set[str], counted: set[Chain]
) -> tuple[ChainTerms, dict[str, set[str]]]:
    """Terms of the chains of some entries, and the terms of each task that have enough chains.

    Args:
        files: Place in the raw folder → file, of those that the store was built from.
        settings: The build's settings.
        codes: PDB codes of all items of the build, small letters.
        counted: Chains over which chains per term are counted; all where there are none.
    """
    chains: ChainTerms = defaultdict(lambda: defaultdict(set))
    for code, chain, row in _rows(_file(files, "pdb_chain_enzyme"), codes):
        number = row["EC_NUMBER"].strip()
        if re.fullmatch(r"(\d+\.){3}(-|[A-Za-z]*\d+)", number):
            chains[code, chain]["ec"] |= {number, number[: number.rindex(".")] + ".-"}
    graph = _Graph(_file(files, "go-basic"), settings["relations"])
    for code, chain, row in _rows(_file(files, "pdb_chain_go"), codes):
        if _wanted(row["EVIDENCE"].strip(), settings["evidence"]):
            for term in graph.up(row["GO_ID"].strip()):
                chains[code, chain][graph.task[term]].add(term)
    limits = {"ec": (settings["min_ec_chains"], float("inf"))}
    limits |= dict.fromkeys(
        ("mf", "bp", "cc"), (settings["min_go_chains"], settings["max_go_chains"])
    )
    kept = {}
    for task, (least, most) in limits.items():
        support = Counter(
            term
            for place, found in chains.items()
            if not counted or place in counted
            for term in found[task]
        )
        kept[task] = {term for term, count in support.items() if least <= count <= most}
    return {
        place: {task: terms & kept[task] for task, terms in found.items()}
        for place, found in chains.items()
    }, kept


def _file(files: Mapping[str, Path], stem: str) -> Path:
    return next(path for name, path in files.items() if Path(name).name.startswith(stem))


def _rows(path: Path, codes: set[str]) -> Iterator[tuple[str, str, dict[str, str]]]:
    lines = (line for line in lines_of(path) if not line.startswith("#"))
    header = next(lines).split(",")
    for fields in csv.reader(line for line in lines if line.partition(",")[0].lower() in codes):
        row = dict(zip(header, fields, strict=True))
        yield row["PDB"].lower(), row["CHAIN"], row


def _wanted(code: str, evidence: str) -> bool:
    if evidence == "experimental":
        return code in EXPERIMENTAL
    return code != EMPTY and (evidence == "all" or code != ELECTRONIC)


class _Graph:
    """Terms of an OBO file and what lies above each."""

    def __init__(self, path: Path, relations: str) -> None:
        self.task: dict[str, str] = {}
        self._main: dict[str, str] = {}
        self._above: dict[str, set[str]] = {}
        text = "\n".join(lines_of(path))
        for stanza in re.split(r"^(?=\[)", text, flags=re.MULTILINE):
            if stanza.startswith("[Term]") and "\nis_obsolete: true" not in stanza:
                self._add(stanza, relations)

    def _add(self, stanza: str, relations: str) -> None:
        term = re.findall(r"^id: (\S+)", stanza, re.MULTILINE)[0]
        self.task[term] = TASK_OF_BRANCH[re.findall(r"^namespace: (\S+)", stanza, re.MULTILINE)[0]]
        self._main |= dict.fromkeys(re.findall(r"^alt_id: (\S+)", stanza, re.MULTILINE), term)
        above = set(re.findall(r"^is_a: (\S+)", stanza, re.MULTILINE))
        if relations != "is_a":
            found = re.findall(r"^relationship: (\S+) (\S+)", stanza, re.MULTILINE)
            above |= {other for name, other in found if relations == "all" or name == "part_of"}
        self._above[term] = above

    def up(self, term: str) -> set[str]:
        """A term and everything above it; nothing for a term that is not in the file."""
        term = self._main.get(term, term)
        if term not in self.task:
            return set()
        found = {term}
        while new := {up for one in found for up in self._above[one] if up in self.task} - found:
            found |= new
        return found - NO_LABELS
