"""SIFTS's tables and the ontology, read once more, to derive labels made from them again."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hemenet_lab.protein_mt.verify.raw_labels import Chain, code_of, lines_of, rows_of_table

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
