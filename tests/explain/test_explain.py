"""Relevance maps: completeness, agreement with plain loops, sanity, and their files."""

from __future__ import annotations

import csv
from pathlib import Path
from types import SimpleNamespace

import gemmi
import numpy as np
import pytest
import torch

from baselines import GCN
from hemenet_lab import Predictor
from hemenet_lab.cli import hemenet
from hemenet_lab.encoders import HeMeNet
from hemenet_lab.explain import explain, explain_entry, write_files
from hemenet_lab.explain.methods import occlude
from hemenet_lab.model import Mean, MultiTaskModule, TaskAware
from tests.prediction.test_predictor import checkpoint
from tests.store.entries import TASKS, random_entry

ENTRY = random_entry(3)


def small(kind: str = "hemenet", seed: int = 0) -> MultiTaskModule:
    torch.manual_seed(seed)
    if kind == "hemenet":
        encoder = HeMeNet(hidden_dim=8, num_layers=2, channel_dim=4, relation_dim=4)
        module = MultiTaskModule(encoder, readout=TaskAware)
    else:
        module = MultiTaskModule(GCN(hidden_dim=8, num_layers=2), readout=Mean)
    module.build(TASKS)
    return module.eval()


@pytest.mark.parametrize("kind", ["hemenet", "gcn"])
def test_gradients_add_up_to_the_change(kind: str) -> None:
    found = explain_entry(small(kind), ENTRY, ["lba", "ec"], steps=64)
    assert [one.task for one in found.maps] == ["lba", "ec"]
    for one in found.maps:
        assert abs(one.change) > 1e-4
        assert one.values.sum() == pytest.approx(one.change, rel=2e-2)
        assert one.values.shape == (ENTRY.num_nodes,)


@pytest.mark.parametrize("kind", ["hemenet", "gcn"])
def test_occlusion_is_the_fall_of_the_prediction(kind: str) -> None:
    module = small(kind)
    found = explain_entry(module, ENTRY, ["lba"], methods=["occlusion"])
    whole = found.predictions[0].value
    for node in (0, 7, ENTRY.num_nodes - 1):
        alone = explain_entry(module, occlude(ENTRY, node), ["lba"], methods=[]).predictions[0]
        assert found.maps[0].values[node] == pytest.approx(whole - alone.value, abs=1e-5)
    assert np.abs(found.maps[0].values).max() > 1e-4


def test_attention_adds_up_to_one_per_chain_and_head() -> None:
    found = explain_entry(small(), ENTRY, ["ec", "lba"], methods=["attention"])
    by_task = {one.task: one for one in found.maps}
    of_chain, of_complex = by_task["ec"].heads, by_task["lba"].heads
    assert of_chain is not None
    assert of_complex is not None
    for chain in range(ENTRY.num_chains):
        np.testing.assert_allclose(of_chain[:, ENTRY.node_chain == chain].sum(1), 1, atol=1e-5)
    assert (of_chain[:, ENTRY.node_chain < 0] == 0).all()
    np.testing.assert_allclose(of_complex.sum(1), 1, atol=1e-5)
    np.testing.assert_allclose(by_task["ec"].values, of_chain.mean(0))


@pytest.mark.parametrize("method", ["gradients", "occlusion", "attention"])
def test_other_weights_give_another_map(method: str) -> None:
    """Adebayo et al., NeurIPS 2018: a map that survives randomised weights shows the input only."""
    first, same, other = (
        explain_entry(small(seed=seed), ENTRY, ["lba"], methods=[method]).maps[0].values  # type: ignore[list-item]
        for seed in (0, 0, 1)
    )
    np.testing.assert_allclose(first, same, rtol=1e-4, atol=1e-6)
    assert abs(np.corrcoef(first, other)[0, 1]) < 0.9


def test_errors_say_what_is_allowed() -> None:
    with pytest.raises(ValueError, match="Mean has no attention; choose"):
        explain_entry(small("gcn"), ENTRY, ["lba"], methods=["attention"])
    with pytest.raises(ValueError, match="need a partner"):
        explain_entry(small(), random_entry(4, ligand=0), ["lba"])
    with pytest.raises(ValueError, match="are not among those"):
        explain_entry(small(), ENTRY, ["ec"], terms=["9.9.9.9"])


def test_files(tmp_path: Path) -> None:
    found = explain_entry(small(), ENTRY, ["ec"], methods=["gradients", "attention"])
    names = {path.name for path in write_files(found, tmp_path)}
    assert f"{ENTRY.id}.csv" in names
    with (tmp_path / f"{ENTRY.id}.csv").open() as stream:
        rows = [row for row in csv.DictReader(stream) if row["method"] == "gradients"]
    gradients = next(one for one in found.maps if one.method == "gradients")
    assert [float(row["relevance"]) for row in rows] == gradients.values.tolist()
    for path in tmp_path.glob("*gradients.*"):
        if path.suffix in (".cif", ".pdb"):
            model = gemmi.read_structure(str(path))[0]
            factors = [atom.b_iso for chain in model for residue in chain for atom in residue]
            percent = 100 * gradients.values / np.abs(gradients.values).max()
            expected = np.repeat(percent, ENTRY.node_atoms)
            np.testing.assert_allclose(sorted(factors), sorted(expected), atol=0.02)
        else:
            assert path.with_suffix(".cif").name in path.read_text()
    assert {path.suffix for path in tmp_path.iterdir()} == {".csv", ".cif", ".pdb", ".cxc", ".pml"}


def test_a_predictor_and_the_command_explain_alike(tmp_path: Path) -> None:
    """The module of a checkpoint gives the same maps, with intervals and notes beside them."""
    weights = checkpoint(SimpleNamespace(tasks=TASKS), tmp_path / "best.ckpt")
    made = explain_entry(small(), ENTRY, ["ec"])
    structure = next(path for path in write_files(made, tmp_path / "in") if path.suffix == ".pdb")
    predictor = Predictor(weights, device="cpu", contact=99)
    result = predictor.predict(structure, partner_chains=["B"])
    found = explain(predictor, result, ["ppa", "ec"], methods=["gradients"], steps=4)
    assert found.result is result
    alone = explain_entry(
        predictor.members[0].module, result.entry, ["ppa", "ec"], methods=["gradients"], steps=4
    )
    for mine, theirs in zip(found.maps, alone.maps, strict=True):
        assert (mine.task, mine.term) == (theirs.task, theirs.term)
        np.testing.assert_allclose(mine.values, theirs.values, rtol=1e-4, atol=1e-6)
    assert "of chain B" in found._repr_html_()
    words = ["explain", str(structure), "--ckpt", str(weights), "--task", "ppa", "--steps", "2"]
    words += ["--partner-chains", "B", "--contact", "99"]
    page = tmp_path / "new" / "page.html"
    assert hemenet([*words, "--html", str(page), "--out", str(tmp_path / "out")]) == 0
    assert "not calibrated" in page.read_text("utf-8")
    assert {path.suffix for path in (tmp_path / "out").iterdir()} >= {".csv", ".cif"}
    assert hemenet(words) == 2
