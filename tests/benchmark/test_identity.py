"""Two runs are the same exactly if config, store and seed are."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from hemenet_lab.benchmark.grids.grid import load_grid
from hemenet_lab.benchmark.grids.identities import Identities
from hemenet_lab.benchmark.grids.run import GridOptions, Resolve
from hemenet_lab.tracking import hold, is_held, run_identity
from tests.benchmark.commands import ROOT

FIGURE4 = ROOT / "experiments" / "figure4.yaml"


def mark(resolve: Resolve, *settings: str, seed: int = 0, store: str = "abc") -> str:
    """Identity of a run of a small grid with further settings."""
    run = load_grid(FIGURE4).runs(GridOptions(settings=settings))[seed]
    return run_identity(Identities(resolve).config(run), store)


def test_recording_speed_and_place_do_not_matter(resolve: Resolve) -> None:
    same = mark(
        resolve,
        *("data.root=/elsewhere", "data.num_workers=3", "data.pin_memory=false"),
        *("trainer.logger.init_args.folder=there", "trainer.enable_progress_bar=false"),
        *("trainer.log_every_n_steps=3", "checkpoint.every_n_train_steps=5"),
    )
    assert same == mark(resolve)


@pytest.mark.parametrize(
    "setting",
    [
        "model.optimizer.init_args.lr=0.002",
        "model.encoder.init_args.hidden_dim=32",
        "model.encoder.init_args.view.k=8",
        "model.tasks=[lba]",
        "data.batch_graphs=4",
        "data.label_share={ppa: 0.5}",
        "data.split=other",
        "trainer.max_epochs=31",
        "trainer.devices=2",
        "trainer.precision=bf16-mixed",
    ],
)
def test_settings_that_change_results_matter(resolve: Resolve, setting: str) -> None:
    assert mark(resolve, setting) != mark(resolve)


def test_seed_and_store_matter(resolve: Resolve) -> None:
    assert len({mark(resolve), mark(resolve, seed=1), mark(resolve, store="def")}) == 3


def test_how_a_setting_is_written_does_not_matter(resolve: Resolve) -> None:
    assert mark(resolve, "model.optimizer.init_args.lr=1e-3") == mark(resolve)
    assert mark(resolve, "model.encoder=HeMeNet") == mark(resolve), "the class that it is already"


@pytest.mark.parametrize("name", ["table2", "table3", "table4"])
def test_printed_commands_are_understood_and_differ(resolve: Resolve, name: str) -> None:
    runs = load_grid(ROOT / "experiments" / f"{name}.yaml").runs()
    identities = Identities(resolve)
    assert len({run_identity(identities.config(run), "") for run in runs}) == len(runs)
    config = resolve(runs[-1].arguments)
    assert config["seed_everything"] == runs[-1].seed == 2
    assert config["trainer"]["logger"]["init_args"]["run_name"] == f"{name}/{runs[-1].name}"
    assert config["trainer"]["logger"]["init_args"]["tags"]["benchmark_grid"] == name
    alike = {**config, "seed_everything": 2}
    assert run_identity(alike, "") == run_identity(identities.config(runs[-1]), "")


def test_table1_commands_choose_encoder_readout_and_task(resolve: Resolve) -> None:
    runs = load_grid(ROOT / "experiments" / "table1.yaml").runs(GridOptions(seeds=1))
    identities = Identities(resolve)
    seen = set()
    for run in runs:
        if run.axes["setting"] == "multi" or run.axes["task"] == "cc":
            model = identities.config(run)["model"]
            alone = run.axes["setting"] == "single"
            aware = not alone and run.axes["encoder"].startswith(("hemenet", "esm2"))
            assert model["readout"]["class_path"].endswith("TaskAware" if aware else "Mean")
            assert model["tasks"] == (["cc"] if alone else None)
            encoder = model["encoder"]["class_path"], str(model["encoder"]["init_args"])
            seen.add((*encoder, str(model["node_input"]), alone))
    assert len(seen) == 30


def test_a_language_model_is_known_by_its_content(esm2: Path, tmp_path: Path) -> None:
    def of(model: str, revision: str | None = None) -> str:
        given = {"model": model, "revision": revision, "width": 0}
        return run_identity({"model": {"node_input": {"init_args": given}}}, "store")

    copy = shutil.copytree(esm2, tmp_path / "elsewhere")
    assert of(str(copy)) == of(str(esm2))
    (copy / "config.json").write_text((copy / "config.json").read_text() + " ")
    assert of(str(copy)) != of(str(esm2))
    known = "facebook/esm2_t6_8M_UR50D"
    assert of(known) == of(known, "c731040fcd8d73dceaa04b0a8e6329b345b0f5df") != of(known, "a" * 40)
    assert of("nowhere") != of("nowhere else")


def test_refused_settings_name_the_run(resolve: Resolve, capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(ValueError, match=r"run hemenet-seed0 has settings that are refused"):
        mark(resolve, "model.encodr=GCN")
    assert "did you mean" in capsys.readouterr().err


def test_a_run_is_held_by_one_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hemenet_lab.tracking.identity.LOCK_SECONDS", 0.1)
    assert not is_held(tmp_path, "a" * 64)
    lock = hold(tmp_path, "a" * 64)
    assert is_held(tmp_path, "a" * 64)
    assert not is_held(tmp_path, "b" * 64)
    with pytest.raises(RuntimeError, match="another process is at this run"):
        hold(tmp_path, "a" * 64)
    lock.release()
    assert not is_held(tmp_path, "a" * 64)


def test_whole_numbers_are_the_same_as_floats_but_for_one() -> None:
    def of(limit: float) -> str:
        return run_identity({"trainer": {"limit_train_batches": limit}, "list": [limit]}, "store")

    assert of(2) == of(2.0)
    assert of(0.5) != of(0)
    assert of(1) != of(1.0), "one batch, and all batches"
