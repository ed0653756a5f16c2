from __future__ import annotations

import csv

import pytest

from hemenet_lab.benchmark.results.paper import (
    BY_KEY,
    VALUES,
    paper_rows,
    paper_value,
    row_position,
)
from tests.shared import SHARED, needs_shared


def notes(grid: str, choices: list[str], task: str, metric: str) -> set[str]:
    value = paper_value(grid, choices, task, metric)
    assert value is not None
    return set(value.notes)


@pytest.mark.parametrize(
    ("grid", "choices", "task", "metric", "text"),
    [
        ("table1", ["multi", "hemenet"], "lba", "rmse", "1.730"),
        ("table1", ["hemenet", "single"], "ppa", "rmse", "6.031"),
        ("table1", ["Multi", "GearNet-fullatom"], "cc", "fmax", "0.443"),
        ("table1", ["multi", "hemenet_alpha", "all"], "ppa", "mae", "0.719"),
        ("table2", ["8.33 %"], "ppa", "rmse", "1.651"),
        ("table2", ["100.0"], "ppa", "rmse", "1.087"),
        ("table3", ["gearnet", "task_aware"], "ec", "fmax", "0.421"),
        ("table4", ["no_relations"], "lba", "rmse", "1.790"),
    ],
)
def test_values(grid: str, choices: list[str], task: str, metric: str, text: str) -> None:
    value = paper_value(grid, choices, task, metric)
    assert value is not None
    assert (value.text, value.value) == (text, float(text))


def test_absent_values() -> None:
    assert paper_value("table1", ["multi", "gcn"], "lba", "rmse") is None
    assert paper_value("table1", ["multi", "hemenet"], "lba", "pearson") is None
    assert paper_value("table2", ["100"], "lba", "rmse") is None
    assert paper_value("transfer", ["multi", "hemenet"], "lba", "rmse") is None


def test_rows_stand_in_the_order_of_the_paper() -> None:
    assert len(paper_rows("table1")) == 21
    assert row_position("table1", ["single", "gcn"]) == 0
    assert row_position("table1", ["multi", "gcn"]) == 21
    assert paper_rows("table2")[1] == ("8.33",)


def test_notes() -> None:
    single = notes("table1", ["single", "schnet"], "ppa", "rmse")
    assert {"ppa-placeholder", "ppa-15-items", "atoms-without-residues"} == single
    assert "lba-placeholder" in notes("table1", ["single", "schnet"], "lba", "mae")
    multi = notes("table1", ["multi", "hemenet"], "ec", "fmax")
    assert multi == {"one-protein", "fmax-grid"}
    assert "alpha-without-residues" in notes("table1", ["multi", "hemenet_alpha"], "ec", "fmax")
    assert "alpha-without-residues" in notes("table4", ["alpha_carbon"], "ppa", "rmse")
    assert "sum-was-mean" in notes("table3", ["hemenet", "sum"], "ec", "fmax")
    assert "sum-was-mean" in notes("table4", ["no_tar"], "lba", "rmse")
    assert "sum-was-mean" not in notes("table3", ["hemenet", "weighted"], "ec", "fmax")
    assert notes("table2", ["0"], "ppa", "rmse") == {"ppa-15-items"}
    assert "one-layer" in notes("table1", ["single", "gat"], "ec", "fmax")


def test_every_note_is_used() -> None:
    with VALUES.open(newline="") as stream:
        lines = list(csv.DictReader(stream))
    used = set()
    for line in lines:
        place = line["table"], line["row"].split(), line["task"], line["metric"]
        used |= notes(*place)
    assert used == set(BY_KEY)


@needs_shared
def test_numbers_are_those_of_the_paper() -> None:
    assert SHARED is not None
    keys = {
        "table1": ("setting", "encoder"),
        "table2": ("ppa_training_share_percent",),
        "table3": ("encoder", "readout"),
        "table4": ("variant",),
    }
    count = 0
    for grid, names in keys.items():
        with (SHARED / "paper" / f"{grid}.csv").open(newline="", encoding="utf-8") as stream:
            for line in csv.DictReader(stream):
                row = [{"gpt4": "llm"}.get(line[name], line[name]) for name in names]
                for column, text in line.items():
                    if column in (*names, "printed_name") or not text:
                        continue
                    value = paper_value(grid, row, *column.split("_"))
                    assert value is not None
                    assert value.text == text
                    count += 1
    with VALUES.open(newline="") as stream:
        assert count == len(list(csv.DictReader(stream)))
