"""Where files go that can be made anew at any time."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path:
    """``HEMENET_CACHE``, ``hemenet_lab`` in ``XDG_CACHE_HOME``, or ``~/.cache/hemenet_lab``."""
    given = os.environ.get("HEMENET_CACHE")
    if given:
        return Path(given)
    shared = os.environ.get("XDG_CACHE_HOME")
    return (Path(shared) if shared else Path.home() / ".cache") / "hemenet_lab"
