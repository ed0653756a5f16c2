"""How the parameters of a module begin: reproducible random numbers, or another model's weights."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import torch
from torch import Tensor, nn

from hemenet_lab.model.heads import Head
from hemenet_lab.tasks import Task

TASKS_KEY = "tasks"
"""Where a checkpoint keeps its tasks, with their terms, as plain data."""
SCALES_KEY = "target_scales"
"""Where a checkpoint keeps mean and deviation of each regression task's training labels."""
LEAST_SHARE = 0.5
"""Share of the encoder's weights that have to fit; below it is another encoder."""
SHOWN = 5
"""Weights that a report names before it counts the rest."""


class DoesNotFit(ValueError):
    """Weights of another model."""


@dataclass
class TakenWeights:
    """Report on what a model took of another's weights.

    Args:
        source: Name of the checkpoint.
        taken: Names of parameters that were taken whole.
        partly: Name → what of it was taken.
        fresh: Name → why it was not taken.
        left: Names of the checkpoint's weights that have no place here.
    """

    source: str
    taken: list[str] = field(default_factory=list)
    partly: dict[str, str] = field(default_factory=dict)
    fresh: dict[str, str] = field(default_factory=dict)
    left: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        """The report, a line per part of the model."""
        found = [f"Weights from {self.source}:"]
        for part, names in _by_part([*self.taken, *self.partly, *self.fresh]).items():
            fresh = {name: self.fresh[name] for name in names if name in self.fresh}
            partly = {name: self.partly[name] for name in names if name in self.partly}
            line = f"  {part}: {len(names) - len(fresh)} of {len(names)} taken"
            found.append("; ".join([line, *_reasons(partly), *_reasons(fresh)]))
        for part, names in _by_part(self.left).items():
            found.append(f"  not used, no place here: {part} ({len(names)})")
        return found


@torch.no_grad()
def take_weights(
    module: nn.Module,
    tasks: Sequence[Task],
    content: Mapping[str, Any],
    source: str,
) -> TakenWeights:
    """Give a module the weights of a checkpoint that fit, by name and shape.

    A head is taken for a task of the same name, kind and level only, the outputs of a multi-label
    task term by term, and those of a regression task in this model's scale. Rows of a readout's
    prompts go with their tasks. All else of other tasks stays as it is.

    Args:
        module: With ``encoder``, ``readouts`` and ``heads``, built.
        tasks: Its tasks.
        content: What a checkpoint holds: plain data and tensors.
        source: Its name.

    Raises:
        DoesNotFit: It is no checkpoint of this kind, or hardly anything of its encoder fits.
    """
    weights = content.get("state_dict")
    if not isinstance(weights, Mapping) or TASKS_KEY not in content:
        raise DoesNotFit(f"{source} holds no weights with their tasks; give a checkpoint of a fit")
    theirs = tuple(Task.from_dict(record) for record in content[TASKS_KEY])
    rows = _Rows(tasks, theirs)
    report = TakenWeights(source)
    own = module.state_dict()
    for name, mine in own.items():
        other = weights.get(name)
        reason = rows.refusal(name)
        if reason or not isinstance(other, Tensor):
            report.fresh[name] = reason or "not in the checkpoint"
            continue
        pairs = rows.pairs(name)
        if pairs is not None and mine.shape[1:] == other.shape[1:]:
            _take_rows(mine, other, pairs)
            if len(pairs) == len(mine):
                report.taken.append(name)
            elif pairs:
                report.partly[name] = f"{len(pairs)} of {len(mine)} rows taken"
            else:
                report.fresh[name] = f"no row for {rows.what(name)}"
        elif mine.shape == other.shape:
            mine.copy_(other)
            report.taken.append(name)
        else:
            report.fresh[name] = f"shape {tuple(other.shape)} there, {tuple(mine.shape)} here"
    report.left = [name for name in weights if name not in own]
    _require_encoder(report, own, content)
    _rescale(module, tasks, content.get(SCALES_KEY, {}), report)
    return report


class _Rows:
    """Which rows of a checkpoint's weights stand for what is learned here.

    Args:
        mine: Tasks of the model.
        theirs: Tasks of the checkpoint.
    """

    def __init__(self, mine: Sequence[Task], theirs: Sequence[Task]) -> None:
        self.mine = {task.name: task for task in mine}
        self.theirs = {task.name: task for task in theirs}

    def refusal(self, name: str) -> str:
        """Why a head's weight is not taken; empty for all others."""
        parts = name.split(".")
        if parts[0] != "heads":
            return ""
        mine, other = self.mine.get(parts[1]), self.theirs.get(parts[1])
        if mine is None or other is None:
            return f"the checkpoint has no task {parts[1]}"
        if (mine.level, mine.kind, mine.unit) != (other.level, other.kind, other.unit):
            return f"{parts[1]} is another task there ({other.level}, {other.kind}, {other.unit})"
        return ""

    def pairs(self, name: str) -> list[tuple[int, int]] | None:
        """Row here and row there of the same term or task; None if rows stand for nothing."""
        parts = name.split(".")
        if parts[0] == "heads" and parts[2] == "output" and self.mine[parts[1]].terms:
            return _matching(self.mine[parts[1]].terms, self.theirs[parts[1]].terms)
        if parts[0] == "readouts" and parts[-1] == "prompt":
            level = [
                [task.name for task in tasks.values() if task.level == parts[1]]
                for tasks in (self.mine, self.theirs)
            ]
            return _matching(*level)
        return None

    def what(self, name: str) -> str:
        """What the rows of a weight stand for."""
        return "these terms" if name.startswith("heads") else "these tasks"


def _matching(mine: Sequence[str], theirs: Sequence[str]) -> list[tuple[int, int]]:
    places = {name: row for row, name in enumerate(theirs)}
    return [(row, places[name]) for row, name in enumerate(mine) if name in places]


def _take_rows(mine: Tensor, other: Tensor, pairs: Sequence[tuple[int, int]]) -> None:
    for row, place in pairs:
        if place >= len(other):
            raise DoesNotFit(f"the checkpoint has {len(other)} rows for more terms or tasks")
        mine[row].copy_(other[place])


def _require_encoder(
    report: TakenWeights, own: Mapping[str, Tensor], content: Mapping[str, Any]
) -> None:
    """Raise DoesNotFit if most of the encoder did not fit."""
    sizes = {name: own[name].numel() for name in own if name.startswith("encoder.")}
    taken = sum(sizes.get(name, 0) for name in report.taken)
    if taken >= LEAST_SHARE * sum(sizes.values()):
        return
    settings = content.get("hyper_parameters")
    encoder = settings.get("encoder") if isinstance(settings, Mapping) else None
    reasons = {name: why for name, why in report.fresh.items() if name in sizes}
    raise DoesNotFit(
        f"{report.source} does not fit this encoder: {taken} of {sum(sizes.values())} weights, "
        f"{'; '.join(_reasons(reasons))}. It was trained with {str(encoder)[:300]}; give the same "
        "encoder with the same settings, such as by the same --config files"
    )


def _rescale(
    module: nn.Module,
    tasks: Sequence[Task],
    theirs: Mapping[str, Sequence[float]],
    report: TakenWeights,
) -> None:
    """Let regression heads that were taken predict the same in this model's scale."""
    for task in tasks:
        name = f"heads.{task.name}"
        if task.kind != "regression" or f"{name}.output.weight" not in report.taken:
            continue
        head = cast(Head, module.get_submodule(name))
        mean, deviation = theirs.get(task.name, (0.0, 1.0))
        if head.output is not None:
            head.output.weight.mul_(deviation / head.scale)
            head.output.bias.mul_(deviation).add_(mean - head.shift).div_(head.scale)


def _by_part(names: Sequence[str]) -> dict[str, list[str]]:
    """Names by part of the model: the encoder, a level's readout, a task's head."""
    parts: dict[str, list[str]] = {}
    for name in names:
        words = name.split(".")
        part = words[0] if words[0] not in ("readouts", "heads") else ".".join(words[:2])
        parts.setdefault(part, []).append(name)
    return parts


def _reasons(reasons: Mapping[str, str]) -> list[str]:
    """Reasons with the names that they hold for, the first few."""
    found: dict[str, list[str]] = {}
    for name, why in reasons.items():
        found.setdefault(why, []).append(name)
    texts = []
    for why, names in [*found.items()][:SHOWN]:
        more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
        texts.append(f"{', '.join(names[:SHOWN])}{more}: {why}")
    return texts


@contextmanager
def own_random_numbers(purpose: str) -> Iterator[None]:
    """Random numbers that depend on the seed only, not on what was drawn before.

    Strategies reset the generator or not before `setup`; one and several processes start alike.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(zlib.crc32(f"{torch.initial_seed()}/{purpose}".encode()))
        yield
