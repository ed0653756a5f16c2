"""Schemes by which a store can be split, under the names of their splits.

Ours by sequence are in `taskwise` and `balanced`, those by ligand in `scaffold`; here are the
paper's (fully labelled complexes only), the one by release year and DeepFRI's own lists.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from hemenet_lab.protein_mt import SCHEMES
from hemenet_lab.protein_mt.labels import DeepfriLists
from hemenet_lab.protein_mt.raw import year_of
from hemenet_lab.protein_mt.splits.balanced import balanced_split
from hemenet_lab.protein_mt.splits.clusters import Item
from hemenet_lab.protein_mt.splits.inputs import Split, SplitInputs
from hemenet_lab.protein_mt.splits.scaffold import scaffold_split, within_targets_split
from hemenet_lab.protein_mt.splits.taskwise import taskwise_split

PUBLISHED_SHARES = {"test": 0.35, "val": 0.40}
"""Shares of the fully labelled complexes; the rest of them trains (released code, method 1)."""
SLACK = 0.10
"""How far a part may exceed its share when a large group joins it (released code: 35 to 45 %)."""
MIN_FULL_LABEL = 50
"""Fewest fully labelled complexes, and a tenth as many groups, for the published scheme."""
PUBLISHED_RULE = (
    "fully labelled complexes by whole groups: 35 % test, 40 % val; all else trains; other members "
    "of held-out groups are unused"
)


def published_split(inputs: SplitInputs) -> Split:
    """Splits as the paper does: validation and test hold fully labelled complexes only.

    Groups with such complexes are drawn in a seeded order: 35 % of the complexes for test, then
    40 % for validation; all else trains. The other members of held-out groups are unused.

    Raises:
        ValueError: Too few fully labelled complexes or groups of them.
    """
    items, groups = inputs.items, inputs.groups
    full = np.array([item.full_label for item in items], dtype=bool)
    sizes = np.bincount(groups[full], minlength=int(groups.max(initial=-1)) + 1)
    if full.sum() < MIN_FULL_LABEL or (sizes > 0).sum() < MIN_FULL_LABEL // 10:
        raise ValueError(
            f"{full.sum()} fully labelled complexes in {(sizes > 0).sum()} groups are too few for "
            f"the published scheme (at least {MIN_FULL_LABEL} in {MIN_FULL_LABEL // 10}); "
            "use the scheme taskwise"
        )
    part = np.full(len(sizes), "train", dtype="<U6")
    draw = np.random.default_rng(inputs.settings.seed).permutation(len(sizes))
    order = [group for group in draw if sizes[group]]
    for name, share in PUBLISHED_SHARES.items():
        held = 0
        for group in order:
            room = (share + SLACK) * full.sum() - held
            if part[group] == "train" and held < share * full.sum() and sizes[group] <= room:
                part[group] = name
                held += int(sizes[group])
    parts = {
        item.id: "unused" if part[group] != "train" and not item.full_label else str(part[group])
        for item, group in zip(items, groups, strict=True)
    }
    return Split(parts, {"rule": PUBLISHED_RULE, "fully_labelled": int(full.sum())})


DEEPFRI_RULE = (
    "DeepFRI's train, valid and test lists of {table} chains, which are comparable with published "
    "scores for {table} only; entries that no list names are unused"
)
DEEPFRI_LIMIT = "; test chains with {limit} % or more identity to a training chain are unused"


def deepfri_splits(inputs: SplitInputs) -> Iterator[tuple[str, Split]]:
    """``deepfri_ec`` and ``deepfri_go``, and ``deepfri_ec_30`` … with a limit on test chains.

    The lists of EC and of GO are two splits: a test chain of one may train in the other.
    """
    ids = [item.id for item in inputs.items]
    for table, lists in inputs.lists.items():
        listed = sum(item in lists.parts for item in ids)
        rule = DEEPFRI_RULE.format(table=table.upper())
        about = {
            "rule": rule,
            "listed": len(lists.parts),
            "listed_and_stored": listed,
        }
        parts = {item: lists.parts.get(item, "unused") for item in ids}
        if listed:
            yield f"deepfri_{table}", Split(parts, about)
        for limit in lists.limits if listed else ():
            below = _limited(parts, lists, limit)
            yield (
                f"deepfri_{table}_{limit}",
                Split(below, {**about, "rule": rule + DEEPFRI_LIMIT.format(limit=limit)}),
            )


def _limited(parts: dict[str, str], lists: DeepfriLists, limit: int) -> dict[str, str]:
    return {
        item: "unused" if part == "test" and not lists.flags[item][limit] else part
        for item, part in parts.items()
    }


TIME_SHARES = {"test": 0.15, "val": 0.10}
"""Shares of the dated items that the cuts come closest to."""
TIME_RULE = (
    "entries released in test_year or later test, those from val_year on validate, earlier ones "
    "train; cuts lie between years, since some dates are years only; entries without a date are "
    "unused. Proteins may be on both sides: see the leakage report"
)


def time_split(inputs: SplitInputs) -> Split:
    """Splits at two turns of the year.

    Raises:
        ValueError: Fewer than three different years.
    """
    settings = inputs.settings
    years = Counter(year_of(item.date) for item in inputs.items)
    undated = years.pop(0, 0)
    if len(years) < 3:
        raise ValueError(
            f"{years.total()} of {len(inputs.items)} entries have a date, in {len(years)} years; "
            "the scheme time needs three years: add dates.csv (id,date) to the raw folder"
        )
    if settings.test_year:
        val_year, test_year = settings.val_year, settings.test_year
    else:
        val_year, test_year = _cuts(years)
    parts = {item.id: _part(item, val_year, test_year) for item in inputs.items}
    return Split(
        parts,
        {"rule": TIME_RULE, "val_year": val_year, "test_year": test_year, "without_date": undated},
    )


def _cuts(years: Counter[int]) -> tuple[int, int]:
    """First years of ``val`` and ``test``, as near to the shares as whole years allow."""
    known = sorted(years)
    share = {
        year: sum(n for other, n in years.items() if other >= year) / years.total()
        for year in known
    }
    held_out = TIME_SHARES["test"] + TIME_SHARES["val"]
    test_year = min(known[2:], key=lambda year: abs(share[year] - TIME_SHARES["test"]))
    earlier = [year for year in known[1:] if year < test_year]
    return min(earlier, key=lambda year: abs(share[year] - held_out)), test_year


def _part(item: Item, val_year: int, test_year: int) -> str:
    year = year_of(item.date)
    if not year:
        return "unused"
    return "test" if year >= test_year else "val" if year >= val_year else "train"


_SINGLE: dict[str, Callable[[SplitInputs], Split]] = {
    "taskwise": taskwise_split,
    "taskwise_30": partial(taskwise_split, wide=True),
    "balanced": balanced_split,
    "scaffold": scaffold_split,
    "within_targets": within_targets_split,
    "published": published_split,
    "time": time_split,
}
DEFAULT = "default"


def make_splits(inputs: SplitInputs) -> dict[str, Split]:
    """The chosen scheme's split under its own name and as ``default``; others where they fit.

    Raises:
        ValueError: The chosen scheme does not fit the data; says why.
    """
    chosen = inputs.settings.scheme
    splits: dict[str, Split] = {}
    for scheme, split in _SINGLE.items():
        try:
            splits[scheme] = split(inputs)
        except ValueError:
            if scheme == chosen:
                raise
    splits |= dict(deepfri_splits(inputs))
    if chosen not in splits:
        raise ValueError(
            f"the scheme {chosen} needs DeepFRI's split lists (nrPDB-EC_*_train.txt, _valid.txt, "
            "_test.txt; the same for GO) and structures of their chains in the raw folder; get "
            f"them with `hemenet data fetch`, or use one of {', '.join(SCHEMES)}"
        )
    return {DEFAULT: splits[chosen], **splits}
