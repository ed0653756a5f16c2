"""Results of a grid, read back from the records of its runs, and the numbers of the paper."""

from hemenet_lab.benchmark.results.grid import GridResults, read_grid, same_items
from hemenet_lab.benchmark.results.paper import (
    BY_KEY,
    EVERYWHERE,
    SYNTHETIC,
    PaperValue,
    number_or_none,
    paper_rows,
    paper_value,
    row_position,
)

__all__ = [
    "BY_KEY",
    "EVERYWHERE",
    "SYNTHETIC",
    "GridResults",
    "PaperValue",
    "number_or_none",
    "paper_rows",
    "paper_value",
    "read_grid",
    "row_position",
    "same_items",
]
