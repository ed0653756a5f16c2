"""A table that was stopped anywhere is gone on with: nothing lost, nothing twice."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pyarrow import parquet

from hemenet_lab import Predictor
from hemenet_lab.prediction import Complex, Result
from hemenet_lab.prediction.output import FORMS, Resumable

MADE_WITH = {"checkpoint": ["a" * 64], "contact": 8.0}


@pytest.fixture(scope="module")
def predicted(folder: Path, files: list[Path]) -> list[tuple[Complex, Result]]:
    predictor = Predictor(folder / "plain.ckpt", device="cpu")
    return [(Complex(path), predictor.predict(path)) for path in files]


def go_on(
    path: Path,
    predicted: list[tuple[Complex, Result]],
    overwrite: bool = False,
    **made_with: object,
) -> int:
    """Write what is not there yet; the number of complexes that were."""
    form = FORMS[path.suffix[1:]](0.5)
    table = Resumable(path, form, {**MADE_WITH, **made_with}, overwrite)
    kept = len(table)
    for asked, result in predicted:
        if not table.has(asked):
            table.add(asked, [result])
    table.close(complete=True)
    return kept


def content(path: Path) -> object:
    if path.suffix == ".parquet":
        return parquet.read_table(path).to_pylist()
    if path.suffix == ".json":
        return json.loads(path.read_text())
    return path.read_bytes()


@pytest.mark.parametrize("kind", FORMS)
def test_a_table_killed_anywhere_becomes_the_same(
    kind: str, predicted: list[tuple[Complex, Result]], tmp_path: Path
) -> None:
    whole = tmp_path / f"whole.{kind}"
    predicted = predicted[:2]
    go_on(whole, predicted)
    expected = content(whole)
    for moment in range(22):
        path = tmp_path / f"{moment}" / f"table.{kind}"
        child = os.fork()
        if not child:
            _killed_at(moment, path, predicted)
        status = os.waitpid(child, 0)[1]
        go_on(path, predicted)
        assert content(path) == expected, moment
        assert {each.name for each in path.parent.iterdir()} == {path.name, f"{path.name}.progress"}
        if os.WIFEXITED(status):
            assert os.WEXITSTATUS(status) == 0
            break
    assert moment > len(predicted)


def _killed_at(moment: int, path: Path, predicted: list[tuple[Complex, Result]]) -> None:
    """Write until the given write, of which half arrives, and die as by ``kill -9``.

    Replacing and removing a file, and the lines of Python before, are moments as well.
    """
    left = moment

    def step(last_words: Callable[[], object] = lambda: None) -> None:
        nonlocal left
        if not left:
            last_words()
            os.kill(os.getpid(), signal.SIGKILL)
        left -= 1

    class Dying:
        def __init__(self, stream: Any) -> None:
            self._stream = stream

        def __getattr__(self, name: str) -> Any:
            return getattr(self._stream, name)

        def __enter__(self) -> Dying:
            return self

        def __exit__(self, *error: object) -> None:
            self._stream.close()

        def write(self, data: bytes) -> int:
            def half() -> None:
                self._stream.flush()
                os.write(self._stream.fileno(), data[: len(data) // 2])

            step(half)
            return self._stream.write(data)

    opened, replaced, unlinked = Path.open, os.replace, Path.unlink
    Path.open = lambda self, *a, **k: Dying(opened(self, *a, **k))  # type: ignore[method-assign]
    os.replace = lambda *a: (step(), replaced(*a))
    Path.unlink = lambda self, **k: (step(), unlinked(self, **k))  # type: ignore[method-assign]
    try:
        go_on(path, predicted)
        os._exit(0)
    except BaseException:
        os._exit(3)


@pytest.mark.parametrize("kind", FORMS)
def test_a_finished_table_takes_more(
    kind: str, predicted: list[tuple[Complex, Result]], tmp_path: Path
) -> None:
    path, whole = tmp_path / f"table.{kind}", tmp_path / f"whole.{kind}"
    go_on(whole, predicted)
    assert go_on(path, predicted[:1]) == 0
    assert go_on(path, predicted[:1]) == 1
    assert go_on(path, predicted[:3]) == 1
    assert go_on(path, predicted) == 3
    assert content(path) == content(whole)


def test_what_was_made_with_something_else_is_refused(
    predicted: list[tuple[Complex, Result]], tmp_path: Path
) -> None:
    path = tmp_path / "table.csv"
    go_on(path, predicted[:2])
    before = path.read_bytes()
    with pytest.raises(ValueError, match="begun with another checkpoint: aaaaaaaaaaaa…, now bbbb"):
        go_on(path, predicted, checkpoint=["b" * 64])
    with pytest.raises(ValueError, match=r"begun with another contact: 8.0, now 9.0; give another"):
        go_on(path, predicted, contact=9.0)
    assert path.read_bytes() == before
    assert go_on(path, predicted, overwrite=True, contact=9.0) == 0


def test_what_others_did_to_the_table_is_refused(
    predicted: list[tuple[Complex, Result]], tmp_path: Path
) -> None:
    path = tmp_path / "table.csv"
    path.write_text("mine")
    with pytest.raises(ValueError, match="not from a run that can be resumed"):
        go_on(path, predicted)
    assert path.read_text() == "mine"
    go_on(path, predicted[:1], overwrite=True)
    path.write_text(path.read_text().replace("task", "TASK"))
    with pytest.raises(ValueError, match="was changed by something else"):
        go_on(path, predicted)


def test_a_structure_that_changed_is_told(
    predicted: list[tuple[Complex, Result]], tmp_path: Path
) -> None:
    [(asked, result), *_] = predicted
    mine = tmp_path / "mine.pdb"
    mine.write_bytes(asked.structure.read_bytes())
    go_on(tmp_path / "table.csv", [(Complex(mine), result)])
    mine.write_bytes(asked.structure.read_bytes() + b"\n")
    with pytest.raises(ValueError, match=r"mine.pdb has changed since"):
        go_on(tmp_path / "table.csv", [(Complex(mine), result)])


def test_two_processes_do_not_write_one_table(
    predicted: list[tuple[Complex, Result]], tmp_path: Path
) -> None:
    path = tmp_path / "table.csv"
    first = Resumable(path, FORMS["csv"](), MADE_WITH)
    with pytest.raises(ValueError, match="another process writes"):
        go_on(path, predicted)
    first.close(complete=True)
    assert go_on(path, predicted) == 0
