"""Labels derived once more from a raw folder, plainly and without the code of the build."""

from __future__ import annotations

import csv
import gzip
import math
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

Chain = tuple[str, str]
"""PDB code in small letters and chain."""
_BINDING = re.compile(r"(Kd|Ki|IC50|Ka)\s*(<=|>=|[=~<>≤≥])\s*([\d.eE+-]+?)\s*([fpnuµμm]?M)(\S*)")
_POWER = {"f": 15, "p": 12, "n": 9, "u": 6, "µ": 6, "μ": 6, "m": 3, "M": 0}


def lines_of(path: Path) -> Iterator[str]:
    """Lines of a text file, gzipped or not."""
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    opener = gzip.open if packed else open
    with opener(path, "rb") as file:
        wide = file.read(2) in (b"\xff\xfe", b"\xfe\xff")
    encoding = "utf-16" if wide else "utf-8-sig"
    with opener(path, "rt", encoding=encoding, errors="replace", newline="") as file:
        for line in file:
            yield line.rstrip("\r\n")


def rows_of_table(
    path: Path, keep: Callable[[str], bool] = lambda text: True
) -> Iterator[dict[str, str]]:
    """Rows of a table between commas, semicolons or tabs, without the blanks around cells."""
    lines = (line for line in lines_of(path) if line.strip() and not line.startswith("#"))
    head = next(lines, "")
    head = next(lines, "") if re.fullmatch("sep=.", head.strip().lower()) else head
    sign = max(",;\t", key=head.count)
    names = [name.strip().strip('"') for name in head.split(sign)]
    spelling = {"id": "id", "pkd": "pKd"}
    names = [spelling.get(name.lower(), name) for name in names]
    table = csv.DictReader(
        filter(keep, lines), names, delimiter=sign, restval="", skipinitialspace=True
    )
    for row in table:
        if not any(text.strip() for text in row.pop(None, [])):  # type: ignore[call-overload]
            yield {name: text.strip() for name, text in row.items()}


def code_of(text: str) -> str:
    """An entry's id in small letters, a long PDB id in its short form."""
    text = text.strip().lower()
    return text[8:] if re.fullmatch(r"pdb_0000\d\w{3}", text) else text


def chain_of(name: str) -> Chain:
    """``1ABC-A`` or ``1abc_A`` as entry and chain."""
    match = re.match(r"(pdb_\w{8}|\d[^\W_]{3})[-_](.+)$", name, re.IGNORECASE)
    if match:
        return code_of(match[1]), match[2]
    code, hyphen, chain = name.rpartition("-")
    return (code_of(code), chain) if hyphen else (code_of(name), "A")


def uniprot_of_chains(path: Path) -> dict[Chain, set[str]]:
    """SIFTS: chain → UniProt ids."""
    found: dict[Chain, set[str]] = defaultdict(set)
    for row in rows_of_table(path):
        name = row["SP_PRIMARY"]
        if name not in ("", "None", "null"):
            found[code_of(row["PDB"]), row["CHAIN"]].add(name)
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
            for task, text in zip(tasks, fields, strict=False):
                known = set(self.terms[task])
                found = {term.strip() for term in text.split(",")} & known
                if found:
                    self.chains[chain_of(name)][task] |= found


def affinities(paths: Iterable[Path], bounds: bool) -> dict[str, float]:
    """PDB code → pK of the first row of the first file that has the complex.

    Args:
        paths: CSV or PDBbind index files, the preferred one first.
        bounds: Whether values that are bounds count.
    """
    found: dict[str, float | None] = {}
    for path in paths:
        for code, value in _csv(path, bounds) if path.suffix == ".csv" else _index(path, bounds):
            found.setdefault(code, value)
    return {code: value for code, value in found.items() if value is not None}


def _csv(path: Path, bounds: bool) -> Iterator[tuple[str, float | None]]:
    for row in rows_of_table(path):
        other = {name.lower(): text.lower() for name, text in row.items()}
        name = next((other[key] for key in ("id", *_IDS) if key in other), "")
        sign = next((other[key] for key in _SIGN if other.get(key)), "=")
        unit = other.get("unit", "") + other.get("units", "")
        if not re.fullmatch(r"[+-]?\d*[.,]?\d*(e[+-]?\d+)?", other["pkd"]) or unit not in _UNITLESS:
            continue
        try:
            value = float(other["pkd"].replace(",", "."))
        except ValueError:
            continue
        if _plausible(value):
            yield code_of(name), value if bounds or sign in "=~" else None


_IDS = tuple(f"{a}{b}{c}" for a in ("pdb", "entry") for b in ("", " ", "_", "-") for c in
             ("", "id", "code"))  # fmt: skip
_SIGN = ("relation", "sign", "qualifier", "operator")
_UNITLESS = ("", "-", "pk", "pkd", "-log10(m)", "-log10 m", "log10", "none")


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
        if _plausible(value):
            yield code_of(fields[0]), value if bounds or sign in "=~" else None


def _plausible(value: float) -> bool:
    return -5 <= value <= 20 and not 0 < abs(value) < 1e-3


TASK_OF_BRANCH = {
    "molecular_function": "mf",
    "biological_process": "bp",
    "cellular_component": "cc",
}
NO_LABELS = {"GO:0003674", "GO:0008150", "GO:0005575"}
ELECTRONIC, EMPTY = "IEA", "ND"
EXPERIMENTAL = {"EXP", "IDA", "IPI", "IMP", "IGI", "IEP", "TAS", "IC", "CURATED"}
ChainTerms = dict[Chain, dict[str, set[str]]]
PartTerms = dict[tuple[Chain, str], dict[str, set[str]]]
"""Chain and the UniProt id that its rows name, or nothing → task → terms."""


def sifts_labels(
    files: Mapping[str, Path], settings: Mapping[str, Any], codes: set[str], counted: set[Chain]
) -> tuple[PartTerms, dict[str, set[str]]]:
    """Terms of the chains of some entries, and the terms of each task that have enough chains.

    Args:
        files: Place in the raw folder → file, of those that the store was built from.
        settings: The build's settings.
        codes: PDB codes of all items of the build, small letters.
        counted: Chains over which chains per term are counted; all where there are none.
    """
    parts: PartTerms = defaultdict(lambda: defaultdict(set))
    for code, chain, row in _rows(_file(files, "pdb_chain_enzyme"), codes):
        for number in re.findall(r"[^\s,;]+", row["EC_NUMBER"]):
            if re.fullmatch(r"(\d+\.){3}(-|[A-Za-z]*\d+)", number):
                both = {number, number[: number.rindex(".")] + ".-"}
                parts[(code, chain), _protein(row)]["ec"] |= both
    graph = _Graph(_file(files, "go-basic"), settings["relations"])
    for code, chain, row in _rows(_file(files, "pdb_chain_go"), codes):
        if _wanted(row["EVIDENCE"].strip(), settings["evidence"]):
            for term in graph.up(row["GO_ID"].strip()):
                parts[(code, chain), _protein(row)][graph.task[term]].add(term)
    chains: ChainTerms = defaultdict(lambda: defaultdict(set))
    for (place, _), of_part in parts.items():
        for task, terms in of_part.items():
            chains[place][task] |= terms
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
        for place, found in parts.items()
    }, kept


def _protein(row: Mapping[str, str]) -> str:
    name = (row.get("ACCESSION") or row.get("SP_PRIMARY") or "").strip()
    return "" if name in ("None", "null") else name


def _file(files: Mapping[str, Path], stem: str) -> Path:
    return next(path for name, path in files.items() if Path(name).name.startswith(stem))


def _rows(path: Path, codes: set[str]) -> Iterator[tuple[str, str, dict[str, str]]]:
    for row in rows_of_table(path, lambda text: code_of(text.partition(",")[0]) in codes):
        yield code_of(row["PDB"]), row["CHAIN"], row


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
