"""Files of an explanation: a table, coloured structures, and scripts that show them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import gemmi
import numpy as np

from hemenet_lab.basics import write_csv
from hemenet_lab.explain.explanation import Explanation, RelevanceMap
from hemenet_lab.explain.methods import Floats
from hemenet_lab.structures import ELEMENT_CLASSES, RESIDUE_ATOMS

COLUMNS = (
    *("entry", "task", "term", "method", "head"),
    *("chain", "residue_number", "insertion_code", "name", "relevance"),
)
_DRAWN = {"halogen": "Cl", "metal": "Zn", "other": "X"}
"""Symbols for classes of elements, of which an entry does not know the member."""


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
    percent = 100 * chosen.values / max(float(np.abs(chosen.values).max()), 1e-30)
    return drawn_structure(explanation, percent, explanation.entry.chain_names)


def drawn_structure(
    explanation: Explanation, factors: Floats, chain_names: Sequence[str]
) -> gemmi.Structure:
    """The entry's atoms as a structure to draw.

    Args:
        explanation: The entry and its residues.
        factors: [nodes], B-factors.
        chain_names: [chains], what the chains are called there.
    """
    entry = explanation.entry
    structure, model = gemmi.Structure(), gemmi.Model(1)
    structure.name = plain_name(entry.id)
    chains = [gemmi.Chain(name) for name in chain_names]
    free = next(name for name in ("L", "Z", "Y", "X", "LIG") if name not in chain_names)
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
            atom.b_iso = float(factors[node])
            residue.add_atom(atom)
        chains[entry.node_chain[node]].add_residue(residue)
    for chain in chains:
        if len(chain):
            model.add_chain(chain)
    structure.add_model(model)
    structure.setup_entities()
    return structure
