"""Choosing a command of `hemenet`, and how it ends."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

import hemenet_lab
from hemenet_lab.cli import data, hemenet
from hemenet_lab.cli.command import call
from hemenet_lab.cli.main import COMMANDS, OTHER_NAMES, split_command


def test_every_target_is_there() -> None:
    for name, command in COMMANDS.items():
        if command.target:
            module, _, function = command.target.partition(":")
            assert callable(getattr(importlib.import_module(module), function)), name
    assert set(OTHER_NAMES.values()) <= set(COMMANDS)


def test_the_longest_command_is_meant() -> None:
    assert split_command(["data", "build", "--raw", "r"]) == ("data build", ["--raw", "r"])
    assert split_command(["data", "bild"]) == ("data", ["bild"])
    assert split_command(["report", "g"]) == ("benchmark report", ["g"])
    assert split_command(["--help"]) == ("", ["--help"])


@pytest.mark.parametrize(
    ("words", "status", "expected"),
    [
        ([], 2, "usage: hemenet COMMAND"),
        (["--help"], 0, "benchmark  run grids"),
        (["data", "--help"], 0, "inspect  print what a store holds"),
        (["data", "bild"], 2, "unknown command 'bild'; did you mean 'build'?"),
        (["dta"], 2, "did you mean 'data'?"),
        (["--version"], 0, f"hemenet-lab {hemenet_lab.__version__}"),
    ],
)
def test_without_a_command(
    words: list[str], status: int, expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert hemenet(words) == status
    printed = capsys.readouterr()
    assert expected in (printed.err if status else printed.out)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["data", "inspect"], "arguments are required: store"),
        (["data", "build", "--raw", "a", "--out", "b", "--sed", "1"], "did you mean --seed?"),
        (["data", "build", "--raw", "a", "--out", "b", "--seed", "x"], "seed"),
        (["data", "fetch", "--out", "a", "--format", "pdb"], "bcif"),
    ],
)
def test_a_wrong_option_is_one_line(
    words: list[str], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        hemenet(words)
    assert stop.value.code == 2
    error = capsys.readouterr().err
    assert expected in error
    assert error.startswith(f"hemenet {words[0]} {words[1]}: ")
    assert len(error.splitlines()) == 1


def test_interruption_says_what_is_kept(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def stop(*args: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("hemenet_lab.protein_mt.build.build_store", stop)
    assert hemenet(["data", "build", "--raw", str(tmp_path), "--out", str(tmp_path / "o")]) == 130
    assert "The structures that were read are kept" in capsys.readouterr().err


def test_names_may_have_hyphens_or_underscores() -> None:
    seen: list[object] = []

    def command(
        places: tuple[Path, ...],
        *,
        max_atoms: int = 1,
        keep_it: bool = False,
        some_words: tuple[str, ...] = (),
    ) -> None:
        seen.append((places, max_atoms, keep_it, some_words))

    for words in (
        ["a", "b", "--max-atoms", "3", "--keep-it", "--some-words", "x", "y", "--some-words=z-w"],
        ["a", "b", "--max_atoms=3", "--keep_it", "--some_words", "x", "--some_words", "y", "z-w"],
    ):
        assert call(command, words, "command") == 0
    assert seen == [((Path("a"), Path("b")), 3, True, ("x", "y", "z-w"))] * 2
    call(command, ["a", "--no_keep_it"], "command")
    call(command, ["a", "--no-keep-it"], "command")
    assert seen[2:] == [((Path("a"),), 1, False, ())] * 2


def test_options_have_help(capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("sources", "fetch", "build", "inspect", "verify"):
        with pytest.raises(SystemExit):
            call(getattr(data, name), ["--help"], f"hemenet data {name}")
        for option in capsys.readouterr().out.split("options:")[1].split("\n  -")[2:]:
            assert len(option.split("(")[0].split()) > 2, option


def test_the_face_is_typed_and_whole() -> None:
    for name in hemenet_lab.__all__:
        assert getattr(hemenet_lab, name) is not None
        assert name in dir(hemenet_lab)
    with pytest.raises(AttributeError, match="has no attribute 'Nothing'"):
        hemenet_lab.Nothing  # noqa: B018 - the access is the test
