"""DeepFRI's split lists (``_train``, ``_valid``, ``_test.txt``) and its identity flags."""

from __future__ import annotations

import csv
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from hemenet_lab.protein_mt.textfile import read_lines

PARTS = {"train": "train", "valid": "val", "test": "test"}
"""Ending of the file's name → name of the part."""


@dataclass(frozen=True)
class DeepfriLists:
    """One of DeepFRI's splits."""

    parts: dict[str, str]
    """Chain such as ``1ABC-A`` → ``train``, ``val`` or ``test``."""
    flags: dict[str, dict[int, bool]] = field(default_factory=dict)
    """Test chain → {30: True where it is below 30 % identity to training, …}."""

    @property
    def limits(self) -> tuple[int, ...]:
        """Identity limits, in percent; none without flags."""
        return tuple(next(iter(self.flags.values()), {}))


def read_lists(folder: str | Path, prefix: str) -> DeepfriLists:
    """Reads the three lists, and the identity flags where ``<prefix>_test.csv`` is there.

    Raises:
        ValueError: A file of another form, or flags that leave out a test chain.
    """
    lists = read_split_lists(folder, prefix)
    parts = {chain: part for part, chains in lists.items() for chain in chains}
    table = Path(folder) / f"{prefix}_test.csv"
    flags = read_identity_flags(table) if table.is_file() else {}
    unknown = sorted(set(lists["test"]) - flags.keys()) if flags else []
    if unknown:
        raise ValueError(f"{table} has no flags for {len(unknown)} test chains, as {unknown[0]}")
    return DeepfriLists(parts, flags)


def read_split_lists(folder: str | Path, prefix: str) -> dict[str, tuple[str, ...]]:
    """Reads ``<prefix>_train.txt``, ``<prefix>_valid.txt`` and ``<prefix>_test.txt``.

    Returns:
        ``train``, ``val`` and ``test`` → chains such as ``1ABC-A``, in file order.

    Raises:
        ValueError: A missing file, or a chain that is listed twice.
    """
    lists = {part: _read_list(Path(folder) / f"{prefix}_{end}.txt") for end, part in PARTS.items()}
    listed = Counter(chain for part in lists.values() for chain in part)
    twice = sorted(chain for chain, count in listed.items() if count > 1)
    if twice:
        raise ValueError(f"{folder}: {prefix} lists chains twice: {', '.join(twice[:5])}")
    return lists


def read_identity_flags(path: str | Path) -> dict[str, dict[int, bool]]:
    """Reads ``<prefix>_test.csv``: which test chains stay below an identity to the training set.

    Returns:
        Chain → {30: flag, 40: flag, ...}; True where the chain's identity to every training chain
        is below that many percent.

    Raises:
        ValueError: A header or a flag of another form.
    """
    path = Path(path)
    rows = csv.reader(line for _, line in read_lines(path) if line.strip())
    header = next(rows, [])
    limits = [re.fullmatch(r"<(\d+)%", column.strip()) for column in header[1:]]
    if header[:1] != ["PDB-chain"] or not limits or None in limits:
        raise ValueError(f"{path} has the header {header}, expected PDB-chain,<30%,<40%,…")
    percent = [int(limit[1]) for limit in limits if limit]
    flags: dict[str, dict[int, bool]] = {}
    for chain, *values in rows:
        if len(values) != len(percent) or set(values) - {"0", "1"}:
            raise ValueError(f"{path}: chain {chain} has the flags {values}, expected 0 or 1 each")
        flags[chain] = {limit: value == "1" for limit, value in zip(percent, values, strict=True)}
    return flags


def _read_list(path: Path) -> tuple[str, ...]:
    return tuple(line.strip() for _, line in read_lines(path) if line.strip())
