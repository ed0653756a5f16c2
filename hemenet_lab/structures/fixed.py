"""Numbers in fixed columns: all rows at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def parse_fixed(raw: NDArray[np.uint8], decimals: int) -> NDArray[np.float64] | None:
    """Numbers as Fortran's F format writes them, such as ``" -12.345"``.

    The value is the integer of all digits over a power of ten, which is the double nearest to the
    decimal number, as ``float`` gives.

    Args:
        raw: [A, width], the characters.
        decimals: Digits behind the point; 0 for whole numbers (no point).

    Returns:
        float64 [A]; None if any row is written in another way.
    """
    by_column = np.ascontiguousarray(raw.T)
    point = len(by_column) - decimals - 1 if decimals else len(by_column)
    head, tail = by_column[:point], by_column[point + 1 :]
    digit, minus = _is_digit(head), head == ord("-")
    kind = 2 * digit + minus  # blank 0, minus 1, digit 2: must not fall from left to right
    well_formed = (
        (digit | minus | (head == ord(" "))).all()
        and (kind[:-1] <= kind[1:]).all()
        and not (minus[:-1] & minus[1:]).any()
        and digit[-1].all()
        and (by_column[point : point + 1] == ord(".")).all()
        and _is_digit(tail).all()
    )
    if not well_formed:
        return None
    digits = np.concatenate([np.where(digit, head - ord("0"), 0), tail - ord("0")])
    value = 10.0 ** np.arange(len(digits))[::-1] @ digits.astype(np.float64) / 10**decimals
    return np.where(minus.any(axis=0), -value, value)


def _is_digit(characters: NDArray[np.uint8]) -> NDArray[np.bool_]:
    return (characters >= ord("0")) & (characters <= ord("9"))
