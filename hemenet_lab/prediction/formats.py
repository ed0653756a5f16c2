"""Structures and ligands in whatever form they are at hand → files that the readers take.

Objects of other libraries are known by what they can do, so none of these libraries is imported
unless its object is given.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any


def is_file(thing: Any) -> bool:
    """Check that a structure or ligand is given as a path, so that nothing is to be written."""
    return isinstance(thing, (str, Path))


def structure_file(structure: Any, folder: Path) -> Path:
    """The path of a structure, or a new file that holds it.

    Args:
        structure: Path, content of a file (bytes), `gemmi.Structure`, `Bio.PDB` structure or model,
            or biotite `AtomArray` or stack.
        folder: Where the file is written.

    Raises:
        ValueError: Something else.
    """
    if isinstance(structure, (str, Path)):
        return Path(structure)
    path = folder / "structure"
    if isinstance(structure, (bytes, bytearray)):
        path.write_bytes(structure)
    elif hasattr(structure, "make_mmcif_document"):
        path.write_text(structure.make_mmcif_document().as_string())
    elif hasattr(structure, "get_annotation_categories"):
        _write_biotite(structure, path)
    elif hasattr(structure, "get_atoms") and hasattr(structure, "get_chains"):
        path.write_text(_gemmi_of(structure).make_mmcif_document().as_string())
    else:
        raise ValueError(
            f"a structure of type {type(structure).__name__}; give a path, bytes, or a structure "
            "of gemmi, Bio.PDB or biotite"
        )
    return path


def ligand_file(ligand: Any, folder: Path) -> Path | None:
    """The path of a ligand, or a new file that holds it.

    Args:
        ligand: Path, content of an SDF file (bytes), RDKit molecule with a conformer, or None.
        folder: Where the file is written.

    Raises:
        ValueError: Something else, or a molecule without coordinates.
    """
    if ligand is None or isinstance(ligand, (str, Path)):
        return None if ligand is None else Path(ligand)
    path = folder / "ligand.sdf"
    if isinstance(ligand, (bytes, bytearray)):
        if b"@<TRIPOS>" in ligand:
            path = folder / "ligand.mol2"
        path.write_bytes(ligand)
        return path
    if not hasattr(ligand, "GetNumConformers"):
        raise ValueError(
            f"a ligand of type {type(ligand).__name__}; give a path of an SDF or mol2 file, the "
            "content of an SDF file as bytes, or an RDKit molecule"
        )
    if not ligand.GetNumConformers():
        raise ValueError(
            "an RDKit molecule without coordinates; a ligand needs its pose in the protein's frame"
        )
    from rdkit.Chem import MolToMolBlock

    path.write_text(MolToMolBlock(ligand, kekulize=False) + "\n$$$$\n")
    return path


def _write_biotite(atoms: Any, path: Path) -> None:
    from biotite.structure.io import pdbx

    file = pdbx.CIFFile()
    pdbx.set_structure(file, atoms, data_block="structure")
    file.write(str(path))


def _gemmi_of(structure: Any) -> Any:
    """A Bio.PDB structure, model or chain collection as a `gemmi.Structure`."""
    import gemmi

    made = gemmi.Structure()
    made.name = str(getattr(structure, "id", "structure"))
    models = structure.get_models() if hasattr(structure, "get_models") else [structure]
    for number, model in enumerate(models, start=1):
        new_model = gemmi.Model(number)
        for chain in model.get_chains():
            new_chain = gemmi.Chain(str(chain.id))
            for residue in chain:
                new_chain.add_residue(_gemmi_residue(gemmi, residue))
            new_model.add_chain(new_chain)
        made.add_model(new_model)
    made.setup_entities()
    return made


def _gemmi_residue(gemmi: Any, residue: Any) -> Any:
    hetero, number, code = residue.id
    made = gemmi.Residue()
    made.name = residue.resname.strip()
    made.seqid = gemmi.SeqId(int(number), code if code.strip() else " ")
    made.het_flag = "A" if not hetero.strip() else "H"
    atoms = residue.get_unpacked_list() if hasattr(residue, "get_unpacked_list") else [*residue]
    for atom in atoms:
        new = gemmi.Atom()
        new.name = atom.name.strip()
        new.element = gemmi.Element(atom.element or new.name[:1])
        new.pos = gemmi.Position(*(float(x) for x in atom.coord))
        new.occ = 1.0 if atom.occupancy is None else float(atom.occupancy)
        new.b_iso = 0.0 if atom.bfactor is None else float(atom.bfactor)
        letter = str(getattr(atom, "altloc", " ")).strip()
        if letter:
            new.altloc = letter
        made.add_atom(new)
    return made
