"""Where the optional reference material lies: real sample data and golden numbers."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

_PLACE = Path(os.environ.get("HEMENET_SHARED", Path(__file__).resolve().parents[2] / "shared"))

SHARED: Path | None = _PLACE if _PLACE.is_dir() else None
SAMPLE: Path | None = SHARED / "data" / "protein-mt-sample" if SHARED else None
GOLDENS: Path | None = SHARED / "goldens" if SHARED else None

needs_shared = pytest.mark.skipif(
    SHARED is None, reason="reference material not found beside the checkout (HEMENET_SHARED)"
)
