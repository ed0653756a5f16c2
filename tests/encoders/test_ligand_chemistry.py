"""What RDKit tells of ligand atoms, from the file to the encoder's first features."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from rdkit import Chem
from rdkit.Chem import Lipinski, rdDistGeom
from torch_geometric.data import Batch

from hemenet_lab.encoders import HeMeNet, LigandChemistry
from hemenet_lab.graphs import GraphView, build_graph
from hemenet_lab.graphs.build import crop_entry
from hemenet_lab.model import MultiTaskModule, entry_graphs
from hemenet_lab.store import Entry, Store, StoreError, StoreWriter, entry_from_structure
from hemenet_lab.structures import CHEMISTRY, NUM_NODE_TYPES, Ligand, read_ligand, read_structure
from hemenet_lab.tasks import PROTEIN_MT
from tests.structures.files import peptide, write_pdb

SMILES = "C[NH2+]CC(=O)Nc1ccc(C#N)nc1CC(=O)[O-]"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("chemistry")
    molecule = Chem.AddHs(Chem.MolFromSmiles(SMILES))
    rdDistGeom.EmbedMolecule(molecule, randomSeed=1)
    (path / "x.sdf").write_text(Chem.MolToMolBlock(molecule))
    write_pdb(path / "x.pdb", peptide(["ALA", "SER", "GLY", "SER"], "A", 1))
    return path


def entry_of(folder: Path, ligand: Ligand | None) -> Entry:
    structure = read_structure(folder / "x.pdb")
    return entry_from_structure(structure, ligand=ligand, kind="lba", contact=float("inf"))


def facts(bits: NDArray[np.uint16], name: str) -> list[bool]:
    return (bits >> CHEMISTRY.index(name) & 1).astype(bool).tolist()


def test_facts_are_those_of_rdkit(folder: Path) -> None:
    bits = read_ligand(folder / "x.sdf").chemistry
    assert bits is not None
    molecule = Chem.MolFromSmiles(SMILES)
    atoms = list(molecule.GetAtoms())
    assert facts(bits, "known") == [True] * len(atoms)
    assert facts(bits, "aromatic") == [atom.GetIsAromatic() for atom in atoms]
    assert facts(bits, "ring") == [atom.IsInRing() for atom in atoms]
    assert facts(bits, "positive") == [atom.GetFormalCharge() > 0 for atom in atoms]
    assert facts(bits, "negative") == [atom.GetFormalCharge() < 0 for atom in atoms]
    for name in ("SP", "SP2", "SP3"):
        assert facts(bits, name.lower()) == [str(a.GetHybridization()) == name for a in atoms]
    assert sum(facts(bits, "donor")) == Lipinski.NumHDonors(molecule)
    assert sum(facts(bits, "acceptor")) == Lipinski.NumHAcceptors(molecule)


def test_molecules_that_rdkit_does_not_accept_have_none(folder: Path) -> None:
    text = (folder / "x.sdf").read_text()
    lines = text.splitlines()
    number = next(n for n, line in enumerate(lines) if line.startswith("  1  2  1"))
    lines[number] = lines[number].replace("  1  2  1", "  1  2  3", 1)  # a methyl triply bound
    (folder / "bad.sdf").write_text("\n".join(lines))
    bad = read_ligand(folder / "bad.sdf")
    assert not bad.sanitized
    assert bad.chemistry is None
    entry = entry_of(folder, bad)
    assert entry.chemistry is not None
    assert not entry.chemistry.any()


def test_store_keeps_it_where_asked(folder: Path, tmp_path: Path) -> None:
    entry = entry_of(folder, read_ligand(folder / "x.sdf"))
    for name, keep in (("with", True), ("without", False)):
        with StoreWriter(tmp_path / name, PROTEIN_MT, chemistry=keep) as writer:
            writer.add(entry)
            writer.set_split("default", {entry.id: "train"})
    kept, plain = Store(tmp_path / "with"), Store(tmp_path / "without")
    assert kept.has_chemistry
    assert np.array_equal(kept[0].chemistry, entry.chemistry)
    assert "chemistry" in kept.to_pandas("nodes").columns
    assert not plain.has_chemistry
    assert plain[0].chemistry is None
    LigandChemistry().stored(kept)
    with pytest.raises(StoreError, match="--ligand-chemistry"):
        LigandChemistry().stored(plain)
    with pytest.raises(ValueError, match="--ligand-chemistry"):
        build_graph(plain[0], GraphView(chemistry=True))
    writer = StoreWriter(tmp_path / "third", PROTEIN_MT, chemistry=True)
    with pytest.raises(StoreError, match="no chemistry"):
        writer.add(replace(entry, chemistry=None))
    writer.discard()


def test_a_model_sees_it_and_only_it(folder: Path) -> None:
    entry = entry_of(folder, read_ligand(folder / "x.sdf"))
    torch.manual_seed(0)
    encoder = HeMeNet(hidden_dim=8, num_layers=1, channel_dim=4, relation_dim=4)
    module = MultiTaskModule(encoder, tasks=["lba"], node_input=LigandChemistry())
    module.build(PROTEIN_MT)
    module.eval()
    assert entry.chemistry is not None
    other = replace(entry, chemistry=entry.chemistry ^ (entry.chemistry & 2**6))
    alone = entry_of(folder, None)
    graphs = entry_graphs(module, [entry, other, alone])
    assert graphs[0].chemistry.tolist() == entry.chemistry.tolist()
    with torch.no_grad():
        found = module(Batch.from_data_list(graphs))["lba"][:, 0]
        singly = [module(graph)["lba"][0, 0] for graph in graphs]
    assert torch.allclose(found, torch.stack(singly), atol=1e-5)
    assert abs(found[0] - found[1]) > 1e-6
    plain = HeMeNet(hidden_dim=8, num_layers=1, channel_dim=4, relation_dim=4)
    assert not hasattr(build_graph(entry, plain.view), "chemistry")
    assert LigandChemistry().width == NUM_NODE_TYPES + len(CHEMISTRY)


def test_edges_and_crops_do_not_depend_on_it(folder: Path) -> None:
    entry = entry_of(folder, read_ligand(folder / "x.sdf"))
    assert GraphView(chemistry=True).key() == GraphView().key()
    cropped = crop_entry(entry, 6.0)
    assert cropped.chemistry is not None
    assert len(cropped.chemistry) == cropped.num_nodes
    assert crop_entry(replace(entry, chemistry=None), 6.0).chemistry is None
