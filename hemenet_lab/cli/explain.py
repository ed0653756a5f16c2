"""`hemenet explain`: which residues of a structure a prediction rests on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from hemenet_lab.explain import Method


def explain(
    structure: Path,
    *,
    ckpt: Path,
    out: Path,
    task: tuple[str, ...] = (),
    term: tuple[str, ...] = (),
    method: tuple[str, ...] = (),
    top: int = 1,
    steps: int = 32,
    ligand: Path | None = None,
    partner_chains: str = "",
    keep_hetero: bool = False,
    contact: float = 8.0,
    trust: bool = False,
) -> int:
    """Show which residues a prediction rests on.

    Writes a table of the relevance of each residue, and structures with it in the B-factor column,
    with scripts for ChimeraX and PyMOL.

    Args:
        structure: PDB, mmCIF or BinaryCIF file.
        ckpt: Checkpoint of `lightning fit`.
        out: Folder for the files; made if it is not there.
        task: Tasks, such as lba or ec; all that have a prediction if not given.
        term: Ids of terms; the most probable ones of each task if not given.
        method: gradients (if none is given), occlusion (slower) or attention (of the task-aware
            readout); several are allowed.
        top: Terms of each task.
        steps: Points of the path of integrated gradients.
        ligand: SDF or mol2 file in the frame of the structure.
        partner_chains: Chains of the second protein, such as B,C.
        keep_hetero: Keep ions and cofactors, if the store had them.
        contact: Distance in Å within which ligand and partner must touch the protein.
        trust: Build any class that the checkpoint names; only for files of people you trust.
    """
    from hemenet_lab.explain import explain_entry, write_files
    from hemenet_lab.prediction import entry_from_files, load_module

    partners = [name for name in partner_chains.split(",") if name]
    options: dict[str, Any] = {"keep_hetero": keep_hetero, "contact": contact}
    entry = entry_from_files(structure, ligand, partners, **options)
    module = load_module(ckpt, trust=trust)
    chosen = cast("tuple[Method, ...]", tuple(dict.fromkeys(method)) or ("gradients",))
    found = explain_entry(module, entry, task, terms=term, methods=chosen, top=top, steps=steps)
    for path in write_files(found, out):
        print(path)
    return 0
