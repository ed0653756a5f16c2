"""What a model was trained on, where readers of its predictions have to know it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

TRAINED_ON_KEY = "trained_on"
"""Where a checkpoint says that its training data were made by a program."""
SYNTHETIC_DATA = "SYNTHETIC demo data"


def training_data_note(trained: nn.Module | Mapping[str, Any]) -> str:
    """``SYNTHETIC demo data`` where a model learned from a synthetic store, otherwise empty.

    Args:
        trained: A `MultiTaskModule`, or the content of a checkpoint.
    """
    if isinstance(trained, Mapping):
        return str(trained.get(TRAINED_ON_KEY, ""))
    return str(getattr(trained, TRAINED_ON_KEY, ""))


def note_of_data(datamodule: object) -> str:
    """The note for a model that is trained on the store of a data module.

    Data modules without a store, or stores without a manifest, are taken for real data.
    """
    manifest = getattr(getattr(datamodule, "store", None), "manifest", {})
    return SYNTHETIC_DATA if manifest.get("synthetic") else ""
