"""Matrices: which task helps which, and how alike the task prompts have become (Figure 4)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from hemenet_lab.benchmark.figures.style import WIDTH, Drawing, say_synthetic
from hemenet_lab.benchmark.tables import (
    FIRST_AXES,
    TASK_AXIS,
    ResultTable,
    Row,
    Scores,
    label_of,
    row_of,
)
from hemenet_lab.metrics import (
    FEWEST_SEEDS,
    MAIN_METRICS,
    METRICS,
    Difference,
    Resampled,
    difference,
)
from hemenet_lab.model import TASKS_KEY
from hemenet_lab.tasks import PROTEIN_MT
from hemenet_lab.tracking import RecordedRun, Tag

_ORDER = [task.name for task in PROTEIN_MT]
_COLOURS = "PuOr"
_STRONGEST = 0.3
"""Relative gain with the full colour."""
PAIR, ALL, LEFT_OUT = "pair", "all", "left out"
Model = tuple[tuple[str, str], ...]
"""Choices of the axes that do not decide which tasks are learned."""
Matrix = NDArray[np.float64]
_TITLES = {
    PAIR: "learned with one other task, against alone",
    ALL: "learned with all tasks, against alone",
    LEFT_OUT: "learned with all tasks, against all but one",
}


# --- gains between tasks --------------------------------------------------------------------------


@dataclass(frozen=True)
class Gain:
    """Effect of further tasks on one task."""

    kind: str
    """``pair``: learned with ``helper`` against alone; ``all``: with all tasks against alone;
    ``left out``: with all tasks against all but ``helper``."""
    model: Model
    helper: str
    task: str
    metric: str
    gain: Difference
    """Positive is better, for RMSE as well."""
    relative: float
    """Gain as a share of the score without the helper."""


def transfer_gains(table: ResultTable, scores: Scores) -> list[Gain]:
    """All gains that the runs of a grid allow; none from different test items."""
    runs = table.results.judged
    axes = task_axes(runs) | {*FIRST_AXES, TASK_AXIS}
    by_model: dict[Model, dict[frozenset[str], list[RecordedRun]]] = {}
    for run in runs:
        model = tuple(pair for pair in sorted(run.choices.items()) if pair[0] not in axes)
        by_model.setdefault(model, {}).setdefault(frozenset(run.tasks), []).append(run)
    pairs = [
        (task, metric) for task, metric in table.columns(MAIN_METRICS) if task not in table.uneven
    ]
    return [
        gain
        for model, by_tasks in sorted(by_model.items())
        for task, metric in pairs
        for gain in _gains(model, by_tasks, task, metric, scores)
    ]


def task_axes(runs: Sequence[RecordedRun]) -> set[str]:
    """Axes whose choice alone decides which tasks a run learns."""
    if len({run.tasks for run in runs}) < 2:
        return set()
    found = set()
    for axis in {axis for run in runs for axis in run.choices}:
        learned: dict[str, set[tuple[str, ...]]] = {}
        for run in runs:
            learned.setdefault(run.choices.get(axis, ""), set()).add(run.tasks)
        if len(learned) > 1 and all(len(sets) == 1 for sets in learned.values()):
            found.add(axis)
    return found


def _gains(
    model: Model,
    by_tasks: Mapping[frozenset[str], list[RecordedRun]],
    task: str,
    metric: str,
    scores: Scores,
) -> Iterator[Gain]:
    everything = frozenset().union(*by_tasks)
    alone = frozenset({task})
    wanted = [(PAIR, other, alone | {other}, alone) for other in sorted(everything - alone)]
    wanted += [(LEFT_OUT, other, everything, everything - {other}) for other in sorted(everything)]
    wanted.append((ALL, "all tasks", everything, alone))
    for kind, helper, with_helper, without in wanted:
        sides = [by_tasks.get(tasks, []) for tasks in (with_helper, without)]
        if task not in without or with_helper == without or not all(sides):
            continue
        if kind == PAIR and with_helper == everything:
            continue  # two tasks in all: that is ALL
        found = [scores.of_all(side, task, metric) for side in sides]
        if all(found):
            yield _gain(kind, model, helper, task, metric, found)


def _gain(
    kind: str,
    model: Model,
    helper: str,
    task: str,
    metric: str,
    found: Sequence[Sequence[Resampled]],
) -> Gain:
    with_helper, without = found
    if METRICS[metric].higher_is_better:
        gap = difference(with_helper, without)
    else:
        gap = difference(without, with_helper)
    before = float(np.mean([score.value for score in without]))
    relative = gap.value / abs(before) if before else 0.0
    return Gain(kind, model, helper, task, metric, gap, relative)


def transfer_matrix(gains: Sequence[Gain], synthetic: bool) -> Drawing | None:
    """Gains with intervals, a panel per kind and model; None without any."""
    grouped: dict[tuple[str, str], list[Gain]] = {}
    for gain in gains:
        model = "" if gain.kind == ALL else label_of(gain.model)
        grouped.setdefault((gain.kind, model), []).append(gain)
    if not grouped:
        return None
    several = len({gain.model for gain in gains}) > 1
    heights = [0.55 + 0.36 * len(_row_names(found)) for found in grouped.values()]
    figure = Figure(figsize=(WIDTH, sum(heights)), layout="constrained")
    axes = figure.subplots(len(grouped), 1, squeeze=False, height_ratios=heights)[:, 0]
    for axis, ((kind, model), found) in zip(axes, grouped.items(), strict=True):
        _gain_panel(axis, found)
        axis.set_title(f"{model}: {_TITLES[kind]}" if several and model else _TITLES[kind])
    say_synthetic(figure, synthetic)
    caption = (
        "Gain of the column's task (positive is better, RMSE in pKd or Fmax) from the row's; in "
        "brackets the paired 95 % interval over sequence clusters and seeds; bold where it "
        "excludes 0 with three seeds or more. Colour: gain relative to the score without."
    )
    return Drawing("transfer", "Which task helps which", caption, figure)


def _row_names(gains: Sequence[Gain]) -> list[str]:
    names = {_row_name(gain) for gain in gains}
    return sorted(names, key=lambda name: (_place(name), name))


def _row_name(gain: Gain) -> str:
    return (label_of(gain.model) or gain.helper) if gain.kind == ALL else gain.helper


def _gain_panel(axis: Axes, gains: Sequence[Gain]) -> None:
    rows = _row_names(gains)
    columns = sorted({gain.task for gain in gains}, key=lambda name: (_place(name), name))
    colours = np.full((len(rows), len(columns)), np.nan)
    for gain in gains:
        place = rows.index(_row_name(gain)), columns.index(gain.task)
        colours[place] = gain.relative
        low, high = gain.gain.low, gain.gain.high
        interval = "" if low is None else f"\n[{low:+.2f}, {high:+.2f}]"
        axis.text(
            place[1],
            place[0],
            f"{gain.gain.value:+.3f}{interval}",
            ha="center",
            va="center",
            fontsize=6.5,
            color=_ink(gain.relative / _STRONGEST),
            weight="bold" if gain.gain.established else "normal",
        )
    axis.imshow(colours, cmap=_COLOURS, vmin=-_STRONGEST, vmax=_STRONGEST, aspect="auto")
    _name_ticks(axis, rows, columns)
    axis.set_ylabel("model" if gains[0].kind == ALL and len(rows) > 1 else "helping task")


# --- task prompts ---------------------------------------------------------------------------------


def task_prompts(checkpoint: Path) -> dict[str, Matrix]:
    """Prompt [dim] of each task, read from a checkpoint with task-aware readouts.

    Raises:
        ValueError: The checkpoint has no task-aware readout.
    """
    content = torch.load(checkpoint, weights_only=True, map_location="cpu")
    state, tasks = content["state_dict"], content[TASKS_KEY]
    prompts: dict[str, Matrix] = {}
    for level in dict.fromkeys(task["level"] for task in tasks):
        # a weighted readout has a prompt as well, but no queries
        if f"readouts.{level}.query.weight" not in state:
            continue
        names = [task["name"] for task in tasks if task["level"] == level]
        rows = state[f"readouts.{level}.prompt"].double().numpy()
        prompts |= dict(zip(names, rows, strict=True))
    if not prompts:
        raise ValueError(
            f"{checkpoint} has no task-aware readout, so no task prompts; choose a run with "
            "configs/readout/task_aware.yaml"
        )
    return prompts


def prompt_correlation(prompts: dict[str, Matrix]) -> Matrix:
    """Pearson correlation between prompts over their dimensions, [T, T]."""
    return np.corrcoef(np.stack(list(prompts.values()))).reshape(len(prompts), len(prompts))


def prompts_drawing(table: ResultTable) -> Drawing | None:
    """Mean heatmap over the seeds of one configuration; None if none has two prompts or more.

    It is the first row of the table with prompts for the most tasks. Runs whose checkpoint is not
    on this machine are counted in the caption.
    """
    found: dict[Row, list[dict[str, Matrix]]] = {row: [] for row in table.rows}
    missing = 0
    for run in table.results.runs:
        path = Path(run.tags.get(Tag.BEST_CHECKPOINT, ""))
        if not path.is_file():
            missing += 1
        elif has_prompts(path):
            found[row_of(run)].append(task_prompts(path))
    row = max(found, key=lambda row: max((len(prompts) for prompts in found[row]), default=0))
    chosen = found[row]
    if not chosen or len(chosen[0]) < 2:
        return None
    names = list(chosen[0])
    matrices = np.stack([prompt_correlation(prompts) for prompts in chosen])
    spread = matrices.std(axis=0, ddof=1) if len(chosen) >= FEWEST_SEEDS else None
    figure = prompt_heatmap(names, matrices.mean(axis=0), spread)
    say_synthetic(figure, table.results.synthetic)
    caption = (
        f"Pearson correlation between the task prompts of {label_of(row)}, mean over {len(chosen)} "
        f"runs{'' if spread is None else ' (± standard deviation)'}. Complex-level and chain-level "
        "prompts belong to two readouts with weights of their own, so correlations between the two "
        "groups have no direct meaning."
    )
    caption += f" {missing} runs have no checkpoint here." if missing else ""
    return Drawing("prompts", "Correlation of task prompts", caption, figure)


def has_prompts(checkpoint: Path) -> bool:
    """Return whether a checkpoint has a task-aware readout."""
    state = torch.load(checkpoint, weights_only=True, map_location="cpu", mmap=True)["state_dict"]
    return any(name.startswith("readouts.") and ".query." in name for name in state)


def prompt_heatmap(
    names: Sequence[str], mean: NDArray[np.float64], spread: NDArray[np.float64] | None
) -> Figure:
    """Correlations [T, T] between prompts, mean over runs, with standard deviations if given."""
    side = min(WIDTH * 0.62, 1.2 + 0.55 * len(names))
    figure = Figure(figsize=(side, side * 0.86), layout="constrained")
    axis = figure.subplots()
    image = axis.imshow(mean, cmap=_COLOURS, vmin=-1, vmax=1)
    for row in range(len(names)):
        for column in range(len(names)):
            text = f"{mean[row, column]:.2f}"
            if spread is not None and row != column:
                text += f"\n±{spread[row, column]:.2f}"
            ink = _ink(mean[row, column])
            axis.text(column, row, text, ha="center", va="center", fontsize=6.5, color=ink)
    _name_ticks(axis, names, names)
    figure.colorbar(image, ax=axis, shrink=0.8, label="Pearson correlation")
    return figure


def _ink(strength: float) -> str:
    """Black or white, whichever is read better on the colour of a value from -1 to 1."""
    red, green, blue, _ = colormaps[_COLOURS]((strength + 1) / 2)
    return "black" if 0.299 * red + 0.587 * green + 0.114 * blue > 0.55 else "white"


def _name_ticks(axis: Axes, rows: Sequence[str], columns: Sequence[str]) -> None:
    axis.set_xticks(range(len(columns)), columns)
    axis.set_yticks(range(len(rows)), rows)
    axis.grid(visible=False)
    axis.spines[:].set_visible(False)


def _place(name: str) -> int:
    return _ORDER.index(name) if name in _ORDER else len(_ORDER)
