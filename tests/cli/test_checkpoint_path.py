"""What ``--ckpt_path`` may say beside a file: a run's folder, ``last`` and ``best``."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from hemenet_lab.cli import lightning
from hemenet_lab.cli.checkpoint_path import resolved_path, with_option

MODEL = {"encoder": {"class_path": "HeMeNet", "init_args": {"hidden_dim": 8}}, "head_dropout": 0.0}


def run(folder: Path, name: str, age: int, model: dict[str, Any], seed: int = 0) -> Path:
    """A run with a last and a best checkpoint that were written ``age`` seconds ago."""
    place = folder / name / "checkpoints"
    place.mkdir(parents=True)
    content = {
        "hyper_parameters": model,
        "datamodule_hyper_parameters": {"root": "a", "seed": seed, "batch_graphs": 2},
    }
    for file in ("last.ckpt", "epoch003.ckpt"):
        torch.save(content, place / file)
        os.utime(place / file, (1e9 - age, 1e9 - age))
    return place / "last.ckpt"


def asked(seed: int = 0, **model: Any) -> dict[str, Any]:
    data = {"root": "b", "batch_graphs": 2}
    return {"model": {**MODEL, **model}, "data": data, "seed_everything": seed}


def test_the_newest_run_with_the_same_settings(tmp_path: Path) -> None:
    run(tmp_path, "old", 30, MODEL)
    same = run(tmp_path, "same", 20, MODEL)
    run(tmp_path, "other", 10, {**MODEL, "head_dropout": 0.5})
    run(tmp_path, "seed", 5, MODEL, seed=7)
    assert resolved_path("last", tmp_path, asked()) == same
    assert resolved_path("best", tmp_path, asked()) == same.with_name("epoch003.ckpt")
    assert resolved_path("last", tmp_path, asked(7)).parts[-3] == "seed"
    with pytest.raises(ValueError, match=r"none of the 4 runs .* has this model, data and seed"):
        resolved_path("last", tmp_path, asked(head_dropout=0.9))


def test_without_a_model_one_run_is_clear_and_two_are_not(tmp_path: Path) -> None:
    only = run(tmp_path, "a", 1, MODEL)
    assert resolved_path("last", tmp_path, None) == only
    run(tmp_path, "b", 2, MODEL)
    with pytest.raises(ValueError, match="holds 2 runs, and the command does not say"):
        resolved_path("best", tmp_path, None)


def test_folders(tmp_path: Path) -> None:
    only = run(tmp_path, "a", 1, MODEL)
    for folder in (tmp_path, tmp_path / "a", only.parent):
        assert resolved_path(str(folder), Path("x"), asked(9)) == only
    newest = run(tmp_path, "b", 0, MODEL)
    with pytest.raises(ValueError, match=f"holds 2 runs; give one's path, such as {newest}"):
        resolved_path(str(tmp_path), Path("x"), asked())
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="holds no run with a last checkpoint"):
        resolved_path(str(tmp_path / "empty"), Path("x"), None)


@pytest.mark.parametrize("value", ["hpc", "registry:model", "https://x.example/a.ckpt", "no.ckpt"])
def test_other_words_are_refused(value: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"not found; give the path of a \.ckpt file"):
        resolved_path(value, tmp_path, asked())


def test_words_with_another_value() -> None:
    words = ["fit", "--ckpt_path", "last", "--x=1", "--ckpt_path=best"]
    assert with_option(words, "--ckpt_path", "f") == ["fit", "--x=1", "--ckpt_path=f"]
    assert with_option(words, "--ckpt_path", None) == ["fit", "--x=1"]


@pytest.mark.parametrize("name", ["fit", "test"])
@pytest.mark.parametrize("value", ["last", "best", "hpc"])
def test_commands_refuse_in_one_line(
    name: str,
    value: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["lightning"])
    with pytest.raises(SystemExit) as stop:
        lightning([name, "--model.encoder=HeMeNet", f"--ckpt_path={value}"])
    assert stop.value.code == 2
    error = capsys.readouterr().err
    assert len([line for line in error.splitlines() if line.startswith("lightning: ")]) == 1
    assert value in error
    assert not list(tmp_path.glob("runs/*/checkpoints"))


def test_last_goes_on_with_the_run_of_these_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from hemenet_lab.cli.lightning_adapter import config_reader

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["lightning"])
    words = ["fit", "--model.encoder=HeMeNet", "--model.encoder.hidden_dim=8"]
    config = config_reader().read(words)
    place = run(tmp_path / "runs", "mine", 1, config["model"])
    torch.save(
        {
            "hyper_parameters": config["model"],
            "datamodule_hyper_parameters": {**config["data"], "seed": 0},
        },
        place,
    )
    found = {}
    from hemenet_lab.cli import lightning_adapter

    def stop(args: list[str], *classes: type, trust: bool) -> dict[str, Any]:
        found["args"] = args
        raise ValueError("stop here")

    monkeypatch.setattr(lightning_adapter, "checkpoint_defaults", stop)
    with pytest.raises(SystemExit):
        lightning([*words, "--ckpt_path", "last"])
    assert found["args"][-1] == f"--ckpt_path={Path('runs/mine/checkpoints/last.ckpt')}"
