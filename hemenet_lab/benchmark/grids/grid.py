"""A grid file: fragments that every run stacks, axes of named choices, and seeds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from itertools import product
from pathlib import Path
from typing import Any

import yaml

from hemenet_lab.basics import included_path, recipe_path
from hemenet_lab.benchmark.grids.run import GridOptions, GridRun, make_run
from hemenet_lab.store import fold_names

FOLD_AXIS = "fold"
"""Axis whose values are test parts of one data set, not other configurations."""
KEYS = ("name", "title", "base", "seeds", "folds", "axes", "only", "exclude", "slurm", "further")
CHOICE_KEYS = ("configs", "set")
Rule = Mapping[str, tuple[str, ...]]
"""Values by axis; a run matches if its value of each named axis is among them."""


@dataclass(frozen=True)
class Choice:
    """One value of an axis: config files and dotted settings that it adds."""

    configs: tuple[Path, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Grid:
    """Content of a grid file.

    Args:
        name: Tag of the runs; the file's stem unless given.
        path: The file.
        title: One line for people.
        base: Config files that every run starts from.
        seeds: Seeds of each combination.
        axes: Choices by axis and value, in the order of the file.
        only: Combinations that match none of these rules are left out, if there is any rule.
        exclude: Combinations that match one of these rules are left out.
        slurm: Parameters of the cluster jobs, as submitit names them.
        folds: Cross-validation over this many folds of whole groups; 0 for the split of the data.
        further: Commands of rows that are no fits, by name of the row.
    """

    name: str
    path: Path
    title: str
    base: tuple[Path, ...]
    seeds: tuple[int, ...]
    axes: Mapping[str, Mapping[str, Choice]]
    only: tuple[Rule, ...] = ()
    exclude: tuple[Rule, ...] = ()
    slurm: Mapping[str, Any] = field(default_factory=dict)
    folds: int = 0
    further: Mapping[str, str] = field(default_factory=dict)

    def combinations(self) -> Iterator[dict[str, str]]:
        """Value of each axis, for each combination that the rules leave."""
        for values in product(*self.axes.values()):
            axes = dict(zip(self.axes, values, strict=True))
            kept = not self.only or any(_matches(axes, rule) for rule in self.only)
            if kept and not any(_matches(axes, rule) for rule in self.exclude):
                yield axes

    def runs(self, options: GridOptions | None = None) -> list[GridRun]:
        """All runs, those of a combination side by side.

        Args:
            options: Seeds, further settings and a selection from the command line.

        Raises:
            ValueError: The selection names an axis or value that is not there, or leaves nothing.
        """
        options = options or GridOptions()
        folds = self.folds if options.folds is None else options.folds
        if folds:
            one = replace(self, folds=0, axes={**self.axes, FOLD_AXIS: self._fold_axis(folds)})
            return one.runs(replace(options, folds=0))
        chosen = _selection(options.only, self.axes)
        seeds = self.seeds if options.seeds is None else tuple(range(options.seeds))
        runs = [
            make_run(self.name, axes, seed, self.base, self._choices(axes), options)
            for axes in self.combinations()
            if _matches(axes, chosen)
            for seed in seeds
        ]
        if not runs:
            raise ValueError(f"{self.path}: no run is left by its rules and --only {options.only}")
        names = Counter(run.name for run in runs)
        twice = [name for name, count in names.items() if count > 1]
        if twice:
            raise ValueError(
                f"{self.path}: several runs would be called {twice[0]}; rename values of the axes"
            )
        return runs

    def _fold_axis(self, folds: int) -> dict[str, Choice]:
        if FOLD_AXIS in self.axes:
            raise ValueError(
                f"{self.path} has an axis {FOLD_AXIS!r} of its own; leave the number of folds away"
            )
        return {
            str(number): Choice(settings={"data.split": name})
            for number, name in enumerate(fold_names(folds))
        }

    def _choices(self, axes: Mapping[str, str]) -> list[Choice]:
        return [self.axes[axis][value] for axis, value in axes.items()]


def load_grid(path: str | Path) -> Grid:
    """Read a grid file: one that is there, or else the recipe of that name.

    Raises:
        ValueError: The file is missing or malformed, or names a config file that is not there.
    """
    path = recipe_path(Path(path))
    if not path.is_file():
        known = sorted(str(found) for found in path.parent.glob("*.yaml"))
        raise ValueError(
            f"grid file {path} not found; there are {known or 'none'} in its folder, and "
            "`hemenet recipes` lists those that came with the package"
        )
    content = yaml.safe_load(path.read_text())
    _check_keys(content, KEYS, str(path))
    for key in ("base", "axes"):
        if not content.get(key):
            raise ValueError(f"{path}: no {key!r}; a grid needs base config files and axes")
    axes = {
        str(axis): {
            str(value): _choice(choice, path, f"{path}: axes.{axis}.{value}")
            for value, choice in _mapping(values, f"{path}: axes.{axis}").items()
        }
        for axis, values in _mapping(content["axes"], f"{path}: axes").items()
    }
    return Grid(
        name=str(content.get("name", path.stem)),
        path=path,
        title=str(content.get("title", "")),
        base=_files(content["base"], path),
        seeds=_seeds(content.get("seeds", 1), path),
        axes=axes,
        only=tuple(_rule(rule, axes, str(path)) for rule in content.get("only") or ()),
        exclude=tuple(_rule(rule, axes, str(path)) for rule in content.get("exclude") or ()),
        slurm=_mapping(content.get("slurm") or {}, f"{path}: slurm"),
        folds=_folds(content.get("folds", 0), path),
        further=_mapping(content.get("further") or {}, f"{path}: further"),
    )


def _choice(content: Any, path: Path, where: str) -> Choice:
    content = content or {}
    _check_keys(content, CHOICE_KEYS, where)
    settings = _mapping(content.get("set") or {}, f"{where}.set")
    return Choice(_files(content.get("configs", ()), path), settings)


def _files(names: str | Sequence[str], grid: Path) -> tuple[Path, ...]:
    names = [names] if isinstance(names, str) else names
    files = tuple(included_path(name, grid.parent) for name in names)
    for file in files:
        if not file.is_file():
            raise ValueError(
                f"{grid}: config file {file} not found; paths are relative to the grid"
            )
    return files


def _seeds(value: Any, path: Path) -> tuple[int, ...]:
    if isinstance(value, int) and value > 0:
        return tuple(range(value))
    if isinstance(value, list) and value and all(isinstance(seed, int) for seed in value):
        return tuple(value)
    raise ValueError(f"{path}: seeds is {value!r}; give their number, or a list of whole numbers")


def _folds(value: Any, path: Path) -> int:
    if not isinstance(value, int) or value < 0 or value in (1, 2):
        raise ValueError(f"{path}: folds is {value!r}; give 3 or more, or 0 for none")
    return value


def _rule(content: Any, axes: Mapping[str, Mapping[str, Any]], where: str) -> Rule:
    """A rule with text values, each axis and value of which is there."""
    rule: dict[str, tuple[str, ...]] = {}
    for axis, wanted in _mapping(content, where).items():
        values = wanted if isinstance(wanted, list) else [wanted]
        known = axes.get(axis)
        if known is None:
            raise ValueError(f"{where}: no axis {axis!r}; the axes are {list(axes)}")
        unknown = [value for value in values if str(value) not in known]
        if unknown:
            raise ValueError(f"{where}: {axis} has no value {unknown}; it has {list(known)}")
        rule[axis] = tuple(str(value) for value in values)
    return rule


def _selection(only: Sequence[str], axes: Mapping[str, Mapping[str, Any]]) -> Rule:
    """The rule that ``--only AXIS=VALUE[,VALUE…]`` words make together."""
    content: dict[str, list[str]] = {}
    for word in only:
        axis, sign, values = word.partition("=")
        if not sign:
            raise ValueError(f"--only {word}: give AXIS=VALUE[,VALUE…]; the axes are {list(axes)}")
        content.setdefault(axis, []).extend(values.split(","))
    return _rule(content, axes, "--only")


def _matches(axes: Mapping[str, str], rule: Rule) -> bool:
    return all(axes[axis] in values for axis, values in rule.items())


def _mapping(content: Any, where: str) -> dict[str, Any]:
    if not isinstance(content, dict):
        raise ValueError(f"{where}: found {content!r}, expected names with their values")
    return content


def _check_keys(content: Any, known: Sequence[str], where: str) -> None:
    for key in _mapping(content, where):
        if key not in known:
            close = get_close_matches(str(key), known, n=1)
            hint = f" did you mean {close[0]!r}?" if close else ""
            raise ValueError(f"{where}: unknown key {key!r};{hint} allowed: {', '.join(known)}")
