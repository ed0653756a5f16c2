"""All label files of a raw folder: affinities by complex, property labels by chain."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from hemenet_lab.protein_mt import GO_RELEASE, RELATIONS, BuildSettings
from hemenet_lab.protein_mt.labels.affinity import (
    Affinity,
    AffinityTable,
    read_affinity_csv,
    read_pdbbind_index,
)
from hemenet_lab.protein_mt.labels.deepfri import (
    DeepfriLists,
    FunctionTable,
    read_ec,
    read_go,
    read_lists,
)
from hemenet_lab.protein_mt.labels.ontology import (
    compare_with_ontology,
    read_enzyme_names,
    read_obo,
)
from hemenet_lab.protein_mt.labels.own import OwnLabels
from hemenet_lab.protein_mt.labels.sifts import (
    UniprotMap,
    WantedTerms,
    read_sifts,
    read_sifts_ec,
    read_sifts_go,
    sifts_date,
)
from hemenet_lab.protein_mt.labels.transfer import LabelTransfer
from hemenet_lab.protein_mt.raw import (
    DropRow,
    FurtherFiles,
    Problem,
    RawFolder,
    find_further,
    read_dates,
)
from hemenet_lab.tasks import PROTEIN_MT, Task

About = dict[str, Any]
TRANSFER = (
    "union over the chain's UniProt ids; an id has the labels that its source says belong to it, "
    "else those of the chains that have no other id"
)


def function_tables(
    raw: RawFolder, further: FurtherFiles, settings: BuildSettings
) -> tuple[list[FunctionTable], About]:
    """The annotation tables that a build uses, and where they come from.

    Raises:
        ValueError: Labels from SIFTS are asked for and one of its tables, or the ontology, is
            missing.
    """
    tables, about = (_from_sifts if settings.labels == "sifts" else _from_deepfri)(
        raw, further, settings
    )
    names = read_enzyme_names(further.enzyme, further.enzyme_classes)
    if names:
        tables = [_named(table, names) for table in tables]
        about["ec_names"] = _file(further.enzyme or further.enzyme_classes)
    about["transfer"] = TRANSFER if settings.transfer else "none"
    return tables, {"source": settings.labels, **about}


def _from_deepfri(
    raw: RawFolder, further: FurtherFiles, settings: BuildSettings
) -> tuple[list[FunctionTable], About]:
    tables = [read_ec(raw.ec)] if raw.ec else []
    tables += [read_go(raw.go)] if raw.go else []
    about = {
        "ec": _file(raw.ec),
        "go": _file(raw.go),
        "terms": "those of the files, in their order",
        "ancestors": "in the annotation file",
        "ontology": f"not compared: no go-basic.{GO_RELEASE}.obo in the raw folder",
    }
    if raw.go and further.deepfri_ontology:
        about |= compare_with_ontology(tables[-1], read_obo(further.deepfri_ontology))
    return tables, about


def _from_sifts(
    raw: RawFolder, further: FurtherFiles, settings: BuildSettings
) -> tuple[list[FunctionTable], About]:
    ec, go, ontology = further.sifts_ec, further.sifts_go, further.ontology
    if not ec or not go or not ontology:
        files = {"sifts/pdb_chain_enzyme.csv.gz": ec, "sifts/pdb_chain_go.csv.gz": go}
        files["ontology/go-basic.current.obo"] = ontology
        missing = [name for name, path in files.items() if path is None]
        raise ValueError(
            f"labels from SIFTS need {', '.join(missing)} in {raw.path}; get them with "
            "`hemenet data fetch`, or use --labels deepfri"
        )
    wanted = WantedTerms(
        frozenset(source.code for source in raw.sources),
        frozenset(f"{s.code.upper()}-{s.chain}" for s in raw.sources if s.kind == "chain"),
        min_ec=settings.min_ec_chains,
        min_go=settings.min_go_chains,
        max_go=settings.max_go_chains,
        evidence=settings.evidence,
        relations=settings.relations,
    )
    graph = read_obo(ontology)
    tables = [read_sifts_ec(ec, wanted), read_sifts_go(go, wanted, graph)]
    return tables, {
        "ec": f"{ec.name}: {sifts_date(ec)}",
        "go": f"{go.name}: {sifts_date(go)}",
        "terms": f"EC numbers with {wanted.min_ec} chains or more, GO terms with {wanted.min_go} "
        f"to {wanted.max_go}, counted over {len(wanted.counted) or 'all'} single chains",
        "evidence": settings.evidence,
        "ontology": graph.release,
        "ancestors": list(RELATIONS[settings.relations]) or "every relation of the file",
    }


def _named(table: FunctionTable, names: dict[str, str]) -> FunctionTable:
    """The table with names of its EC numbers; those without a known name have an empty one."""
    tasks = tuple(
        task.with_terms(task.terms, [names.get(term, "") for term in task.terms])
        if task.name == "ec"
        else task
        for task in table.tasks
    )
    return replace(table, tasks=tasks)


def _file(path: Path | None) -> str:
    return path.name if path else "none"


@dataclass(frozen=True)
class Labels:
    """Everything that is known about items, whether or not they have a structure."""

    tasks: tuple[Task, ...]
    """The six tasks of Protein-MT, of which one whose file is missing has no terms; own tasks
    behind them, or instead."""
    affinities: dict[str, dict[str, Affinity]]
    """``lba`` and ``ppa`` → PDB code → affinity, bounds included."""
    transfer: LabelTransfer
    drops: tuple[DropRow, ...]
    counts: dict[str, Any] = field(default_factory=dict)
    """Rows of each label file, for the manifest."""
    about: dict[str, Any] = field(default_factory=dict)
    """Where EC numbers and GO terms come from, for the manifest."""
    dates: dict[str, str] = field(default_factory=dict)
    """PDB code → release, from ``dates.csv``."""
    lists: dict[str, DeepfriLists] = field(default_factory=dict)
    """``ec`` and ``go`` → DeepFRI's split."""
    own: OwnLabels | None = None
    """Own tasks and their labels."""

    def release(self, code: str, header: str, record: Affinity | None) -> str:
        """Release of an entry: from the table, the structure file or the affinity file."""
        year = str(record.year) if record and record.year else ""
        return self.dates.get(code) or header or year


def read_labels(
    raw: RawFolder, settings: BuildSettings | None = None, own: OwnLabels | None = None
) -> Labels:
    """Reads all label files of a raw folder.

    Args:
        raw: The raw folder.
        settings: Which labels count, and how.
        own: Own tasks and labels: all that there are for a folder of one's own structures, beside
            the six of the benchmark for another one.

    Raises:
        ValueError: A file of another form; or files that the labels' source needs are missing.
    """
    settings = settings or BuildSettings()
    further = find_further(raw.path)
    rows: list[DropRow] = []
    counts: dict[str, Any] = {}
    affinities = {}
    for kind, paths in raw.affinities.items():
        affinities[kind], counts[kind] = _merge_affinities(kind, paths, rows)
    uniprot = read_sifts(raw.sifts) if raw.sifts else UniprotMap({})
    rows += _joined("sifts", uniprot.problems)
    tables, about = function_tables(raw, further, settings)
    for table in tables:
        rows += _table_rows(table)
        counts |= {
            task.name: {"rows": table.rows, "labelled": _labelled(table, task)}
            for task in table.tasks
        }
    transfer = LabelTransfer(tables, uniprot, share=settings.transfer)
    rows += [DropRow(problem.id, "chain", "label", problem.reason) for problem in transfer.problems]
    counts["sifts"] = {"rows": uniprot.rows, "chains": len(uniprot.chains)}
    dates, undated = read_dates(further.dates) if further.dates else ({}, ())
    rows += [DropRow(problem.id, "dates", "file", _reason(problem)) for problem in undated]
    known = {task.name: task for table in tables for task in table.tasks}
    tasks = tuple(known.get(task.name, task) for task in PROTEIN_MT)
    lists = _split_lists(raw, further, rows)
    if own is not None:
        rows += own.drops
        counts |= {name: {"rows": number} for name, number in own.rows.items()}
        names = ", ".join(sorted(own.rows))
        if raw.own:
            tasks, about = own.tasks, {"source": "own tables", "tables": names}
        else:
            tasks, about = (*tasks, *own.tasks), {**about, "own tables": names}
    return Labels(tasks, affinities, transfer, tuple(rows), counts, about, dates, lists, own)


def _split_lists(
    raw: RawFolder, further: FurtherFiles, rows: list[DropRow]
) -> dict[str, DeepfriLists]:
    """DeepFRI's splits; lists that contradict each other are no reason not to build the rest."""
    found = {}
    for name, place in further.split_lists.items():
        try:
            found[name] = read_lists(*place)
        except ValueError as error:
            reason = str(error).replace(f"{raw.path}{os.sep}", "")
            rows.append(DropRow("*", name, "file", f"split lists not used: {reason}"))
    return found


def _table_rows(table: FunctionTable) -> Iterator[DropRow]:
    for problem in table.problems:
        yield DropRow(problem.id or "*", table.tasks[0].name, "label", _reason(problem))
    for reason, count in table.left_out.items():
        yield DropRow("*", table.tasks[0].name, "file", f"row not used: {reason}", count)


def _labelled(table: FunctionTable, task: Task) -> int:
    return sum(task.name in labels for labels in table.chains.values())


def _merge_affinities(
    kind: str, paths: Iterable[Path], rows: list[DropRow]
) -> tuple[dict[str, Affinity], dict[str, int]]:
    """One affinity per complex: that of the first file, and of its first row in this file."""
    found: dict[str, Affinity] = {}
    counts: Counter[str] = Counter(rows=0, unreadable=0, repeated=0, bounds=0, approximate=0)
    for path in paths:
        table = _read_affinities(path)
        counts.update(rows=len(table.records) + len(table.problems), unreadable=len(table.problems))
        rows += [
            DropRow(problem.id or "*", kind, "label", _reason(problem))
            for problem in table.problems
        ]
        earlier = set(found)
        repeated = [record for record in table.records if record.id in earlier]
        if repeated:
            reason = f"affinity not used, another file has the complex: {path.name}"
            rows.append(DropRow("*", kind, "label", reason, len(repeated)))
        for record in table.records:
            if record.id in earlier:
                continue
            if record.id in found:
                reason = (
                    f"affinity not used, the file has the complex twice: {path.name}, pKd "
                    f"{record.pk:g} after {found[record.id].pk:g}"
                )
                rows.append(DropRow(record.id, kind, "label", reason))
                repeated.append(record)
            else:
                found[record.id] = record
        counts.update(repeated=len(repeated))
    counts.update(
        bounds=sum(record.censored for record in found.values()),
        approximate=sum(record.approximate for record in found.values()),
    )
    return found, dict(counts)


def _read_affinities(path: Path) -> AffinityTable:
    return read_affinity_csv(path) if path.suffix == ".csv" else read_pdbbind_index(path)


def _joined(kind: str, problems: Iterable[Problem]) -> list[DropRow]:
    """One row per reason: tables of all of the PDB have very many."""
    counts = Counter(problem.reason for problem in problems)
    return [DropRow("*", kind, "file", reason, count) for reason, count in counts.items()]


def _reason(problem: Problem) -> str:
    return f"row not usable: {problem.file} line {problem.line}, {problem.reason}"
