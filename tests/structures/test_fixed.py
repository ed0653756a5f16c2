from __future__ import annotations

import numpy as np
import pytest

from hemenet_lab.structures.table import parse_fixed


def _characters(words: list[str]) -> np.ndarray:
    return np.array([list(word.encode()) for word in words], np.uint8)


def test_equals_float_bit_by_bit() -> None:
    rng = np.random.default_rng(1)
    words = [f"{value:8.3f}" for value in rng.uniform(-999, 9999, 2000)]
    parsed = parse_fixed(_characters(words), 3)
    assert parsed is not None
    assert parsed.tolist() == [float(word) for word in words]


def test_whole_numbers() -> None:
    parsed = parse_fixed(_characters(["   1", "-123", "9999", "  -5"]), 0)
    assert parsed is not None
    assert parsed.tolist() == [1, -123, 9999, -5]


@pytest.mark.parametrize(
    "word", ["  1.23  ", "     nan", "        ", "1 23.456", "--23.456", "  -.4567", "12 4.123"]
)
def test_other_ways_of_writing_are_left_to_the_caller(word: str) -> None:
    assert parse_fixed(_characters(["   1.000", word]), 3) is None
