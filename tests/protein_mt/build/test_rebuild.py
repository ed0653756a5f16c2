"""Building again: the same bytes, going on after a stop, and stores that are there already."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from hemenet_lab.protein_mt.build import build as build_module
from hemenet_lab.protein_mt.build.build import build_store
from hemenet_lab.protein_mt.settings import BuildSettings
from hemenet_lab.store.reader import Store
from tests.protein_mt.raw_folder import write_raw


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_raw(tmp_path_factory.mktemp("raw"))


@pytest.fixture(scope="module")
def path(raw: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_store(raw, tmp_path_factory.mktemp("store")).path


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_two_workers_build_the_same_bytes(raw: Path, path: Path, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere"
    shutil.copytree(raw, moved)
    other = build_store(moved, tmp_path / "out", workers=2).path
    assert content(other) == content(path)


def test_killed_build_goes_on(
    raw: Path, path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*args: object, **options: object) -> None:
        raise KeyboardInterrupt

    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr(build_module, "write_store", stop)
        with pytest.raises(KeyboardInterrupt):
            build_store(raw, out)
    partial = out / ".partial"
    done = sorted(partial.glob("*.npz"))
    assert len(done) == 23
    assert not (out / "manifest.json").exists()
    # what else a kill may leave: a half-written result, a half-written store
    for file in done[:4]:
        file.unlink()
    done[4].write_bytes(b"")
    done[5].write_bytes(done[5].read_bytes()[:100])
    (partial / ".1aab.npz.123").write_bytes(b"half")
    (partial / ".store.123.partial").mkdir()
    (out / "coords.npy").write_bytes(b"half")
    again = build_store(raw, out)
    assert again.resumed == 17
    assert content(out) == content(path)


def test_changed_file_is_read_again(
    raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy, out = tmp_path / "raw", tmp_path / "out"
    shutil.copytree(raw, copy)
    with monkeypatch.context() as patch:
        patch.setattr(build_module, "put_in_place", lambda *folders: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            build_store(copy, out)
    ligand = copy / "refined-set" / "1aac" / "1aac_ligand.sdf"
    ligand.write_text(ligand.read_text().replace(" C   0", " N   0"), encoding="utf-8")
    again = build_store(copy, out)
    assert again.resumed == 22
    store = Store(out)
    found = store[store.index("1aac")]
    assert sorted(found.node_type[found.entity == 2].tolist()) == [23, 23, 24]


def test_same_store_is_left_alone(raw: Path, path: Path) -> None:
    before = {file.name: file.stat().st_mtime_ns for file in path.iterdir()}
    again = build_store(raw, path)
    assert not again.built
    assert {file.name: file.stat().st_mtime_ns for file in path.iterdir()} == before


def test_other_store_is_replaced_only_by_force(raw: Path, path: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    shutil.copytree(path, out)
    settings = BuildSettings(seed=5, keep_censored=True)
    with pytest.raises(ValueError, match=r"seed 0 instead of 5; keep_censored False .*--force"):
        build_store(raw, out, settings=settings)
    assert content(out) == content(path)
    build_store(raw, out, settings=settings, force=True)
    store = Store(out)
    # the bound of 1aad is a value now
    assert store[store.index("1aad")].values == {"lba": 6.0}
    assert store.manifest["settings"]["seed"] == 5


def test_other_format_version_and_damage(raw: Path, path: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    shutil.copytree(path, out)
    manifest = json.loads((out / "manifest.json").read_text(encoding="utf-8"))
    (out / "manifest.json").write_text(json.dumps({**manifest, "format_version": 0}))
    with pytest.raises(ValueError, match="version 0 instead of"):
        build_store(raw, out)
    (out / "manifest.json").write_text(json.dumps(manifest))
    (out / "coords.npy").write_bytes(b"cut")
    # a store that lost a part is built again
    assert build_store(raw, out).built
    assert np.isfinite(Store(out)[0].coords).all()


def test_other_files_are_never_touched(raw: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(ValueError, match=r"holds other files \(thesis.tex\) and no store"):
        build_store(raw, tmp_path, force=True)
    assert [file.name for file in tmp_path.iterdir()] == ["thesis.tex"]
    with pytest.raises(ValueError, match="is a file"):
        build_store(raw, tmp_path / "thesis.tex")


def test_second_build_at_once_is_refused(raw: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with (
        build_module._only_builder(out),
        pytest.raises(ValueError, match="another build is writing"),
    ):
        build_store(raw, out)
