"""Grids of runs: what a grid file asks for, the command of each run, and its identity."""

from hemenet_lab.benchmark.grids.grid import FOLD_AXIS, Grid, load_grid
from hemenet_lab.benchmark.grids.identities import Identities
from hemenet_lab.benchmark.grids.run import RUNS, GridOptions, GridRun, Resolve

__all__ = [
    "FOLD_AXIS",
    "RUNS",
    "Grid",
    "GridOptions",
    "GridRun",
    "Identities",
    "Resolve",
    "load_grid",
]
