"""A published implementation in a folder of the user's, and how it is put beside ours."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

import torch

# before the stand-ins: it looks for these packages once, when it is imported
import torch_geometric.nn  # noqa: F401
from bench_encoders import make_encoder
from torch import Tensor, nn

from hemenet_lab.encoders import Encoder
from hemenet_lab.graphs import ProteinGraph, build_graph
from hemenet_lab.loading import collate
from hemenet_lab.nn import Dropout
from hemenet_lab.store import Entry
from originals.stand_ins import CONTENT, missing, module

N = TypeVar("N", bound=nn.Module)


@dataclass(frozen=True)
class Sides:
    """Both implementations, with the same weights and on the same protein."""

    ours: nn.Module
    theirs: nn.Module
    run: Callable[[nn.Module], tuple[Tensor, ...]]
    """The outputs of either: features of the nodes, and coordinates where there are some."""


@dataclass(frozen=True)
class Original:
    """Where a published implementation is found, and what of it is run."""

    repository: str
    """On GitHub."""
    commit: str
    """The one that was measured, as long as needed."""
    licence: str
    file: str
    """Holds the layers; a clone without it is refused."""
    layers: str
    """What is compared, in words."""
    make: Callable[[Path, Entry, bool], Sides]
    """From the clone and a protein; True for the comparison in float64."""
    also: tuple[str, ...] = ()
    """Packages that it needs besides, by the names that are imported."""
    remark: str = ""


def checked(name: str, original: Original, folder: Path) -> Path:
    """The folder of a clone.

    Raises:
        ValueError: It is not one of this original.
    """
    if not (folder / original.file).is_file():
        raise ValueError(
            f"{folder} has no {original.file}, so it is no clone of {original.repository}; "
            f"git clone https://github.com/{original.repository} and give {name}=FOLDER"
        )
    return folder.resolve()


def commit_of(folder: Path) -> str:
    """The short commit of a clone, empty for a folder that is none."""
    if not (folder / ".git").exists():
        return ""
    command = ["git", "-C", str(folder), "rev-parse", "--short=7", "HEAD"]
    done = subprocess.run(command, capture_output=True, text=True)
    return done.stdout.strip()


def bare(name: str, folder: Path, **content: Any) -> ModuleType:
    """A package whose own ``__init__`` is not run: often it imports all that training needs.

    Args:
        name: Its dotted name; the packages above it must be there.
        folder: Where its modules are.
        content: Names in it.
    """
    made = module(name, __path__=[str(folder)], **content)
    sys.modules[name] = made
    parent, _, last = name.rpartition(".")
    if parent:
        setattr(sys.modules[parent], last, made)
    return made


@contextmanager
def opened(folder: Path, exact: bool = False) -> Iterator[None]:
    """Lets modules of a clone be imported by their own names, with stand-ins where needed.

    Args:
        folder: The clone.
        exact: New tensors are float64.
    """
    before, path, dtype = dict(sys.modules), list(sys.path), torch.get_default_dtype()
    for name in {file.stem for file in folder.iterdir()}:
        # such as "utils": of another clone, or of whoever runs this
        sys.modules.pop(name, None)
    sys.modules.update(missing())
    sys.path.insert(0, str(folder))
    try:
        torch.set_default_dtype(torch.float64 if exact else torch.float32)
        yield
    finally:
        torch.set_default_dtype(dtype)
        sys.path[:] = path
        # first all, then away with them: a package may ask for the one above it
        for name in [name for name in set(sys.modules) - set(before) if _lent(name, folder)]:
            del sys.modules[name]
        sys.modules.update(before)


class _Wider:
    """The package torch, in which ``float`` means float64."""

    float = torch.float64

    def __getattr__(self, name: str) -> Any:
        return getattr(torch, name)


def wider(module: ModuleType, exact: bool) -> Any:
    """The module, which asks for ``torch.float`` somewhere: it gets float64 if exact."""
    if exact:
        module.torch = _Wider()
    return module


def _lent(name: str, folder: Path) -> bool:
    """Whether a module is a stand-in, or comes from a clone."""
    found = sys.modules[name]
    places = [getattr(found, "__file__", None), *getattr(found, "__path__", [])]
    return name in CONTENT or any(Path(place).is_relative_to(folder) for place in places if place)


def published(name: str, **changes: Any) -> Encoder:
    """Our encoder at its published size, without dropout, with some options changed."""
    return without_dropout(make_encoder(name, "published", **changes))


def without_dropout(net: N) -> N:
    """The module, whose dropout drops nothing: two sides would not drop the same."""
    for layer in net.modules():
        if isinstance(layer, nn.Dropout | Dropout):
            layer.p = 0.0
    return net


def graph_of(encoder: Encoder, entry: Entry, exact: bool) -> ProteinGraph:
    """The encoder's graph of a protein, with all that is computed once; in float64 if exact."""
    graph = collate([build_graph(entry, encoder.view)])
    if exact:
        graph = graph.apply(lambda x: x.double() if x.is_floating_point() else x)
    return encoder.prepare(graph)


def typed(net: N, exact: bool) -> N:
    """The module, in float64 if exact."""
    return net.double() if exact else net
