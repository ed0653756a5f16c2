"""The comparison of golden numbers: what passes, and everything that must not."""

from __future__ import annotations

import json
import sys
import types

import numpy as np
import pytest
import torch

from hemenet_lab.testing import goldens
from hemenet_lab.testing.checks.fixture import Comparison, Fixture, FixtureError

KIND = "doubling"


def write(folder, name=KIND, kind=KIND, **changed):
    """A file whose outputs are twice its input, in two variants."""
    x = np.arange(6.0).reshape(2, 3)
    meta = {"fixture": kind, "hyperparameters": {"variants": {"a": {"times": 2}, "b": {}}}}
    arrays = {
        "input/x": x,
        "param/a/w.0": np.ones(2),
        "output/a/y": 2 * x,
        "output/b/train/y": 2 * x,
        "grad/a/input/x": 2 * np.ones_like(x),
        "extra/b/z": x,
        "meta": json.dumps(meta),
    } | changed
    np.savez(folder / f"{name}.npz", **arrays)
    return folder / f"{name}.npz"


def good_check(fixture):
    x = fixture.input("x").requires_grad_()
    y = 2 * x
    y.sum().backward()
    yield fixture.compare("output/a/y", y)
    yield Comparison("b", "train/y", y, fixture.array("output/b/train/y"))
    yield fixture.compare("grad/a/input/x", x.grad)


@pytest.fixture
def checker(monkeypatch):
    """Puts a check function where the checkers are found."""

    def install(check):
        module = types.ModuleType("checker")
        module.check = check
        module.__spec__ = object()
        monkeypatch.setitem(sys.modules, f"hemenet_lab.testing.checks.{KIND}", module)

    return install


def test_all_covered_and_equal_passes(tmp_path, checker, capsys):
    checker(good_check)
    write(tmp_path)
    assert goldens.main([str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert "1 files, 3 rows, 0 failed" in printed
    header, *rows = printed.splitlines()
    columns = ["fixture", "variant", "quantity", "largest", "error", "tolerance", "ok"]
    assert header.split() == columns
    assert rows[1].split() == [KIND, "b", "train/y", "0.0e+00", "1e-09", "ok"]


def test_an_error_above_the_tolerance_fails(tmp_path, checker, capsys):
    def check(fixture):
        for comparison in good_check(fixture):
            got = torch.as_tensor(comparison.got) + 1e-7
            yield Comparison(comparison.variant, comparison.quantity, got, comparison.want)

    checker(check)
    write(tmp_path)
    assert goldens.main([str(tmp_path)]) == 1
    assert "3 failed" in capsys.readouterr().out


def test_an_array_that_no_comparison_covers_fails(tmp_path, checker, capsys):
    checker(lambda fixture: list(good_check(fixture))[:2])
    write(tmp_path)
    assert goldens.main([str(tmp_path)]) == 1
    assert "grad/a/input/x" in capsys.readouterr().out


def test_an_excluded_array_is_printed_with_its_reason(tmp_path, checker, capsys):
    def check(fixture):
        yield from list(good_check(fixture))[:2]
        fixture.exclude("grad/a/input/x", "depends on the machine")

    checker(check)
    write(tmp_path)
    assert goldens.main([str(tmp_path)]) == 0
    assert "not a target: depends on the machine" in capsys.readouterr().out


def test_a_comparison_of_an_array_that_the_file_lacks_fails(tmp_path, checker, capsys):
    def check(fixture):
        yield from good_check(fixture)
        yield Comparison("a", "typo", 1.0, 1.0)

    checker(check)
    write(tmp_path)
    assert goldens.main([str(tmp_path)]) == 1
    assert "the file has no output/a/typo" in capsys.readouterr().out


def test_a_checker_that_stops_fails_its_file_only(tmp_path, checker, capsys):
    def check(fixture):
        if fixture.name == "broken":
            raise RuntimeError("no such layer")
        yield from good_check(fixture)

    checker(check)
    write(tmp_path)
    write(tmp_path, "broken")
    assert goldens.main([str(tmp_path)]) == 1
    captured = capsys.readouterr()
    assert "checker stopped: RuntimeError: no such layer" in captured.out
    assert "test_goldens.py" in captured.err
    assert goldens.main([str(tmp_path), "--only", KIND]) == 0


@pytest.mark.parametrize("kind", ["nothing_of_ours", "not a name"])
def test_a_fixture_without_checker_cannot_be_checked(tmp_path, kind, capsys):
    write(tmp_path, "strange", kind=kind)
    assert goldens.main([str(tmp_path)]) == 1
    assert "cannot be checked" in capsys.readouterr().out


def test_unknown_name_empty_folder_and_no_folder_are_errors(tmp_path, capsys):
    for arguments, message in (
        ([tmp_path], "has no .npz file"),
        ([tmp_path / "absent"], "is not a folder"),
    ):
        with pytest.raises(SystemExit) as stop:
            goldens.main([str(part) for part in arguments])
        assert stop.value.code == 2
        assert message in capsys.readouterr().err
    write(tmp_path)
    with pytest.raises(SystemExit):
        goldens.main([str(tmp_path), "--only", "absent"])
    assert f"has no absent; it has {KIND}" in capsys.readouterr().err


def test_error_measure():
    def error(got, want):
        return Comparison("", "q", got, want).error

    assert error(np.array([1.0, 30.0]), np.array([1.0, 20.0])) == 0.5
    assert error(torch.tensor(0.25), np.array(0.0)) == 0.25
    assert error(np.zeros(3), np.zeros(2)) == float("inf")
    assert error(np.array([np.nan]), np.array([1.0])) == float("inf")
    assert error(np.zeros(0), np.zeros(0)) == 0


def test_fixture_gives_typed_copies(tmp_path):
    fixture = Fixture.load(write(tmp_path, **{"input/index": np.arange(3)}))
    assert fixture.input("x").dtype == torch.float64
    assert fixture.input("index").dtype == torch.int64
    fixture.input("x").zero_()
    assert fixture.input("x").sum() == 15
    assert list(fixture.params("a")) == ["w.0"]
    assert fixture.variants["a"] == {"times": 2}
    assert fixture.keys("output/a") == ["output/a/y"]
    assert fixture.compare("extra/b/z", 0.0).key == "extra/b/z"


def test_a_file_without_meta_is_refused(tmp_path):
    np.savez(tmp_path / "plain.npz", x=np.zeros(2))
    with pytest.raises(FixtureError, match="not a file of golden numbers"):
        Fixture.load(tmp_path / "plain.npz")
