"""The summary of the data that is printed once before a run."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from hemenet_lab.data.store import Store
from hemenet_lab.data.store_fields import SPLIT_NAMES
from hemenet_lab.tasks import Task


def print_summary(store: Store, split: str, tasks: tuple[Task, ...]) -> None:
    """Prints labelled items per task and part of the split, and what is not used."""
    synthetic = " (SYNTHETIC demo data)" if store.manifest.get("synthetic") else ""
    table = Table(title=f"Labelled items{synthetic}")
    table.add_column("task")
    parts = SPLIT_NAMES[:3]
    for part in parts:
        table.add_column(part, justify="right")
    counts = store.counts(split)
    for task in tasks:
        table.add_row(task.name, *(str(counts[part][task.name]) for part in parts))
    entries = [int((store.split(split) == code).sum()) for code in range(len(parts))]
    table.add_section()
    table.add_row("entries", *map(str, entries))
    console = Console()
    console.print(table)
    place = f"Store: {store.path} (hash {store.hash[:12]}, split {split})"
    for line in (place, _left_out(store, split, tasks)):
        console.print(line, highlight=False, soft_wrap=True)


def _left_out(store: Store, split: str, tasks: tuple[Task, ...]) -> str:
    """One line on entries that no loader will give, and on what the build left out."""
    codes = store.split(split)
    columns = [index for index, task in enumerate(store.tasks) if task in tasks]
    used = codes < SPLIT_NAMES.index("unused")
    unlabelled = used & ~store.labelled[:, columns].any(axis=1)
    text = (
        f"Not used: {int((~used).sum())} entries outside the split, "
        f"{int(unlabelled.sum())} without a label of these tasks"
    )
    dropped = sum((store.manifest.get("drops", {}).get("entry") or {}).values())
    return f"{text}; {dropped} left out when the store was built (drops.csv)" if dropped else text
