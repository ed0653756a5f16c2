"""``structures/chains.csv``: single chains that are read from the files of whole entries.

One file per entry serves all its chains; and chain ids that differ in case only (``6HHQ-h`` and
``6HHQ-H``) cannot be told apart as file names on every file system.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from hemenet_lab.protein_mt.drops import csv_text

FOLDER = "structures"
CHAIN_LIST = "chains.csv"
COLUMNS = ("chain", "file")


def read_chain_list(raw: Path) -> Iterator[tuple[str, Path]]:
    """Chain such as ``1ABC-A`` → structure file of its entry; nothing where there is no list.

    Raises:
        ValueError: The list has other columns, or names a file that is not there.
    """
    path = raw / FOLDER / CHAIN_LIST
    if not path.is_file():
        return
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        if tuple(reader.fieldnames or ()) != COLUMNS:
            raise ValueError(f"{path} has the columns {reader.fieldnames}, expected {COLUMNS}")
        names = set(os.listdir(path.parent))
        for row in reader:
            if row["file"] not in names:
                raise ValueError(
                    f"{path} names {row['file']!r} for chain {row['chain']}, which is not in "
                    f"{path.parent}; run `hemenet data fetch` again"
                )
            yield row["chain"], path.parent / row["file"]


def write_chain_list(raw: Path, chains: Iterable[tuple[str, str]]) -> None:
    """Writes the list, sorted by chain; it appears whole or not at all.

    Args:
        raw: The raw folder.
        chains: Chain, and name of a file in the folder of structures.
    """
    folder = raw / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    draft = folder / f".{CHAIN_LIST}.{os.getpid()}"
    try:
        draft.write_text(csv_text(COLUMNS, sorted(chains)), encoding="utf-8")
        os.replace(draft, folder / CHAIN_LIST)
    finally:
        draft.unlink(missing_ok=True)
