"""Structure and ligand files as plain arrays, and the vocabularies of residues and elements.

The readers take PDB, mmCIF and BinaryCIF (`read_structure`), SDF, MOL and mol2 (`read_ligand`).
Importing this package loads neither torch nor RDKit.
"""

from __future__ import annotations

from hemenet_lab.structures.ligand import ligand_from_mmcif, read_ligand, read_ligands
from hemenet_lab.structures.objects import structure_from
from hemenet_lab.structures.parse import read_atoms, read_structure, read_structures, unzipped
from hemenet_lab.structures.residues import is_amino_acid
from hemenet_lab.structures.select import group_residues, select_conformer
from hemenet_lab.structures.structure import (
    Drop,
    Ligand,
    LigandError,
    ReadLimits,
    Structure,
    StructureError,
)
from hemenet_lab.structures.table import AtomTable, PolymerHint
from hemenet_lab.structures.vocabulary import (
    BACKBONE,
    CA_SLOT,
    CHEMISTRY,
    ELEMENT_CLASS_INDEX,
    ELEMENT_CLASSES,
    NUM_CHANNELS,
    NUM_ELEMENT_CLASSES,
    NUM_NODE_TYPES,
    ONE_LETTER,
    RESIDUE_ATOMS,
    RESIDUE_INDEX,
    RESIDUES,
    UNKNOWN_RESIDUE,
    element_class,
    ligand_node_type,
)

__all__ = [
    "BACKBONE",
    "CA_SLOT",
    "CHEMISTRY",
    "ELEMENT_CLASSES",
    "ELEMENT_CLASS_INDEX",
    "NUM_CHANNELS",
    "NUM_ELEMENT_CLASSES",
    "NUM_NODE_TYPES",
    "ONE_LETTER",
    "RESIDUES",
    "RESIDUE_ATOMS",
    "RESIDUE_INDEX",
    "UNKNOWN_RESIDUE",
    "AtomTable",
    "Drop",
    "Ligand",
    "LigandError",
    "PolymerHint",
    "ReadLimits",
    "Structure",
    "StructureError",
    "element_class",
    "group_residues",
    "is_amino_acid",
    "ligand_from_mmcif",
    "ligand_node_type",
    "read_atoms",
    "read_ligand",
    "read_ligands",
    "read_structure",
    "read_structures",
    "select_conformer",
    "structure_from",
    "unzipped",
]
