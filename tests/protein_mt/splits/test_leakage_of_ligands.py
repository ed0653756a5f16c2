"""Fingerprints of ligand files, and how similar held-out ligands are to training ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from rdkit import Chem, DataStructs
from rdkit.Chem import AllChem, rdFingerprintGenerator

from hemenet_lab.protein_mt.raw.fingerprint import BITS, read_fingerprint
from hemenet_lab.protein_mt.splits.leakage import closest_tanimoto, ligand_report
from tests.protein_mt.raw_folder import MOL2, SDF
from tests.shared import SAMPLE, needs_shared

SMILES = ("CCO", "CCCO", "c1ccccc1O", "c1ccccc1N", "CC(=O)Nc1ccc(O)cc1", "OCCO")


def sdf(folder: Path, smiles: str) -> Path:
    molecule = Chem.AddHs(Chem.MolFromSmiles(smiles))
    AllChem.EmbedMolecule(molecule, randomSeed=1)
    path = folder / f"{len(list(folder.iterdir()))}_ligand.sdf"
    path.write_text(Chem.MolToMolBlock(molecule) + "$$$$\n")
    return path


@pytest.fixture(scope="module")
def bits(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("ligands")
    return {smiles: read_fingerprint([sdf(folder, smiles)]).hex() for smiles in SMILES}


def test_fingerprint_is_that_of_the_molecule(bits: dict[str, str]) -> None:
    generator = rdFingerprintGenerator.GetMorganGenerator(radius=2, fpSize=BITS)
    for smiles, found in bits.items():
        expected = generator.GetFingerprintAsNumPy(Chem.MolFromSmiles(smiles))
        unpacked = np.unpackbits(np.frombuffer(bytes.fromhex(found), np.uint8))
        assert np.array_equal(unpacked, expected)


def test_second_file_is_tried(tmp_path: Path) -> None:
    broken, mol2 = tmp_path / "a.sdf", tmp_path / "a.mol2"
    broken.write_text("not a molecule\n")
    mol2.write_text(MOL2)
    assert read_fingerprint([broken, mol2])
    assert read_fingerprint([broken, tmp_path / "missing.sdf"]) == b""
    assert read_fingerprint([]) == b""


def test_wrong_chemistry_is_unreadable(tmp_path: Path) -> None:
    path = tmp_path / "a.sdf"
    path.write_text(SDF)
    assert read_fingerprint([path])
    path.write_text(SDF.replace(" O   0", " F   0").replace("  2  3  1  0", "  2  3  2  0"))
    assert read_fingerprint([path]) == b""


def test_closest_is_that_of_rdkit(bits: dict[str, str]) -> None:
    vectors = {
        name: DataStructs.CreateFromBitString(
            "".join(map(str, np.unpackbits(np.frombuffer(bytes.fromhex(text), np.uint8))))
        )
        for name, text in bits.items()
    }
    rows = np.stack(
        [np.unpackbits(np.frombuffer(bytes.fromhex(t), np.uint8)) for t in bits.values()]
    )
    names = list(bits)
    found = closest_tanimoto(rows[:3], rows[3:])
    for name, value in zip(names[:3], found, strict=True):
        expected = max(
            DataStructs.TanimotoSimilarity(vectors[name], vectors[other]) for other in names[3:]
        )
        assert value == pytest.approx(expected, abs=1e-6)


def test_report(bits: dict[str, str]) -> None:
    fingerprints = {f"{n}abc": text for n, text in enumerate(bits.values())}
    fingerprints |= {"6abc": "", "7abc": bits["CCO"], "8abc": ""}
    parts = dict.fromkeys(fingerprints, "train")
    parts |= {"5abc": "val", "6abc": "test", "7abc": "test", "2abc": "test", "0abc": "train"}
    report = ligand_report(fingerprints, parts)
    assert report["train_ligands"] == 4
    assert report["test"]["ligands"] == 2
    assert report["test"]["unreadable"] == 1
    # ethanol is in training too, phenol is not
    assert report["test"]["similar"]["1.0"] == 1
    assert report["val"]["ligands"] == 1
    empty = ligand_report(fingerprints, dict.fromkeys(fingerprints, "test"))
    assert empty["test"]["similar"] == dict.fromkeys(("0.5", "0.7", "0.9", "1.0"), 0)
    assert "median" not in empty["val"]


@needs_shared
def test_real_ligands() -> None:
    assert SAMPLE is not None
    folders = sorted((SAMPLE / "refined-set").iterdir())
    found = {
        folder.name: read_fingerprint(
            [folder / f"{folder.name}_ligand.sdf", folder / f"{folder.name}_ligand.mol2"]
        )
        for folder in folders
    }
    # the only one of which neither file has a chemistry that RDKit accepts
    assert [name for name, bits in found.items() if not bits] == ["3qlb"]
