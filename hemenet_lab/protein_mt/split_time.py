"""A split by time: what was released first trains, what came last tests."""

from __future__ import annotations

from collections import Counter

from hemenet_lab.protein_mt.clusters import Item
from hemenet_lab.protein_mt.dates import year_of
from hemenet_lab.protein_mt.split_inputs import Split, SplitInputs

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
