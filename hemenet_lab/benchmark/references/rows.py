"""Rows of reference methods: each fitted on training items, judged on test items."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, fields
from functools import partial
from pathlib import Path

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
from hemenet_lab.metrics import bootstrap, resample
from hemenet_lab.store import WHOLE, Store, fold_names, store_folder

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


def reference_rows(
    store: Store, split: str = "default", folds: int = 0, seed: int = 0
) -> list[ReferenceRow]:
    """Every reference method on every task of a store.

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
    if folds < 0 or folds in (1, 2):
        raise ValueError(f"folds is {folds}; give 3 or more, or 0 for the split {split!r}")
    parts = []
    for name in fold_names(folds, seed) if folds else (split,):
        codes = store.split(name)
        train = codes != TEST if folds else codes == TRAIN
        parts.append((train, codes == TEST))
    rows: list[ReferenceRow] = []
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
                rows += _scores(items, method, predicted, tested, store.groups[items.entry])
    return rows


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


def _scores(
    items: Items, method: str, predicted: Values, tested: Ints, groups: Ints
) -> Iterator[ReferenceRow]:
    target = items.target[tested]
    units = groups[tested]
    metrics = ("rmse", "pearson") if items.task.kind == "regression" else ("fmax",)
    for metric in metrics:
        yield _row(items, method, metric, metric, predicted, target, units)
    system = items.system[tested]
    together = np.flatnonzero(_sizes(system) > 1)
    if items.task.kind == "regression" and len(together):
        own, truth = (
            centred(x[together, 0], system[together])[:, None] for x in (predicted, target)
        )
        for metric in metrics:
            name = f"{metric}_centred"
            yield _row(items, method, name, metric, own, truth, units[together])


def _row(
    items: Items,
    method: str,
    name: str,
    metric: str,
    predicted: Values,
    target: Values,
    units: Ints,
) -> ReferenceRow:
    # rounding leaves constant predictions that differ in their last bits
    if metric == "pearson" and np.ptp(predicted) < 1e-9:
        return ReferenceRow(items.task.name, method, name, None, None, None, len(target))
    value = bootstrap(metric, predicted, target, resamples=0).value
    low, high = None, None
    if value is not None and np.isfinite(value):
        drawn = resample(metric, value, predicted, target, units).by_cluster
        if drawn is not None and 2 * np.count_nonzero(~np.isnan(drawn)) >= len(drawn):
            low, high = (float(end) for end in np.nanquantile(drawn, (0.025, 0.975)))
    return ReferenceRow(items.task.name, method, name, value, low, high, len(target))


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


def _cell(row: ReferenceRow | None) -> str:
    if row is None or row.value is None:
        return ""
    interval = f" ({row.low:.3f} to {row.high:.3f})" if row.low is not None else ""
    return f"{row.value:.3f}{interval}"


def run_baselines(
    store: str,
    split: str = "default",
    folds: int = 0,
    seed: int = 0,
    out: Path | None = None,
) -> None:
    """Print `reference_rows` of a store.

    Args:
        store: Folder of a store, or the name of an installed one such as ``demo``.
        split: See `reference_rows`.
        folds: See `reference_rows`.
        seed: See `reference_rows`.
        out: CSV file for the rows with all digits.
    """
    opened = Store(store_folder(store))
    rows = reference_rows(opened, split, folds, seed)
    chosen = f"{folds} folds of whole groups, seed {seed}" if folds else f"split {split}"
    synthetic = ", SYNTHETIC data" if opened.manifest.get("synthetic") else ""
    print(f"Store {opened.path} (hash {opened.hash[:12]}{synthetic}), {chosen}")
    print(rows_text(rows))
    print("In brackets: 95 % intervals when whole groups of test items are drawn again.")
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(rows_csv(rows), encoding="utf-8")
