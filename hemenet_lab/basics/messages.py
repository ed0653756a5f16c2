"""Messages of errors in a line."""

from __future__ import annotations

LONGEST = 200
"""Letters of a message of a library that are shown."""


def first_line(error: BaseException, longest: int | None = LONGEST) -> str:
    """The first line of an error's message, or the name of its kind if it has none.

    Args:
        error: What went wrong.
        longest: Letters at most; any number if None.
    """
    return (str(error).strip() or type(error).__name__).splitlines()[0][:longest]
