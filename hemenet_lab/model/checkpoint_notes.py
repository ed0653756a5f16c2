"""Notes of a checkpoint beside its weights: plain settings, and what the model was trained on."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from typing import Any

from lightning.pytorch import LightningModule
from torch import nn

TRAINED_ON_KEY = "trained_on"
"""Where a checkpoint says that its training data were made by a program."""
NODE_INPUT_KEY = "node_input"
"""Where a checkpoint says which language model it reads."""
SYNTHETIC_DATA = "SYNTHETIC demo data"


def training_data_note(trained: nn.Module | Mapping[str, Any]) -> str:
    """``SYNTHETIC demo data`` where a model learned from a synthetic store, otherwise empty.

    Args:
        trained: A `MultiTaskModule`, or the content of a checkpoint.
    """
    if isinstance(trained, Mapping):
        return str(trained.get(TRAINED_ON_KEY, ""))
    return str(getattr(trained, TRAINED_ON_KEY, ""))


def note_of_data(trainer: object) -> str:
    """The note for a model that a trainer trains on the store of its data module.

    Loaders without a data module, and stores without a manifest, are taken for real data.
    """
    datamodule = getattr(trainer, "datamodule", None)
    manifest = getattr(getattr(datamodule, "store", None), "manifest", {})
    return SYNTHETIC_DATA if manifest.get("synthetic") else ""


def note_node_input(checkpoint: MutableMapping[str, Any], node_input: Any) -> None:
    """Keep the identity of the language model that a module reads, if it reads one."""
    if node_input is not None:
        checkpoint[NODE_INPUT_KEY] = node_input.identity


def check_node_input(checkpoint: Mapping[str, Any], node_input: Any) -> None:
    """Check that a module reads the language model of its checkpoint.

    Raises:
        ValueError: It is another one: a folder's content has changed.
    """
    known = checkpoint.get(NODE_INPUT_KEY)
    if known is not None and node_input is not None and known != node_input.identity:
        raise ValueError(
            f"the checkpoint was trained with the language model {known}, and what its settings "
            f"name is now {node_input.identity}; put the former one there"
        )


@contextmanager
def plain_settings(module: LightningModule) -> Iterator[None]:
    """Within, a module saves its hyperparameters; those that are plain values stay."""
    with warnings.catch_warnings():
        # under LightningCLI the encoder's settings are kept, and without it nothing is
        warnings.filterwarnings("ignore", message=".*is an instance of `nn.Module`")
        yield
    for name, value in list(module.hparams.items()):
        if not is_plain(value):
            module.hparams.pop(name)


def is_plain(value: Any) -> bool:
    """Check that a value is made of dicts, lists, tuples, numbers, strings and None only."""
    if isinstance(value, dict):
        return all(is_plain(part) for part in value.values())
    if isinstance(value, (list, tuple)):
        return all(is_plain(part) for part in value)
    return value is None or isinstance(value, (bool, int, float, str))
