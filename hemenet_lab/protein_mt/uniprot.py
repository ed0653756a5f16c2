"""SIFTS's table ``pdb_chain_uniprot.csv``: which UniProt entries a PDB chain comes from."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hemenet_lab.protein_mt.textfile import Problem, read_lines

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
