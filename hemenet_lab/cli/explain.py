"""`hemenet explain`: which residues of a structure a prediction rests on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from hemenet_lab.explain import Method


def explain(
    structure: Path,
    *,
    ckpt: str,
    out: Path | None = None,
    html: Path | None = None,
    task: tuple[str, ...] = (),
    term: tuple[str, ...] = (),
    method: tuple[str, ...] = (),
    top: int = 1,
    steps: int = 32,
    ligand: Path | None = None,
    partner_chains: str = "",
    keep_hetero: bool = False,
    contact: float = 8.0,
    device: str = "",
    trust: bool = False,
) -> int:
    """Show which residues a prediction rests on.

    Writes a table of the relevance of each residue, and structures with it in the B-factor column,
    with scripts for ChimeraX and PyMOL (--out), or a page that shows all of it in any browser
    (--html), or both.

    Args:
        structure: PDB, mmCIF or BinaryCIF file.
        ckpt: Checkpoint of `lightning fit` or folder of a run; several with commas between them
            predict together, and the first is explained.
        out: Folder for the files; made if it is not there.
        html: File for the page, a single one that needs no network.
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
        device: Where to compute, such as cpu or cuda; a GPU if there is one.
        trust: Build any class that the checkpoint names; only for files of people you trust.
    """
    if out is None and html is None:
        raise ValueError("nothing to write; give --out FOLDER for files, --html FILE for a page")
    from hemenet_lab.explain import explain, uniprot_ids, write_files, write_page
    from hemenet_lab.prediction import Predictor

    words = [ckpt] if Path(ckpt).exists() else [word for word in ckpt.split(",") if word]
    predictor = Predictor(
        words, device=device or None, keep_hetero=keep_hetero, contact=contact, trust=trust
    )
    partners = [name for name in partner_chains.split(",") if name]
    result = predictor.predict(structure, ligand, partners)
    chosen = cast("tuple[Method, ...]", tuple(dict.fromkeys(method)) or ("gradients",))
    found = explain(predictor, result, task, terms=term, methods=chosen, top=top, steps=steps)
    written = [] if out is None else write_files(found, out)
    if html is not None:
        written.append(write_page(found, html, uniprot_ids(structure)))
    for path in written:
        print(path)
    return 0
