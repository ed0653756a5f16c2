from __future__ import annotations

from hemenet_lab.basics import present_name, present_names

TABLE = {"pkg.old": "pkg.new", "pkg.old.special.Thing": "pkg.other.Thing"}


def test_longest_former_name_decides() -> None:
    assert present_name("pkg.old.special.Thing", TABLE) == "pkg.other.Thing"
    assert present_name("pkg.old.special.Other", TABLE) == "pkg.new.special.Other"
    assert present_name("pkg.older.Thing", TABLE) == "pkg.older.Thing"
    assert present_name("pkg.old", TABLE) == "pkg.new"
    assert present_name("Short", TABLE) == "Short"


def test_class_paths_are_translated_wherever_they_are() -> None:
    old = {"a": [{"class_path": "pkg.old.X", "init_args": {"b": {"class_path": "pkg.old.Y"}}}]}
    new = {"a": [{"class_path": "pkg.new.X", "init_args": {"b": {"class_path": "pkg.new.Y"}}}]}
    assert present_names(old, TABLE) == new
    assert present_names({"name": "pkg.old.X"}, TABLE) == {"name": "pkg.old.X"}  # only class paths
