"""SIFTS's tables and the ontology, read once more, to derive labels made from them again."""

from __future__ import annotations

import csv
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hemenet_lab.protein_mt.verify.raw_labels import Chain, lines_of

TASK_OF_BRANCH = {
    "molecular_function": "mf",
    "biological_process": "bp",
    "cellular_component": "cc",
}
NO_LABELS = {"GO:0003674", "GO:0008150", "GO:0005575"}
ELECTRONIC, EMPTY = "IEA", "ND"
EXPERIMENTAL = {"EXP", "IDA", "IPI", "IMP", "IGI", "IEP", "TAS", "IC", "CURATED"}
ChainTerms = dict[Chain, dict[str, set[str]]]


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
