"""Places of files that can be made anew at any time, and of stores that go by a name."""

from __future__ import annotations

import os
from importlib.metadata import entry_points
from pathlib import Path


def cache_folder() -> Path:
    """``HEMENET_CACHE``, ``hemenet_lab`` in ``XDG_CACHE_HOME``, or ``~/.cache/hemenet_lab``."""
    given = os.environ.get("HEMENET_CACHE")
    if given:
        return Path(given)
    shared = os.environ.get("XDG_CACHE_HOME")
    return (Path(shared) if shared else Path.home() / ".cache") / "hemenet_lab"


STORES = "hemenet_lab.stores"
"""Entry-point group of named stores: a name, and a function that gives the store's folder."""


def store_folder(root: str) -> Path:
    """Folder of a store that is given by its path or by a name that is installed.

    An installed name is an entry point of the group `STORES`, so that the loader needs to know
    none of the data sets: ``demo`` is one, a package of a user's may add others. Its function may
    make the store first, and is safe to call from several processes at once.

    Args:
        root: A path, or a name such as ``demo``.
    """
    for point in entry_points(group=STORES, name=root):
        return Path(point.load()())
    return Path(root)
