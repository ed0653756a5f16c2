"""Predictor: independent of batch-mates and order, ensembles, dropout, and trust."""

from __future__ import annotations

import doctest
import json
import shutil
from pathlib import Path

import gemmi
import numpy as np
import pytest
import torch

from baselines import GCN
from hemenet_lab import Predictor
from hemenet_lab.calibration import CALIBRATION_KEY, Calibration, TrainingSet, ValueCalibration
from hemenet_lab.calibration.measure import read_calibration
from hemenet_lab.model.module import MultiTaskModule
from hemenet_lab.prediction.result import Result
from hemenet_lab.prediction.stream import Failure
from hemenet_lab.saved.checkpoint import LIGHTNINGS_INSTANTIATOR, MODEL
from hemenet_lab.store.reader import Store
from tests.prediction.small import checkpoint


def numbers(result: Result | Failure) -> dict[tuple[str, str, str], float]:
    assert isinstance(result, Result)
    return {(row.chain, row.task, row.term): row.value for row in result.rows()}


def test_the_example_of_the_docstring(
    folder: Path, files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(folder / "best.ckpt", tmp_path)
    shutil.copy(files[2], tmp_path / "complex.pdb")
    ligand = files[2].with_name(files[2].name.replace("_protein.pdb", "_ligand.sdf"))
    shutil.copy(ligand, tmp_path / "ligand.sdf")
    monkeypatch.chdir(tmp_path)
    [example] = doctest.DocTestFinder(recurse=False).find(Predictor, "Predictor", globs={})
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    said: list[str] = []
    found = runner.run(example, out=said.append)
    assert found.attempted > 4
    assert not found.failed, "".join(said)


def test_predictions_depend_on_their_own_input_only(folder: Path, files: list[Path]) -> None:
    predictor = Predictor(folder / "best.ckpt", device="cpu")
    alone = [numbers(predictor.predict(path)) for path in files]
    together = [numbers(each) for each in predictor.predict_many(files)]
    turned = [numbers(each) for each in predictor.predict_many(reversed(files))][::-1]
    read_apart = [numbers(each) for each in predictor.predict_many(files, workers=1)]
    for found in (together, turned, read_apart):
        for mine, theirs in zip(alone, found, strict=True):
            assert theirs == pytest.approx(mine, abs=1e-5)


def test_a_bad_file_fails_alone(folder: Path, files: list[Path], tmp_path: Path) -> None:
    broken = tmp_path / "broken.pdb"
    broken.write_text("no structure")
    found = [*Predictor(folder / "plain.ckpt").predict_many([files[0], broken, files[1]])]
    assert [type(each) for each in found] == [Result, Failure, Result]
    assert "broken.pdb" in str(found[1])


def test_objects_of_other_libraries_are_taken(folder: Path, files: list[Path]) -> None:
    predictor = Predictor(folder / "plain.ckpt", device="cpu")
    expected = numbers(predictor.predict(files[0]))
    assert numbers(predictor.predict(files[0].read_bytes())) == pytest.approx(expected)
    structure = gemmi.read_structure(str(files[0]))
    structure.setup_entities()
    assert numbers(predictor.predict(structure)) == pytest.approx(expected, abs=1e-5)
    with pytest.raises(ValueError, match="give a path, bytes, or a structure"):
        predictor.predict(3.5)


def test_an_ensemble_has_a_mean_and_a_spread(folder: Path, files: list[Path]) -> None:
    both = [folder / "plain.ckpt", folder / "other.ckpt"]
    single = [numbers(Predictor(each).predict(files[0])) for each in both]
    for row in Predictor(both).predict(files[0]).rows():
        values = [each[row.chain, row.task, row.term] for each in single]
        assert row.value == pytest.approx(np.mean(values))
        assert row.spread == pytest.approx(np.std(values, ddof=1))


def test_dropout_gives_a_spread_that_comes_again(folder: Path, files: list[Path]) -> None:
    predictor = Predictor(folder / "plain.ckpt", mc_dropout=3, device="cpu")
    first, again = ([row.spread for row in predictor.predict(files[0]).rows()] for _ in range(2))
    assert first == again
    assert max(spread or 0 for spread in first) > 0
    assert numbers(predictor.predict(files[0])) == pytest.approx(
        numbers(Predictor(folder / "plain.ckpt").predict(files[0]))
    )


def test_what_is_known_of_trust_is_said(folder: Path, store: Store, files: list[Path]) -> None:
    predictor = Predictor(folder / "best.ckpt")
    known = predictor.members[0].calibration
    result = predictor.predict(files[0])
    assert all(each is not None for each in result.identity)
    for row in result.rows():
        if row.term and row.task in known.terms:
            assert row.threshold == known.terms[row.task].threshold
            assert row.precision == known.terms[row.task].precision
            assert row.recall == known.terms[row.task].recall
            assert row.predicted == (row.value >= row.threshold)
        assert row.far is (min(result.identity) < 0.3)
    plain = Predictor(folder / "plain.ckpt").predict(files[0])
    assert "not calibrated" in plain.notes[0]
    assert plain.identity[0] is None


def test_intervals_sizes_and_strangers(store: Store, files: list[Path], tmp_path: Path) -> None:
    training = TrainingSet(("MKVLWAAKRNDE",), 12, 12)
    residuals = ValueCalibration(9, tuple(float(x) for x in range(1, 10)))
    record = Calibration({}, {"ppa": residuals}, training).to_dict()
    path = checkpoint(store, tmp_path / "small.ckpt", **{CALIBRATION_KEY: record})
    result = Predictor(path, level=0.9, contact=50).predict(files[0], partner_chains=("B",))
    row = result.affinity["ppa"]
    assert row.high is not None
    assert row.low is not None
    assert (row.value - row.low, row.high - row.value) == pytest.approx((9, 9))
    assert "far from what the model was trained on" in row.notes
    assert row.far
    assert row.predicted is None
    assert "the longest training chain 12" in row.notes
    assert "larger than all it was trained on" in row.notes


def test_partners_are_a_side_only_for_models_that_look(
    folder: Path, store: Store, files: list[Path], tmp_path: Path
) -> None:
    plain = Predictor(folder / "plain.ckpt", contact=50)
    found = plain.predict(files[0], partner_chains=("B",))
    assert "does not see which chains are the partner" in found.affinity["ppa"].notes
    assert "partner" not in " ".join(plain.predict(files[0]).notes)
    torch.manual_seed(0)
    module = MultiTaskModule(GCN(hidden_dim=8, num_layers=1))
    module.build(store.tasks)
    settings = {"hidden_dim": 8, "num_layers": 1}
    encoder = {"class_path": "baselines.GCN", "init_args": settings}
    content = {
        MODEL: {"encoder": encoder, "_instantiator": LIGHTNINGS_INSTANTIATOR},
        "tasks": [task.to_dict() for task in store.tasks],
        "state_dict": module.state_dict(),
    }
    torch.save(content, tmp_path / "gcn.ckpt")
    sees = Predictor(tmp_path / "gcn.ckpt", contact=50).predict(files[0], partner_chains=("B",))
    assert "partner" not in " ".join(sees.notes)
    with pytest.raises(ValueError, match=r"all chains, .*, are partner chains; a complex needs"):
        plain.predict(files[0], partner_chains=found.entry.chain_names)


def test_faces_of_a_result(folder: Path, files: list[Path]) -> None:
    result = Predictor(folder / "best.ckpt").predict(files[0], id="<b>&")
    assert "<b>&<" not in result._repr_html_()
    assert "&lt;b&gt;&amp;" in result._repr_html_()
    assert len(result.table) == sum(1 for _ in result.rows())
    assert json.loads(result.to_json())["entry"] == "<b>&"
    chain = result.entry.chain_names[0]
    best = result.terms(chain, "mf", top=3)
    assert list(best["value"]) == sorted(best["value"], reverse=True)
    attention = result.attention("mf")
    sums = attention.groupby("chain")["weight"].sum()
    assert sums.to_numpy() == pytest.approx(1.0, abs=1e-5)
    width = Predictor(folder / "best.ckpt").members[0].module.encoder.out_dim
    assert result.embedding("residue").shape == (result.entry.num_nodes, width)
    assert result.embedding("chain").shape == (result.entry.num_chains, width)
    assert result.embedding("complex").shape == (width,)
    with pytest.raises(ValueError, match="no chain"):
        result.terms("nowhere", "mf")


def test_other_tasks_make_no_ensemble(folder: Path, store: Store, tmp_path: Path) -> None:
    path = checkpoint(store, tmp_path / "other.ckpt")
    content = torch.load(path, weights_only=True)
    content["tasks"][-1]["terms"][0] = "GO:1"
    torch.save(content, path)
    with pytest.raises(ValueError, match="different tasks or terms"):
        Predictor([folder / "plain.ckpt", path])


def test_calibration_survives_the_file(folder: Path) -> None:
    content = torch.load(folder / "best.ckpt", weights_only=True)
    known = read_calibration(content)
    assert known is not None
    assert known.training is not None
    assert known.training.sequences
    with pytest.raises(ValueError, match="calibration cannot be read"):
        read_calibration({CALIBRATION_KEY: {"version": 99}})
