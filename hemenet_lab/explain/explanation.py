"""Maps of relevance of an entry, with the residues that they are about, as data and as files."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import gemmi
import numpy as np

from hemenet_lab.basics import write_csv
from hemenet_lab.explain.methods import (
    Floats,
    Target,
    attention,
    integrated_gradients,
    occlusion,
)
from hemenet_lab.model import MultiTaskModule
from hemenet_lab.prediction import Prediction, predict_entries
from hemenet_lab.store import Entry
from hemenet_lab.structures import ELEMENT_CLASSES, RESIDUE_ATOMS, RESIDUES
from hemenet_lab.tasks import select_tasks

Method = Literal["gradients", "occlusion", "attention"]
COLUMNS = (
    *("entry", "task", "term", "method", "head"),
    *("chain", "residue_number", "insertion_code", "name", "relevance"),
)
_DRAWN = {"halogen": "Cl", "metal": "Zn", "other": "X"}
"""Symbols for classes of elements, of which an entry does not know the member."""


@dataclass(frozen=True)
class Residue:
    """A node of an entry: a residue, or an atom of a ligand."""

    chain: str
    """Author chain id; empty for a ligand atom."""
    number: int
    """Author numbering; for a ligand atom its place among them, from 1."""
    insertion_code: str
    name: str
    """Three letters; the class of element of a ligand atom."""


@dataclass(frozen=True)
class RelevanceMap:
    """Relevance of every node for one target by one method."""

    task: str
    term: str
    """Id of the term; empty for an affinity, and for attention, which belongs to the task."""
    name: str
    """Name of the term, or the unit of an affinity."""
    method: Method
    values: Floats
    """[nodes]; pKd or log odds, or shares of attention."""
    heads: Floats | None = None
    """[heads, nodes] of attention."""
    change: float = float("nan")
    """Of gradients: what the values add up to, the target less its value without features."""


@dataclass(frozen=True)
class Explanation:
    """Predictions for an entry and maps of what they rest on."""

    entry: Entry
    residues: tuple[Residue, ...]
    """[nodes]."""
    maps: tuple[RelevanceMap, ...]
    predictions: tuple[Prediction, ...]


def explain_entry(
    module: MultiTaskModule,
    entry: Entry,
    tasks: Sequence[str] = (),
    *,
    terms: Sequence[str] = (),
    methods: Sequence[Method] = ("gradients",),
    top: int = 1,
    steps: int = 32,
) -> Explanation:
    """Explain predictions of an entry by the relevance of its residues.

    Args:
        module: A built module, in evaluation mode.
        entry: The structure.
        tasks: Tasks to explain; if not given, all that have a prediction for this entry.
        terms: Ids of terms; if not given, the ``top`` most probable ones of each task.
        methods: ``gradients``, ``occlusion``, ``attention``.
        top: Terms of each task.
        steps: Points of the path of integrated gradients.

    Raises:
        ValueError: An unknown task, term or method, an affinity without the partner that it is
            about, or attention of a readout that has none.
    """
    unknown = sorted({*methods} - {*get_args(Method)})
    if unknown or top < 1:
        raise ValueError(
            f"methods {unknown}, top {top}; methods are {', '.join(get_args(Method))}, top is 1 on"
        )
    predictions = tuple(predict_entries(module, [entry]))
    present = {each.task for each in predictions}
    wanted = select_tasks(module.tasks, tasks or None)
    absent = [task.name for task in wanted if task.name not in present]
    if tasks and absent:
        raise ValueError(
            f"{entry.id}: no prediction of {absent}, which need a partner (lba a ligand, ppa "
            "partner chains); give it, or choose other tasks"
        )
    wanted = tuple(task for task in wanted if task.name in present)
    known = {term for task in wanted for term in task.terms}
    if {*terms} - known:
        raise ValueError(f"terms {sorted({*terms} - known)} are not among those of the tasks")
    maps: list[RelevanceMap] = []
    for task in wanted:
        mine = [each for each in predictions if each.task == task.name]
        if "attention" in methods:
            heads = attention(module, entry, task)
            maps.append(RelevanceMap(task.name, "", "", "attention", heads.mean(0), heads))
        best: dict[str, float] = {}
        for each in mine:
            best[each.term] = max(each.value, best.get(each.term, -np.inf))
        chosen = [term for term in best if term in terms] if terms else []
        if not terms or task.kind == "regression":
            chosen = sorted(best, key=lambda term: (-best[term], term))[:top]
        rows = tuple(range(entry.num_chains)) if task.level == "chain" else (0,)
        for term in chosen:
            column = task.terms.index(term) if term else 0
            target = Target(task, column, rows)
            name = next(each.name for each in mine if each.term == term)
            for method in methods:
                if method == "gradients":
                    values, change = integrated_gradients(module, entry, target, steps)
                    maps.append(RelevanceMap(task.name, term, name, method, values, None, change))
                elif method == "occlusion":
                    values = occlusion(module, entry, target)
                    maps.append(RelevanceMap(task.name, term, name, method, values))
    return Explanation(entry, tuple(_residues(entry)), tuple(maps), predictions)


def _residues(entry: Entry) -> Iterator[Residue]:
    atoms = 0
    for node in range(entry.num_nodes):
        kind, chain = int(entry.node_type[node]), int(entry.node_chain[node])
        if chain < 0:
            atoms += 1
            yield Residue("", atoms, "", ELEMENT_CLASSES[kind - len(RESIDUES)])
        else:
            code = int(entry.insertion_code[node])
            number = int(entry.residue_number[node])
            letter = chr(code) if code else ""
            yield Residue(entry.chain_names[chain], number, letter, RESIDUES[kind])


# --- files ----------------------------------------------------------------------------------------


def write_files(explanation: Explanation, folder: Path) -> list[Path]:
    """Write a table, and for each map a structure with scripts for ChimeraX and PyMOL.

    The structure is what the model saw. Its B-factors are the relevance in per cent of the largest
    one, as two digits of a PDB file would lose small numbers; the table has them as they are. A PDB
    file is written where every chain's name has one character.

    Returns:
        The files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    stem = plain_name(explanation.entry.id)
    written = [folder / f"{stem}.csv"]
    with written[0].open("w", newline="", encoding="utf-8") as stream:
        write_csv(stream, COLUMNS, _rows(explanation))
    for each in explanation.maps:
        name = plain_name("_".join(filter(None, [stem, each.task, each.term, each.method])))
        structure = coloured_structure(explanation, each)
        cif = folder / f"{name}.cif"
        structure.make_mmcif_document().write_file(str(cif))
        written.append(cif)
        if all(re.fullmatch(r"[A-Za-z0-9]", chain) for chain in explanation.entry.chain_names):
            structure.write_pdb(str(cif.with_suffix(".pdb")))
            written.append(cif.with_suffix(".pdb"))
        for end, text in ((".cxc", _CHIMERAX), (".pml", _PYMOL)):
            cif.with_suffix(end).write_text(text.format(file=cif.name), encoding="utf-8")
            written.append(cif.with_suffix(end))
    return written


_CHIMERAX = """\
open {file}
color byattribute bfactor palette -100,#2166ac:0,#f2f2f2:100,#b2182b
cartoon
show @@bfactor>50 atoms
show ligand atoms
"""
_PYMOL = """\
load {file}
spectrum b, blue_white_red, minimum=-100, maximum=100
as cartoon
show sticks, b > 50 or hetatm
"""


def plain_name(text: str) -> str:
    """The text as a file name of letters, digits, dots, hyphens and underscores."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip(".-")[:100] or "structure"


def _rows(explanation: Explanation) -> Iterator[dict[str, object]]:
    for each in explanation.maps:
        layers = [("mean" if each.heads is not None else "", each.values)]
        layers += [
            (str(k + 1), row) for k, row in enumerate(each.heads if each.heads is not None else ())
        ]
        for head, values in layers:
            for residue, value in zip(explanation.residues, values.tolist(), strict=True):
                yield {
                    "entry": explanation.entry.id,
                    "task": each.task,
                    "term": each.term,
                    "method": each.method,
                    "head": head,
                    "chain": residue.chain,
                    "residue_number": residue.number,
                    "insertion_code": residue.insertion_code,
                    "name": residue.name,
                    "relevance": value,
                }


def coloured_structure(explanation: Explanation, chosen: RelevanceMap) -> gemmi.Structure:
    """The entry's atoms, with relevance in per cent of the largest as B-factors."""
    entry = explanation.entry
    percent = 100 * chosen.values / max(float(np.abs(chosen.values).max()), 1e-30)
    structure, model = gemmi.Structure(), gemmi.Model(1)
    structure.name = plain_name(entry.id)
    chains = [gemmi.Chain(name) for name in entry.chain_names]
    free = next(name for name in ("L", "Z", "Y", "X", "LIG") if name not in entry.chain_names)
    chains.append(gemmi.Chain(free))
    ends = np.cumsum(entry.node_atoms)
    for node, known in enumerate(explanation.residues):
        residue = gemmi.Residue()
        polymer = entry.node_chain[node] >= 0
        residue.name = known.name if polymer else "LIG"
        residue.het_flag = "A" if polymer else "H"
        residue.seqid = gemmi.SeqId(known.number, known.insertion_code or " ")
        names = RESIDUE_ATOMS.get(known.name, ("N", "CA", "C", "O", "CB"))
        for place in range(int(ends[node]) - int(entry.node_atoms[node]), int(ends[node])):
            atom = gemmi.Atom()
            kind = ELEMENT_CLASSES[int(entry.atom_element[place])]
            slot = int(entry.atom_slot[place])
            named = polymer and slot < len(names)
            atom.name = names[slot] if named else f"{_DRAWN.get(kind, kind)}{known.number % 1000}"
            atom.element = gemmi.Element(_DRAWN.get(kind, kind))
            atom.pos = gemmi.Position(*entry.coords[place].tolist())
            atom.b_iso = float(percent[node])
            residue.add_atom(atom)
        chains[entry.node_chain[node]].add_residue(residue)
    for chain in chains:
        if len(chain):
            model.add_chain(chain)
    structure.add_model(model)
    structure.setup_entities()
    return structure
