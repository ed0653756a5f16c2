"""Measures of the house: files, folders, faces, loose modules, and the direction of imports.

``python -m tests.house`` prints the table.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("hemenet_lab", "baselines")

STAGES: tuple[tuple[str, ...], ...] = (
    ("hemenet_lab.tasks", "hemenet_lab.basics", "hemenet_lab.nn"),
    ("hemenet_lab.structures",),
    ("hemenet_lab.store",),
    ("hemenet_lab.protein_mt",),
    ("hemenet_lab.protein_mt.raw",),
    ("hemenet_lab.protein_mt.labels",),
    ("hemenet_lab.protein_mt.splits",),
    ("hemenet_lab.protein_mt.build", "hemenet_lab.protein_mt.verify"),
    ("hemenet_lab.protein_mt.complexes", "hemenet_lab.protein_mt.demo"),
    ("hemenet_lab.protein_mt.fetch",),
    ("hemenet_lab.embeddings",),
    ("hemenet_lab.graphs",),
    ("hemenet_lab.encoders",),
    ("baselines",),
    ("hemenet_lab.loading",),
    ("hemenet_lab.metrics",),
    ("hemenet_lab.model",),
    ("hemenet_lab.saved", "hemenet_lab.pretraining"),
    ("hemenet_lab.calibration",),
    ("hemenet_lab.tracking",),
    ("hemenet_lab.training",),
    ("hemenet_lab.prediction",),
    ("hemenet_lab.prediction.output",),
    ("hemenet_lab.explain",),
    ("hemenet_lab.testing",),
    ("hemenet_lab.benchmark",),
    ("hemenet_lab.cli",),
    ("hemenet_lab",),
)
"""Folders from raw files (left) to the command line (right); a folder imports from its left."""


@dataclass(frozen=True)
class Import:
    """One imported name."""

    source: str
    """Module with the import."""
    module: str
    """Module or face that it names."""
    name: str


def files() -> list[Path]:
    """All modules of the packages, sorted."""
    return sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


def dotted(path: Path) -> str:
    """``hemenet_lab/nn/mlp.py`` → ``hemenet_lab.nn.mlp``; a face has its folder's name."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def folder_of(module: str) -> str:
    """The folder that a module or face belongs to; a loose module stands for itself."""
    is_folder = (ROOT / module.replace(".", "/")).is_dir()
    parent = module.rpartition(".")[0]
    return module if is_folder or parent == "hemenet_lab" else parent


def stage_of(module: str) -> int:
    """Stage of a module: that of the longest name in `STAGES` that leads to it."""
    found = [
        (len(name), number)
        for number, names in enumerate(STAGES)
        for name in names
        if module == name or module.startswith(f"{name}.")
    ]
    assert found, f"{module} belongs to no stage; add it to STAGES where it belongs"
    return max(found)[1]


@cache
def exported(folder: str) -> frozenset[str]:
    """Names in ``__all__`` of a folder's face."""
    face = ROOT / folder.replace(".", "/") / "__init__.py"
    tree = ast.parse(face.read_text("utf-8")) if face.is_file() else ast.parse("")
    for node in tree.body:
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        if isinstance(target, ast.Name) and target.id == "__all__" and node.value is not None:
            return frozenset(ast.literal_eval(node.value))
    return frozenset()


def imports_in(module: str, source: str) -> Iterator[Import]:
    """Our names that a source imports, wherever in the file: functions and TYPE_CHECKING count."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found = [(alias.name, "") for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found = [(str(node.module), alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found = [(f"relative import in {module}", alias.name) for alias in node.names]
        else:
            continue
        for target, name in found:
            if target.split(".")[0] in PACKAGES or target.startswith("relative"):
                place = ROOT / f"{target}.{name}".replace(".", "/")
                is_module = place.with_suffix(".py").exists() and name not in exported(target)
                yield Import(module, f"{target}.{name}" if is_module else target, name)


def all_imports() -> list[Import]:
    """Every import of ours in every module."""
    return [
        found for path in files() for found in imports_in(dotted(path), path.read_text("utf-8"))
    ]


def cycles(edges: dict[str, set[str]]) -> list[list[str]]:
    """Groups of nodes that reach each other, each sorted."""
    reach: dict[str, set[str]] = {}
    for start in edges:
        seen: set[str] = set()
        todo = [start]
        while todo:
            for nxt in edges.get(todo.pop(), set()) - seen:
                seen.add(nxt)
                todo.append(nxt)
        reach[start] = seen
    groups = {
        tuple(sorted({start, *(n for n in seen if start in reach.get(n, set()))}))
        for start, seen in reach.items()
        if start in seen
    }
    return sorted(map(list, groups))


def module_imports() -> dict[str, set[str]]:
    """Module → modules that it imports; names behind a face lead to the modules that make them."""
    behind = {
        (found.source, found.name): found.module
        for found in all_imports()
        if found.source == folder_of(found.source)
    }
    edges: dict[str, set[str]] = defaultdict(set)
    for found in all_imports():
        target = behind.get((found.module, found.name), found.module)
        if found.source != folder_of(found.source) and target != found.source:
            edges[found.source].add(target)
    return dict(edges)


def folder_imports() -> dict[str, set[str]]:
    """Folder → other folders that its modules import from."""
    edges: dict[str, set[str]] = defaultdict(set)
    for found in all_imports():
        mine, other = folder_of(found.source), folder_of(found.module)
        if mine != other:
            edges[mine].add(other)
    return dict(edges)


def lines_of(path: Path) -> int:
    return len(path.read_text("utf-8").splitlines())


def prefixes(limit: int = 3) -> list[str]:
    """Name prefixes (up to the first ``_``) that ``limit`` siblings or more share."""
    found: dict[tuple[Path, str], list[str]] = defaultdict(list)
    for path in files():
        if path.stem != "__init__":
            found[path.parent, path.stem.split("_")[0]].append(path.stem)
    return [
        f"{folder.relative_to(ROOT)}/{prefix}*: {', '.join(names)}"
        for (folder, prefix), names in sorted(found.items())
        if len(names) >= limit
    ]


def single_client() -> list[str]:
    """Modules under 130 lines that one sibling uses and nothing else does."""
    clients: dict[str, set[str]] = defaultdict(set)
    for found in all_imports():
        clients[found.module].add(found.source)
    small = []
    for path in files():
        module = dotted(path)
        users = clients[module]
        one_sibling = len(users) == 1 and folder_of(next(iter(users))) == folder_of(module)
        is_face = path.stem == "__init__" or next(iter(users), "") == folder_of(module)
        if one_sibling and not is_face and lines_of(path) < 130:
            small.append(module)
    return small


def sizes() -> dict[str, int]:
    """Folder → number of its own files, faces not counted."""
    found: dict[str, int] = defaultdict(int)
    for path in files():
        if path.stem != "__init__":
            found[folder_of(dotted(path))] += 1
    return dict(found)


def loose() -> list[str]:
    """Modules that lie in ``hemenet_lab`` itself."""
    return sorted(
        path.name for path in (ROOT / "hemenet_lab").glob("*.py") if not path.stem.startswith("__")
    )


def faces() -> dict[str, bool]:
    """Folder → whether its ``__init__.py`` has ``__all__``."""
    return {
        dotted(path): "__all__" in path.read_text("utf-8")
        for path in files()
        if path.stem == "__init__"
    }


def table() -> str:
    """The measures as a table in Markdown."""
    by_size = sizes()
    largest = max(by_size, key=lambda name: (by_size[name], name))
    modules = [path for path in files() if path.parts[-1] != "__init__.py"]
    longest = max(modules, key=lines_of)
    rows = [
        ("files of hemenet_lab", sum(dotted(p).startswith("hemenet_lab") for p in files())),
        ("files of baselines", sum(dotted(p).startswith("baselines") for p in files())),
        ("largest folder", f"{by_size[largest]} ({largest})"),
        ("loose modules", f"{len(loose())} ({', '.join(loose())})"),
        ("single-client files under 130 lines", len(single_client())),
        ("prefixes shared by three siblings", len(prefixes())),
        ("folders with a face", f"{sum(faces().values())} of {len(faces())}"),
        ("cycles between modules", len(cycles(module_imports()))),
        ("cycles between folders", len(cycles(folder_imports()))),
        ("longest file", f"{lines_of(longest)} ({dotted(longest)})"),
        ("lines", sum(map(lines_of, files()))),
    ]
    return "\n".join(["| measure | value |", "|---|---|", *(f"| {k} | {v} |" for k, v in rows)])


if __name__ == "__main__":
    print(table())
    for name in single_client():
        print("single client:", name)
    for prefix in prefixes():
        print("prefix:", prefix)
