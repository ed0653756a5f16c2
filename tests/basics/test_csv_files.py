"""Cells that a spreadsheet would run are quoted; numbers and everything else stay."""

from __future__ import annotations

import csv
import io

import pytest

from hemenet_lab.basics import csv_cell, plain_cell, usable_cores, write_csv

FORMULAS = ["=1+1", "+A1", "-A1", "@SUM(A1)", "=cmd|' /C calc'!A0", "\t=1", "\r=1", "--1", "-1\t"]
HARMLESS = ["", "-", "a=b", "-1", "+2.5e-3", "-inf", "nan", "1abc", " =1"]


@pytest.mark.parametrize("text", FORMULAS)
def test_formulas_are_quoted_and_read_back(text: str) -> None:
    assert csv_cell(text) == f"'{text}"
    assert plain_cell(csv_cell(text)) == text


@pytest.mark.parametrize("text", HARMLESS)
def test_other_text_stays(text: str) -> None:
    assert csv_cell(text) == text
    assert plain_cell(text) == text


def test_numbers_and_missing_values() -> None:
    assert csv_cell(-1.5) == -1.5
    assert csv_cell(-3) == -3
    assert csv_cell(None) == ""


def test_a_written_file() -> None:
    text = io.StringIO()
    write_csv(text, ["=name", "x"], [{"=name": "=1", "x": -1.5}, {"x": None}])
    assert text.getvalue() == "'=name,x\n'=1,-1.5\n,\n"
    assert len(list(csv.reader(io.StringIO(text.getvalue())))) == 3
    with pytest.raises(ValueError, match=r"columns \['y'\] are not among"):
        write_csv(text, ["x"], [{"y": 1}])


def test_there_is_a_core() -> None:
    assert usable_cores() >= 1
