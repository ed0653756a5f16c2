"""Calibration of a module on the validation split of its store."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hemenet_lab.calibration.tasks import TermCalibration, ValueCalibration, fit_terms, fit_values
from hemenet_lab.calibration.training_set import TrainingSet
from hemenet_lab.graphs import EdgeCache, ProteinGraph, build_graph
from hemenet_lab.loading import collate, groups_within
from hemenet_lab.model import MultiTaskModule
from hemenet_lab.store import SPLIT_NAMES, Store
from hemenet_lab.tasks import Task

CALIBRATION_KEY = "calibration"
"""Where a checkpoint keeps it."""
VERSION = 1


@dataclass(frozen=True)
class Calibration:
    """What validation data say of a model's numbers, and what it was trained on.

    Tasks without labels in the validation split are not in it.
    """

    terms: Mapping[str, TermCalibration] = field(default_factory=dict)
    """By multi-label task."""
    values: Mapping[str, ValueCalibration] = field(default_factory=dict)
    """By regression task."""
    training: TrainingSet | None = None

    def report(self) -> dict[str, Any]:
        """All but the training sequences, as plain values for a JSON file."""
        training = self.training
        sizes = (
            {}
            if training is None
            else {
                "sequences": len(training.sequences),
                "longest_chain": training.longest_chain,
                "most_nodes": training.most_nodes,
                "complete": training.complete,
            }
        )
        return {
            "version": VERSION,
            "terms": {name: each.to_dict() for name, each in self.terms.items()},
            "values": {name: each.to_dict() for name, each in self.values.items()},
            "training": sizes,
        }

    def to_dict(self) -> dict[str, Any]:
        """Plain values and a tensor, as a checkpoint holds them."""
        training = None if self.training is None else self.training.to_dict()
        return self.report() | {"training": training}


def read_calibration(content: Mapping[str, Any], source: str = "checkpoint") -> Calibration | None:
    """The calibration in the content of a checkpoint; None if it has none.

    Raises:
        ValueError: It is damaged, or of a later version of this program.
    """
    record = content.get(CALIBRATION_KEY)
    if record is None:
        return None
    try:
        if record["version"] != VERSION:
            raise ValueError(f"its version is {record['version']}, this program reads {VERSION}")
        training = record["training"]
        return Calibration(
            {name: TermCalibration.from_dict(each) for name, each in record["terms"].items()},
            {name: ValueCalibration.from_dict(each) for name, each in record["values"].items()},
            None if training is None else TrainingSet.from_dict(training),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ValueError(
            f"{source}: its calibration cannot be read ({error}); use the program that wrote the "
            "file, or train again"
        ) from error


@torch.no_grad()
def calibrate(
    module: MultiTaskModule,
    store: Store,
    split: str = "default",
    *,
    device: torch.device | str = "cpu",
    max_batches: int | None = None,
) -> Calibration:
    """Measure a module, with the weights that it has, on the validation split of a store.

    Args:
        module: A built module; it is in evaluation mode afterwards.
        store: The one that it was trained on.
        split: Name of the split.
        device: Where to compute.
        max_batches: Batches that are looked at, at most; all if None.
    """
    module = module.eval().to(device)
    codes = store.split(split)
    columns = [column for column, task in enumerate(store.tasks) if task in module.tasks]
    labelled = store.labelled[:, columns].any(axis=1)
    validation = np.flatnonzero((codes == SPLIT_NAMES.index("val")) & labelled)
    rows: dict[str, list[tuple[Tensor, Tensor]]] = {task.name: [] for task in module.tasks}
    for number, batch in enumerate(_batches(module, store, validation.tolist())):
        if number == max_batches:
            break
        batch = batch.to(device)
        outputs = module(batch)
        for name, found in rows.items():
            mask = batch[f"mask_{name}"]
            pair = outputs[name][mask], batch[f"y_{name}"][mask]
            found.append((pair[0].float().cpu(), pair[1].cpu()))
    terms, values = {}, {}
    for task in module.tasks:
        prediction, target = _joined(task, rows[task.name])
        if task.kind == "multilabel":
            terms[task.name] = fit_terms(prediction, target)
        else:
            values[task.name] = fit_values(prediction, target)
    train = np.flatnonzero((codes == SPLIT_NAMES.index("train")) & labelled)
    return Calibration(
        {name: each for name, each in terms.items() if each is not None},
        {name: each for name, each in values.items() if each is not None},
        TrainingSet.of(store[index] for index in train.tolist()),
    )


def _joined(task: Task, rows: list[tuple[Tensor, Tensor]]) -> tuple[Any, Any]:
    """Predictions and targets [n, out] of all batches, float64."""
    empty = torch.zeros(0, task.num_outputs)
    columns = zip(*rows, strict=True) if rows else ((empty,), (empty,))
    prediction, target = (torch.cat(parts).double().numpy() for parts in columns)
    return prediction, target


def _batches(module: MultiTaskModule, store: Store, entries: list[int]) -> Iterator[ProteinGraph]:
    """The entries as batches for the module's encoder."""
    view, edges = module.encoder.view, EdgeCache(store, module.encoder.view)
    vectors = None if module.node_input is None else module.node_input.stored(store)
    sizes = store.num_atoms
    for group in groups_within(entries, lambda index: int(sizes[index])):
        graphs = []
        for index in group:
            entry = store[index]
            rows = None if vectors is None else vectors.of(entry)
            graph = build_graph(entry, view, module.tasks, edges[index], rows)
            graph.entry_index = torch.tensor([index])  # as in a fit
            graphs.append(graph)
        yield module.encoder.prepare(collate(graphs))
