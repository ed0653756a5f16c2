"""Tables of a grid: rows and cells of scores, and what is printed of them."""

from __future__ import annotations

from hemenet_lab.benchmark.tables.cells import Cell, ResultTable, Scores, tabulate
from hemenet_lab.benchmark.tables.rows import (
    FIRST_AXES,
    TASK_AXIS,
    Row,
    block_of,
    label_of,
    row_of,
    varying_axes,
)
from hemenet_lab.benchmark.tables.sheet import (
    CellText,
    Sheet,
    details,
    lead_lines,
    leads,
    note_lines,
    overview,
    remarks,
    rule,
)

__all__ = [
    "FIRST_AXES",
    "TASK_AXIS",
    "Cell",
    "CellText",
    "ResultTable",
    "Row",
    "Scores",
    "Sheet",
    "block_of",
    "details",
    "label_of",
    "lead_lines",
    "leads",
    "note_lines",
    "overview",
    "remarks",
    "row_of",
    "rule",
    "tabulate",
    "varying_axes",
]
