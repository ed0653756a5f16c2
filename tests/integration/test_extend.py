"""The files and commands of docs/extend.md, written and run as they stand there."""

from __future__ import annotations

import csv
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from hemenet_lab.cli import hemenet
from hemenet_lab.saved.plugins import load_encoders
from hemenet_lab.store.reader import Store
from tests.integration.run import ROOT, fit_args, only, run_here
from tests.integration.test_fit import runs_of

PAGE = (ROOT / "docs" / "extend.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```\w+\n# (\S+\.\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILES = dict(BLOCK.findall(PAGE))
COMMANDS = [
    line
    for block in re.findall(r"^```bash\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    for line in block.splitlines()
]


def write(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).write_text(FILES[name], encoding="utf-8")


def command(start: str) -> str:
    """The page's command that starts like this."""
    found = [line for line in COMMANDS if line.startswith(start)]
    assert len(found) == 1, found
    return found[0]


def install(folder: Path) -> None:
    """What pip leaves of the page's package: the module and its metadata."""
    project = tomllib.loads(FILES["pyproject.toml"])
    name, version = project["project"]["name"], project["project"]["version"]
    assert project["tool"]["setuptools"]["py-modules"] == ["neighbours"]
    metadata = folder / f"{name}-{version}.dist-info"
    metadata.mkdir()
    text = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    (metadata / "METADATA").write_text(text)
    lines = []
    for group, entries in project["project"]["entry-points"].items():
        lines += [f"[{group}]", *(f"{key} = {value}" for key, value in entries.items())]
    (metadata / "entry_points.txt").write_text("\n".join(lines) + "\n")


def run(folder: Path, line: str, *more: str) -> str:
    """What a command of the page prints, run in ``folder`` with the folder on Python's path."""
    program, *arguments = shlex.split(line)
    code = {
        "lightning": "from hemenet_lab.cli import lightning; lightning()",
        "hemenet": "import sys; from hemenet_lab.cli import hemenet; sys.exit(hemenet())",
        "pytest": "import sys, pytest; sys.exit(pytest.main())",
    }[program]
    arguments = [word.replace("experiments/", f"{ROOT}/experiments/") for word in arguments]
    path = os.pathsep.join([str(folder), str(ROOT)])
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments, *more],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1", "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout + done.stderr


def short(store: Path) -> list[str]:
    return [f"--data.root={store}", "--trainer.fast_dev_run=true", "--trainer.accelerator=cpu"]


# --- an encoder in a package of its own ----------------------------------------------------------


def test_encoder_runs_by_full_path(tiny_store: Path, tmp_path: Path) -> None:
    write(tmp_path, "neighbours.py", "neighbours.yaml")
    line = command("lightning fit --config experiments/multitask.yaml --config neighbours.yaml")
    assert "Neighbours" in run(tmp_path, line, *short(tiny_store))


def test_encoder_runs_by_short_name_once_installed(tiny_store: Path, tmp_path: Path) -> None:
    write(tmp_path, "neighbours.py")
    install(tmp_path)
    line = command("lightning fit --config experiments/multitask.yaml --model.encoder=Neighbours")
    assert "Neighbours" in run(tmp_path, line, *short(tiny_store))


def test_installed_encoder_is_listed(tmp_path: Path) -> None:
    write(tmp_path, "neighbours.py")
    install(tmp_path)
    listed = run(tmp_path, command("hemenet encoders"))
    lines = listed.splitlines()
    (place,) = [i for i, line in enumerate(lines) if "neighbours.Neighbours" in line]
    assert all(part in lines[place - 1] for part in ("Neighbours", "alpha", "E(3)", "18,432"))
    assert "made up for this page" in lines[place]


def test_encoder_passes_its_suite(tmp_path: Path) -> None:
    write(tmp_path, "neighbours.py", "test_neighbours.py")
    assert re.search(r"\d\d passed", run(tmp_path, command("pytest")))


def test_a_broken_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "neighbours.py").write_text("import no_such_module\n")
    install(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(
        ValueError, match="neighbours = neighbours of neighbours cannot be imported"
    ):
        load_encoders()


# --- tasks ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def more_tasks(tiny_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page's store with a seventh and an eighth task."""
    folder = tmp_path_factory.mktemp("tasks")
    write(folder, "more_tasks.py")
    script(folder, "more_tasks.py", str(tiny_store), "more")
    return folder / "more"


def script(folder: Path, name: str, *arguments: str) -> None:
    """Runs a script of the page as ``python NAME ...`` does, in this process."""
    code = compile((folder / name).read_text(), name, "exec")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(sys, "argv", [name, *arguments])
        exec(code, {"__name__": "__main__"})


def test_a_store_with_further_tasks_trains(
    more_tasks: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(more_tasks)
    assert [task.name for task in store.tasks[6:]] == ["size", "types"]
    small = ["--model.encoder.hidden_dim=16", "--trainer.max_epochs=1"]
    run_here(monkeypatch, tmp_path, *fit_args(more_tasks, *small))
    metrics = only(runs_of(tmp_path)).data.metrics
    for stage in ("val", "test"):
        counts = store.counts()[stage]
        for task, metric in (("lba", "rmse"), ("size", "rmse"), ("types", "fmax")):
            assert metrics[f"{stage}/{task}/n"] == counts[task] > 0
            assert metrics[f"{stage}/{task}/{metric}"] > 0
    assert {"train/size/loss", "train/types/loss"} <= set(metrics)


def test_a_further_task_alone(
    more_tasks: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = command("lightning fit --config experiments/multitask.yaml --data.root more-tasks --mod")
    option = shlex.split(line)[-1]
    weights = "--model.loss_weights={size: 0.5}"
    assert weights.split("=")[1] in PAGE
    run_here(
        monkeypatch,
        tmp_path,
        *fit_args(more_tasks, option, weights, "--trainer.fast_dev_run=true"),
    )


# --- data of one's own ---------------------------------------------------------------------------


def complexes(store: Path) -> list[Path]:
    return sorted((store.parent / "raw" / "refined-set").iterdir())


def test_affinities_as_csv(
    tiny_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    write(raw, "pl_affinity.csv")
    wanted = {
        row["id"]: float(row["pKd"])
        for row in csv.DictReader(FILES["pl_affinity.csv"].splitlines())
    }
    for folder in complexes(tiny_store):
        if folder.name in wanted:
            shutil.copytree(folder, raw / "refined-set" / folder.name)
    monkeypatch.chdir(tmp_path)
    for line in (command("hemenet data build"), command("hemenet data inspect")):
        assert hemenet(shlex.split(line)[1:]) == 0
    store = Store(tmp_path / "own")
    found = {store.ids[index]: store[index].values["lba"] for index in range(len(store))}
    assert found == pytest.approx(wanted)
    assert [task.num_outputs for task in store.tasks] == [1, 1, 0, 0, 0, 0]


def test_a_store_from_any_files(
    tiny_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, "own_store.py")
    with (tmp_path / "complexes.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["structure", "ligand", "pKd", "part"])
        parts = ("train", "train", "val", "test")
        for folder, part in zip(complexes(tiny_store)[:4], parts, strict=True):
            stem = folder / folder.name
            writer.writerow([f"{stem}_protein.pdb", f"{stem}_ligand.sdf", 6.5, part])
    script(tmp_path, "own_store.py")
    store = Store(tmp_path / "own-store")
    assert store.split().tolist() == [0, 0, 1, 2]
    assert all(store[index].values == {"lba": 6.5} for index in range(4))
    small = ["--model.encoder.hidden_dim=16", "--trainer.fast_dev_run=true"]
    run_here(monkeypatch, tmp_path, *fit_args(store.path, *small))
