"""A model that was written to give away predicts as its checkpoint does, and holds no pickle."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from hemenet_lab import Predictor
from hemenet_lab.cli import hemenet
from hemenet_lab.saved import read_checkpoint, shipped_models, write_released
from hemenet_lab.saved import released as module


@pytest.fixture
def given(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    words = ["--out", str(tmp_path / "given"), "--trained-on", "two crystals"]
    assert hemenet(["release", str(folder / "best.ckpt"), *words]) == 0
    assert "hemenet predict FILE --ckpt" in capsys.readouterr().out
    return tmp_path / "given"


def test_it_predicts_as_the_checkpoint_does(folder: Path, files: list[Path], given: Path) -> None:
    one, other = (
        Predictor(path, device="cpu").predict(files[0]) for path in (folder / "best.ckpt", given)
    )
    for task, estimate in one.estimates.items():
        assert (other.estimates[task].value == estimate.value).all()
        assert other.estimates[task].threshold == estimate.threshold
    assert other.identity == one.identity
    assert "trained on two crystals" in other.notes


def test_nothing_of_the_run_is_in_it(folder: Path, given: Path) -> None:
    content = read_checkpoint(given / "model.safetensors")
    assert not content.keys() & set(module.OF_TRAINING)
    assert "optimizer" not in content["hyper_parameters"]
    assert not zipfile.is_zipfile(given / "model.safetensors")  # which torch's files are
    assert b"pickle" not in (given / "model.safetensors").read_bytes()


def test_the_card_tells_what_is_known_and_asks_for_the_rest(given: Path) -> None:
    card = (given / "README.md").read_text()
    assert "Trained on: two crystals" in card
    assert "`ec`): " in card
    assert card.count("To be written:") == 4


def test_what_it_was_trained_on_has_to_be_said(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert hemenet(["release", str(folder / "plain.ckpt"), "--out", str(tmp_path / "x")]) == 2
    assert "--trained_on" in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


def test_another_model_is_not_written_over(
    folder: Path, given: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--out", str(given), "--trained-on", "other things"]
    assert hemenet(["release", str(folder / "other.ckpt"), *words]) == 2
    assert "is there already" in capsys.readouterr().err


def test_a_model_of_the_package_is_known_by_its_name(
    given: Path, monkeypatch: pytest.MonkeyPatch, files: list[Path]
) -> None:
    monkeypatch.setattr(module, "SHIPPED", given.parent)
    assert shipped_models() == {"given": given / "model.safetensors"}
    assert Predictor("given", device="cpu").trained_on == "two crystals"
    with pytest.raises(ValueError, match="or a model of the package: given"):
        Predictor("taken", device="cpu")


def test_tensors_inside_lists_and_mappings_come_back(tmp_path: Path) -> None:
    content = {
        "state_dict": {"a": torch.arange(3), "b": torch.zeros(0)},
        "more": [1, None, {"deep": (torch.ones(2, 2), "text")}],
    }
    write_released(content, tmp_path / "m.safetensors")
    got = read_checkpoint(tmp_path / "m.safetensors")
    assert got["state_dict"]["a"].tolist() == [0, 1, 2]
    assert got["state_dict"]["b"].shape == (0,)
    assert got["more"][:2] == [1, None]
    assert got["more"][2]["deep"][0].tolist() == [[1, 1], [1, 1]]
    assert got["more"][2]["deep"][1] == "text"


@pytest.mark.parametrize("value", [{1: 2}, {"$tensor": "a"}, {"x": {1, 2}}, {"x": Path("y")}])
def test_what_is_neither_tensor_nor_plain_is_not_written(tmp_path: Path, value: object) -> None:
    with pytest.raises(ValueError, match=r"must be text|only tensors and plain data"):
        write_released({"state_dict": {}, "more": value}, tmp_path / "m.safetensors")
    assert not list(tmp_path.iterdir())


def _content(text: str, form: str = "hemenet-lab model 1") -> dict[str, str]:
    return {"format": form, "content": text}


@pytest.mark.parametrize(
    ("about", "message"),
    [
        (None, "its form is None"),
        (_content("{}", "hemenet-lab model 9"), "its form is 'hemenet-lab model 9'"),
        ({"format": "hemenet-lab model 1"}, "it lacks 'content'"),
        (_content("{"), "cannot be read as a model"),
        (_content("[" * 100_000), "cannot be read as a model"),
        (_content("[]"), "holds no weights"),
        (_content('{"state_dict": []}'), "holds no weights"),
        (_content(json.dumps({"state_dict": {"a": {"$tensor": "b"}}})), "it lacks 'b'"),
    ],
)
def test_a_damaged_or_foreign_file_is_told(
    tmp_path: Path, about: dict[str, str] | None, message: str
) -> None:
    path = tmp_path / "model.safetensors"
    save_file({"a": torch.zeros(1)}, path, about)
    with pytest.raises(ValueError, match=message):
        read_checkpoint(path)


@pytest.mark.parametrize("cut", [0, 5, 100, -10])
def test_a_cut_file_is_told(given: Path, cut: int) -> None:
    file = given / "model.safetensors"
    file.write_bytes(file.read_bytes()[:cut])
    with pytest.raises(ValueError, match="cannot be read as a model"):
        read_checkpoint(file)
