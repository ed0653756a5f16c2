"""Label transfer: chains with the same UniProt id share their property labels.

The label set of a chain is the union of the labels of all annotated chains with one of its UniProt
ids, and of its own annotation (HeMeNet paper, section "Protein-MT", label transfer). It runs in
both directions: a chain that only the EC table lists gets the GO terms of chains with its UniProt
id, and the other way round; single chains and chains of complexes are treated alike.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from hemenet_lab.protein_mt.labels.deepfri import FunctionTable
from hemenet_lab.protein_mt.labels.sifts import UniprotMap
from hemenet_lab.protein_mt.raw import Problem, split_chain_name
from hemenet_lab.store import Entry
from hemenet_lab.tasks import Task

TermArray = NDArray[np.int32]


class LabelTransfer:
    """Property labels of any PDB chain, from annotation tables and UniProt ids.

    Args:
        tables: Annotation tables, each over its own tasks.
        uniprot: UniProt ids of PDB chains.
        share: Give a chain the labels of chains with its UniProt ids; else only its own.
    """

    def __init__(
        self, tables: Iterable[FunctionTable], uniprot: UniprotMap, *, share: bool = True
    ) -> None:
        self.uniprot = uniprot
        self._share = share
        self.problems: list[Problem] = []
        self._own: dict[tuple[str, str], dict[str, set[int]]] = {}
        self._by_uniprot: dict[str, dict[str, set[int]]] = defaultdict(lambda: defaultdict(set))
        for table in tables:
            self._collect(table)

    def uniprot_terms(self, task: str) -> dict[str, frozenset[int]]:
        """UniProt id → union of the terms of all annotated chains with this id."""
        return {
            name: frozenset(labels[task])
            for name, labels in self._by_uniprot.items()
            if task in labels
        }

    def labels(self, pdb: str, chain: str) -> dict[str, TermArray]:
        """Labels of one chain: task name → ascending term indices; unlabelled tasks are absent."""
        sources = [self._own.get((pdb.lower(), chain), {})]
        if self._share:
            sources += [self._by_uniprot.get(name, {}) for name in self.uniprot.ids(pdb, chain)]
        union: dict[str, set[int]] = defaultdict(set)
        for labels in sources:
            for task, terms in labels.items():
                union[task] |= terms
        return {task: np.array(sorted(union[task]), dtype=np.int32) for task in sorted(union)}

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
                for accession in self.uniprot.ids(pdb, chain):
                    self._by_uniprot[accession][task] |= set(terms)


def is_full_label(entry: Entry, tasks: Sequence[Task]) -> bool:
    """Check that an entry has all kinds of labels that one entry can have.

    That is an affinity, and on every chain with a UniProt id a label of each chain-level task;
    at least one chain must have a UniProt id. Chains without one do not count.
    """
    if not entry.values:
        return False
    known = [index for index, names in enumerate(entry.chain_uniprot) if names]
    chain_tasks = [task.name for task in tasks if task.level == "chain"]
    return bool(known) and all(
        index in entry.terms.get(task, {}) for task in chain_tasks for index in known
    )
