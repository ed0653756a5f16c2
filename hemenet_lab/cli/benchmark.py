"""`hemenet benchmark`: run a grid, tell how far it is, show what its finished runs say."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hemenet_lab.basics import recipe_note
from hemenet_lab.benchmark import (
    RUNS,
    GridOptions,
    Launcher,
    LLMOptions,
    Resolve,
    Style,
    further_commands,
    grid_commands,
    grid_status,
    grid_table,
    run_grid,
    run_llm,
    write_figures,
    write_report,
)


@dataclass(frozen=True)
class Selection:
    """Choice of a grid's runs; every command takes the same options.

    Args:
        seeds: Seeds 0 to N-1, not the grid's.
        config: Config files after the grid's base: data, trainer, size.
        set: Settings of all runs, applied last: trainer.max_epochs=3
        only: Only runs with these values: encoder=gcn,hemenet setting=multi
        folder: Where runs are recorded.
        folds: Cross-validation: this many folds of whole groups, not the grid's.
    """

    seeds: int | None = None
    config: tuple[Path, ...] = ()
    set: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    folder: str = RUNS
    folds: int | None = None

    def options(self) -> GridOptions:
        """The same as the benchmark wants it.

        Raises:
            ValueError: No seed, a config that is not there, a setting without a value.
        """
        return GridOptions(
            seeds=self.seeds,
            configs=self.config,
            settings=self.set,
            only=self.only,
            folder=self.folder,
            folds=self.folds,
        )


def run(
    grid: Path,
    *,
    selection: Selection,
    launcher: Launcher = "local",
    max_parallel: int | None = None,
    slurm: tuple[str, ...] = (),
    dry_run: bool = False,
) -> int:
    """Run every `lightning fit` of a grid that is not finished.

    What was cut off goes on from its last checkpoint. May be ended and started again at any time.

    Args:
        grid: Grid file, such as experiments/table1.yaml.
        selection: Which runs.
        launcher: Here, or as jobs of a cluster.
        max_parallel: Runs at a time (one per GPU, or one; slurm: what the cluster gives).
        slurm: Parameters of the jobs as submitit names them: timeout_min=600 slurm_partition=gpu
        dry_run: Print the command of each run and stop; the lines hold from the current folder.
    """
    for each in (grid, *selection.config):
        if note := recipe_note(each):
            print(note, file=sys.stderr)
    if dry_run:
        commands = grid_commands(grid, selection.options())
        print(f"# {len(commands)} runs; their paths hold from {Path.cwd()}", file=sys.stderr)
        for command in commands:
            print(command)
        for row, command in further_commands(grid).items():
            print(f"# row {row}, which is no fit: {command}", file=sys.stderr)
        return 0
    return run_grid(
        grid,
        selection.options(),
        resolve=_resolve(),
        launcher=launcher,
        max_parallel=max_parallel,
        slurm=slurm,
        say=lambda line: print(line, flush=True),
    )


def status(grid: Path, *, selection: Selection) -> None:
    """Tell how far a grid is, one line per run.

    Args:
        grid: Grid file, such as experiments/table1.yaml.
        selection: Which runs.
    """
    for line in grid_status(grid, selection.options(), resolve=_resolve()):
        print(line)


def table(
    grid: Path,
    *,
    selection: Selection,
    store: str | None = None,
    style: Style = "markdown",
    out: Path | None = None,
) -> None:
    """Print the results of a grid beside the paper's.

    Without further settings, the runs are found by the grid's name; with them, exactly the runs
    that `run` would make with them.

    Args:
        grid: Grid file, such as experiments/table1.yaml.
        selection: Which runs.
        store: Only runs on the data of this hash.
        style: How the table is written.
        out: File for it; standard output if not given.
    """
    text = grid_table(grid, selection.options(), resolve=_resolve(), store=store, style=style)
    if out is None:
        print(text)
        return
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(text if text.endswith("\n") else f"{text}\n", encoding="utf-8")
    print(out)


def figures(
    grid: Path, *, selection: Selection, store: str | None = None, out: Path = Path("figures")
) -> None:
    """Draw the figures of a grid as PNG and SVG.

    Without further settings, the runs are found by the grid's name; with them, exactly the runs
    that `run` would make with them.

    Args:
        grid: Grid file, such as experiments/table1.yaml.
        selection: Which runs.
        store: Only runs on the data of this hash.
        out: Folder for them.
    """
    options = selection.options()
    for path in write_figures(grid, options, resolve=_resolve(), store=store, out=out):
        print(path)


def report(
    grid: Path, *, selection: Selection, store: str | None = None, out: Path = Path("report.html")
) -> None:
    """Write all results of a grid as one HTML page.

    Without further settings, the runs are found by the grid's name; with them, exactly the runs
    that `run` would make with them.

    Args:
        grid: Grid file, such as experiments/table1.yaml.
        selection: Which runs.
        store: Only runs on the data of this hash.
        out: File for it.
    """
    print(write_report(grid, selection.options(), resolve=_resolve(), store=store, out=out))


def baselines(
    store: str,
    *,
    split: str = "default",
    folds: int = 0,
    seed: int = 0,
    out: Path | None = None,
    grid: Path | None = None,
    folder: str = RUNS,
    predictions: Path | None = None,
    against: str = "",
) -> None:
    """Print what plain methods reach on a store's tasks: what any model must beat.

    Training mean and frequencies, the ligand alone, the protein alone, contacts of the interface,
    and the nearest training sequence; fitted on the training part, judged on the test part.

    Args:
        store: Folder of a store, or the name of an installed one such as demo.
        split: Split whose training part they are fitted on and whose test part counts.
        folds: Folds of whole groups instead of the split, such as 5.
        seed: Of the folds and of what is random in the methods.
        out: CSV file for the rows with all digits.
        grid: Grid file whose finished runs are judged on the same items, with the interval of
            their difference to the best plain method.
        folder: Where the runs are recorded.
        predictions: Table of another program's predictions (id, chain, and columns called as tasks,
            or task, term and value), judged on those of the items that it has.
        against: Plain method that is subtracted from the grid's and that program's scores, such as
            "training frequency"; the best one if not given.
    """
    from hemenet_lab.benchmark.references import run_baselines

    run_baselines(store, split, folds, seed, out, grid, folder, predictions, against)


def llm(store: str, *, options: LLMOptions, yes: bool = False) -> int:
    """Ask a large language model for the affinities of a store's test items.

    It sees three measured training examples, sequences and the ligand's SMILES, and no name or id.
    Each answer is kept at once in FOLDER/llm/ROW.jsonl; the same command goes on where it was. The
    scores are recorded as runs of the grid, and stand in its tables and reports.

    Args:
        store: Folder of the store, or the name of an installed one such as demo.
        options: What is asked of whom.
        yes: Start without asking, whatever the estimated cost.
    """

    def confirm(text: str) -> bool:
        print(text)
        if yes:
            return True
        if not sys.stdin.isatty():
            print("nobody is there to confirm it: give --yes to start", file=sys.stderr)
            return False
        return input("Start? [y/N] ").strip().lower() in ("y", "yes")

    return run_llm(store, options, confirm=confirm, say=lambda line: print(line, flush=True))


def _resolve() -> Resolve:
    """Reader of `lightning` commands, made when the first command is read: it is slow to import."""
    reader = None

    def resolve(words: Sequence[str]) -> dict[str, Any]:
        nonlocal reader
        if reader is None:
            from hemenet_lab.cli.lightning_adapter import config_reader

            reader = config_reader()
        return reader.read(words)

    return resolve
