"""Golden numbers of one file: inputs, parameters and expected outputs, and how they are compared.

A file is an ``.npz`` with keys ``input/<name>``, ``param/[<variant>/]<path>``, ``output/...``,
``grad/...``, sometimes ``extra/...``, and ``meta``, a JSON text with the hyperparameters.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

TARGETS = ("output/", "grad/")
"""Arrays under these must each be compared."""

_HEADS = (*TARGETS, "extra/")

Values = Tensor | NDArray[Any] | float


class FixtureError(ValueError):
    """A file of golden numbers that cannot be read."""


@dataclass(frozen=True)
class Comparison:
    """One array computed here (``got``) beside the golden one (``want``).

    `Fixture.compare` makes one from a key. Made by hand, ``variant`` and ``quantity`` must name
    the array: its key is ``output/<variant>/<quantity>``, without the variant where that is empty,
    or ``grad/<variant>/...`` for a quantity ``grad/...``.
    """

    variant: str
    quantity: str
    got: Values
    want: Values
    tolerance: float = 1e-9

    @property
    def error(self) -> float:
        """``max |got - want| / max(1, max |want|)``; infinite for other shapes or NaN."""
        got, want = _float_array(self.got), _float_array(self.want)
        if got.shape != want.shape:
            return float("inf")
        if not got.size:
            return 0.0
        error = float(np.abs(got - want).max() / max(1.0, float(np.abs(want).max())))
        return error if np.isfinite(error) else float("inf")

    @property
    def ok(self) -> bool:
        return self.error <= self.tolerance

    @property
    def key(self) -> str:
        """Key of the golden array in the file."""
        head, tail = "output", self.quantity
        if tail.startswith(_HEADS):
            head, tail = tail.split("/", 1)
        return "/".join(part for part in (head, self.variant, tail) if part)


def _float_array(values: Values) -> NDArray[np.float64]:
    if isinstance(values, Tensor):
        values = values.detach().cpu().numpy()
    return np.asarray(values, dtype=np.float64)


class Fixture:
    """An opened file of golden numbers.

    Args:
        arrays: Key → array.
        meta: Description of the file: ``fixture``, ``hyperparameters``, ...
        name: Name to report; the fixture's own by default.
    """

    def __init__(
        self, arrays: dict[str, NDArray[Any]], meta: dict[str, Any], name: str = ""
    ) -> None:
        self.kind = str(meta["fixture"])
        self.name = name or self.kind
        self.meta = meta
        self.excluded: dict[str, str] = {}
        """Arrays that are not a target → the reason."""
        self._arrays = arrays

    @classmethod
    def load(cls, path: str | Path) -> Fixture:
        """Opens a file.

        Raises:
            FixtureError: The file is no ``.npz`` or has no ``meta`` that names its fixture.
        """
        path = Path(path)
        try:
            with np.load(path, allow_pickle=False) as opened:
                arrays = {key: opened[key] for key in opened.files}
            meta = json.loads(str(arrays.pop("meta")))
        except (KeyError, ValueError, OSError) as error:
            raise FixtureError(f"{path} is not a file of golden numbers: {error}") from error
        if not isinstance(meta, dict) or not str(meta.get("fixture", "")).isidentifier():
            raise FixtureError(f"{path}: its meta names no fixture")
        return cls(arrays, meta, path.stem)

    @property
    def hyper(self) -> dict[str, Any]:
        """``meta["hyperparameters"]``."""
        return self.meta.get("hyperparameters", {})

    @property
    def variants(self) -> dict[str, dict[str, Any]]:
        """Variant → its own hyperparameters; empty where the file has no variants."""
        return self.hyper.get("variants", {})

    def has(self, key: str) -> bool:
        return key in self._arrays

    def array(self, key: str) -> NDArray[Any]:
        """The stored array of a full key."""
        return self._arrays[key]

    def keys(self, prefix: str = "") -> list[str]:
        """Full keys that start with ``prefix``, sorted."""
        return sorted(key for key in self._arrays if key.startswith(prefix))

    def input(self, name: str) -> Tensor:
        """A copy of ``input/<name>``: float64, or int64 for integers."""
        return torch.from_numpy(self._arrays[f"input/{name}"].copy())

    def params(self, variant: str | None = None) -> dict[str, Tensor]:
        """State-dict path → a copy of the parameter or buffer."""
        prefix = f"param/{variant}/" if variant else "param/"
        return {
            key.removeprefix(prefix): torch.from_numpy(self._arrays[key].copy())
            for key in self.keys(prefix)
        }

    def compare(self, key: str, got: Values, tolerance: float = 1e-9) -> Comparison:
        """A comparison with the array of a full key, such as ``output/mean_bn/train/h``."""
        head, *rest = key.split("/")
        variant = rest.pop(0) if len(rest) > 1 and rest[0] in self.variants else ""
        quantity = "/".join(rest if head == "output" else [head, *rest])
        return Comparison(variant, quantity, got, self.array(key), tolerance)

    def exclude(self, key: str, reason: str) -> None:
        """Declares that an array is not a target; the report prints the reason."""
        self.excluded[key] = reason

    def uncovered(self, comparisons: Iterator[Comparison] | list[Comparison]) -> list[str]:
        """Target arrays that neither a comparison nor an exclusion accounts for."""
        seen = {comparison.key for comparison in comparisons} | set(self.excluded)
        return [key for key in self.keys() if key.startswith(TARGETS) and key not in seen]
