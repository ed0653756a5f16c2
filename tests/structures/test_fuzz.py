"""Whatever a file holds, a reader returns something sound or raises one of its own errors."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hemenet_lab.structures import (
    LigandError,
    ReadLimits,
    StructureError,
    ligand_from_mmcif,
    read_ligands,
    read_structure,
    read_structures,
)
from tests.examples import tries
from tests.structures.files import Atom, pdb_text, peptide, write_cif
from tests.structures.test_ligand import METHANOL, MOL2, V3000

LIMITS = ReadLimits(bytes=5_000_000, atoms=5000, seconds=5)
ATOMS = [
    *peptide(["ALA", "MSE", "GLY"]),
    *peptide(["SER"], "B", 1, 30.0),
    Atom("ZN", "ZN", "B", 90, (9.0, 9.0, 9.0), "ZN", hetero=True),
    Atom("O", "HOH", "B", 91, (1.0, 9.0, 9.0), "O", hetero=True),
]
WORDS = [
    *(b"MODEL", b"ENDMDL", b"TER", b"HETATM", b"ATOM  ", b"nan", b"1e39", b"-", b"99999999", b"?"),
    *(b".", b"'", b'"', b";", b"\n;", b"#", b"loop_", b"data_", b"save_", b"_atom_site.", b"$$$$"),
    *(b"@<TRIPOS>ATOM", b"@<TRIPOS>BOND", b"V3000", b"M  END", b"\x00", b"\xff", b"\r", b"\t"),
    *(b"\xef\xbb\xbf", b"\x1f\x8b", b"0", b"999", b"R#", b"AB", b"  ", b"\xc3\x85", b"A000"),
]


@st.composite
def damaged(draw: st.DrawFn, seeds: list[bytes]) -> bytes:
    """One of the seeds, cut, spliced, overwritten and repeated in a few places."""
    data = draw(st.sampled_from(seeds))
    for _ in range(draw(st.integers(1, 5))):
        start = draw(st.integers(0, len(data)))
        end = draw(st.integers(start, min(len(data), start + 200)))
        middle = draw(
            st.one_of(
                st.sampled_from(WORDS),
                st.binary(max_size=8),
                st.just(b""),
                st.just(data[start:end] * 3),
            )
        )
        keep = draw(st.sampled_from([0, end - start]))
        tail = data[start + (len(middle) if keep == 0 else keep) :]
        data = data[:start] + middle + tail
    return data[: draw(st.integers(0, len(data)))] if draw(st.booleans()) else data


def _seeds(tmp: Path) -> dict[str, list[bytes]]:
    pdb = pdb_text(ATOMS).encode()
    models = b"MODEL        1\n" + pdb[:-4] + b"ENDMDL\nMODEL        2\n" + pdb[:-4] + b"ENDMDL\n"
    return {
        "pdb": [pdb, models, gzip.compress(pdb)],
        "cif": [write_cif(tmp / "x.cif", ATOMS).read_bytes()],
        "bcif": [write_cif(tmp / "x.bcif", ATOMS).read_bytes()],
        "sdf": [METHANOL.encode(), V3000.encode(), f"{METHANOL}$$$$\n{V3000}$$$$\n".encode()],
        "mol2": [MOL2.encode(), (MOL2 + MOL2.replace("C.3", "c3").replace("O.3", "oh")).encode()],
    }


def _check(path: Path) -> None:
    if path.suffix in (".sdf", ".mol2"):
        try:
            ligands = read_ligands(path, limits=LIMITS)
        except LigandError as error:
            problem = str(error)
            assert problem.startswith(path.name)
            return
        for ligand in ligands:
            assert ligand.num_atoms > 0
            assert (np.abs(ligand.coords) <= 1e5).all()
        return
    for keep_hetero in (False, True):
        try:
            structures = [
                read_structure(path, keep_hetero=keep_hetero, limits=LIMITS),
                *read_structures(path, limits=LIMITS),
            ]
        except StructureError as error:
            problem = str(error)
            assert problem.startswith(path.name)
            continue
        for structure in structures:
            assert structure.num_residues > 0
            assert (np.abs(structure.coords) <= 1e5).all()
            assert np.isfinite(structure.occupancy).all()
            assert all(len(code) < 2 for code in structure.insertion_code.tolist())
            assert set(structure.atom_residue.tolist()) == set(range(structure.num_residues))
    try:
        ligand_from_mmcif(path, "ZN", limits=LIMITS)
    except (LigandError, StructureError):
        return


@pytest.mark.parametrize("kind", ["pdb", "cif", "bcif", "sdf", "mol2"])
def test_only_errors_of_ours(kind: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    seeds, path = _seeds(tmp_path)[kind], tmp_path / f"fuzz.{kind}"

    @tries(120)
    @given(damaged(seeds))
    def run(data: bytes) -> None:
        path.write_bytes(data)
        _check(path)

    run()
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize("kind", ["pdb", "cif", "bcif", "sdf", "mol2"])
def test_noise(kind: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for size in (0, 1, 2, 3, 100, 5000):
        (tmp_path / f"x.{kind}").write_bytes(rng.bytes(size))
        _check(tmp_path / f"x.{kind}")
