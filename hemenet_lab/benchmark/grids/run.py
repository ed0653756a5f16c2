"""One run of a grid, as the words of the `lightning fit` command that makes it."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from hemenet_lab.basics import recipe_path, recipes_folder

LOGGER = "--trainer.logger.init_args"
Resolve = Callable[[Sequence[str]], dict[str, Any]]
"""Words of a `lightning` command → its whole config as plain data."""
RUNS = "runs"
"""Folder of the tracking database unless another is given."""


@dataclass(frozen=True)
class GridOptions:
    """Additions of the command line to a grid file.

    Args:
        seeds: Number of seeds (0, 1, …) instead of the grid's.
        configs: Config files applied after the grid's base and before its axes.
        settings: ``KEY=VALUE`` words applied last.
        only: ``AXIS=VALUE[,VALUE…]`` words; runs with other values are left out.
        folder: Where the runs are recorded.
        folds: Cross-validation over this many folds of whole groups, as one more axis, instead
            of the grid's; 0 for none.
    """

    seeds: int | None = None
    configs: tuple[Path, ...] = ()
    settings: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    folder: str = RUNS
    folds: int | None = None

    def __post_init__(self) -> None:
        if self.seeds is not None and self.seeds < 1:
            raise ValueError(f"--seeds {self.seeds}; it must be 1 or more")
        object.__setattr__(self, "configs", tuple(map(recipe_path, self.configs)))
        if self.folds is not None and (self.folds < 0 or self.folds in (1, 2)):
            raise ValueError(
                f"--folds {self.folds}; it must be 3 or more, or 0 for none: one fold is tested, "
                "one is for validation, the others are for training"
            )
        for config in self.configs:
            if not config.is_file():
                raise ValueError(
                    f"--config {config}: not found from {Path.cwd()}, and `hemenet recipes` does "
                    "not list it"
                )
        for setting in self.settings:
            if "=" not in setting:
                raise ValueError(f"--set {setting}: give KEY=VALUE, such as trainer.max_epochs=3")

    def text(self) -> str:
        """The settings that change results, as they were given."""
        words = [word for config in self.configs for word in ("--config", shown(config))]
        words += [word for setting in self.settings for word in ("--set", setting)]
        return shlex.join(words)


class Layer(Protocol):
    """Config files and dotted settings, such as one choice of an axis."""

    @property
    def configs(self) -> tuple[Path, ...]: ...

    @property
    def settings(self) -> Mapping[str, Any]: ...


@dataclass(frozen=True)
class GridRun:
    """One `lightning fit` of a grid.

    Args:
        grid: Name of the grid.
        name: Values of the axes and the seed, as one word.
        axes: Value of each axis.
        seed: Seed of everything.
        cell: Words that say what is trained; the same for all seeds.
        record: Words that say how it is recorded.
    """

    grid: str
    name: str
    axes: Mapping[str, str]
    seed: int
    cell: tuple[str, ...]
    record: tuple[str, ...]

    @property
    def arguments(self) -> tuple[str, ...]:
        """The words after ``lightning``."""
        return ("fit", *self.cell, f"--seed_everything={self.seed}", *self.record)

    def command(self) -> str:
        """A line for a shell; its paths hold from the current folder."""
        return shlex.join(("lightning", *self.arguments))


def make_run(
    grid: str,
    axes: Mapping[str, str],
    seed: int,
    base: Sequence[Path],
    choices: Sequence[Layer],
    options: GridOptions,
) -> GridRun:
    """The run of one combination and seed.

    Config files come first (base, the command line's, the axes'), then single settings (the axes',
    the command line's); later ones win.
    """
    name = "-".join((*axes.values(), f"seed{seed}"))
    configs = [*base, *options.configs, *(path for choice in choices for path in choice.configs)]
    settings = [
        f"{key}={_value(value)}" for choice in choices for key, value in choice.settings.items()
    ]
    return GridRun(
        grid=grid,
        name=name,
        axes=dict(axes),
        seed=seed,
        cell=(
            *(word for path in configs for word in ("--config", shown(path))),
            *(f"--{setting}" for setting in (*settings, *options.settings)),
        ),
        record=tuple(_record(grid, name, axes, options)),
    )


def _record(grid: str, name: str, axes: Mapping[str, str], options: GridOptions) -> Iterable[str]:
    from hemenet_lab.tracking import Tag  # loads Lightning, which reading options need not

    tags: dict[str, str] = {Tag.GRID: grid, Tag.SETTINGS: options.text()}
    tags |= {Tag.AXIS.of(axis): value for axis, value in axes.items()}
    if options.folder != RUNS:
        yield f"{LOGGER}.folder={options.folder}"
    yield f"{LOGGER}.run_name={grid}/{name}"
    yield f"{LOGGER}.tags={json.dumps(tags)}"


def _value(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def shown(path: Path) -> str:
    """A path as people write it: relative if it lies below the current folder or is a recipe.

    A recipe that a file of the current folder would hide keeps its whole path.
    """
    path = Path(os.path.normpath(path.absolute()))
    if path.is_relative_to(Path.cwd()):
        return str(path.relative_to(Path.cwd()))
    if path.is_relative_to(recipes_folder()):
        name = path.relative_to(recipes_folder())
        return str(name if recipe_path(name) == path else path)
    return str(path)
