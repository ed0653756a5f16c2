"""The paper's Figure 4: how alike the task prompts of the task-aware readout have become."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from hemenet_lab.benchmark.figures_matrix import prompt_heatmap
from hemenet_lab.benchmark.figures_style import Drawing, say_synthetic
from hemenet_lab.benchmark.table_cells import ResultTable
from hemenet_lab.benchmark.table_rows import Row, label_of, row_of
from hemenet_lab.model import TASKS_KEY

CHECKPOINT_TAG = "best_checkpoint"
Matrix = NDArray[np.float64]


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
        path = Path(run.tags.get(CHECKPOINT_TAG, ""))
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
    spread = matrices.std(axis=0, ddof=1) if len(chosen) > 1 else None
    figure = prompt_heatmap(names, matrices.mean(axis=0), spread, len(chosen))
    say_synthetic(figure, table.results.synthetic)
    caption = (
        f"Pearson correlation between the task prompts of {label_of(row)}, mean over {len(chosen)} "
        "runs (± standard deviation). Complex-level and chain-level prompts belong to two readouts "
        "with weights of their own, so correlations between the two groups have no direct meaning."
    )
    caption += f" {missing} runs have no checkpoint here." if missing else ""
    return Drawing("prompts", "Correlation of task prompts", caption, figure)


def has_prompts(checkpoint: Path) -> bool:
    """Whether a checkpoint has a task-aware readout."""
    state = torch.load(checkpoint, weights_only=True, map_location="cpu", mmap=True)["state_dict"]
    return any(name.startswith("readouts.") and ".query." in name for name in state)
