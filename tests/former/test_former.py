"""Uses checkpoints and configs that were written before the modules moved, as a user does.

`tests.former.stored` says how they were made.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from hemenet_lab.benchmark.grids.grid import load_grid
from hemenet_lab.benchmark.grids.identities import Identities
from hemenet_lab.benchmark.grids.run import GridOptions, Resolve
from hemenet_lab.benchmark.launch.run import tracker_settings
from hemenet_lab.cli import config_reader, hemenet
from hemenet_lab.model.module import MultiTaskModule
from hemenet_lab.saved.plugins import load_encoders
from hemenet_lab.tracking import run_identity
from tests.former.stored import DATA, EXPECTED
from tests.integration.run import ROOT, only, run_here

RUNS = ("hemenet", "egnn")
CSV_LOGGER = "--trainer.logger=lightning.pytorch.loggers.CSVLogger"
SAME_RUNS = (
    "a finished run would not be found again and be trained anew; a class that moved must be "
    "hashed by its former path. Only where settings or defaults are changed on purpose is this as "
    "it should be: then write the new value into expected.json and tell it in CHANGELOG.md"
)


@pytest.fixture(scope="module")
def resolve() -> Resolve:
    return config_reader().read


def near(values: dict[str, float]) -> Any:
    return pytest.approx(values, rel=1e-6, abs=1e-6)


# --- checkpoints ----------------------------------------------------------------------------------


def predicted(name: str, raw: Path, folder: Path) -> dict[str, float]:
    """What ``hemenet predict`` says of a complex with a ligand and of one with a partner."""
    ligand = raw / "refined-set" / "1aaa" / "1aaa_ligand.sdf"
    calls = {
        raw / "refined-set" / "1aaa" / "1aaa_protein.pdb": f"--ligand={ligand}",
        raw / "PP" / "2aaa.ent.pdb": "--partner-chains=B",
    }
    found: dict[str, float] = {}
    for structure, more in calls.items():
        out = folder / f"{structure.name}.csv"
        checkpoint = f"--ckpt={DATA / name}.ckpt"
        words = ["predict", str(structure), checkpoint, more, "--min-probability=0"]
        assert hemenet([*words, f"--out={out}"]) == 0
        for row in csv.DictReader(out.read_text().splitlines()):
            key = "/".join((structure.name, row["chain"], row["task"], row["term"]))
            found[key] = float(row["value"])
    return found


@pytest.mark.parametrize("name", RUNS)
def test_checkpoint_predicts_the_same(name: str, raw: Path, tmp_path: Path) -> None:
    assert predicted(name, raw, tmp_path) == near(EXPECTED["predictions"][name])


@pytest.mark.parametrize("name", RUNS)
def test_checkpoint_loads_as_lightning_does(name: str) -> None:
    load_encoders()
    module = MultiTaskModule.load_from_checkpoint(DATA / f"{name}.ckpt", map_location="cpu")
    weights = torch.load(DATA / f"{name}.ckpt", weights_only=True)["state_dict"]
    assert weights
    for key, value in module.state_dict().items():
        assert torch.equal(value, weights[key]), key


def metrics_of(
    name: str, store: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, float]:
    """Metrics of ``lightning test``, the settings being those that the checkpoint holds."""
    run_here(
        monkeypatch,
        folder,
        *("test", f"--ckpt_path={DATA / name}.ckpt", f"--data.root={store}"),
        *(CSV_LOGGER, "--trainer.logger.save_dir=.", "--trainer.accelerator=cpu"),
    )
    rows = csv.DictReader(only(list(folder.glob("**/metrics.csv"))).read_text().splitlines())
    found = {key: float(value) for key, value in next(rows).items() if value}
    return {key: found[key] for key in found if key.startswith("test/")}


@pytest.mark.parametrize("name", RUNS)
def test_checkpoint_is_tested_the_same(
    name: str, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = EXPECTED["metrics"][name]
    found = metrics_of(name, store, tmp_path, monkeypatch)
    assert {key: found.get(key) for key in expected} == near(expected)  # more may be logged by now


@pytest.mark.parametrize("name", RUNS)
def test_training_goes_on(
    name: str, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The config and the checkpoint of then make one epoch more, recorded in MLflow."""
    former = torch.load(DATA / f"{name}.ckpt", weights_only=True)
    with pytest.warns(UserWarning, match="is not in sqlite"):  # the database of then is not here
        run_here(
            monkeypatch,
            tmp_path,
            *("fit", f"--config={DATA / name}.yaml", f"--ckpt_path={DATA / name}.ckpt"),
            *(f"--data.root={store}", "--trainer.max_epochs=3"),
        )
    last = torch.load(only(list(tmp_path.glob("runs/*/checkpoints/last.ckpt"))), weights_only=True)
    assert (former["epoch"], last["epoch"]) == (1, 2)
    assert last["global_step"] == former["global_step"] * 3 // 2
    assert last["state_dict"].keys() == former["state_dict"].keys()
    assert last["callbacks"].keys() == former["callbacks"].keys()


# --- configs and identities -----------------------------------------------------------------------


@pytest.mark.parametrize("name", RUNS)
def test_saved_config_is_printed(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        run_here(monkeypatch, tmp_path, "fit", f"--config={DATA / name}.yaml", "--print_config")
    assert stop.value.code == 0
    printed = yaml.safe_load(capsys.readouterr().out)
    assert run_identity(printed, EXPECTED["store_hash"]) == EXPECTED["identities"][name], SAME_RUNS


@pytest.mark.parametrize("name", RUNS)
def test_finished_run_keeps_its_identity(name: str, resolve: Resolve) -> None:
    """Whether its config is taken as it was saved or read by the parser again."""
    path = DATA / f"{name}.yaml"
    saved = yaml.safe_load(path.read_text(encoding="utf-8"))
    read = resolve(("fit", f"--config={path}"))
    for config in (saved, read):
        found = run_identity(config, EXPECTED["store_hash"])
        assert found == EXPECTED["identities"][name], SAME_RUNS


def grid_identities(grid: str, only: tuple[str, ...], resolve: Resolve) -> dict[str, str]:
    """Run → identity on a made-up store, of the first seed of a grid's runs."""
    runs = load_grid(ROOT / "experiments" / f"{grid}.yaml").runs(GridOptions(seeds=1, only=only))
    identities = Identities(resolve)
    return {run.name: run_identity(identities.config(run), "0" * 64) for run in runs}


GRIDS = {"table4": (), "table3": (), "table1": ("setting=multi",)}


@pytest.mark.parametrize("grid", GRIDS)
def test_runs_of_grids_keep_their_identity(grid: str, resolve: Resolve) -> None:
    """The recipes of today give the runs of then: all encoders, all readouts, the ablations."""
    assert grid_identities(grid, GRIDS[grid], resolve) == EXPECTED["grids"][grid], SAME_RUNS


def class_paths() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Place in a config, class path, settings: a row for each of ``class_paths.yaml``."""
    table = yaml.safe_load((DATA / "class_paths.yaml").read_text(encoding="utf-8"))
    for place, entries in table.items():
        for entry in entries:
            rows = entry.items() if isinstance(entry, dict) else [(entry, {})]
            yield from ((place, path, settings) for path, settings in rows)


def nested(place: str, value: Any) -> dict[str, Any]:
    """A config with ``value`` at a dotted place."""
    for key in reversed(place.split(".")):
        value = {key: value}
    return value


def resolved(
    place: str, path: str, settings: dict[str, Any], resolve: Resolve, folder: Path
) -> Any:
    """What the parser makes of a config that names a class at a place."""
    spec: Any = {"class_path": path, "init_args": settings}
    listed = place == "trainer.callbacks"
    file = folder / "config.yaml"
    file.write_text(yaml.safe_dump(nested(place, [spec] if listed else spec)), encoding="utf-8")
    base = f"--config={ROOT / 'experiments' / 'multitask.yaml'}"
    found: Any = resolve(("fit", base, f"--config={file}"))
    for key in place.split("."):
        found = found[key]
    return found[0] if listed else found


@pytest.mark.parametrize(("place", "path", "settings"), list(class_paths()))
def test_class_path_is_understood(
    place: str, path: str, settings: dict[str, Any], resolve: Resolve, tmp_path: Path
) -> None:
    """The parser imports every class that a config names, and refuses what it cannot import."""
    found = resolved(place, path, settings, resolve, tmp_path)
    if "class_path" in found:  # a dataclass such as the view is shown by its settings alone
        assert found["class_path"].rpartition(".")[2] == path.rpartition(".")[2]
        found = found.get("init_args", {})
    assert {key: found[key] for key in settings} == settings


def test_grid_that_names_the_tracker_is_run(resolve: Resolve) -> None:
    """The benchmark reads where runs are recorded from the tracker's settings."""
    paths = [path for place, path, _ in class_paths() if place == "trainer.logger"]
    assert paths
    for path in paths:
        options = GridOptions(seeds=1, settings=(f"trainer.logger={path}",), folder="elsewhere")
        runs = load_grid(ROOT / "experiments" / "figure4.yaml").runs(options)
        assert tracker_settings(runs, Identities(resolve))["folder"] == "elsewhere"


def test_unknown_class_path_is_refused(
    resolve: Resolve, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for place in ("model.encoder", "model.readout", "trainer.logger", "trainer.callbacks"):
        with pytest.raises(SystemExit):
            resolved(place, "hemenet_lab.nowhere.Nothing", {}, resolve, tmp_path)
    assert "hemenet_lab.nowhere.Nothing" in capsys.readouterr().err
