"""Residues, atom slots and element classes: the fixed vocabularies of all graphs."""

from __future__ import annotations

NUM_CHANNELS = 14
"""Most heavy atoms that a residue node holds (tryptophan has 14, without OXT)."""

RESIDUE_ATOMS: dict[str, tuple[str, ...]] = {
    "ALA": ("N", "CA", "C", "O", "CB"),
    "ARG": ("N", "CA", "C", "O", "CB", "CG", "CD", "NE", "CZ", "NH1", "NH2"),
    "ASN": ("N", "CA", "C", "O", "CB", "CG", "OD1", "ND2"),
    "ASP": ("N", "CA", "C", "O", "CB", "CG", "OD1", "OD2"),
    "CYS": ("N", "CA", "C", "O", "CB", "SG"),
    "GLN": ("N", "CA", "C", "O", "CB", "CG", "CD", "OE1", "NE2"),
    "GLU": ("N", "CA", "C", "O", "CB", "CG", "CD", "OE1", "OE2"),
    "GLY": ("N", "CA", "C", "O"),
    "HIS": ("N", "CA", "C", "O", "CB", "CG", "ND1", "CD2", "CE1", "NE2"),
    "ILE": ("N", "CA", "C", "O", "CB", "CG1", "CG2", "CD1"),
    "LEU": ("N", "CA", "C", "O", "CB", "CG", "CD1", "CD2"),
    "LYS": ("N", "CA", "C", "O", "CB", "CG", "CD", "CE", "NZ"),
    "MET": ("N", "CA", "C", "O", "CB", "CG", "SD", "CE"),
    "PHE": ("N", "CA", "C", "O", "CB", "CG", "CD1", "CD2", "CE1", "CE2", "CZ"),
    "PRO": ("N", "CA", "C", "O", "CB", "CG", "CD"),
    "SER": ("N", "CA", "C", "O", "CB", "OG"),
    "THR": ("N", "CA", "C", "O", "CB", "OG1", "CG2"),
    "TRP": (
        *("N", "CA", "C", "O", "CB", "CG", "CD1", "CD2"),
        *("NE1", "CE2", "CE3", "CZ2", "CZ3", "CH2"),
    ),
    "TYR": ("N", "CA", "C", "O", "CB", "CG", "CD1", "CD2", "CE1", "CE2", "CZ", "OH"),
    "VAL": ("N", "CA", "C", "O", "CB", "CG1", "CG2"),
}
"""Heavy atoms of each standard residue in their fixed slots: a missing atom never shifts others."""

BACKBONE = ("N", "CA", "C", "O", "CB")
"""Slots 0 to 4 of every residue, unknown ones included; CA is slot 1."""
CA_SLOT = 1

MAX_PEPTIDE_BOND = 2.5
"""Å, C to N; a bond is 1.33 Å long, the rest allows for poor coordinates."""

RESIDUES: tuple[str, ...] = (*RESIDUE_ATOMS, "UNK")
RESIDUE_INDEX: dict[str, int] = {name: index for index, name in enumerate(RESIDUES)}
UNKNOWN_RESIDUE = RESIDUE_INDEX["UNK"]
ONE_LETTER = "ARNDCQEGHILKMFPSTWYVX"
"""One-letter codes in the order of `RESIDUES`."""

WATERS = frozenset(
    {"HOH", "WAT", "DOD", "H2O", "TIP", "TP3", "TP4", "T3P", "T4P", "SPC", "SOL"}
    | {"TIP3", "TIP4", "TIP5", "TP3M", "SPCE"}
)
"""Names of water in files and in simulation programs."""
TERMINAL_CAPS = frozenset({"ACE", "FOR", "NH2", "NMA", "NME"})
"""Groups that close a chain without being amino acids."""
SPELLINGS: dict[str, str] = {
    **dict.fromkeys(("HID", "HIE", "HIP", "HSD", "HSE", "HSP"), "HIS"),
    **dict.fromkeys(("CYX", "CYM", "CYN"), "CYS"),
    "ASH": "ASP",
    "GLH": "GLU",
    **dict.fromkeys(("LYN", "LYP"), "LYS"),
    "ARN": "ARG",
    "TYM": "TYR",
}
"""Names of protonation states in simulation programs, which residue tables do not have."""

ELEMENT_CLASSES: tuple[str, ...] = ("H", "C", "N", "O", "S", "P", "halogen", "metal", "other")
ELEMENT_CLASS_INDEX: dict[str, int] = {name: index for index, name in enumerate(ELEMENT_CLASSES)}
NUM_ELEMENT_CLASSES = len(ELEMENT_CLASSES)

NUM_NODE_TYPES = len(RESIDUES) + NUM_ELEMENT_CLASSES
"""Node types: 0-20 the residues (20 unknown), 21-29 ligand atoms by element class."""

HALOGENS = frozenset({"F", "CL", "BR", "I", "AT"})
_METALS = (
    "LI NA K RB CS BE MG CA SR BA SC TI V CR MN FE CO NI CU ZN Y ZR NB MO TC RU RH PD AG CD "
    "HF TA W RE OS IR PT AU HG AL GA IN TL SN PB BI LA CE PR ND PM SM EU GD TB DY HO ER TM "
    "YB LU TH U"
)
METALS = frozenset(_METALS.split())


CHEMISTRY = (
    *("known", "sp", "sp2", "sp3", "positive", "negative"),
    *("aromatic", "ring", "donor", "acceptor"),
)
"""What is told of a ligand atom beyond its element; the position is the bit of a number. ``known``
is set for every atom whose chemistry RDKit accepts."""


def element_class(symbol: str) -> int:
    """Class index of an element symbol (any case); deuterium counts as hydrogen."""
    symbol = symbol.strip().upper()
    if symbol == "D":
        symbol = "H"
    if symbol in ELEMENT_CLASS_INDEX:
        return ELEMENT_CLASS_INDEX[symbol]
    if symbol in HALOGENS:
        return ELEMENT_CLASS_INDEX["halogen"]
    if symbol in METALS:
        return ELEMENT_CLASS_INDEX["metal"]
    return ELEMENT_CLASS_INDEX["other"]


def ligand_node_type(class_index: int) -> int:
    """Node type of a ligand atom of an element class."""
    return len(RESIDUES) + class_index
