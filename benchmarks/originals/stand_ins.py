"""Stand-ins, on torch alone, for compiled packages that published implementations import.

They are put in the place of `torch_scatter`, `torch_cluster` and `torch_sparse` only while an
original runs, and only for those that are not installed.
"""

from __future__ import annotations

import importlib.util
from types import ModuleType
from typing import Any

import torch
from torch import Tensor


def scatter_sum(
    src: Tensor,
    index: Tensor,
    dim: int = -1,
    out: Tensor | None = None,
    dim_size: int | None = None,
) -> Tensor:
    """Sums of the slices of ``src`` along ``dim`` that have the same number in ``index``."""
    assert out is None, "no original here gives the sums a place"
    dim = dim % src.dim()
    zeros = _zeros(src, index, dim, dim_size)
    if index.dim() == 1:
        return zeros.index_add(dim, index, src)
    return zeros.scatter_add(dim, index.expand_as(src), src)


def scatter_mean(
    src: Tensor,
    index: Tensor,
    dim: int = -1,
    out: Tensor | None = None,
    dim_size: int | None = None,
) -> Tensor:
    """Means instead of sums; 0 for a group without members."""
    total = scatter_sum(src, index, dim, out, dim_size)
    count = scatter_sum(torch.ones_like(src), index, dim, None, total.shape[dim])
    return total / count.clamp(min=1)


def scatter(
    src: Tensor,
    index: Tensor,
    dim: int = -1,
    out: Tensor | None = None,
    dim_size: int | None = None,
    reduce: str = "sum",
) -> Tensor:
    """One of the functions here, by the name of what it makes."""
    kinds = {"sum": scatter_sum, "add": scatter_sum, "mean": scatter_mean}
    return kinds[reduce](src, index, dim, out, dim_size)


def scatter_max(
    src: Tensor, index: Tensor, dim: int = -1, out: Tensor | None = None
) -> tuple[Tensor, None]:
    """Largest numbers of each group; their places, which nothing here reads, are left out."""
    return _extreme(src, index, dim, "amax"), None


def scatter_min(
    src: Tensor, index: Tensor, dim: int = -1, out: Tensor | None = None
) -> tuple[Tensor, None]:
    """Smallest numbers of each group."""
    return _extreme(src, index, dim, "amin"), None


def scatter_std(src: Tensor, index: Tensor, dim: int = -1) -> Tensor:
    """Sample deviations, with the package's 1e-6 in the divisor."""
    count = scatter_sum(torch.ones_like(src), index, dim)
    mean = scatter_mean(src, index, dim)
    squares = (src - mean.index_select(dim, index)).square()
    return (scatter_sum(squares, index, dim) / ((count - 1).clamp(min=1) + 1e-6)).sqrt()


def scatter_softmax(src: Tensor, index: Tensor, dim: int = -1) -> Tensor:
    """A softmax within each group."""
    top = _extreme(src.detach(), index, dim, "amax").index_select(dim, index)
    weight = (src - top).exp()
    return weight / scatter_sum(weight, index, dim).index_select(dim, index)


def radius(
    x: Tensor,
    y: Tensor,
    r: float,
    batch_x: Tensor | None = None,
    batch_y: Tensor | None = None,
    max_num_neighbors: int = 32,
    **options: Any,
) -> Tensor:
    """Points of ``x`` within ``r`` of each of ``y``: numbers in y, then in x, [2, E].

    All of them: no original here asks for fewer than there are.
    """
    distance = torch.cdist(y, x, compute_mode="donot_use_mm_for_euclid_dist")
    if batch_x is not None and batch_y is not None:
        distance = distance.masked_fill(batch_y.unsqueeze(1) != batch_x.unsqueeze(0), torch.inf)
    return (distance < r).nonzero().t()


def _zeros(src: Tensor, index: Tensor, dim: int, size: int | None = None) -> Tensor:
    """A zero for each group: so many along ``dim``, or as many as the index names."""
    shape = list(src.shape)
    shape[dim] = size if size is not None else int(index.max()) + 1 if index.numel() else 0
    return src.new_zeros(shape)


def _extreme(src: Tensor, index: Tensor, dim: int, kind: str) -> Tensor:
    dim = dim % src.dim()
    zeros = _zeros(src, index, dim)
    if index.dim() == 1:
        index = index.view([-1 if axis == dim else 1 for axis in range(src.dim())])
    place = index.expand_as(src)
    return zeros.scatter_reduce(dim, place, src, kind, include_self=False)


class Unused:
    """In the place of a name that an original imports and does not use here."""


CONTENT: dict[str, dict[str, Any]] = {
    "torch_scatter": {
        "scatter": scatter,
        "scatter_add": scatter_sum,
        "scatter_max": scatter_max,
        "scatter_mean": scatter_mean,
        "scatter_min": scatter_min,
        "scatter_softmax": scatter_softmax,
        "scatter_std": scatter_std,
        "scatter_sum": scatter_sum,
    },
    "torch_cluster": {"radius": radius, "knn_graph": Unused, "radius_graph": Unused},
    "torch_sparse": {"SparseTensor": Unused, "set_diag": Unused},
}
"""Package → the names that originals take from it."""


def module(name: str, **content: Any) -> ModuleType:
    """A module of these names, which is made and not read."""
    made = ModuleType(name, "A stand-in; see benchmarks/originals/stand_ins.py.")
    made.__dict__.update(content)
    return made


def missing() -> dict[str, ModuleType]:
    """Stand-ins for those packages that are not installed."""
    return {
        name: module(name, **content)
        for name, content in CONTENT.items()
        if importlib.util.find_spec(name) is None
    }
