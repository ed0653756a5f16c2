"""Experiments and configs that come with the package, and which file a path of one means.

A checkout has them in ``experiments/`` and ``configs/`` beside the package; a wheel has copies
inside the package (`setup.py`).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TypeVar

RECIPES = ("experiments", "configs")
"""Folders of the recipes; a path of one begins with either."""
PACKAGE = Path(__file__).resolve().parents[1]
AnyPath = TypeVar("AnyPath", str, Path)


def recipes_folder() -> Path:
    """The folder that holds ``experiments/`` and ``configs/``: the package's own, or a checkout.

    Raises:
        FileNotFoundError: The installation is not complete.
    """
    for folder in (PACKAGE / "shipped", PACKAGE.parent):
        if all((folder / name).is_dir() for name in RECIPES):
            return folder
    raise FileNotFoundError(
        f"{PACKAGE} has no recipes; the installation is not complete, install hemenet-lab again"
    )


def recipe_path(path: AnyPath) -> AnyPath:
    """The file that a path means: itself where it is there, else the recipe of that name.

    ``experiments/multitask.yaml`` is the file of the working folder, or else the one that came with
    the package. A path that is neither stays as it is.
    """
    recipe = _recipe(path)
    if recipe is None or Path(path).exists() or not recipe.is_file():
        return path
    return type(path)(recipe)


def included_path(name: str, folder: Path) -> Path:
    """The file that a file of ``folder`` means by a name: beside it, else the recipe of that name.

    ``../configs/encoder/gcn.yaml`` in a file of yours is the package's, unless you have one there.
    """
    path = folder / name
    if path.is_file():
        return path
    parts = Path(os.path.normpath(name)).parts
    while parts[:1] == ("..",):
        parts = parts[1:]
    recipe = _recipe(Path(*parts))
    return recipe if recipe is not None and recipe.is_file() else path


def recipe_note(path: str | Path) -> str:
    """One line on which file a path means; empty where there is no choice."""
    recipe = _recipe(path)
    if recipe is None or not recipe.is_file():
        return ""
    own = Path(path)
    if not own.exists():
        return f"{path}: the recipe of the package ({recipe})"
    if own.samefile(recipe):
        return ""
    return f"{path}: the file of this folder, not the recipe of the package"


def copy_recipes(folder: Path) -> tuple[list[Path], list[Path]]:
    """Write copies of all recipes into a folder, never over a file that is there.

    Returns:
        The files written, and those left as they were.
    """
    source = recipes_folder()
    written, kept = [], []
    for recipe in all_recipes():
        target = folder / recipe.relative_to(source)
        if target.exists():
            kept.append(target)
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(recipe.read_bytes())
        written.append(target)
    return written, kept


def all_recipes() -> list[Path]:
    """Recipes that came with the package, sorted."""
    source = recipes_folder()
    return [path for name in RECIPES for path in sorted((source / name).rglob("*.yaml"))]


def _recipe(path: str | Path) -> Path | None:
    """Where the package would have the recipe of this path; None if it is no path of one."""
    name = Path(os.path.normpath(path))
    if name.is_absolute() or name.parts[:1] not in [(each,) for each in RECIPES]:
        return None
    return recipes_folder() / name
