"""Settings that somebody else may have written: checkpoints, and the names that they use.

What a checkpoint says is never trusted: `checked_settings` lets through known classes with plain
arguments only. Former class paths are translated here as well.
"""

from hemenet_lab.saved.checkpoint import (
    DATA,
    MODEL,
    TRAINING_ONLY,
    checkpoint_settings,
    module_from_checkpoint,
    read_checkpoint,
)
from hemenet_lab.saved.plugins import encoder_classes, load_encoders
from hemenet_lab.saved.released import CARD, FILE, shipped_models, write_released
from hemenet_lab.saved.settings import Refused, checked_settings

__all__ = [
    "CARD",
    "DATA",
    "FILE",
    "MODEL",
    "TRAINING_ONLY",
    "Refused",
    "checked_settings",
    "checkpoint_settings",
    "encoder_classes",
    "load_encoders",
    "module_from_checkpoint",
    "read_checkpoint",
    "shipped_models",
    "write_released",
]
