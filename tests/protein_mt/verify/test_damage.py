"""Damaged stores end in faults or in one clear error, never in another one; no flip is missed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hemenet_lab.protein_mt.verify import table, verify_store
from tests.protein_mt.verify.planted import reseal

FLIPS = 60
VALUES = (None, True, -1, 10**30, float("inf"), float("nan"), "x", "\ud800\x1b", [], {}, [[]], [{}])
"""Values that replace parts of a manifest."""


@pytest.fixture
def sealed(damaged: Path) -> Path:
    """A store with a checksum over its whole manifest."""
    reseal(damaged)
    return damaged


def found_in(store: Path, raw: Path | None = None) -> list[str]:
    """Faults of a store, or the one error that says that its manifest cannot be read."""
    try:
        checks = verify_store(store, raw)
    except ValueError as error:
        if f"{store} holds no store whose manifest can be read" in str(error):
            return [str(error)]
        raise
    table(checks).encode()
    return [fault for check in checks for fault in check.faults]


def flip(path: Path, rng: np.random.Generator, first: int | None = None) -> int:
    """Flips a random bit (of the first bytes) of a file, and returns its byte."""
    content = bytearray(path.read_bytes())
    place = int(rng.integers(min(len(content), first or len(content))))
    content[place] ^= 1 << int(rng.integers(8))
    path.write_bytes(content)
    return place


def test_no_flipped_bit_is_missed(sealed: Path, full_raw: Path) -> None:
    assert found_in(sealed, full_raw) == []
    rng = np.random.default_rng(0)
    names = sorted(path.name for path in sealed.iterdir())
    for number in range(FLIPS):
        name = names[number % len(names)]
        before = (sealed / name).read_bytes()
        place = flip(sealed / name, rng)
        assert found_in(sealed, full_raw), (name, place)
        (sealed / name).write_bytes(before)
    assert found_in(sealed) == []


@pytest.mark.parametrize("first", [128, None], ids=["headers", "anywhere"])
def test_flipped_bits_with_fitting_checksums(
    sealed: Path, full_raw: Path, first: int | None
) -> None:
    """Sealed again, so that the checks of the content meet the damage."""
    rng = np.random.default_rng(1)
    names = sorted(path.name for path in sealed.iterdir() if path.name != "manifest.json")
    for number in range(FLIPS):
        name = names[number % len(names)]
        before = (sealed / name).read_bytes()
        flip(sealed / name, rng, first)
        reseal(sealed)
        found_in(sealed, full_raw)
        (sealed / name).write_bytes(before)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_cut_files(sealed: Path, full_raw: Path, share: float) -> None:
    for path in sorted(sealed.iterdir()):
        before = path.read_bytes()
        path.write_bytes(before[: int(len(before) * share)])
        assert found_in(sealed, full_raw), path.name
        if path.name != "manifest.json":
            reseal(sealed)
            found_in(sealed, full_raw)
        path.write_bytes(before)
        reseal(sealed)


def places(record: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Places of all parts of a JSON document, the first three of each list."""
    yield path
    parts = record.items() if isinstance(record, dict) else ()
    parts = enumerate(record[:3]) if isinstance(record, list) else parts
    for key, value in parts:
        yield from places(value, (*path, key))


def test_manifests_with_other_values(damaged: Path, full_raw: Path) -> None:
    path = damaged / "manifest.json"
    text = path.read_text(encoding="utf-8")
    rng = np.random.default_rng(2)
    everywhere = list(places(json.loads(text)))
    shallow = [place for place in everywhere if 1 <= len(place) <= 2]
    deep = [everywhere[index] for index in rng.integers(1, len(everywhere), 40)]
    for number, place in enumerate((*shallow, *deep)):
        manifest = json.loads(text)
        inner = manifest
        for key in place[:-1]:
            inner = inner[key]
        if number % 13 == 12:
            del inner[place[-1]]
        else:
            inner[place[-1]] = VALUES[number % len(VALUES)]
        path.write_text(json.dumps(manifest), encoding="utf-8")
        found_in(damaged, full_raw)


@pytest.mark.parametrize(
    "text",
    ["", "[]", "3", "null", "{", '{"tasks": 1}', "[" * 100_000, "\x00", '{"files": {"a": 1}}'],
    ids=range(9),
)
def test_manifests_that_are_none(damaged: Path, text: str) -> None:
    (damaged / "manifest.json").write_text(text)
    [fault] = found_in(damaged)
    assert "build one with `hemenet data build`" in fault


def test_a_manifest_names_no_files_elsewhere(sealed: Path) -> None:
    outside = sealed.parent / "coords.npy"
    shutil.copyfile(sealed / "coords.npy", outside)
    manifest = json.loads((sealed / "manifest.json").read_text(encoding="utf-8"))
    manifest["files"]["../coords.npy"] = manifest["files"]["coords.npy"]
    (sealed / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    reseal(sealed)
    assert found_in(sealed) == [
        "the manifest names '../coords.npy', which is no file of a store",
    ]


@pytest.mark.parametrize("name", ["drops.csv", "entries.csv", "chains.csv"])
def test_tables_that_lost_their_end(sealed: Path, name: str) -> None:
    """Whole lines are missing, and the checksums fit."""
    lines = (sealed / name).read_bytes().splitlines(keepends=True)
    (sealed / name).write_bytes(b"".join(lines[:-1]))
    reseal(sealed)
    assert found_in(sealed)
