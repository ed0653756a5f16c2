"""One page of HTML that shows an explanation: the coloured structure, predictions, trust.

The page is a single file that asks no server for anything. 3Dmol.js (Rego and Koes, Bioinformatics
2015) draws the structure. A content security policy in the page lets only its own two scripts run,
known by their hashes, so a name in a structure file can do nothing even where an escape were
forgotten.
"""

from __future__ import annotations

import base64
import hashlib
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import gemmi
import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from scipy.spatial import cKDTree

from hemenet_lab.explain.explanation import Explanation, RelevanceMap
from hemenet_lab.explain.files import drawn_structure
from hemenet_lab.prediction import Result, Row
from hemenet_lab.store import LIGAND, PARTNER, PROTEIN, Entry
from hemenet_lab.tasks import Task

ASSETS = Path(__file__).with_name("assets")
CONTACT = 5.0
"""Residues with an atom this close to the ligand or the other protein are drawn whole, Å."""
SHOWN = 5
"""Terms per chain and task in the tables, beside those that are explained."""
_GO = re.compile(r"GO:\d{7}")
_EC = re.compile(r"[1-7](\.(\d+|-)){2}\.(n?\d+|-)")
_UNIPROT = re.compile(r"[OPQ]\d[A-Z0-9]{3}\d|[A-NR-Z]\d([A-Z][A-Z0-9]{2}\d){1,2}")
"""Form of an accession, as UniProt's help gives it."""


def write_page(
    explanation: Explanation, path: str | Path, uniprot: Mapping[str, str] | None = None
) -> Path:
    """Write `render_page` into a file; its folder is made if it is not there.

    Returns:
        The file.
    """
    path = Path(path)
    text = render_page(explanation, uniprot)
    path.parent.mkdir(parents=True, exist_ok=True)
    # the name of a file may hold bytes that are no text
    path.write_bytes(text.encode("utf-8", "backslashreplace"))
    return path


def render_page(explanation: Explanation, uniprot: Mapping[str, str] | None = None) -> str:
    """A self-contained page of an explanation that `explain` made.

    Args:
        explanation: With the result of a `Predictor`.
        uniprot: Author chain id → UniProt ids joined by ``;``, where the entry has none.

    Raises:
        ValueError: An explanation without a result, as `explain_entry` makes it.
    """
    result = explanation.result
    if result is None:
        raise ValueError(
            "this explanation has no result of a Predictor, so there are no intervals and no notes "
            "to show; make it with explain(predictor, predictor.predict(...))"
        )
    scripts = {
        name: (ASSETS / file).read_text(encoding="utf-8")
        for name, file in (("library", "3Dmol-min.js"), ("script", "page.js"))
    }
    data = _data(explanation)
    values = [row for row in result.rows(top=0) if not row.term]
    environment = Environment(
        loader=FileSystemLoader(ASSETS),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html").render(
        entry=explanation.entry.id,
        path=Path(result.path).name,
        models=explanation.models,
        version=version("hemenet-lab"),
        level=explanation.level,
        trained_on=result.trained_on,
        notes=[*dict.fromkeys((*result.notes, *(n for each in result.chain_notes for n in each)))],
        drops=result.drops,
        chains=[*_chains(result, uniprot or {})],
        values=values,
        spread=any(row.spread is not None for row in values),
        titles={name: each.task.title or name for name, each in result.estimates.items()},
        tables=[*_tables(explanation, result)],
        targets=bool(explanation.maps),
        data=data,
        contacts=_touched(explanation.entry) if data["contacts"] else "",
        ligand=bool((explanation.entry.node_chain < 0).any()),
        style=Markup((ASSETS / "page.css").read_text(encoding="utf-8")),
        licence=(ASSETS / "3Dmol-LICENSE.txt").read_text(encoding="utf-8"),
        hashes=[_hash(text) for text in scripts.values()],
        **{name: Markup(text) for name, text in scripts.items()},
    )


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"


# --- tables ---------------------------------------------------------------------------------------


def term_address(term: str) -> str:
    """Page of a term at QuickGO or ENZYME by the form of its id; empty for other ids."""
    if _GO.fullmatch(term):
        return f"https://www.ebi.ac.uk/QuickGO/term/{term}"
    return f"https://enzyme.expasy.org/EC/{term}" if _EC.fullmatch(term) else ""


def uniprot_ids(path: str | Path) -> dict[str, str]:
    """UniProt ids that a structure file gives its chains, joined by ``;``, by author chain id.

    Those of DBREF lines and of struct_ref. Nothing is found in a file that gemmi does not read.
    """
    try:
        structure = gemmi.read_structure(str(path))
        structure.setup_entities()
        block = structure.make_mmcif_block()
    except (RuntimeError, ValueError, OSError):
        return {}
    names = {row[0]: row[1] for row in block.find("_struct_ref.", ["id", "db_name"])}
    found: dict[str, dict[str, None]] = {}
    for row in block.find("_struct_ref_seq.", ["ref_id", "pdbx_strand_id", "pdbx_db_accession"]):
        _, chain, known = map(gemmi.cif.as_string, row)
        if names.get(row[0]) in ("UNP", "UniProt") and _UNIPROT.fullmatch(known):
            found.setdefault(chain, {})[known] = None
    return {name: ";".join(ids) for name, ids in found.items()}


def _chains(result: Result, uniprot: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    entry = result.entry
    of_entry = entry.chain_uniprot or ("",) * entry.num_chains
    for place, name in enumerate(entry.chain_names):
        nodes = entry.node_chain == place
        ids = filter(None, (of_entry[place] or uniprot.get(name, "")).split(";"))
        yield {
            "name": name,
            "residues": int(nodes.sum()),
            "partner": bool((entry.entity[nodes] == PARTNER).any()),
            "identity": result.identity[place],
            "uniprot": [
                (known, f"https://www.uniprot.org/uniprotkb/{known}/entry")
                if _UNIPROT.fullmatch(known)
                else (known, "")
                for known in ids
            ],
        }


def _tables(explanation: Explanation, result: Result) -> Iterator[dict[str, Any]]:
    """Per multi-label task the most probable terms of each chain, and those that are explained."""
    explained = {(each.task, each.term) for each in explanation.maps}
    best = {_key(row) for row in result.rows(top=SHOWN)}
    order = {name: place for place, name in enumerate(result.entry.chain_names)}
    for name, estimate in result.estimates.items():
        if estimate.task.kind == "regression":
            continue
        rows = [row for row in result.rows() if row.task == name]
        rows = [row for row in rows if _key(row) in best or (name, row.term) in explained]
        rows.sort(key=lambda row: (order.get(row.chain, -1), -row.value))
        yield {
            "task": estimate.task,
            "threshold": estimate.threshold,
            "spread": estimate.spread is not None,
            "named": bool(estimate.task.term_names),
            "rows": [
                {
                    "row": row,
                    # ids of a synthetic data set belong to nobody's database
                    "address": "" if result.trained_on else term_address(row.term),
                    "explained": (name, row.term) in explained,
                }
                for row in rows
            ],
        }


def _key(row: Row) -> tuple[str, str, str]:
    return row.chain, row.task, row.term


# --- what the script draws ------------------------------------------------------------------------


def _data(explanation: Explanation) -> dict[str, Any]:
    entry = explanation.entry
    # chains are called by number, atoms know their node by the B-factor: no name of the user's
    # goes through the viewer's parser
    structure = drawn_structure(
        explanation,
        np.arange(entry.num_nodes, dtype=np.float64),
        [f"c{place}" for place in range(entry.num_chains)],
    )
    groups = gemmi.MmcifOutputGroups(False, atoms=True, group_pdb=True)
    result = explanation.result
    tasks = {} if result is None else {n: each.task for n, each in result.estimates.items()}
    return {
        "structure": structure.make_mmcif_document(groups).as_string(),
        "chains": list(entry.chain_names),
        "chain": entry.node_chain.tolist(),
        "names": [each.shown for each in explanation.residues],
        "contacts": _contacts(entry),
        "maps": [_map(each, tasks[each.task]) for each in explanation.maps],
    }


def _map(each: RelevanceMap, task: Task) -> dict[str, Any]:
    title = task.title or task.name
    name = each.name if each.name != each.term else ""
    return {
        "task": each.task,
        "term": each.term,
        "label": f"{title}: {each.term} {name}".strip() if each.term else title,
        "method": each.method,
        "unit": task.unit if task.kind == "regression" else "log odds",
        "values": [_rounded(value) for value in each.values.tolist()],
    }


def _rounded(value: float) -> float | None:
    """Four digits, which a colour does not need more than; None for what is no number."""
    return float(f"{value:.4g}") if math.isfinite(value) else None


def _touched(entry: Entry) -> str:
    """What it is that residues touch."""
    kinds = {LIGAND: "ligand", PARTNER: "interface"}
    return " and ".join(name for kind, name in kinds.items() if (entry.entity == kind).any())


def _contacts(entry: Entry) -> list[int]:
    """Residues that touch the ligand, or the other protein."""
    owner = np.repeat(np.arange(entry.num_nodes), entry.node_atoms)
    side = entry.entity[owner]
    found: set[int] = set()
    for one, other in ((PROTEIN, PARTNER), (PROTEIN, LIGAND), (PARTNER, LIGAND)):
        mine, theirs = np.flatnonzero(side == one), np.flatnonzero(side == other)
        if len(mine) and len(theirs):
            near: Sequence[list[int]] = cKDTree(entry.coords[theirs]).query_ball_point(
                entry.coords[mine], CONTACT
            )
            touched = [place for place, found_near in enumerate(near) if found_near]
            found |= set(owner[mine[touched]].tolist())
            found |= {int(owner[theirs[k]]) for each in near for k in each}
    return sorted(node for node in found if entry.node_chain[node] >= 0)
