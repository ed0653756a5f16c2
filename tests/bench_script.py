"""Scripts of ``benchmarks/``, loaded for their tests."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import pytest
import torch

FOLDER = Path(__file__).parents[1] / "benchmarks"


@contextmanager
def bench_script(name: str) -> Iterator[ModuleType]:
    """A script as a module, beside which its neighbours can be imported; gone afterwards.

    Torch has as many threads afterwards as before, since scripts take one.
    """
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    threads = torch.get_num_threads()
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(FOLDER)
        patch.setitem(sys.modules, name, module)  # dataclasses look for it there
        spec.loader.exec_module(module)
        yield module
    torch.set_num_threads(threads)
