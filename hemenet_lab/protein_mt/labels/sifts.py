"""SIFTS's tables: UniProt ids, EC numbers and GO terms of PDB chains.

The rules are those with which DeepFRI made its annotation files (its ``create_nrPDB_*_annot.py``):
EC numbers of three or four levels, where a number of four gives its class (``1.1.1.-``) as well;
GO terms with their ancestors; and only terms with enough chains, counted over a set of chains in
which no two are near-copies.
"""

from __future__ import annotations

import csv
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hemenet_lab.protein_mt import RELATIONS
from hemenet_lab.protein_mt.labels.deepfri import FunctionTable
from hemenet_lab.protein_mt.labels.ontology import BRANCHES, Ontology
from hemenet_lab.protein_mt.raw import Problem, read_lines
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
        return self.chains.get((pdb.lower(), chain), ())


def read_sifts(path: str | Path) -> UniprotMap:
    """Reads ``pdb_chain_uniprot.csv`` or ``.csv.gz``.

    Lines that start with ``#`` are comments. A chain has a row per mapped range; rows that differ
    only in their ranges (which may be ``None``) give one id.

    Raises:
        ValueError: The header lacks PDB, CHAIN or SP_PRIMARY.
    """
    path = Path(path)
    lines = ((number, line) for number, line in read_lines(path) if not line.startswith("#"))
    header = next(csv.reader([next(lines, (0, ""))[1]]), [])
    missing = [name for name in COLUMNS if name not in header]
    if missing:
        raise ValueError(
            f"{path} has the columns {header}, but not {missing}; expected SIFTS's "
            "pdb_chain_uniprot.csv with PDB, CHAIN, SP_PRIMARY, …"
        )
    pdb, chain, accession = (header.index(name) for name in COLUMNS)
    found: dict[tuple[str, str], set[str]] = defaultdict(set)
    problems: list[Problem] = []
    rows = 0
    for number, line in lines:
        if not line.strip():
            continue
        rows += 1
        fields = [field.strip() for field in next(csv.reader([line]))]
        key = fields[accession] if len(fields) > accession else ""
        if key in ("", "None", "null"):
            code = fields[pdb].lower() if len(fields) > pdb else ""
            problems.append(Problem(path.name, number, code, "no UniProt id in this row"))
            continue
        found[fields[pdb].lower(), fields[chain]].add(key)
    return UniprotMap(
        {key: tuple(sorted(ids)) for key, ids in found.items()}, rows, tuple(problems)
    )


EXPERIMENTAL = ("EXP", "IDA", "IPI", "IMP", "IGI", "IEP", "TAS", "IC", "CURATED")
"""Evidence codes that DeepFRI counts as experimental."""
_EC = re.compile(r"\d+\.\d+\.\d+\.([A-Za-z]*\d+|-)")

ChainTerms = dict[str, set[str]]
"""Chain such as ``1ABC-A`` → its terms."""


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

    def support(self, chains: Mapping[str, set[str]]) -> Counter[str]:
        """Term → number of counted chains."""
        return Counter(
            term
            for chain, terms in chains.items()
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
    for chain, row in _rows(path, wanted.codes, ("PDB", "CHAIN", "EC_NUMBER")):
        number = row["EC_NUMBER"]
        if number in ("", "?", "None"):
            problems["no EC number in this row"] += 1
        elif not _EC.fullmatch(number):
            problems["EC number of fewer than three levels"] += 1
        else:
            chains[chain] |= {number, f"{number.rpartition('.')[0]}.-"}
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
    for chain, row in _rows(path, wanted.codes, ("PDB", "CHAIN", "EVIDENCE", "GO_ID")):
        term = ontology.find(row["GO_ID"])
        if not _counts(row["EVIDENCE"], wanted.evidence):
            problems[f"evidence {row['EVIDENCE'] or 'missing'}, which is not wanted"] += 1
        elif term is None:
            problems[f"term is obsolete or unknown in {ontology.release}"] += 1
        else:
            direct[chain].add(term)
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
) -> Iterator[tuple[str, dict[str, str]]]:
    """Chain and columns of the rows about wanted entries; other rows are not even split."""
    lines = (line for _, line in read_lines(path) if line and not line.startswith("#"))
    header = next(csv.reader([next(lines, "")]), [])
    missing = [name for name in columns if name not in header]
    if missing:
        raise ValueError(
            f"{path} has the columns {header}, but not {missing}; expected SIFTS's table "
            f"with {', '.join(columns)}"
        )
    for fields in csv.reader(line for line in lines if line[:4].lower() in codes):
        row = {name: field.strip() for name, field in zip(header, fields, strict=False)}
        if all(row.get(name) is not None for name in columns):
            yield f"{row['PDB'].upper()}-{row['CHAIN']}", row


def _counts(code: str, evidence: str) -> bool:
    if evidence == "experimental":
        return code in EXPERIMENTAL
    return code not in (("ND", "IEA") if evidence == "curated" else ("ND",))


def _table(
    path: Path,
    terms: Mapping[Task, Sequence[str]],
    chains: Mapping[str, set[str]],
    names: Mapping[str, str],
    problems: Counter[str],
) -> FunctionTable:
    tasks = tuple(
        task.with_terms(found, [names[term] for term in found] if names else ())
        for task, found in terms.items()
    )
    index = {task.name: {term: i for i, term in enumerate(task.terms)} for task in tasks}
    labels = {
        chain: {
            task: tuple(sorted(place[term] for term in of_chain if term in place))
            for task, place in index.items()
            if any(term in place for term in of_chain)
        }
        for chain, of_chain in sorted(chains.items())
    }
    left_out = {f"{path.name}: {reason}": count for reason, count in sorted(problems.items())}
    found = {chain: of_chain for chain, of_chain in labels.items() if of_chain}
    return FunctionTable(tasks, found, len(chains), left_out=left_out)


def _by_number(number: str) -> tuple[tuple[int, str], ...]:
    """Key that sorts ``1.10.1.1`` after ``1.9.1.1``, and classes before their members."""
    return tuple((int(part), "") if part.isdigit() else (0, part) for part in number.split("."))
