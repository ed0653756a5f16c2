"""A stranger's checkpoint runs nothing, through whichever command it is opened."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from hemenet_lab.cli import hemenet, lightning
from hemenet_lab.cli.checkpoint_path import SUBCOMMANDS, checkpoint_defaults
from hemenet_lab.model.module import MultiTaskModule
from hemenet_lab.saved import Refused, load_encoders, module_from_checkpoint, read_checkpoint
from tests.saved.strangers import (
    DATA_SETTINGS,
    ENCODER,
    MARK,
    MODEL_SETTINGS,
    PLATEAU,
    RATES,
    TORCH,
    TRAINING_SETTINGS,
    Make,
    prepare,
    spec,
    write,
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working folder from which the stranger's module can be imported."""
    prepare(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["lightning"])
    sys.modules.pop("stranger", None)
    load_encoders()
    yield tmp_path
    sys.modules.pop("stranger", None)


def refused_by(path: Path) -> set[str]:
    """The commands that refuse a checkpoint; the others have built a model from it."""
    found = set()
    for name in SUBCOMMANDS:
        try:
            checkpoint_defaults([name, f"--ckpt_path={path}"])
        except Refused:
            found.add(name)
    try:
        module_from_checkpoint(MultiTaskModule, path)
    except Refused:
        found.add("hemenet predict")
    return found


ALL = {*SUBCOMMANDS, "hemenet predict"}


@pytest.mark.parametrize("make", MODEL_SETTINGS.values(), ids=MODEL_SETTINGS)
def test_settings_of_the_model(make: Make, folder: Path) -> None:
    path = write(folder, make(folder))
    assert refused_by(path) == ALL
    assert not (folder / MARK).exists()


@pytest.mark.parametrize("make", TRAINING_SETTINGS.values(), ids=TRAINING_SETTINGS)
def test_only_a_fit_reads_optimizer_and_schedule(make: Make, folder: Path) -> None:
    path = write(folder, make(folder))
    assert refused_by(path) == {"fit"}  # and nothing else looks at them
    assert not (folder / MARK).exists()


@pytest.mark.parametrize("make", DATA_SETTINGS.values(), ids=DATA_SETTINGS)
def test_settings_of_the_data(make: Make, folder: Path) -> None:
    path = write(folder, {}, make(folder))
    assert refused_by(path) == {*SUBCOMMANDS}  # `hemenet predict` has no data module
    assert not (folder / MARK).exists()


@pytest.mark.parametrize(
    "words",
    [
        ["lightning", "fit", "--ckpt_path={}"],
        ["lightning", "test", "--ckpt_path={}"],
        ["lightning", "validate", "--ckpt_path", "{}"],
        ["lightning", "predict", "--ckpt_path={}"],
        ["hemenet", "predict", "a.pdb", "--ckpt", "{}"],
    ],
    ids=" ".join,
)
def test_whole_commands_say_the_class_and_end_with_2(
    words: list[str], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(folder, {"encoder": spec("stranger.Enc")})
    command, *rest = [word.format(path) for word in words]
    if command == "hemenet":
        assert hemenet(rest) == 2
    else:
        with pytest.raises(SystemExit) as stop:
            lightning(rest)
        assert stop.value.code == 2
    error = capsys.readouterr().err
    assert "names class 'stranger.Enc', which is not registered" in error
    assert "--trust" in error
    assert "Traceback" not in error
    assert not (folder / MARK).exists()


def test_trust_lets_it_build(folder: Path) -> None:
    path = write(folder, {"encoder": spec("stranger.Enc", **ENCODER["init_args"])})
    assert checkpoint_defaults(["test", f"--ckpt_path={path}"], trust=True)
    module_from_checkpoint(MultiTaskModule, path, trust=True)
    assert (folder / MARK).exists()


def test_what_the_user_names_is_trusted_at_its_place_only(folder: Path) -> None:
    path = write(folder, {"encoder": spec("stranger.Enc", **ENCODER["init_args"])})
    (folder / "mine.yaml").write_text("model: {encoder: {class_path: stranger.Enc}}\n")
    for words in (["--config", "mine.yaml"], ["--model.encoder=stranger.Enc"]):
        found = checkpoint_defaults(["test", f"--ckpt_path={path}", *words])
        assert found["model.encoder"]["class_path"] == "stranger.Enc"
    with pytest.raises(Refused, match="encoder names class"):
        checkpoint_defaults(["test", f"--ckpt_path={path}", "--model.readout=stranger.Enc"])


class Touch:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


def test_pickles_are_not_opened(folder: Path) -> None:
    torch.save({"state_dict": {}, "x": Touch(folder / MARK)}, folder / "a.ckpt")
    (folder / "b.ckpt").write_bytes(pickle.dumps({"x": Touch(folder / MARK)}))
    for name in ("a.ckpt", "b.ckpt"):
        with pytest.raises(Refused, match="can run code and is not opened"):
            read_checkpoint(folder / name)
    assert not (folder / MARK).exists()


def test_pickles_cannot_be_asked_for_without_trust(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        lightning(["test", f"--ckpt_path={write(folder, {})}", "--weights_only=false"])
    assert "weights_only is false" in capsys.readouterr().err


@pytest.mark.parametrize(
    "content",
    [
        {"mlflow_run_id": "../../elsewhere"},
        {"callbacks": {"RunCheckpoint": {"best_model_path": "runs/1/checkpoints/../../../x"}}},
        {"callbacks": {"RunCheckpoint": {"best_k_models": {"s3://bucket/x": 1.0}}}},
        {"callbacks": {"RunCheckpoint": {"kth_best_model_path": "a/../../x"}}},
    ],
    ids=lambda content: str(content)[:40],
)
def test_places_that_lead_elsewhere_are_refused(content: dict[str, Any], tmp_path: Path) -> None:
    torch.save({"state_dict": {}, **content}, tmp_path / "a.ckpt")
    with pytest.raises(Refused, match=r"no id of a run|one of its run's checkpoints"):
        read_checkpoint(tmp_path / "a.ckpt")


@pytest.mark.parametrize(
    "settings",
    [
        {"optimizer": spec(f"{TORCH}.AdamW", lr=1e-3, betas=[0.9, 0.99], foreach=None)},
        {"optimizer": spec(f"{TORCH}.adam.Adam", lr=1)},
        {"lr_scheduler": None},
        {"lr_scheduler": spec(PLATEAU, monitor="val/loss", mode="min", factor=0.5)},
        {"lr_scheduler": spec(f"{RATES}.OneCycleLR", max_lr=0.1, total_steps=9)},
        {"readout": "Sum", "tasks": ["lba"], "loss_weights": {"lba": 2}, "head_dropout": 0},
        {"readout": spec("hemenet_lab.model.TaskAware")},
        {"encoder": {"class_path": "HeMeNet", "init_args": ENCODER["init_args"]}},
        {"encoder": spec("hemenet_lab.encoders.hemenet.HeMeNet", view={"k": 3, "nodes": "alpha"})},
        {"encoder": spec("baselines.CDConv", channels=[8, 8, 8, 8], radii=[1, 2.0, 3, 4])},
    ],
    ids=lambda settings: str(settings)[:50],
)
def test_what_a_fit_writes_is_accepted(settings: dict[str, Any], folder: Path) -> None:
    path = write(folder, settings)
    found = checkpoint_defaults(["fit", f"--ckpt_path={path}"])
    for name, value in settings.items():
        assert found[f"model.{name}"] == value


def test_a_prediction_builds_the_model_without_optimizer(folder: Path) -> None:
    path = write(folder, {"optimizer": spec("stranger.Opt")})
    module, _ = module_from_checkpoint(MultiTaskModule, path)
    assert "optimizer" not in {
        key.partition(".")[2] for key in checkpoint_defaults(["predict", f"--ckpt_path={path}"])
    }
    assert not module.training


def test_damaged_files_are_named(tmp_path: Path) -> None:
    (tmp_path / "empty.ckpt").touch()
    (tmp_path / "text.ckpt").write_text("no checkpoint")
    torch.save([1, 2], tmp_path / "list.ckpt")
    for path in tmp_path.iterdir():
        with pytest.raises(ValueError, match=path.name):
            read_checkpoint(path)
