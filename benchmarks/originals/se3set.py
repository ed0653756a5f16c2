"""SE3Set's blocks, which run on e3nn."""

from __future__ import annotations

from copy import deepcopy
from importlib import import_module
from pathlib import Path
from re import sub
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from baselines.se3set import (
    Dims,
    Hypergraph,
    SE3SetBlock,
    SE3SetOptions,
    State,
    spherical_harmonics,
)
from hemenet_lab.store import Entry
from hemenet_lab.testing.checks.se3set_attention import pack, unpack
from originals.clone import Original, Sides, bare, graph_of, published, typed

DIMS: Dims = (128, 64, 32)
KINDS = ("0e", "1o", "2e")
"""Scalars, vectors and tensors, in e3nn's words."""
HEADS, RATIO, RADIAL = 4, 3, [32, 64, 64]


class Block(nn.Module):
    """The authors' block, called as ours is."""

    def __init__(self, block: Any, harmonics: dict[str, Tensor]) -> None:
        super().__init__()
        self.block = block
        self.harmonics = harmonics
        """Of the pairs' directions, once for all blocks."""

    def forward(self, node: State, hyperedge: State, graph: Hypergraph) -> tuple[State, State]:
        """New states of nodes and memberships; theirs have all features of a row side by side."""
        pairs = graph.pairs
        assert isinstance(pairs.attr, Tensor)
        if self.harmonics.get("of") is not pairs.attr:
            known = {"of": pairs.attr, "flat": pack(spherical_harmonics(pairs.attr))}
            self.harmonics.update(known)
        nothing = torch.zeros(0, dtype=torch.long)
        found = self.block(
            pack(node.features),
            pack(hyperedge.features),
            pack(node.shortcut),
            pack(hyperedge.shortcut),
            self.harmonics["flat"],
            pairs.gaussians,
            torch.stack([pairs.source, pairs.receiver]),
            torch.stack([graph.membership, graph.node]),
            nothing,
            nothing,
        )
        nodes, hyperedges, node_sum, hyperedge_sum = (unpack(x, DIMS) for x in found)
        return State(nodes, node_sum), State(hyperedges, hyperedge_sum)


def make(folder: Path, entry: Entry, exact: bool) -> Sides:
    """Our encoder, and the same with the authors' blocks."""
    bare("se3set", folder / "se3set")
    bare("se3set.model", folder / "se3set" / "model")
    module = import_module("se3set.model.layers.block")
    ours = published("se3set")
    options = _options()
    ours.blocks = nn.ModuleList(SE3SetBlock(options) for _ in ours.blocks)
    theirs = deepcopy(ours)
    harmonics: dict[str, Tensor] = {}
    for number, mine in enumerate(ours.blocks):
        block = _block(module)
        state = {_present(name): value for name, value in block.state_dict().items()}
        mine.load_state_dict({name: state[name] for name in mine.state_dict()})
        theirs.blocks[number] = Block(block, harmonics)
    graph = graph_of(ours, entry, exact)
    return Sides(typed(ours, exact), typed(theirs, exact), lambda net: (net(graph),))


def _options() -> SE3SetOptions:
    """Sizes of our blocks; activations scaled as e3nn scales them, by its samples."""
    scaled = import_module("e3nn.math").normalize2mom
    smooth = import_module("se3set.model.layers.utils").SmoothLeakyReLU(0.2)
    factors = tuple(float(scaled(f).cst) for f in (functional.silu, torch.sigmoid, smooth))
    assert len(factors) == 3
    head, wide = ((size // HEADS for size in DIMS), (size * RATIO for size in DIMS))
    return SE3SetOptions(DIMS, HEADS, (*head,), (*wide,), RADIAL[0], (*RADIAL[1:],), True, factors)


def _block(module: Any) -> nn.Module:
    """A block of the authors' with these sizes."""
    irreps = import_module("e3nn.o3").Irreps

    def of(numerator: int, denominator: int = 1) -> Any:
        sizes = (numerator * size // denominator for size in DIMS)
        return irreps("+".join(f"{n}x{kind}" for n, kind in zip(sizes, KINDS, strict=True)))

    block: nn.Module = module.TransBlock(
        *(of(1), of(1), of(1), of(1), irreps("1x0e+1x1o+1x2e"), of(1, HEADS), HEADS),
        use_he_as_message=False,
        use_he_scalar=False,
        node_fc_neurons=RADIAL,
        nonlinear_message=True,
        alpha_drop=0.0,
        proj_drop=0.0,
        irreps_mlp_mid=of(RATIO),
    )
    return block


def _present(name: str) -> str:
    """Our name of a weight of the authors'."""
    return sub(r"\.bias\.0$", ".bias", name.replace(".tp.weight", ".weight"))


ORIGINAL = Original(
    repository="Navantock/SE3Set",
    commit="50f2e24",
    licence="none stated",
    file="se3set/model/layers/block.py",
    layers="`TransBlock` × 6, 128/64/32, in the encoder's place of its blocks; alpha carbons",
    make=make,
    also=("e3nn",),
    remark="its blocks run without the package around them, which imports what training needs",
)
