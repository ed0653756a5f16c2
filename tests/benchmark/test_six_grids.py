"""All grids of the project run to the end on synthetic data, recorded in one database."""

from __future__ import annotations

from pathlib import Path

import pytest

from hemenet_lab.benchmark.grids.grid import load_grid
from hemenet_lab.cli import hemenet
from tests.benchmark.commands import NARROW, ROOT, Bench

WIDTH = "model.encoder.init_args.hidden_dim=8"
CHANNELS = "model.encoder.init_args.channels=[8, 8, 8, 8]"
TINY = ("model.node_input.init_args.model=ESM2", "model.node_input.init_args.revision=null")
PARTS = [
    ("table1", (CHANNELS,), ("encoder=cdconv", "setting=multi")),
    ("table1", (WIDTH,), ("encoder=gcn,gearnet,gvp", "setting=multi")),
    ("table1", NARROW, ("encoder=hemenet_plus", "setting=multi")),
    ("table1", NARROW, ("encoder=hemenet",)),
    ("table1", (*TINY, WIDTH), ("encoder=esm2",)),
    ("table1", (*TINY, *NARROW), ("encoder=esm2_hemenet",)),
    ("table3", (WIDTH,), ("encoder=gearnet",)),
    ("table3", NARROW, ("encoder=hemenet",)),
    ("table4", NARROW, ()),
    ("table2", NARROW, ()),
    ("transfer", NARROW, ("tasks=lba+ppa,ec+mf,bp",)),
    ("figure4", NARROW, ()),
]
"""Grid, settings that make its encoders small, and which of its runs these are: single tasks of
HeMeNet stand for those of all encoders of table 1, three sets of tasks for all of transfer.
Settings of the other encoders run in tests/integration/test_recipes.py."""


@pytest.mark.slow
def test_all_grids_run_to_the_end(bench: Bench, esm2: Path) -> None:
    assert hemenet(["data", "embed", str(bench.store), "--model", str(esm2)]) == 0
    new = {}
    for grid, settings, only in PARTS:
        path = ROOT / "experiments" / f"{grid}.yaml"
        options = bench.options(*(word.replace("ESM2", str(esm2)) for word in settings), only=only)
        assert bench.run(path, options) == 0, "\n".join(bench.said)
        assert {each.state for each in bench.statuses(path, options)} == {"finished"}
        new[grid, only] = len(bench.here.commands)
    # multi-task HeMeNet is one of the runs of five grids, and made once
    # sum and mean without task-aware readout are table 3's as well
    assert new["table4", ()] == 3 - 1
    assert new["table2", ()] == 4
    assert new["transfer", ("tasks=lba+ppa,ec+mf,bp",)] == 3
    assert new["figure4", ()] == 0


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("table1", 100),
        ("table2", 5),
        ("table3", 10),
        ("table4", 5),
        ("figure4", 1),
        ("transfer", 28),
        ("results_demo", 28),
    ],
)
def test_number_of_runs(name: str, count: int) -> None:
    grid = load_grid(ROOT / "experiments" / f"{name}.yaml")
    assert len(grid.runs()) == 3 * count
    assert len({run.name for run in grid.runs()}) == 3 * count
