"""What every awkward file of the sample must come out as, or which error it must raise."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest

from hemenet_lab.structures import StructureError, read_atoms, read_structure
from hemenet_lab.structures.structure import Structure
from tests.shared import SAMPLE, needs_shared

pytestmark = needs_shared


@dataclass(frozen=True)
class Expected:
    """Outcome of a readable file."""

    chains: str
    residues: list[int]
    """Number of residues per chain."""
    atoms: int
    drops: dict[str, int] = field(default_factory=dict)
    """Kind → atoms."""
    names: dict[str, str] = field(default_factory=dict)
    """``chain number code`` → residue name."""
    gaps: list[tuple[str, str, int]] = field(default_factory=list)
    """All places where the sequence index steps by more than 1: residues, and the step."""


EXPECTED: dict[str, Expected] = {
    "1A8O.pdb": Expected(
        "A",
        [70],
        555,
        {"water": 88, "terminal oxygen": 1},
        {"A 151": "MSE", "A 185": "MSE", "A 214": "MSE", "A 215": "MSE", "A 220": "GLY"},
    ),
    # HYP is proline without its OD1; the NH2 cap is not a residue
    "1AS5.cif": Expected(
        "A",
        [24],
        181,
        {"model": 4641, "hydrogen": 172, "no slot": 3, "cap": 1},
        {"A 1": "HIS", "A 2": "HYP", "A 24": "ARG"},
    ),
    "1EXB_r_b-matched.pdb": Expected(
        "A",
        [1300],
        9979,
        {"record": 1},
        {"A 1036": "LEU"},
        [("A 360", "A 536", 176), ("A 860", "A 1036", 176), ("A 1360", "A 1536", 176)],
    ),
    "1FAK_r_b-matched.pdb": Expected(
        "A",
        [346],
        2669,
        {"terminal oxygen": 1},
        {"A 697A": "LYS", "A 698B": "ILE", "A 699C": "LYS"},
        [("A 143", "A 653", 510), ("A 816D", "A 817H", 6)],
    ),
    "1LCD.pdb": Expected(
        "A",
        [51],
        398,
        {
            "model": 2247,
            "water": 147,
            "hydrogen": 145,
            "terminal oxygen": 1,
            "hetero": 1,
            "nucleic acid": 445,
        },
        {"A 1": "MET", "A 51": "ARG"},
    ),
    # every residue has its N only; the second model is left out
    "1SSU_mod.pdb": Expected("A B", [1, 1], 2, {"model": 2}, {"A 1": "ASP", "B 1": "ASP"}),
    "1gbt.bcif.gz": Expected(
        "A",
        [223],
        1628,
        {"water": 117, "terminal oxygen": 1, "hetero": 15},
        {"A 16": "ILE", "A 184": "GLY", "A 184A": "TYR", "A 245": "ASN"},
    ),
    "2XHE.pdb": Expected(
        "A B",
        [567, 220],
        6267,
        {"water": 48},
        {"A 617": "ALA"},
        [("A 509", "A 561", 52), ("B 15", "B 39", 24), ("B 192", "B 210", 18)],
    ),
    # AIB is alanine without its CB1 and CB2; PH8 is unknown and fits; the NH2 cap goes
    "2n0n_M1.pdb": Expected(
        "A",
        [11],
        92,
        {"hydrogen": 88, "no slot": 2, "cap": 1},
        {"A 2": "AIB", "A 9": "GLU", "A 9A": "PHE", "A 11": "PH8"},
    ),
    # three residues have two names each: point mutations
    "3JQH.cif": Expected("A", [23], 185, {"water": 21, "alternative": 32}),
    "4GAM_r_b-matched.pdb": Expected(
        "A",
        [2119],
        17212,
        {},
        {},
        [
            *(("A 305", "A 307", 2), ("A 322", "A 324", 2), ("A 443", "A 445", 2)),
            *(("A 526", "A 1002", 476), ("A 1389", "A 1503", 114), ("A 1668", "A 2018", 350)),
            *(("A 2305", "A 2307", 2), ("A 2322", "A 2324", 2), ("A 2443", "A 2445", 2)),
            *(("A 2526", "A 3002", 476), ("A 3389", "A 3504", 115)),
        ],
    ),
    "4ZHL.cif": Expected(
        "U P", [247, 10], 2030, {"water": 50}, {"U 37A": "ARG", "U 37D": "SER", "U 60A": "ASP"}
    ),
    "6WQA.cif": Expected(
        "A",
        [391],
        2929,
        {"alternative": 49, "hetero": 25},
        {"A -2": "ASP", "A 0": "ALA"},
        [("A 1043", "A 1060", 17)],
    ),
    "7CFN.cif": Expected(
        "A B G N R",
        [232, 339, 58, 128, 274],
        7977,
        {"water": 1, "alternative": 22, "terminal oxygen": 2, "hetero": 110},
        {},
        [("A 60", "A 205", 145), ("A 253", "A 264", 11)],
    ),
    # its only MODEL holds one residue; the rest stands outside of any model and belongs with it
    "a_structure.pdb": Expected(
        "A B",
        [87, 10],
        699,
        {
            "water": 79,
            "hydrogen": 1,
            "alternative": 58,
            "duplicate": 2,
            "no slot": 6,
            "hetero": 56,
        },
        {
            "A 0": "CYS",
            "A 1": "PCA",
            "A 4": "GLY",
            "A 10": "GLY",
            "A 14": "ALA",
            "A 16": "TRP",
            "A 80": "SER",
            "A 81": "LYS",
            "B 45": "SEP",
            "B 51A": "ALA",
        },
        [("A 0", "A 1", 6)],
    ),
    "disordered.pdb": Expected("A", [6], 47, {"alternative": 3}, {"A 27": "ARG"}),
    "occupancy.pdb": Expected("A", [1], 3, {}, {"A 152": "ASP"}),
}

ERRORS: dict[str, str] = {
    "1LCD_dna_only.pdb": "no protein residue; .* 445 nucleic acid",
    "4Q9R_min.cif": "a mmCIF file without atoms",
    "empty.pdb": "the file is empty",
    "header.pdb": "has no ATOM or HETATM record",
    "ions.pdb": "no protein residue; .* 2 hetero",
    "truncated.cif": "not a whole mmCIF file .*Wrong number of values in loop _atom_site",
    "truncated.pdb": "line 539 ends inside the coordinates",
    "waters_only.pdb": "no protein residue; .* 88 water",
}


def _read(name: str) -> Structure:
    assert SAMPLE is not None
    return read_structure(SAMPLE / "hard_cases" / name)


def _places(structure: Structure) -> list[str]:
    chains = np.array(structure.chain_id)[structure.residue_chain]
    numbers, codes = structure.residue_number, structure.insertion_code
    return [f"{c} {n}{i}" for c, n, i in zip(chains, numbers, codes, strict=True)]


def test_the_tables_name_every_file() -> None:
    assert SAMPLE is not None
    files = {path.name for path in (SAMPLE / "hard_cases").iterdir()} - {"README.md"}
    assert files == set(EXPECTED) | set(ERRORS)


@pytest.mark.parametrize("name", EXPECTED)
def test_counts(name: str) -> None:
    structure, want = _read(name), EXPECTED[name]
    assert " ".join(structure.chain_id) == want.chains
    assert np.bincount(structure.residue_chain).tolist() == want.residues
    assert structure.num_atoms == want.atoms
    assert {drop.kind: drop.count for drop in structure.drops} == want.drops


@pytest.mark.parametrize("name", EXPECTED)
def test_names_numbers_and_gaps(name: str) -> None:
    structure, want = _read(name), EXPECTED[name]
    places = _places(structure)
    found = dict(zip(places, structure.residue_name.tolist(), strict=True))
    assert len(found) == structure.num_residues
    assert {place: found.get(place) for place in want.names} == want.names
    inside = np.diff(structure.residue_chain) == 0
    steps = np.diff(structure.sequence_index)
    gaps = [(places[i], places[i + 1], int(steps[i])) for i in np.flatnonzero(inside & (steps > 1))]
    assert gaps == want.gaps


@pytest.mark.parametrize("name", EXPECTED)
def test_every_atom_is_kept_or_counted(name: str) -> None:
    assert SAMPLE is not None
    table, structure = read_atoms(SAMPLE / "hard_cases" / name), _read(name)
    in_file = len(table) + sum(drop.count for drop in table.drops)
    assert structure.num_atoms + sum(drop.count for drop in structure.drops) == in_file


@pytest.mark.parametrize("name", ERRORS)
def test_errors(name: str) -> None:
    with pytest.raises(StructureError, match=f"{name}: .*{ERRORS[name]}"):
        _read(name)
