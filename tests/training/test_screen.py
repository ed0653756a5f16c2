"""What a command writes on the terminal: nothing that says nothing."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import ModelSummary, RichModelSummary, TQDMProgressBar
from lightning.pytorch.demos.boring_classes import BoringModel
from lightning.pytorch.loggers import CSVLogger
from rich.console import Console

from hemenet_lab.loading.datamodule import print_summary
from hemenet_lab.store.reader import Store
from hemenet_lab.tracking import Result
from hemenet_lab.training import prepare_trainer
from hemenet_lab.training.callbacks import PartsSummary
from hemenet_lab.training.results import render


@pytest.mark.parametrize("summary", [ModelSummary(max_depth=1), RichModelSummary(max_depth=1)])
def test_a_fit_shows_parts_and_no_run_id(
    tmp_path: Path, summary: ModelSummary, capsys: pytest.CaptureFixture[str]
) -> None:
    bar = TQDMProgressBar()
    trainer = Trainer(
        default_root_dir=tmp_path,
        accelerator="cpu",
        logger=CSVLogger(tmp_path),
        callbacks=[summary, bar],
        max_steps=1,
        limit_val_batches=0,
        enable_checkpointing=False,
    )
    prepare_trainer(trainer)
    module = BoringModel()
    trainer.fit(module)
    shown = capsys.readouterr()
    assert "66 weights, 66 of them trained" in shown.out
    assert "Linear" in shown.out
    for noise in ("FLOPs", "v_num", "Modules in"):
        assert noise not in shown.out + shown.err
    assert "v_num" not in bar.get_metrics(trainer, module)
    plain = TQDMProgressBar()
    trainer.callbacks = [plain]  # type: ignore[attr-defined]  # a plain list
    prepare_trainer(trainer)
    sent = pickle.loads(pickle.dumps(plain))  # as to a spawned process
    assert "v_num" not in sent.get_metrics(trainer, module)


def test_a_summary_of_ones_own_stays(tmp_path: Path) -> None:
    class Mine(ModelSummary):
        pass

    trainer = Trainer(default_root_dir=tmp_path, callbacks=[Mine()], logger=False)
    prepare_trainer(trainer)
    assert not any(isinstance(one, PartsSummary) for one in trainer.callbacks)


@pytest.mark.parametrize("synthetic", [False, True])
def test_titles_are_not_wrapped(synthetic: bool) -> None:
    console = Console(width=80, record=True)
    with console.capture() as shown:
        console.print(render([Result("ec", "-", None, None, None, 0, None)], synthetic))
    title = "Test results (SYNTHETIC demo data)" if synthetic else "Test results"
    lines = [line.strip() for line in shown.get().splitlines()]
    assert title in lines
    assert "interval: 95 % bootstrap over the n labelled items" in lines


def test_a_single_task_has_only_its_row(
    tiny_store: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    store = Store(tiny_store)
    print_summary(store, "default", tuple(task for task in store.tasks if task.name == "ec"))
    lines = capsys.readouterr().out.splitlines()
    assert "Labelled items (SYNTHETIC demo data)" in [line.strip() for line in lines]
    rows = {line.split("│")[1].strip() for line in lines if line.startswith("│")}
    assert rows == {"ec", "entries"}
