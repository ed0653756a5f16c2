from __future__ import annotations

import numpy as np
import pytest

from hemenet_lab.structures import table as text_module
from hemenet_lab.structures.table import Text, is_repeated, join_codes, map_rows, unique_runs


def test_bytes_lose_their_blanks_and_equal_words_are_merged() -> None:
    column = Text.of(np.array([b" CA ", b"CA  ", b"    ", b" N  "]))
    assert column.array().tolist() == ["CA", "CA", "", "N"]
    assert column.equals("CA").tolist() == [True, True, False, False]
    assert column.words() == ["", "CA", "N"]


def test_blanks_stay_on_request() -> None:
    assert Text.of(np.array([b" CA ", b"CA  "]), strip=False).array().tolist() == [" CA ", "CA  "]


def test_replaced_merges_with_an_existing_value() -> None:
    column = Text.of(np.array(["", "_", "A"])).replaced("", "_")
    assert column.array().tolist() == ["_", "_", "A"]
    assert len(set(column.codes.tolist())) == 2


@pytest.mark.parametrize("table_size", [0, 1_000_000])
def test_map_rows_calls_once_per_combination(
    table_size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_module, "_LARGE_TABLE", table_size)
    calls: list[tuple[str, str]] = []

    def joined(left: str, right: str) -> str:
        calls.append((left, right))
        return left + right

    left, right = Text.of(np.array(list("abab"))), Text.of(np.array(list("xyxx")))
    assert map_rows(joined, left, right).tolist() == ["ax", "by", "ax", "bx"]
    assert sorted(calls) == [("a", "x"), ("b", "x"), ("b", "y")]


def test_join_codes_tells_rows_apart_and_takes_negative_numbers() -> None:
    names, numbers = Text.of(np.array(list("aabb"))), np.array([-3, 5, -3, -3])
    codes = join_codes(names, numbers)
    assert codes[2] == codes[3]
    assert len(set(codes.tolist())) == 3


def test_unique_runs_equals_unique() -> None:
    column = np.random.default_rng(0).integers(0, 4, 50)
    values, codes = unique_runs(column)
    assert (values[codes] == column).all()
    assert (np.diff(values) > 0).all()
    assert [len(part) for part in unique_runs(np.array([], np.int64))] == [0, 0]


def test_is_repeated_keeps_the_first() -> None:
    assert is_repeated(np.array([3, 1, 3, 3])).tolist() == [False, False, True, True]
    assert not is_repeated(np.array([3, 1])).any()
    assert len(is_repeated(np.array([], np.int64))) == 0
