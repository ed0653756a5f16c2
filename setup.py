"""Puts `experiments/` and `configs/` into the wheel; all else is in `pyproject.toml`.

A checkout has them beside the package, where people edit them, and setuptools takes data from
inside a package only.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

RECIPES = ("experiments", "configs")


class BuildWithRecipes(build_py):
    """Copies the recipes to where `hemenet_lab.basics.recipes_folder` finds them."""

    def run(self) -> None:
        super().run()
        if not self.editable_mode:
            for source, target in self._recipes():
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source, target)

    def get_outputs(self, include_bytecode: bool = True) -> list[str]:
        copies = [] if self.editable_mode else [str(target) for _, target in self._recipes()]
        return [*super().get_outputs(include_bytecode), *copies]

    def _recipes(self) -> list[tuple[Path, Path]]:
        root = Path(__file__).resolve().parent
        folder = Path(self.build_lib) / "hemenet_lab" / "shipped"
        found = sorted(path for name in RECIPES for path in (root / name).rglob("*.yaml"))
        return [(path, folder / path.relative_to(root)) for path in found]


setup(cmdclass={"build_py": BuildWithRecipes})
