from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch

from hemenet_lab.benchmark.figures import Drawing, draw_figures, svg, write_figures
from hemenet_lab.benchmark.figures.matrices import prompt_correlation, task_prompts, transfer_gains
from hemenet_lab.benchmark.results.grid import read_grid
from hemenet_lab.benchmark.tables import Scores, tabulate
from tests.tracking.fake_runs import FakeRuns, Scored

TARGET = np.linspace(4.0, 9.0, 12)
TERMS = np.tile(np.eye(3), (4, 1))
METRICS = {"train/graphs_per_second": 20.0, "parameters/encoder": 1e5, "test/score": 0.3}


def scored(*tasks: str, error: float = 1.0) -> dict[str, Scored]:
    """Affinities off by ``error``; function terms with that share of the items all wrong."""
    wrong = np.arange(len(TERMS)) < error * len(TERMS) / 4
    terms = np.where(wrong[:, None], 1 - TERMS, TERMS) * 0.8
    both = {task: Scored(TARGET + error, TARGET) for task in ("lba", "ppa")}
    return {task: both.get(task, Scored(terms, TERMS, level="chain")) for task in tasks}


def drawings(runs: FakeRuns, grid: str = "table1") -> dict[str, Drawing]:
    results = read_grid(grid, folder=runs.folder)
    scores = Scores(results.runs)
    return {drawing.name: drawing for drawing in draw_figures(tabulate(results, scores), scores)}


def texts(drawing: Drawing) -> list[str]:
    return [
        text.get_text()
        for axis in drawing.figure.axes
        for text in (axis.title, axis.xaxis.label, *axis.texts, *axis.get_yticklabels())
    ]


def checkpoint(path: Path, prompts: Mapping[str, np.ndarray], aware: bool = True) -> Path:
    state = {}
    for level, rows in prompts.items():
        state[f"readouts.{level}.prompt"] = torch.from_numpy(rows)
        if aware:
            state[f"readouts.{level}.query.weight"] = torch.zeros(1)
    tasks = [{"name": "lba", "level": "complex"}]
    tasks += [{"name": name, "level": "chain"} for name in ("ec", "mf")]
    torch.save({"state_dict": state, "tasks": tasks}, path)
    return path


PROMPTS = {
    "complex": np.array([[1.0, 2.0, 3.0]]),
    "chain": np.array([[2.0, 4.0, 6.5], [3.0, 2.0, 1.0]]),
}


def test_bars_curves_and_cost(fake_runs: FakeRuns) -> None:
    for place, name in enumerate(("gcn", "hemenet")):
        for seed in range(2):
            fake_runs.add(
                {"setting": "multi", "encoder": name},
                seed,
                scored("lba", "ec", error=1.0 + place),
                metrics={**METRICS, "train/graphs_per_second": 10.0 + place},
                history={"val/score": [0.1, 0.2 + place]},
            )
    found = drawings(fake_runs)
    assert list(found) == ["bars", "learning", "cost"]
    bars = found["bars"].figure.axes[0]
    lengths = [
        patch.get_path().get_extents(patch.get_patch_transform()).x1 for patch in bars.patches
    ]
    assert lengths == pytest.approx([2.0, 1.0])
    assert [label.get_text() for label in bars.get_yticklabels()] == ["hemenet", "gcn"]
    curve = found["learning"].figure.axes[0].lines[-1]
    assert curve.get_xdata() == pytest.approx([1, 2])
    assert curve.get_ydata() == pytest.approx([0.1, 1.2])
    assert "train/peak_memory_mib" in found["cost"].caption
    points = [float(np.asarray(line.get_xdata())[0]) for line in found["cost"].figure.axes[0].lines]
    assert points == pytest.approx([11.0])


def test_memory_stands_against_the_score(fake_runs: FakeRuns) -> None:
    for name, peak in (("gcn", 700.0), ("hemenet", 900.0)):
        metrics = {**METRICS, "train/peak_memory_mib": peak}
        fake_runs.add({"encoder": name}, 0, scored("lba"), metrics=metrics)
    cost = drawings(fake_runs)["cost"]
    assert "Not recorded" not in cost.caption
    assert len(cost.figure.axes) == 3
    (panel,) = [axis for axis in cost.figure.axes if "peak memory" in axis.get_xlabel()]
    (points,) = panel.lines
    assert sorted(np.asarray(points.get_xdata())) == [700.0, 900.0]
    assert points.get_ydata() == pytest.approx([0.3, 0.3])


def test_synthetic_data_are_said_and_stand_without_the_paper(fake_runs: FakeRuns) -> None:
    for grid, synthetic in (("table2", "True"), ("real", "False")):
        for share in ("0", "100"):
            tags = {"synthetic_data": synthetic}
            fake_runs.add({"share": share}, 0, scored("ppa"), grid=grid, tags=tags)
    found = drawings(fake_runs, "table2")["efficiency"]
    assert "SYNTHETIC DATA" in found.figure.get_suptitle()
    assert len([line for line in found.figure.axes[0].lines if line.get_marker() == "D"]) == 0
    assert drawings(fake_runs, "real")["efficiency"].figure.get_suptitle() == ""


def test_efficiency_stands_beside_the_paper(fake_runs: FakeRuns) -> None:
    for share, error in (("0", 3.0), ("8.33", 2.0), ("100", 1.0)):
        fake_runs.add({"share": share}, 0, scored("ppa", error=error), grid="table2")
    lines = drawings(fake_runs, "table2")["efficiency"].figure.axes[0].lines
    assert lines[0].get_xdata() == pytest.approx([0, 8.33, 100])
    assert lines[0].get_ydata() == pytest.approx([3, 2, 1])
    assert lines[-1].get_label() == "the paper"
    assert lines[-1].get_ydata() == pytest.approx([7.764, 1.651, 1.087])


def test_transfer_gains(fake_runs: FakeRuns) -> None:
    """Hand-made errors: a gain is positive where the helper lowers RMSE or raises Fmax."""
    errors = {
        ("lba",): 3.0, ("ppa",): 2.0, ("ec",): 2.0, ("lba", "ppa"): 1.0, ("lba", "ec"): 4.0,
        ("lba", "ppa", "ec"): 1.5,
    }  # fmt: skip
    for tasks, error in errors.items():
        axes = {"tasks": "+".join(tasks), "model": "hemenet"}
        fake_runs.add(axes, 0, scored(*tasks, error=error), grid="transfer")
    results = read_grid("transfer", folder=fake_runs.folder)
    scores = Scores(results.runs)
    gains = transfer_gains(tabulate(results, scores), scores)
    found = {(gain.kind, gain.helper, gain.task): gain.gain.value for gain in gains}
    assert found["pair", "ppa", "lba"] == pytest.approx(2.0)
    assert found["pair", "lba", "ppa"] == pytest.approx(1.0)
    assert found["pair", "ec", "lba"] == pytest.approx(-1.0)
    assert found["left out", "ec", "lba"] == pytest.approx(-0.5)
    assert found["left out", "ppa", "lba"] == pytest.approx(2.5)
    assert found["all", "all tasks", "lba"] == pytest.approx(1.5)
    assert found["all", "all tasks", "ec"] > 0 > found["pair", "lba", "ec"]
    assert ("pair", "ec", "ppa") not in found  # nobody learned these two alone
    relative = {(gain.kind, gain.helper, gain.task): gain.relative for gain in gains}
    assert relative["pair", "ppa", "lba"] == pytest.approx(2 / 3)
    shown = texts(drawings(fake_runs, "transfer")["transfer"])
    assert any(text.startswith("+2.000") for text in shown)


def test_axes_have_the_unit_of_a_known_task_only(fake_runs: FakeRuns) -> None:
    mine = {"stability": Scored(TARGET + 1, TARGET)}
    fake_runs.add({"encoder": "gcn"}, 0, {**scored("lba", "ec"), **mine})
    labels = {
        axis.get_title().split(",")[0]: axis.get_xlabel()
        for axis in drawings(fake_runs)["bars"].figure.axes
    }
    assert labels == {"lba": "RMSE (pKd) ↓", "ec": "Fmax ↑", "stability": "RMSE ↓"}


def test_grid_with_one_set_of_tasks_has_no_transfer(fake_runs: FakeRuns) -> None:
    fake_runs.add({"encoder": "gcn"}, 0, scored("lba", "ppa"))
    assert list(drawings(fake_runs)) == ["bars"]


def test_prompt_correlations_by_hand(tmp_path: Path) -> None:
    prompts = task_prompts(checkpoint(tmp_path / "a.ckpt", PROMPTS))
    assert list(prompts) == ["lba", "ec", "mf"]
    matrix = prompt_correlation(prompts)
    # deviations from the mean: lba (-1, 0, 1), ec (-2.1667, -0.1667, 2.3333), mf (1, 0, -1)
    want = 4.5 / (2 * (2.1667**2 + 0.1667**2 + 2.3333**2)) ** 0.5
    assert matrix[0, 1] == pytest.approx(want, abs=1e-4)
    assert matrix[0, 2] == pytest.approx(-1.0)
    assert np.diag(matrix) == pytest.approx(np.ones(3))


def test_prompts_need_a_task_aware_readout(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no task-aware readout, so no task prompts"):
        task_prompts(checkpoint(tmp_path / "a.ckpt", PROMPTS, aware=False))


@pytest.mark.parametrize("count", [2, 3])
def test_prompt_heatmap_is_the_mean_over_runs(
    fake_runs: FakeRuns, tmp_path: Path, count: int
) -> None:
    other = {**PROMPTS, "chain": PROMPTS["chain"][:, ::-1].copy()}
    for seed, prompts in enumerate((PROMPTS, other, PROMPTS)[:count]):
        path = checkpoint(tmp_path / f"{seed}.ckpt", prompts)
        tags = {"best_checkpoint": str(path)}
        fake_runs.add({"model": "hemenet"}, seed, scored("lba"), grid="figure4", tags=tags)
    fake_runs.add({"model": "hemenet"}, 3, scored("lba"), grid="figure4")
    found = drawings(fake_runs, "figure4")["prompts"]
    assert f"mean over {count} runs" in found.caption
    assert "1 runs have no checkpoint here" in found.caption
    shown = texts(found)
    if count == 2:
        assert "0.00" in shown, "two runs have no spread"
        assert "±" not in found.caption
    else:
        assert any(text.startswith("0.33\n±1.15") for text in shown)  # of -1, 1 and 1
        assert "±" in found.caption


def test_prompts_of_two_configurations_are_not_averaged(
    fake_runs: FakeRuns, tmp_path: Path
) -> None:
    other = {**PROMPTS, "chain": PROMPTS["chain"][:, ::-1].copy()}
    for name, prompts in (("alpha_carbon", other), ("full", PROMPTS)):
        tags = {"best_checkpoint": str(checkpoint(tmp_path / name, prompts))}
        fake_runs.add({"variant": name}, 0, scored("lba"), grid="table4", tags=tags)
    found = drawings(fake_runs, "table4")["prompts"]
    assert "prompts of full, mean over 1 runs" in found.caption  # the paper's first row
    assert "-1.00" in texts(found)


def test_files_are_written_and_stand_alone(fake_runs: FakeRuns, tmp_path: Path) -> None:
    fake_runs.add({"encoder": "gcn"}, 0, scored("lba"))
    results = read_grid("table1", folder=fake_runs.folder)
    scores = Scores(results.runs)
    paths = write_figures(tabulate(results, scores), scores, tmp_path / "figures")
    assert [path.name for path in paths] == ["table1-bars.png", "table1-bars.svg"]
    assert paths[0].read_bytes().startswith(b"\x89PNG")
    text = paths[1].read_text()
    assert text.startswith("<svg")
    assert "<image" not in text
    (drawing,) = drawings(fake_runs).values()
    assert svg(drawing) + "\n" == text
