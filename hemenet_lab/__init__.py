"""Multi-task learning on protein structures: what notebooks and scripts start from.

Everything is imported on first use, so that importing the package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from hemenet_lab.basics import install

if TYPE_CHECKING:
    from hemenet_lab.encoders import Encoder
    from hemenet_lab.graphs import GraphView, ProteinGraph
    from hemenet_lab.loading import ProteinMTDataModule
    from hemenet_lab.model import MultiTaskModule
    from hemenet_lab.prediction import Predictor
    from hemenet_lab.store import Store
    from hemenet_lab.tasks import Task

    __version__: str

__all__ = [
    "Encoder",
    "GraphView",
    "MultiTaskModule",
    "Predictor",
    "ProteinGraph",
    "ProteinMTDataModule",
    "Store",
    "Task",
    "__version__",
]

# Concrete encoders, readouts and callbacks stay out: configs name a class by its shortest path, so
# they would be written differently, and the identity of a run is a hash of its config.
_MODULES = {
    "Encoder": "hemenet_lab.encoders",
    "GraphView": "hemenet_lab.graphs",
    "MultiTaskModule": "hemenet_lab.model",
    "Predictor": "hemenet_lab.prediction",
    "ProteinGraph": "hemenet_lab.graphs",
    "ProteinMTDataModule": "hemenet_lab.loading",
    "Store": "hemenet_lab.store",
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


install()
