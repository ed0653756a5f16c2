"""GVP's message passing."""

from __future__ import annotations

from copy import deepcopy
from importlib import import_module
from pathlib import Path

from torch.nn import functional

from hemenet_lab.store import Entry
from originals.clone import Original, Sides, graph_of, published, typed

NODE, EDGE = (128, 16), (16, 1)
"""Scalars and vectors."""


def make(folder: Path, entry: Entry, exact: bool) -> Sides:
    """Our encoder, and the same with the authors' layers, which are called as ours are."""
    module = import_module("gvp")
    ours = published("gvp", dropout=0.0)
    theirs = deepcopy(ours)
    for number, mine in enumerate(ours.layers):
        layer = module.GVPConvLayer(
            *(NODE, EDGE), drop_rate=0.0, activations=(functional.relu, None), vector_gate=True
        )
        # an empty parameter in each of their modules tells its device
        state = {k: v for k, v in layer.state_dict().items() if not k.endswith("dummy_param")}
        mine.load_state_dict(state)
        theirs.layers[number] = layer
    graph = graph_of(ours, entry, exact)
    return Sides(typed(ours, exact), typed(theirs, exact), lambda net: (net(graph),))


ORIGINAL = Original(
    repository="drorlab/gvp-pytorch",
    commit="82af6b2",
    licence="MIT",
    file="gvp/__init__.py",
    layers="`GVPConvLayer` × 3 in the encoder's place of its layers; residues",
    make=make,
)
