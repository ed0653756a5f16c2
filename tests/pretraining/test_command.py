"""`lightning pretrain`, and `--init_from` what it leaves."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import pytest

from hemenet_lab.cli import hemenet
from hemenet_lab.prediction import Predictor
from tests.integration.run import ROOT, SMALL, fit_args, only, run_here
from tests.integration.test_fit import runs_of
from tests.structures.files import peptide, write_pdb

SHORT = (*SMALL, "--trainer.max_epochs=1", "--trainer.limit_train_batches=2")


@pytest.fixture(scope="module")
def pretrained(tiny_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Best checkpoint of a short pretraining."""
    folder = tmp_path_factory.mktemp("pretrained")
    words = fit_args(tiny_store, *SHORT, recipe="experiments/pretrain.yaml")[1:]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(sys, "argv", ["hemenet", "pretrain", *words])
        assert hemenet() == 0
    return only([*folder.glob("runs/*/checkpoints/epoch*.ckpt")])


def test_it_is_recorded(pretrained: Path) -> None:
    run = only(runs_of(pretrained.parents[3]))
    assert run.info.status == "FINISHED"
    assert run.data.metrics["val/n"] > 0
    assert {"val/accuracy", "val/perplexity", "val/constant_accuracy"} <= {*run.data.metrics}
    assert not any(name.startswith("test/") for name in run.data.metrics)
    assert run.data.tags["tasks"] == "masked"


def test_a_fit_begins_with_it(
    pretrained: Path,
    tiny_store: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    words = fit_args(tiny_store, *SMALL, "--trainer.fast_dev_run=true")
    with caplog.at_level(logging.INFO):
        run_here(monkeypatch, tmp_path, *words, f"--init_from={pretrained.parents[1]}")
    said = caplog.text + "".join(capsys.readouterr())
    line = next(line for line in said.splitlines() if "encoder: " in line)
    taken, _, all_of_them = line.partition("encoder: ")[2].split()[:3]
    assert taken == all_of_them


def test_what_it_is_not_for_is_said(
    pretrained: Path,
    tiny_store: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = [f"--data.root={tiny_store}", *SHORT, f"--ckpt_path={pretrained}"]
    for command in ("fit", "test"):
        with pytest.raises(SystemExit) as stop:
            run_here(monkeypatch, tmp_path, command, "--model.encoder=HeMeNet", *words)
        assert stop.value.code == 2
        assert "pretrained encoder without tasks; begin a fit" in capsys.readouterr().err
    with pytest.raises(ValueError, match="pretrained encoder without tasks"):
        Predictor(pretrained)
    recipe = f"--config={ROOT / 'experiments/pretrain.yaml'}"
    with pytest.raises(SystemExit) as stop:
        run_here(monkeypatch, tmp_path, "pretrain", recipe, "--tracking.register=true")
    assert stop.value.code == 2
    assert "a pretrained encoder does not" in capsys.readouterr().err


def test_it_goes_on_with_its_own_checkpoint(
    pretrained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    last = pretrained.with_name("last.ckpt")
    run_here(
        monkeypatch,
        pretrained.parents[3],
        *("pretrain", f"--ckpt_path={last}", "--trainer.max_epochs=2", "--trainer.accelerator=cpu"),
        *("--trainer.limit_train_batches=2", "--trainer.enable_progress_bar=false"),
    )
    run = only(runs_of(pretrained.parents[3]))  # the same run
    assert run.data.metrics["epoch"] == 1


def test_the_recipe_is_listed_where_it_belongs(capsys: pytest.CaptureFixture[str]) -> None:
    hemenet(["recipes"])
    printed = capsys.readouterr().out
    part = printed.partition("hemenet pretrain --config")[2].partition("\nFor `")[0]
    assert "pretrain.yaml" in part
    assert printed.count("pretrain.yaml") == 1


def test_the_page_makes_a_store_of_structures_without_labels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = (ROOT / "docs/pretrain.md").read_text("utf-8")
    program = page.partition("# unlabelled_store.py\n")[2].partition("```")[0]
    (folder := tmp_path / "files").mkdir()
    for number in range(11):
        names = ["GLY", *["ALA", "SER"] * 4][: 4 + number % 3]
        write_pdb(folder / f"p{number:02d}.pdb", peptide(names))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["unlabelled_store.py", str(folder)])
    exec(program, {"__name__": "__main__"})
    words = [f"--config={ROOT / 'experiments/pretrain.yaml'}", "--data.root=unlabelled"]
    short = ["--trainer.fast_dev_run=true", "--trainer.logger=false"]
    run_here(monkeypatch, tmp_path, "pretrain", *words, *SMALL, *short)
    assert "10 to learn from, 1 to validate" in capsys.readouterr().out
