"""Splits that a file gives, such as the lists of a published benchmark."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hemenet_lab.protein_mt.raw import DropRow, entry_code, read_table
from hemenet_lab.protein_mt.splits.inputs import Split
from hemenet_lab.store import SPLIT_NAMES

PARTS = {name: name for name in SPLIT_NAMES} | {
    "training": "train",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "testing": "test",
    "": "unused",
}
"""Words for the parts of a split."""
_CHAIN = re.compile(r"^([0-9][a-z0-9]{3}|pdb_[0-9a-z]{8})_([a-z0-9]{1,4})$")
"""A chain behind an underline; longer names, such as ``1abc__1__1.A__1.B``, are none."""
GIVEN = "given"
"""Name of a split whose file names none."""
RULE = "as the file {file} says; proteins may be on both sides: see the leakage report"


@dataclass
class GivenSplits:
    """Splits of a file."""

    file: str
    splits: dict[str, dict[str, str]]
    """Split → id in the form of `entry_code` → part."""
    drops: list[DropRow] = field(default_factory=list)
    """Ids of the file that no entry has; known after `added`."""

    def added(self, splits: Mapping[str, Split], ids: Sequence[str]) -> dict[str, Split]:
        """The splits with those of the file, the first of which becomes the default.

        Args:
            splits: Splits of the build.
            ids: Ids of all entries.

        Raises:
            ValueError: A split of the file trains on no entry, or has the name of another.
        """
        names = {name: (name.lower(), _code(name)) for name in ids}
        found: dict[str, Split] = {}
        for split, parts in self.splits.items():
            if split in splits:
                raise ValueError(f"{self.file}: the split {split!r} is there already; rename it")
            of_entry = {
                name: next((parts[key] for key in keys if key in parts), "unused")
                for name, keys in names.items()
            }
            if "train" not in of_entry.values():
                raise ValueError(
                    f"{self.file}: split {split!r} puts no entry of the store into train; its ids "
                    f"are {', '.join(list(parts)[:3])}, the store's {', '.join(list(ids)[:3])}"
                )
            known = {key for keys in names.values() for key in keys}
            self.drops += [
                DropRow(key, split, "file", f"split file names no entry: {self.file}")
                for key in sorted(parts.keys() - known)
            ]
            rule = RULE.format(file=self.file)
            about = {"rule": rule, **Counter(of_entry.values())}
            found[split] = Split(of_entry, about)
        first = next(iter(found.values()))
        return {**splits, "default": first, **found}


def _code(name: str) -> str:
    """The id under which a file may name an entry: ``1abc`` for ``lba_1abc``."""
    return name.removeprefix("lba_").removeprefix("ppa_").lower()


def read_split_file(path: str | Path) -> GivenSplits:
    """Reads a table with the columns ``id`` and ``split``, and perhaps ``name``.

    Ids may be in any case and form. Parts are train, val (or valid, validation, dev), test and
    unused; an entry that no row names is unused.

    Raises:
        ValueError: The file is no such table, or an id is in two parts of one split.
    """
    path = Path(path)
    splits: dict[str, dict[str, str]] = {}
    for row in read_table(path, ("id", "split"), ("name",), expected="it needs id and split"):
        part = PARTS.get(row["split"].lower())
        if part is None or not row["id"]:
            raise ValueError(
                f"{path}, line {row.line}: split {row['split']!r} of id {row['id']!r}; "
                f"allowed: {', '.join(name for name in PARTS if name)}"
            )
        name = row["name"] or GIVEN
        if not name.isidentifier() or name == "default":
            raise ValueError(f"{path}, line {row.line}: {name!r} is no name of a split; use a word")
        code = entry_code(row["id"])
        code = _CHAIN.sub(r"\1-\2", code)  # 1abc_A and 1ABC-A are one chain
        if splits.setdefault(name, {}).setdefault(code, part) != part:
            raise ValueError(f"{path}, line {row.line}: {code} is in two parts of split {name}")
    if not splits:
        raise ValueError(f"{path} has no row below its header")
    return GivenSplits(path.name, splits)
