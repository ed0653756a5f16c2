"""Rows of reference methods: each fitted on training items, judged on test items."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import partial

import numpy as np

from hemenet_lab.benchmark.references.affinity import regressors
from hemenet_lab.benchmark.references.function import (
    ANY_E,
    SIGNIFICANT_E,
    Neighbours,
    frequency,
    highest_identity,
    nearest_terms,
)
from hemenet_lab.benchmark.references.items import Ints, Items, Values, items_of
from hemenet_lab.metrics import METRICS, Resampled, bootstrap, difference, mean_interval, resample
from hemenet_lab.store import WHOLE, Store, fold_names

Predict = Callable[[Ints, Ints], Values]
"""Training and test items to predictions [test, out]."""


@dataclass(frozen=True)
class ReferenceRow:
    """One score of one reference method."""

    task: str
    method: str
    metric: str
    """``rmse``, ``pearson`` or ``fmax``; ``rmse_centred`` and ``pearson_centred`` after each
    system's mean was taken from predictions and targets (systems of two items or more)."""
    value: float | None
    """None where it is undefined."""
    low: float | None
    """Ends of the 95 % interval when whole groups of test items are drawn again."""
    high: float | None
    n: int
    """Test items."""
    against: str = ""
    """Of a row of a model: the best plain method by this metric, or the one that was asked for."""
    difference: float | None = None
    """Of a row of a model: its value minus that method's."""
    difference_low: float | None = None
    """Ends of the 95 % interval of it when the same groups are drawn for both, and the seeds."""
    difference_high: float | None = None


@dataclass(frozen=True)
class Predicted:
    """Predictions of one method for all test items of a task."""

    items: Items
    method: str
    values: Values
    """[n, out]."""
    tested: Ints
    """[n], which of the items."""
    groups: Ints
    """[n], group of each, drawn whole."""

    @property
    def metrics(self) -> dict[str, str]:
        """Names of its scores → metric."""
        if self.items.task.kind != "regression":
            return {"fmax": "fmax"}
        names = {"rmse": "rmse", "pearson": "pearson"}
        if (_sizes(self.items.system[self.tested]) > 1).any():
            names |= {f"{metric}_centred": metric for metric in tuple(names)}
        return names

    def score(self, name: str) -> tuple[float | None, Resampled | None, int]:
        """A score, its values on draws of whole groups, and the number of items."""
        target, values, groups = self.items.target[self.tested], self.values, self.groups
        if name.endswith("_centred"):
            system = self.items.system[self.tested]
            kept = np.flatnonzero(_sizes(system) > 1)
            values, target = (centred(x[kept, 0], system[kept])[:, None] for x in (values, target))
            groups = groups[kept]
        metric = self.metrics[name]
        # rounding leaves constant predictions that differ in their last bits
        if metric == "pearson" and np.ptp(values) < 1e-9:
            return None, None, len(target)
        value = bootstrap(metric, values, target, resamples=0).value
        if value is None or not np.isfinite(value):
            return value, None, len(target)
        return value, resample(metric, value, values, target, groups), len(target)


Best = tuple[str, Resampled]
"""A plain method and its score."""


def reference_rows(
    store: Store, split: str = "default", folds: int = 0, seed: int = 0
) -> list[ReferenceRow]:
    """Scores of every reference method on every task of a store.

    Args:
        store: The entries.
        split: Train and test parts of this split; validation items are used by neither. Not used
            with ``folds``.
        folds: Instead of a split: this many folds of whole groups (`Store.split`), each predicted
            from all others; scores are over all items together.
        seed: Of the folds and the forests.

    Raises:
        ValueError: Fewer than 3 folds, or a split that the store does not have.
    """
    return scored_rows(reference_predictions(store, split, folds, seed))


def reference_predictions(
    store: Store, split: str = "default", folds: int = 0, seed: int = 0
) -> Iterator[Predicted]:
    """Predictions of every reference method; see `reference_rows`."""
    if folds < 0 or folds in (1, 2):
        raise ValueError(f"folds is {folds}; give 3 or more, or 0 for the split {split!r}")
    parts = []
    for name in fold_names(folds, seed) if folds else (split,):
        codes = store.split(name)
        train = codes != TEST if folds else codes == TRAIN
        parts.append((train, codes == TEST))
    for task in store.tasks:
        items = items_of(store, task)
        if not len(items) or not task.num_outputs:
            continue
        places = [
            (np.flatnonzero(train[items.entry]), np.flatnonzero(test[items.entry]))
            for train, test in parts
        ]
        places = [(train, test) for train, test in places if len(train) and len(test)]
        if places:
            for method, predict in _methods(store, items, seed):
                predicted = np.concatenate([predict(*place) for place in places])
                tested = np.concatenate([test for _, test in places])
                groups = store.groups[items.entry][tested]
                yield Predicted(items, method, predicted, tested, groups)


TRAIN, TEST = 0, 2
"""Codes of a split."""


def _methods(store: Store, items: Items, seed: int) -> Iterator[tuple[str, Predict]]:
    target = items.target
    if items.task.kind == "regression":
        yield "training mean", partial(frequency, target)
        for name, (features, make) in regressors(store, items).items():

            def fitted(
                train: Ints,
                test: Ints,
                features: Values = features,
                make: Callable = make,  # type: ignore[type-arg]  # a class of scikit-learn
            ) -> Values:
                model = make(seed).fit(features[train], target[train, 0])
                return np.asarray(model.predict(features[test])).reshape(-1, 1)

            yield name, fitted
        return
    if (items.chain == WHOLE).all():
        yield "training frequency", partial(frequency, target)
        return
    near, related = (Neighbours(store, items, e) for e in (ANY_E, SIGNIFICANT_E))
    yield "training frequency", partial(frequency, target)
    yield (
        "terms of the nearest training sequence",
        lambda train, test: nearest_terms(target, near.matched(test, train), train),
    )

    def identity(among: Neighbours, train: Ints, test: Ints) -> Values:
        return highest_identity(target, among.identity(test, train), train)

    def with_frequency(among: Neighbours, train: Ints, test: Ints) -> Values:
        # halved, to stay in [0, 1]: Fmax looks at the order only
        return (identity(among, train, test) + frequency(target, train, test)) / 2

    yield "highest identity with a training chain of the term", partial(identity, near)
    yield "the same, plus the frequency", partial(with_frequency, near)
    yield (
        "the same of hits up to E = 0.001, plus the frequency",
        partial(with_frequency, related),
    )


def scored_rows(found: Iterable[Predicted]) -> list[ReferenceRow]:
    """Every score of some predictions, with its interval."""
    return [_scored(predicted, name) for predicted in found for name in predicted.metrics]


def _scored(predicted: Predicted, name: str) -> ReferenceRow:
    value, resampled, n = predicted.score(name)
    low, high = mean_interval([resampled]) if resampled is not None else (None, None)
    return ReferenceRow(predicted.items.task.name, predicted.method, name, value, low, high, n)


def by_task(references: Iterable[Predicted]) -> dict[str, list[Predicted]]:
    """The predictions of several methods, by task."""
    found: dict[str, list[Predicted]] = {}
    for each in references:
        found.setdefault(each.items.task.name, []).append(each)
    return found


def rows_less_best(
    label: str, seeds: Sequence[Predicted], plain: Mapping[str, Best | None]
) -> Iterator[ReferenceRow]:
    """A row per score of a model, from the predictions of its seeds, less the best plain method."""
    for name, best in plain.items():
        scores = [each.score(name) for each in seeds]
        mine = [found for _, found, _ in scores if found is not None]
        if len(mine) < len(seeds):
            continue
        value = float(np.mean([each.value for each in mine]))
        low, high = mean_interval(mine)
        row = ReferenceRow(seeds[0].items.task.name, label, name, value, low, high, scores[0][2])
        if best is not None:
            gap = difference(mine, [best[1]])
            row = replace(
                row,
                against=best[0],
                difference=gap.value,
                difference_low=gap.low,
                difference_high=gap.high,
            )
        yield row


def best_scores(methods: Sequence[Predicted], against: str = "") -> dict[str, Best | None]:
    """By name of a score the best of the methods, all of which predicted the same items.

    With ``against`` that method alone; None where a task does not have it.
    """
    chosen = [method for method in methods if against in ("", method.method)]
    return {name: _best(chosen, name) for name in methods[0].metrics}


def _best(methods: Sequence[Predicted], name: str) -> Best | None:
    scores = [(method.method, method.score(name)[1]) for method in methods]
    found = [(method, score) for method, score in scores if score is not None]
    if not found:
        return None
    sign = -1 if METRICS[methods[0].metrics[name]].higher_is_better else 1
    return min(found, key=lambda pair: sign * pair[1].value)


def _sizes(system: Ints) -> Ints:
    """[n], number of items in each item's system; 0 for an item without one."""
    _, inverse, counts = np.unique(system, return_inverse=True, return_counts=True)
    return np.where(system < 0, 0, counts[inverse])


def centred(values: Values, system: Ints) -> Values:
    """Values [n] less the mean of their system."""
    _, inverse, counts = np.unique(system, return_inverse=True, return_counts=True)
    means = np.bincount(inverse, weights=values) / counts
    return np.asarray(values - means[inverse])


def rows_csv(rows: Iterable[ReferenceRow]) -> str:
    """The rows as CSV with full precision; empty cells where there is no value."""
    text = io.StringIO()
    names = [field.name for field in fields(ReferenceRow)]
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows({k: "" if v is None else v for k, v in asdict(r).items()} for r in rows)
    return text.getvalue()


def rows_text(rows: Iterable[ReferenceRow]) -> str:
    """The rows as a table for people: a line per task and method, a column per metric."""
    lines: dict[tuple[str, str], dict[str, ReferenceRow]] = {}
    for row in rows:
        lines.setdefault((row.task, row.method), {})[row.metric] = row
    columns = list(dict.fromkeys(metric for cells in lines.values() for metric in cells))
    table = [["task", "method", "n", *columns]]
    for (task, method), cells in lines.items():
        n = str(max(row.n for row in cells.values()))
        table.append([task, method, n, *(_cell(cells.get(metric)) for metric in columns)])
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in table
    )


def differences_text(rows: Iterable[ReferenceRow]) -> str:
    """A line per row that has a difference."""
    lines = []
    for row in rows:
        if row.difference is not None:
            gap = f"{row.difference:+.3f}"
            if row.difference_low is not None:
                gap += f" ({row.difference_low:+.3f} to {row.difference_high:+.3f})"
            lines.append(f"{row.task}  {row.method}  {row.metric}  {gap}  against {row.against}")
    return "\n".join(lines)


def _cell(row: ReferenceRow | None) -> str:
    if row is None or row.value is None:
        return ""
    interval = f" ({row.low:.3f} to {row.high:.3f})" if row.low is not None else ""
    return f"{row.value:.3f}{interval}"
