"""A checkpoint's own settings, as defaults of the command line that names it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

KEYWORDS = ("best", "last", "hpc", "registry")
"""Values of ``--ckpt_path`` that Lightning resolves itself."""
SEED = "data.seed"
"""Where the seed of a run stands among the settings of its data."""


def checkpoint_defaults(args: Sequence[str]) -> dict[str, Any]:
    """Settings of the model and the data, and the seed, of the checkpoint that ``args`` name.

    Returns:
        Parser keys such as ``model.encoder`` with their plain values; empty without a checkpoint.

    Raises:
        SystemExit: ``--ckpt_path`` names a file that is not there.
    """
    path = _option(args, "--ckpt_path")
    if path is None or path in KEYWORDS:
        return {}
    if not Path(path).is_file():
        raise SystemExit(f"lightning: checkpoint {path} not found; give the path of a .ckpt file")
    checkpoint = torch.load(path, weights_only=True, map_location="cpu")
    groups = {"model": "hyper_parameters", "data": "datamodule_hyper_parameters"}
    defaults = {
        f"{group}.{name}": value
        for group, key in groups.items()
        for name, value in checkpoint.get(key, {}).items()
        if not name.startswith("_")
    }
    if SEED in defaults:  # the command line sets it through this option
        defaults["seed_everything"] = defaults.pop(SEED)
    return defaults


def _option(args: Sequence[str], name: str) -> str | None:
    """The value that ``args`` give for an option, as ``--option value`` or ``--option=value``.

    The last one where there are several, as on any command line.
    """
    value = None
    for word, following in zip(args, [*args[1:], None], strict=False):
        if word == name:
            value = following
        elif word.startswith(f"{name}="):
            value = word.split("=", 1)[1]
    return value
