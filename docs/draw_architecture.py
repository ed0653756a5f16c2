"""Draws ``docs/images/architecture.svg`` from the imports: ``python docs/draw_architecture.py``."""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
from tests.house import STAGES, folder_imports, sizes  # noqa: E402  # found by the line above

PICTURE = ROOT / "docs" / "images" / "architecture.svg"
LEFT_OUT = ("hemenet_lab", "hemenet_lab.testing")
"""Folders that import from nearly all others, which would hide the rest."""


def direct(edges: dict[str, set[str]]) -> dict[str, set[str]]:
    """The imports without those that a longer way implies, so that the drawing stays readable."""

    def reached(start: str) -> set[str]:
        found: set[str] = set()
        todo = [start]
        while todo:
            for other in edges.get(todo.pop(), set()) - found:
                found.add(other)
                todo.append(other)
        return found

    return {
        name: {one for one in others if not any(one in reached(two) for two in others - {one})}
        for name, others in edges.items()
    }


def top_level(edges: dict[str, set[str]]) -> dict[str, set[str]]:
    """Folders inside a package of one stage's name count as that folder."""
    known = {name for names in STAGES for name in names} - set(LEFT_OUT)

    def home(module: str) -> str:
        while module and module not in known:
            module = module.rpartition(".")[0]
        return module

    merged: dict[str, set[str]] = {}
    for name, others in edges.items():
        if name not in LEFT_OUT and home(name):
            homes = {home(other) for other in others} - {home(name), ""}
            merged.setdefault(home(name), set()).update(homes)
    return merged


def _lane(name: str) -> float:
    """Height of a folder: the benchmark's data above, encoders below, the main road between."""
    lanes = {"protein_mt": 2.2, "nn": -2.2, "encoders": -2.2, "baselines": -2.2, "metrics": 1.6}
    lanes["tracking"] = 1.6
    parts = name.removeprefix("hemenet_lab.").split(".")
    return lanes.get(parts[0], 0.0)


def draw(path: Path = PICTURE) -> None:
    """Writes the drawing: a column a stage, from raw files (left) to the command line (right)."""
    edges = direct(top_level(folder_imports()))
    here = set(edges) | {other for others in edges.values() for other in others}
    columns = [[name for name in names if name in here] for names in STAGES]
    columns = [names for names in columns if names]
    place = {
        name: (1.7 * x, _lane(name) + (1.7 * (x % 2) if "." in name else 0) + 1.3 * row)
        for x, names in enumerate(columns)
        for row, name in enumerate(names)
    }
    matplotlib.rcParams["svg.hashsalt"] = "architecture"
    figure, axes = plt.subplots(figsize=(17, 8))
    for name, others in sorted(edges.items()):
        for other in sorted(others):
            style = {"arrowstyle": "-|>", "color": "0.55", "shrinkA": 26, "shrinkB": 26}
            axes.annotate("", place[name], place[other], arrowprops=style)
    count = sizes()
    for name, (x, y) in place.items():
        files = count.get(name, 0)
        label = name.removeprefix("hemenet_lab.").replace("protein_mt.", "protein_mt.\n")
        text = f"{label}\n{files} files" if files > 1 else label
        box = {"boxstyle": "round", "facecolor": "white", "edgecolor": "C0"}
        axes.text(x, y, text, ha="center", va="center", fontsize=9, bbox=box)
    axes.set_xlim(-1, 1.7 * len(columns) - 0.5)
    axes.set_ylim(-3.2, 6.2)
    axes.axis("off")
    figure.savefig(path, bbox_inches="tight", metadata={"Date": None})
    plt.close(figure)


if __name__ == "__main__":
    draw()
