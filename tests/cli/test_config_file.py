from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from hemenet_lab.cli.config_file import expand_includes


def write(path: Path, **content: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(content))
    return path


def test_included_files_come_first_and_in_order(tmp_path: Path) -> None:
    write(tmp_path / "parts" / "one.yaml", a=1)
    write(tmp_path / "parts" / "two.yaml", include="one.yaml", b=2)
    top = write(tmp_path / "top.yaml", include=["parts/two.yaml", "parts/one.yaml"], c=3)
    loaded = [
        yaml.safe_load(Path(source).read_text() if "\n" not in source else source)
        for source in expand_includes(str(top))
    ]
    assert loaded == [{"a": 1}, {"b": 2}, {"a": 1}, {"c": 3}]


def test_file_without_include_is_passed_on(tmp_path: Path) -> None:
    path = write(tmp_path / "plain.yaml", a=1)
    assert list(expand_includes(str(path))) == [str(path)]


def test_missing_include_names_the_file_and_the_folder(tmp_path: Path) -> None:
    path = write(tmp_path / "top.yaml", include="nowhere.yaml")
    with pytest.raises(ValueError, match=r"includes nowhere.yaml, which is not there; paths are"):
        list(expand_includes(str(path)))


def test_circle_is_an_error(tmp_path: Path) -> None:
    path = write(tmp_path / "a.yaml", include="b.yaml")
    write(tmp_path / "b.yaml", include="a.yaml")
    with pytest.raises(ValueError, match="include each other"):
        list(expand_includes(str(path)))


@pytest.mark.parametrize(
    "name", ["https://x.example/a.yaml", "file:///tmp/a.yaml", "simplecache::https://x.example/a"]
)
def test_addresses_are_never_included(name: str, tmp_path: Path) -> None:
    path = write(tmp_path / "top.yaml", include=[name])
    with pytest.raises(ValueError, match="only files of this machine can be included"):
        list(expand_includes(str(path)))
    with pytest.raises(ValueError, match="configs are read from files only"):
        list(expand_includes(name))


def test_what_is_no_config_is_named(tmp_path: Path) -> None:
    for name, content, message in (
        ("deep.yaml", b"[" * 5000, "nested too deeply|is no YAML"),
        ("bytes.yaml", b"a: \xff\xfe\n", "is no YAML file"),
        ("include.yaml", b"include: 3\n", "give a path, or a list of paths"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match=message):
            list(expand_includes(str(tmp_path / name)))


def test_former_class_paths_are_translated(tmp_path: Path) -> None:
    path = write(tmp_path / "old.yaml", a={"class_path": "hemenet_lab.plugins.X", "b": 1})
    (source,) = expand_includes(str(path))
    assert yaml.safe_load(source) == {"a": {"class_path": "hemenet_lab.saved.plugins.X", "b": 1}}
