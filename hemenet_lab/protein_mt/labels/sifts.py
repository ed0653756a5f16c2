"""SIFTS's tables: UniProt ids, EC numbers and GO terms of PDB chains.

The rules are those with which DeepFRI made its annotation files (its ``create_nrPDB_*_annot.py``):
EC numbers of three or four levels, where a number of four gives its class (``1.1.1.-``) as well;
GO terms with their ancestors; and only terms with enough chains, counted over a set of chains in
which no two are near-copies.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hemenet_lab.protein_mt import RELATIONS
from hemenet_lab.protein_mt.labels.deepfri import FunctionTable, Terms
from hemenet_lab.protein_mt.labels.ontology import BRANCHES, Ontology
from hemenet_lab.protein_mt.raw import (
    Problem,
    Row,
    chain_name,
    entry_code,
    read_lines,
    read_table,
)
from hemenet_lab.tasks import BP, CC, EC, MF, Task

COLUMNS = ("PDB", "CHAIN", "SP_PRIMARY")


@dataclass(frozen=True)
class UniprotMap:
    """UniProt ids of PDB chains; a chain that is not there has none that is known."""

    chains: Mapping[tuple[str, str], tuple[str, ...]]
    """(PDB code in lower case, author chain id) → ids in alphabetical order."""
    rows: int = 0
    problems: tuple[Problem, ...] = ()

    def ids(self, pdb: str, chain: str) -> tuple[str, ...]:
        """Ids of one chain: several for a fusion protein, none where it is unknown."""
        return self.chains.get((entry_code(pdb), chain), ())


def read_sifts(path: str | Path) -> UniprotMap:
    """Reads ``pdb_chain_uniprot.csv`` or ``.csv.gz``.

    Lines that start with ``#`` are comments. A chain has a row per mapped range; rows that differ
    only in their ranges (which may be ``None``) give one id.

    Raises:
        ValueError: The header lacks PDB, CHAIN or SP_PRIMARY.
    """
    path = Path(path)
    expected = "expected SIFTS's pdb_chain_uniprot.csv with PDB, CHAIN, SP_PRIMARY, …"
    found: dict[tuple[str, str], set[str]] = defaultdict(set)
    problems: list[Problem] = []
    rows = 0
    for row in read_table(path, COLUMNS, expected=expected):
        rows += 1
        code = entry_code(row["PDB"])
        if row["SP_PRIMARY"] in NO_ACCESSION:
            problems.append(Problem(path.name, row.line, code, "no UniProt id in this row"))
        elif not code or not row["CHAIN"]:
            problems.append(Problem(path.name, row.line, code, "no PDB id or chain in this row"))
        else:
            found[code, row["CHAIN"]].add(row["SP_PRIMARY"])
    return UniprotMap(
        {key: tuple(sorted(ids)) for key, ids in found.items()}, rows, tuple(problems)
    )


NO_ACCESSION = ("", "None", "null")
"""Texts of a cell without a UniProt id."""
EXPERIMENTAL = ("EXP", "IDA", "IPI", "IMP", "IGI", "IEP", "TAS", "IC", "CURATED")
"""Evidence codes that DeepFRI counts as experimental."""
_EC = re.compile(r"\d+\.\d+\.\d+\.([A-Za-z]*\d+|-)")
_SHORT_EC = re.compile(r"\d+(\.\d+)?(\.-){0,3}|\d+\.\d+\.\d+")

ChainTerms = dict[tuple[str, str], set[str]]
"""Chain such as ``1ABC-A``, and the UniProt id that the row names (or nothing) → terms."""
ACCESSIONS = ("ACCESSION", "SP_PRIMARY")
"""Columns of the UniProt id in the tables of EC numbers and of GO terms."""


@dataclass(frozen=True)
class Wanted:
    """Chains and terms that a build asks for."""

    codes: Collection[str]
    """PDB codes, lower case."""
    counted: Collection[str]
    """Chains over which the chains of each term are counted; empty for all wanted ones."""
    min_ec: int = 11
    min_go: int = 50
    max_go: int = 5_000
    """Chains that a term must have (DeepFRI: EC above 10; GO 50 to 5,000)."""
    evidence: str = "all"
    """One of `EVIDENCE`."""
    relations: str = "is_a"
    """Key of `RELATIONS`."""

    def support(self, chains: ChainTerms) -> Counter[str]:
        """Term → number of counted chains."""
        return Counter(
            term
            for chain, terms in _joined(chains).items()
            if not self.counted or chain in self.counted
            for term in terms
        )


def read_sifts_ec(path: Path, wanted: Wanted) -> FunctionTable:
    """EC numbers from ``pdb_chain_enzyme.csv``, plain or gzipped.

    Raises:
        ValueError: The table has other columns.
    """
    chains: ChainTerms = defaultdict(set)
    problems: Counter[str] = Counter()
    for chain, accession, row in _rows(path, wanted.codes, ("PDB", "CHAIN", "EC_NUMBER")):
        numbers = [text for text in re.split(r"[,;\s]+", row["EC_NUMBER"]) if text]
        if not numbers:
            problems["no EC number in this row"] += 1
        for number in numbers:
            if number in ("?", "None", "null", "NA"):
                problems["no EC number in this row"] += 1
            elif _EC.fullmatch(number):
                chains[chain, accession] |= {number, f"{number.rpartition('.')[0]}.-"}
            elif _SHORT_EC.fullmatch(number):
                problems["EC number of fewer than three levels"] += 1
            else:
                problems["not an EC number"] += 1
    support = wanted.support(chains)
    terms = sorted((t for t, n in support.items() if n >= wanted.min_ec), key=_by_number)
    return _table(path, {EC: terms}, chains, {}, problems)


def read_sifts_go(path: Path, wanted: Wanted, ontology: Ontology) -> FunctionTable:
    """GO terms and their ancestors from ``pdb_chain_go.csv``, plain or gzipped.

    Raises:
        ValueError: The table has other columns.
    """
    direct: ChainTerms = defaultdict(set)
    problems: Counter[str] = Counter()
    for chain, accession, row in _rows(path, wanted.codes, ("PDB", "CHAIN", "EVIDENCE", "GO_ID")):
        term = ontology.find(row["GO_ID"])
        if not _counts(row["EVIDENCE"], wanted.evidence):
            problems[f"evidence {row['EVIDENCE'] or 'missing'}, which is not wanted"] += 1
        elif term is None:
            problems[f"term is obsolete or unknown in {ontology.release}"] += 1
        else:
            direct[chain, accession].add(term)
    ancestors = {
        term: ontology.ancestors(term, RELATIONS[wanted.relations])
        for term in sorted({term for terms in direct.values() for term in terms})
    }
    chains = {
        chain: {up for term in terms for up in ancestors[term]} for chain, terms in direct.items()
    }
    kept = sorted(
        term
        for term, count in wanted.support(chains).items()
        if wanted.min_go <= count <= wanted.max_go
    )
    of_branch = {
        task: [term for term in kept if ontology.branch[term] == task.name] for task in (MF, BP, CC)
    }
    assert {task.name for task in of_branch} == set(BRANCHES.values())
    return _table(path, of_branch, chains, ontology.names, problems)


def sifts_date(path: Path) -> str:
    """First comment of a SIFTS table, which names its date and releases; else empty."""
    line = next((line for _, line in read_lines(path)), "")
    return line.lstrip("# ").strip() if line.startswith("#") else ""


def _rows(
    path: Path, codes: Collection[str], columns: tuple[str, ...]
) -> Iterator[tuple[str, str, Row]]:
    """Chain, UniProt id and columns of the rows about wanted entries; others are not even cut."""

    def keep(text: str) -> bool:
        return entry_code(_FIRST.split(text, maxsplit=1)[0].strip('"')) in codes

    expected = f"expected SIFTS's table with {', '.join(columns)}"
    for row in read_table(path, columns, ACCESSIONS, keep=keep, expected=expected):
        accession = next((row[name] for name in ACCESSIONS if row[name]), "")
        if row["CHAIN"]:
            yield (
                chain_name(entry_code(row["PDB"]), row["CHAIN"]),
                "" if accession in NO_ACCESSION else accession,
                row,
            )


_FIRST = re.compile(r"[,;\t]")


def _joined(chains: ChainTerms) -> dict[str, set[str]]:
    """Chain → its terms, whichever UniProt id they belong to."""
    found: dict[str, set[str]] = defaultdict(set)
    for (chain, _), terms in chains.items():
        found[chain] |= terms
    return found


def _counts(code: str, evidence: str) -> bool:
    if evidence == "experimental":
        return code in EXPERIMENTAL
    return code not in (("ND", "IEA") if evidence == "curated" else ("ND",))


def _table(
    path: Path,
    terms: Mapping[Task, Sequence[str]],
    chains: ChainTerms,
    names: Mapping[str, str],
    problems: Counter[str],
) -> FunctionTable:
    tasks = tuple(
        task.with_terms(found, [names[term] for term in found] if names else ())
        for task, found in terms.items()
    )
    index = {task.name: {term: i for i, term in enumerate(task.terms)} for task in tasks}

    def numbered(of_chain: set[str]) -> dict[str, Terms]:
        return {
            task: tuple(sorted(place[term] for term in of_chain if term in place))
            for task, place in index.items()
            if any(term in place for term in of_chain)
        }

    joined = _joined(chains)
    labels = {chain: numbered(of_chain) for chain, of_chain in sorted(joined.items())}
    parts: dict[str, dict[str, dict[str, Terms]]] = defaultdict(dict)
    for (chain, accession), of_part in sorted(chains.items()):
        if found := numbered(of_part):
            parts[chain][accession] = found
    left_out = {f"{path.name}: {reason}": count for reason, count in sorted(problems.items())}
    labelled = {chain: of_chain for chain, of_chain in labels.items() if of_chain}
    said = {chain: of_chain for chain, of_chain in parts.items() if any(of_chain)}
    return FunctionTable(tasks, labelled, len(joined), left_out=left_out, parts=said)


def _by_number(number: str) -> tuple[tuple[int, str], ...]:
    """Key that sorts ``1.10.1.1`` after ``1.9.1.1``, and classes before their members."""
    return tuple((int(part), "") if part.isdigit() else (0, part) for part in number.split("."))
