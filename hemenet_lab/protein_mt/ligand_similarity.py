"""How similar the ligands of held-out complexes are to those of the training complexes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemenet_lab.protein_mt.read_fingerprint import BITS

SIMILARITIES = (0.5, 0.7, 0.9, 1.0)
"""Tanimoto similarities of the report."""
_ROWS = 512
"""Held-out ligands that are compared at a time."""


def ligand_report(fingerprints: Mapping[str, str], parts: Mapping[str, str]) -> dict[str, Any]:
    """Compares the ligands of ``val`` and ``test`` with those of ``train``.

    Args:
        fingerprints: Complex → packed bits in hexadecimal, empty where the ligand's chemistry is
            not readable.
        parts: Entry → ``train``, ``val``, ``test`` or ``unused``.

    Returns:
        ``train_ligands``, and for ``val`` and ``test``: ``ligands``, ``unreadable``,
        ``similar`` (Tanimoto similarity → ligands that reach it with some training ligand) and
        the ``median`` of the highest similarities (absent where there are none).
    """
    train = _matrix(fingerprints, parts, "train")
    report: dict[str, Any] = {"train_ligands": len(train)}
    for part in ("val", "test"):
        here = _matrix(fingerprints, parts, part)
        closest = closest_tanimoto(here, train)
        report[part] = {
            "ligands": len(here),
            "unreadable": sum(
                not bits for name, bits in fingerprints.items() if parts.get(name) == part
            ),
            # rounding must not hide identical ligands
            "similar": {str(level): int((closest >= level - 1e-6).sum()) for level in SIMILARITIES},
        }
        if len(closest):
            report[part]["median"] = round(float(np.median(closest)), 3)
    return report


def closest_tanimoto(here: NDArray[np.uint8], train: NDArray[np.uint8]) -> NDArray[np.float32]:
    """[n], highest similarity of each ligand to a training ligand, 0 without training ligands.

    Args:
        here: [n, bits], 0 or 1.
        train: [m, bits].
    """
    best = np.zeros(len(here), dtype=np.float32)
    if not len(train):
        return best
    columns = train.astype(np.float32).T
    train_bits = columns.sum(axis=0)
    for start in range(0, len(here), _ROWS):
        rows = here[start : start + _ROWS].astype(np.float32)
        common = rows @ columns
        either = rows.sum(axis=1, keepdims=True) + train_bits - common
        similarity = np.divide(common, either, out=np.zeros_like(common), where=either > 0)
        best[start : start + len(rows)] = similarity.max(axis=1)
    return best


def _matrix(
    fingerprints: Mapping[str, str], parts: Mapping[str, str], part: str
) -> NDArray[np.uint8]:
    """[n, bits], the readable ligands of a part, by id."""
    packed = [
        np.frombuffer(bytes.fromhex(bits), dtype=np.uint8)
        for name, bits in sorted(fingerprints.items())
        if bits and parts.get(name) == part
    ]
    if not packed:
        return np.zeros((0, BITS), dtype=np.uint8)
    return np.unpackbits(np.stack(packed), axis=1)
