"""`hemenet recipes` and `hemenet init`: the experiments and configs that come with the package."""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path

from hemenet_lab.basics import all_recipes, copy_recipes, recipes_folder

LINE = 80
KINDS = {
    "fit": "For `hemenet fit --config FOLDER/NAME`:",
    "pretrain": "For `hemenet pretrain --config FOLDER/NAME`:",
    "grid": "For `hemenet benchmark run FOLDER/NAME`:",
    "part": "To put on top, with a further `--config FOLDER/NAME`:",
}


def recipes() -> None:
    """List the experiments and configs that come with the package, with a line each."""
    source = recipes_folder()
    found: dict[str, dict[str, list[tuple[str, str]]]] = {kind: {} for kind in KINDS}
    for path in all_recipes():
        text = path.read_text(encoding="utf-8")
        folder = path.relative_to(source).parent.as_posix()
        kind = _kind(folder, text)
        found[kind].setdefault(folder, []).append((path.name, _summary(text)))
    for kind, title in KINDS.items():
        print(title)
        for folder, rows in found[kind].items():
            print(f"  {folder}/")
            width = max(len(name) for name, _ in rows)
            for name, summary in rows:
                line = textwrap.shorten(summary, LINE - width - 6, placeholder=" …")
                print(f"    {name:<{width}}  {line}".rstrip())
        print()
    print(f"They are in {source}; `hemenet init DIR` writes copies to edit.")


def init(folder: Path) -> None:
    """Write copies of all experiments and configs into a folder, to edit.

    In that folder the copies are read instead of the package's. A file that is there is kept.

    Args:
        folder: Folder for ``experiments/`` and ``configs/``; made if it is not there.

    Raises:
        ValueError: The folder is a file.
    """
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder} is a file; give a folder for experiments/ and configs/")
    written, kept = copy_recipes(folder)
    print(f"{len(written)} files written to {folder}")
    for path in kept:
        print(f"kept as it is: {path}", file=sys.stderr)
    print(f"cd {folder} && hemenet fit --config experiments/multitask.yaml")


def _kind(folder: str, text: str) -> str:
    """Which of `KINDS` a recipe is: a grid has axes, and an experiment is complete."""
    if any(line.startswith("axes:") for line in text.splitlines()):
        return "grid"
    if "masked_share:" in text:  # a setting that only pretraining has
        return "pretrain"
    return "fit" if folder.startswith("experiments") else "part"


def _summary(text: str) -> str:
    """The first line of a recipe if it is a comment."""
    first = text.partition("\n")[0]
    return first.lstrip("# ").rstrip(".:") if first.startswith("#") else ""
