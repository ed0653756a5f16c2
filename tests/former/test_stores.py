"""Opens, checks, builds again and finishes stores that were made before the modules moved."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from hemenet_lab.cli import hemenet
from hemenet_lab.protein_mt.build.build import build_store
from hemenet_lab.store.reader import Store
from tests.former.stored import CONTACT, EXPECTED, unpack

PARTIAL = ".partial"
"""Where a build keeps what it has read; a build that was killed then left it under this name."""


def content(folder: Path, pattern: str = "*") -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob(pattern) if path.is_file()}


def test_finished_store_opens_and_is_sound(
    store: Path, raw: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert Store(store).hash == EXPECTED["store_hash"]
    assert len(Store(store)) == 28
    assert hemenet(["data", "verify", str(store), "--raw", str(raw)]) == 0
    assert hemenet(["data", "inspect", str(store)]) == 0
    assert EXPECTED["store_hash"][:12] in capsys.readouterr().out


def without_splits(folder: Path) -> dict[str, list[dict[str, str]]]:
    """Rows of the tables; columns that say where an entry went are left out."""
    tables = {}
    for name, text in content(folder, "*.csv").items():
        rows = csv.DictReader(text.decode().splitlines())
        tables[name] = [
            {key: row[key] for key in row if key not in ("default", "taskwise")} for row in rows
        ]
    return tables


def test_store_built_now_is_the_same(store: Path, fresh: Path) -> None:
    """But for its splits: what was the default is called ``balanced`` now."""
    then, now = content(store, "*.npy"), content(fresh, "*.npy")
    arrays = {name for name in then if not name.startswith("split_")}
    assert {name: now[name] for name in arrays} == {name: then[name] for name in arrays}
    assert now["split_balanced.npy"] == then["split_default.npy"] == then["split_taskwise.npy"]
    tables = without_splits(fresh)
    for name, rows in without_splits(store).items():
        kept = [{key: row[key] for key in rows[0]} for row in tables[name]]
        assert kept == rows


def set_code_version(store: Path, version: str) -> None:
    manifest = json.loads((store / "manifest.json").read_text(encoding="utf-8"))
    (store / "manifest.json").write_text(json.dumps({**manifest, "code_version": version}))


def test_finished_store_is_not_taken_for_one_of_today(store: Path, raw: Path, fresh: Path) -> None:
    """Of the same release number, but built when ligand and partner could lie anywhere."""
    version = json.loads((fresh / "manifest.json").read_text(encoding="utf-8"))["code_version"]
    set_code_version(store, version)
    before = content(store)
    with pytest.raises(ValueError, match=r"contact None instead of 20.*--force"):
        build_store(raw, store, settings=CONTACT)
    assert content(store) == before


def test_finished_store_of_another_release_is_replaced_by_force(
    store: Path, raw: Path, fresh: Path
) -> None:
    set_code_version(store, "0.0.1")
    with pytest.raises(ValueError, match=r"program version 0\.0\.1.*--force"):
        build_store(raw, store, settings=CONTACT)
    assert build_store(raw, store, settings=CONTACT, force=True).built
    assert content(store) == content(fresh)


def half_built(folder: Path) -> list[Path]:
    """Puts the files of the killed build below ``folder``; returns them."""
    partial = folder / PARTIAL
    folder.mkdir()
    shutil.move(unpack("half_built", folder), partial)
    files = sorted(partial.glob("*.npz"))
    assert len(files) == 6
    return files


def test_half_built_store_is_finished(raw: Path, fresh: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    half_built(out)
    # all six were read by the same code, and none of them once that has changed in any way
    assert build_store(raw, out, settings=CONTACT).resumed in (6, 0)
    assert content(out) == content(fresh)
    assert not (out / PARTIAL).exists()


def test_what_older_code_has_read_is_read_anew(raw: Path, fresh: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    for path in half_built(out):
        with np.load(path, allow_pickle=False) as file:
            arrays = dict(file)
        meta = json.loads(str(arrays.pop("meta")))
        arrays["coords"] = np.zeros_like(arrays["coords"])  # shows if it is used after all
        arrays["no_field_of_today"] = np.zeros(3)
        meta = {"signature": "0" * len(meta["signature"]), "no_key_of_today": 1}
        np.savez(path, allow_pickle=False, meta=np.array(json.dumps(meta)), **arrays)
    assert build_store(raw, out, settings=CONTACT).resumed == 0
    assert content(out) == content(fresh)
