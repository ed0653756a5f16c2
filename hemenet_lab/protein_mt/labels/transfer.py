"""Label transfer: chains with the same UniProt id share their property labels.

A label belongs to one protein, which is one UniProt id: the one that its source names, or else the
only one of its chain. The label set of a chain is the union of the labels of its UniProt ids, and
of its own annotation (HeMeNet paper, section "Protein-MT", label transfer). The annotation of a
chain with several ids, such as a target fused to maltose-binding protein, says nothing about either
of them, so it stays with the chain. Transfer runs in both directions: a chain that only the EC
table lists gets the GO terms of chains with its UniProt id, and the other way round; single chains
and chains of complexes are treated alike.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from hemenet_lab.protein_mt.labels.deepfri import FunctionTable, Terms
from hemenet_lab.protein_mt.labels.sifts import UniprotMap
from hemenet_lab.protein_mt.raw import Problem, chain_name, entry_code, split_chain_name
from hemenet_lab.store import Entry
from hemenet_lab.tasks import LBA, PPA, PROTEIN_MT, Task

TermArray = NDArray[np.int32]


OWN = "own"
"""Route of a label that an annotation table gives the chain itself."""


@dataclass(frozen=True, order=True)
class LabelOrigin:
    """Source of one label of one chain."""

    task: str
    term: int
    source: str
    """Chain that an annotation table gives the label, such as ``1ABC-A``; of several, the first by
    name."""
    route: str
    """`OWN`, or ``uniprot P12345`` for the id over which it came."""


class LabelTransfer:
    """Property labels of any PDB chain, from annotation tables and UniProt ids.

    Args:
        tables: Annotation tables, each over its own tasks.
        uniprot: UniProt ids of PDB chains.
        share: Give a chain the labels of its UniProt ids; else only its own.
    """

    def __init__(
        self, tables: Iterable[FunctionTable], uniprot: UniprotMap, *, share: bool = True
    ) -> None:
        self.uniprot = uniprot
        self._share = share
        self.problems: list[Problem] = []
        self._own: dict[tuple[str, str], dict[str, set[int]]] = {}
        self._by_uniprot: dict[str, dict[str, dict[int, str]]] = {}
        """UniProt id → task → term → source chain."""
        for table in tables:
            self._collect(table)

    def origins(self, pdb: str, chain: str) -> list[LabelOrigin]:
        """Each label of one chain once, with where it comes from, sorted by task and term."""
        pdb = entry_code(pdb)
        name = chain_name(pdb, chain)
        found: dict[tuple[str, int], LabelOrigin] = {}
        for task, terms in self._own.get((pdb, chain), {}).items():
            found |= {(task, term): LabelOrigin(task, term, name, OWN) for term in terms}
        for accession in self.uniprot.ids(pdb, chain) if self._share else ():
            for task, sources in self._by_uniprot.get(accession, {}).items():
                for term, source in sources.items():
                    origin = LabelOrigin(task, term, source, f"uniprot {accession}")
                    found.setdefault((task, term), origin)
        return sorted(found.values())

    def labels(self, pdb: str, chain: str) -> dict[str, TermArray]:
        """Labels of one chain: task name → ascending term indices; unlabelled tasks are absent."""
        terms: dict[str, list[int]] = defaultdict(list)
        for origin in self.origins(pdb, chain):
            terms[origin.task].append(origin.term)
        return {task: np.array(found, dtype=np.int32) for task, found in terms.items()}

    def apply(self, entry: Entry, pdb: str) -> Entry:
        """The entry with the labels of its chains and their UniProt ids.

        Args:
            entry: Entry whose ``chain_names`` are the author ids of the PDB entry's chains.
            pdb: PDB code.
        """
        terms: dict[str, dict[int, TermArray]] = {}
        for index, chain in enumerate(entry.chain_names):
            for task, found in self.labels(pdb, chain).items():
                terms.setdefault(task, {})[index] = found
        uniprot = tuple(";".join(self.uniprot.ids(pdb, chain)) for chain in entry.chain_names)
        return replace(entry, terms=terms, chain_uniprot=uniprot)

    def _collect(self, table: FunctionTable) -> None:
        for name, labels in table.chains.items():
            try:
                pdb, chain = split_chain_name(name)
            except ValueError as error:
                self.problems.append(Problem("annotation table", 0, name, str(error)))
                continue
            own = self._own.setdefault((pdb, chain), {})
            for task, terms in labels.items():
                own[task] = own.get(task, set()) | set(terms)
            source = chain_name(pdb, chain)
            ids = self.uniprot.ids(pdb, chain)
            for said, of_part in table.parts.get(name, {"": labels}).items():
                if accession := said or (ids[0] if len(ids) == 1 else ""):
                    self._share_out(source, accession, of_part)

    def _share_out(self, source: str, accession: str, labels: Mapping[str, Terms]) -> None:
        """The labels belong to a UniProt id from now on."""
        of_id = self._by_uniprot.setdefault(accession, {})
        for task, terms in labels.items():
            sources = of_id.setdefault(task, {})
            for term in terms:
                sources[term] = min(source, sources.get(term, source))


def is_full_label(entry: Entry, tasks: Sequence[Task]) -> bool:
    """Check that an entry has all kinds of labels that one entry can have.

    That is an affinity, and on every chain with a UniProt id a label of each chain-level task;
    at least one chain must have a UniProt id. Chains without one do not count.
    """
    if not {LBA.name, PPA.name} & entry.values.keys():
        return False
    of_benchmark = {task.name for task in PROTEIN_MT}
    known = [index for index, names in enumerate(entry.chain_uniprot) if names]
    chain_tasks = [
        task.name for task in tasks if task.level == "chain" and task.name in of_benchmark
    ]
    return bool(known) and all(
        index in entry.terms.get(task, {}) for task in chain_tasks for index in known
    )
