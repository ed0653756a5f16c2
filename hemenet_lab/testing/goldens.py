"""Compares encoders, readouts and metrics with golden numbers of their published originals.

``python -m hemenet_lab.testing.goldens DIR [--only NAME ...]`` prints a table and ends with a
non-zero status if a tolerance is exceeded, an array is not covered or a file cannot be checked.
"""

from __future__ import annotations

import argparse
import sys
import traceback
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from hemenet_lab.testing.checks import Comparison, Fixture, FixtureError

_HEADER = ("fixture", "variant", "quantity", "largest error", "tolerance", "ok")


@dataclass(frozen=True)
class Row:
    """One line of the report."""

    fixture: str
    variant: str
    quantity: str
    error: str
    tolerance: str
    ok: bool
    note: str = ""

    def cells(self) -> tuple[str, ...]:
        """Texts of the table's columns."""
        verdict = self.note if self.ok and self.note else "ok" if self.ok else f"NO {self.note}"
        return (self.fixture, self.variant, self.quantity, self.error, self.tolerance, verdict)


def fixture_files(folder: Path, only: Sequence[str] | None = None) -> list[Path]:
    """Files of golden numbers in a folder, sorted; those named in ``only`` if given.

    Raises:
        ValueError: Not a folder, no file in it, or a name that it does not have.
    """
    if not folder.is_dir():
        raise ValueError(f"{folder} is not a folder; give the folder that holds the .npz files")
    files = {path.stem: path for path in sorted(folder.glob("*.npz"))}
    if not files:
        raise ValueError(f"{folder} has no .npz file of golden numbers")
    unknown = sorted(set(only or ()) - set(files))
    if unknown:
        raise ValueError(f"{folder} has no {', '.join(unknown)}; it has {', '.join(files)}")
    return [path for name, path in files.items() if not only or name in only]


def check_file(path: Path) -> Iterator[Row]:
    """Rows of one file: a comparison each, and whatever kept an array from being compared."""
    try:
        fixture = Fixture.load(path)
    except FixtureError as error:
        yield _failure(path.stem, f"cannot be checked: {error}")
        return
    module = f"hemenet_lab.testing.checks.{fixture.kind}"
    if find_spec(module) is None:
        yield _failure(fixture.name, "cannot be checked: there is no checker for this fixture")
        return
    yield from _check(fixture, module)


def _check(fixture: Fixture, module: str) -> Iterator[Row]:
    seen: list[Comparison] = []
    try:
        for comparison in import_module(module).check(fixture):
            seen.append(comparison)
            yield _row(fixture, comparison)
    except Exception as error:
        # the other files must still be checked; this one fails with its traceback
        traceback.print_exc()
        yield _failure(fixture.name, f"checker stopped: {type(error).__name__}: {error}")
    for key, reason in fixture.excluded.items():
        yield Row(fixture.name, "", key, "", "", True, f"not a target: {reason}")
    for key in fixture.uncovered(seen):
        yield _failure(fixture.name, "not covered by the checker", key)


def _row(fixture: Fixture, comparison: Comparison) -> Row:
    ok, note = comparison.ok, ""
    if not fixture.has(comparison.key):
        ok, note = False, f"the file has no {comparison.key}"
    return Row(
        fixture.name,
        comparison.variant,
        comparison.quantity,
        f"{comparison.error:.1e}",
        f"{comparison.tolerance:.0e}",
        ok,
        note,
    )


def _failure(name: str, note: str, quantity: str = "") -> Row:
    return Row(name, "", quantity, "", "", False, note)


def table(rows: Iterable[Row]) -> str:
    """Rows as aligned text under a header."""
    lines = [_HEADER, *(row.cells() for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(_HEADER) - 1)]
    return "\n".join(
        "  ".join([*(cell.ljust(w) for cell, w in zip(line, widths, strict=False)), line[-1]])
        for line in lines
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; the exit status is 0 if all is well, 1 for a failure, 2 for a wrong call."""
    parser = argparse.ArgumentParser(prog="python -m hemenet_lab.testing.goldens")
    parser.add_argument("folder", type=Path, help="folder with the .npz files")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="check these files only")
    options = parser.parse_args(arguments)
    try:
        files = fixture_files(options.folder, options.only)
    except ValueError as error:
        parser.error(str(error))
    rows = [row for path in files for row in check_file(path)]
    print(table(rows))
    failed = sum(not row.ok for row in rows)
    print(f"\n{len(files)} files, {len(rows)} rows, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
