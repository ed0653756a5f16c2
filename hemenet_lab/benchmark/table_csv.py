"""The tidy table as CSV, with full precision: one line per configuration, task and metric."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

from hemenet_lab.benchmark.table_cell import Cell
from hemenet_lab.benchmark.table_cells import ResultTable

FIELDS = (
    "task",
    "metric",
    "mean",
    "std",
    "seeds",
    "seed_list",
    "n",
    "low",
    "high",
    "clusters",
    "per_cluster",
    "constant",
    "mark",
    "paper",
    "paper_notes",
    "paper_comparable",
    "synthetic_data",
    "store_hash",
    "grid",
    "finished_runs",
    "unfinished_runs",
)


def tidy_csv(table: ResultTable) -> str:
    """The cells as CSV; empty where there is no value.

    Axes come first, one column each. ``low`` and ``high`` are the 95 % bootstrap interval over test
    items; Pearson, Spearman and AUPR have none, and no score per cluster.
    """
    axes = list(dict.fromkeys(axis for row in table.rows for axis, _ in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, [*axes, *FIELDS], lineterminator="\n", restval="")
    writer.writeheader()
    writer.writerows(_lines(table))
    return text.getvalue()


def _lines(table: ResultTable) -> Iterator[dict[str, object]]:
    results = table.results
    common = {
        "synthetic_data": str(results.synthetic).lower(),
        "store_hash": results.store_hash,
        "grid": results.grid,
        "finished_runs": len(results.runs),
        "unfinished_runs": len(results.unfinished),
    }
    for cell in table.cells:
        line = {**dict(cell.row), **_fields(cell, results.synthetic), **common}
        yield {key: "" if value is None else value for key, value in line.items()}


def _fields(cell: Cell, synthetic: bool) -> dict[str, object]:
    comparable = ""
    if cell.paper:
        comparable = "no: synthetic data" if synthetic else "no: other test set; see paper_notes"
    return {
        "task": cell.task,
        "metric": cell.metric,
        "mean": cell.mean,
        "std": cell.std,
        "seeds": len(cell.seeds),
        "seed_list": " ".join(map(str, cell.seeds)),
        "n": cell.n,
        "low": cell.low,
        "high": cell.high,
        "clusters": cell.clusters or None,
        "per_cluster": cell.per_cluster,
        "constant": cell.constant,
        "mark": cell.mark,
        "paper": cell.paper.text if cell.paper else None,
        "paper_notes": " ".join(cell.paper.notes) if cell.paper else None,
        "paper_comparable": comparable,
    }
