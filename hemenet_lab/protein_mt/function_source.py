"""EC numbers and GO terms per chain, from DeepFRI's annotation files or from SIFTS's tables."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from hemenet_lab.protein_mt.enzyme_names import read_enzyme_names
from hemenet_lab.protein_mt.function import FunctionTable, read_ec, read_go
from hemenet_lab.protein_mt.further_files import FurtherFiles
from hemenet_lab.protein_mt.layout import RawFolder
from hemenet_lab.protein_mt.obo import read_obo
from hemenet_lab.protein_mt.propagation import compare_with_ontology
from hemenet_lab.protein_mt.settings import RELATIONS, BuildSettings
from hemenet_lab.protein_mt.sifts_function import (
    Wanted,
    read_sifts_ec,
    read_sifts_go,
    sifts_date,
)
from hemenet_lab.protein_mt.sources import GO_RELEASE

About = dict[str, Any]


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
    about["transfer"] = (
        "union over chains with the same UniProt id" if settings.transfer else "none"
    )
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
    wanted = Wanted(
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
