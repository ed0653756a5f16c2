"""The benchmark: grids of trainings, and tables, figures and reports of their results.

Importing this is cheap; the subfolders have faces of their own.
"""

from __future__ import annotations

from hemenet_lab.benchmark.actions import (
    Launcher,
    Style,
    further_commands,
    grid_commands,
    grid_status,
    grid_table,
    run_grid,
    write_figures,
    write_report,
)
from hemenet_lab.benchmark.grids import RUNS, GridOptions, Resolve
from hemenet_lab.benchmark.llm import LLMOptions, run_llm

__all__ = [
    "RUNS",
    "GridOptions",
    "LLMOptions",
    "Launcher",
    "Resolve",
    "Style",
    "further_commands",
    "grid_commands",
    "grid_status",
    "grid_table",
    "run_grid",
    "run_llm",
    "write_figures",
    "write_report",
]
