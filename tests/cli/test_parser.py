from __future__ import annotations

from pathlib import Path

import pytest
import torch

from hemenet_lab.cli import hemenet, lightning
from hemenet_lab.cli.checkpoint_path import checkpoint_defaults
from hemenet_lab.cli.lightning_adapter import config_reader
from hemenet_lab.saved.checkpoint import LIGHTNINGS_INSTANTIATOR
from hemenet_lab.tracking import run_identity

MAIN = f"--config={Path(__file__).resolve().parents[2] / 'experiments' / 'multitask.yaml'}"


def error_of(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *args: str
) -> str:
    monkeypatch.setattr("sys.argv", ["lightning"])
    with pytest.raises(SystemExit) as stop:
        lightning(args)
    assert stop.value.code == 2
    return capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["train"], ["unknown command 'train'", "fit, validate, test, predict", "for example"]),
        ([], ["no command given", "for example"]),
        (["fit", MAIN, "--model.encoder=HeMeNett"], ["did you mean 'HeMeNet'?", "'GAT'"]),
        (["fit", MAIN, "--model.encoder=Gvpp"], ["unknown encoder", "'EGNN'", "'GVP'"]),
        (["fit", MAIN, "--model.encoder.hiden_dim=3"], ["did you mean 'hidden_dim'?"]),
        (["fit", MAIN, "--model.encodr=GAT"], ["did you mean 'model.encoder'?"]),
        (["fit", MAIN, "--data.rot=x"], ["did you mean 'data.root'?"]),
        (["fit", MAIN, "--model.readout=Summ"], ["did you mean 'Sum'?", "'TaskAware'"]),
        (["fit", MAIN, "--model.encoder.view.nodes=foo"], ["residue", "alpha", "atom"]),
        (["fit", "--config=nowhere.yaml"], ["nowhere.yaml"]),
    ],
    ids=lambda value: " ".join(value)[-40:] if isinstance(value, list) else "",
)
def test_error_says_what_is_right(
    arguments: list[str],
    expected: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = error_of(monkeypatch, capsys, *arguments)
    for part in expected:
        assert part in text
    assert len(text.splitlines()) < 12  # no page of usage above it


def test_encoder_help_lists_its_settings(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["lightning"])
    with pytest.raises(SystemExit) as stop:
        lightning(["fit", MAIN, "--model.encoder.help", "HeMeNet"])
    assert stop.value.code == 0
    assert "--model.encoder.hidden_dim" in capsys.readouterr().out


def test_checkpoint_gives_defaults(tmp_path: Path) -> None:
    path = tmp_path / "a.ckpt"
    content = {"hyper_parameters": {"tasks": ["ec"], "_instantiator": LIGHTNINGS_INSTANTIATOR}}
    torch.save({**content, "datamodule_hyper_parameters": {"root": "r", "seed": 3}}, path)
    expected = {"model.tasks": ["ec"], "data.root": "r", "seed_everything": 3}
    assert checkpoint_defaults(["test", f"--ckpt_path={path}"]) == expected
    assert checkpoint_defaults(["test", "--ckpt_path", str(path)]) == expected
    twice = ["test", "--ckpt_path=nowhere.ckpt", "--ckpt_path", str(path)]
    assert checkpoint_defaults(twice) == expected
    assert checkpoint_defaults(["fit"]) == {}


def test_missing_checkpoint_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"checkpoint nowhere\.ckpt not found"):
        checkpoint_defaults(["test", "--ckpt_path=nowhere.ckpt"])


def test_encoders_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert hemenet(["encoders"]) == 0
    shown = capsys.readouterr().out
    for name in ("HeMeNet", "GCN", "GAT", "SchNet", "EGNN", "GVP", "GearNet", "DyMEAN", "CDConv"):
        assert name in shown


def test_registering_is_a_choice_that_is_no_part_of_a_run() -> None:
    reader = config_reader()
    plain = reader.read(["fit", "--model.encoder=HeMeNet"])
    assert plain["tracking"] == {"register": False}
    for word, value in (("true", True), ("my-model", "my-model")):
        asked = reader.read(["fit", "--model.encoder=HeMeNet", f"--tracking.register={word}"])
        assert asked["tracking"] == {"register": value}
        assert run_identity(plain, "s") == run_identity(asked, "s")
