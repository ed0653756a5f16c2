"""Multi-task learning on protein structures: what notebooks and scripts start from.

Everything is imported on first use, so that importing the package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hemenet_lab.data.datamodule import ProteinMTDataModule
    from hemenet_lab.data.graph import ProteinGraph
    from hemenet_lab.data.store import Store
    from hemenet_lab.data.view import GraphView
    from hemenet_lab.encoders.base import Encoder
    from hemenet_lab.module import MultiTaskModule
    from hemenet_lab.tasks import Task

    __version__: str

__all__ = [
    "Encoder",
    "GraphView",
    "MultiTaskModule",
    "ProteinGraph",
    "ProteinMTDataModule",
    "Store",
    "Task",
    "__version__",
]

# Concrete encoders, readouts and callbacks stay out: configs name a class by its shortest path, so
# they would be written differently, and the identity of a run is a hash of its config.
_MODULES = {
    "Encoder": "hemenet_lab.encoders.base",
    "GraphView": "hemenet_lab.data.view",
    "MultiTaskModule": "hemenet_lab.module",
    "ProteinGraph": "hemenet_lab.data.graph",
    "ProteinMTDataModule": "hemenet_lab.data.datamodule",
    "Store": "hemenet_lab.data.store",
    "Task": "hemenet_lab.tasks",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        value: Any = version("hemenet-lab")
    elif name in _MODULES:
        value = getattr(import_module(_MODULES[name]), name)
    else:
        raise AttributeError(f"module 'hemenet_lab' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
