"""One function over many jobs, in one process and in several."""

from __future__ import annotations

import os

import pytest

from hemenet_lab.protein_mt.build.parallel import run_all


def square(number: int) -> int:
    return number * number


def die(number: int) -> int:
    os._exit(1)


@pytest.mark.parametrize("workers", [1, 2])
def test_results_come_in_order(workers: int) -> None:
    found = run_all(square, range(50), workers=workers, title="Squares", progress=False)
    assert found == [number * number for number in range(50)]


def test_nothing_to_do() -> None:
    assert run_all(square, [], workers=2, title="Squares", progress=False) == []


def test_progress_goes_to_the_error_stream(capsys: pytest.CaptureFixture[str]) -> None:
    run_all(square, range(3), workers=1, title="Squares", progress=True)
    out, err = capsys.readouterr()
    assert out == ""
    assert "Squares" in err
    assert "3/3" in err


def test_dead_worker_says_how_to_go_on() -> None:
    with pytest.raises(ValueError, match="with fewer --workers: it goes on where it stopped"):
        run_all(die, range(4), workers=2, title="Squares", progress=False)
