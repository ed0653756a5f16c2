"""SE3Set's attentions and block against the authors', which run on e3nn."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from baselines.se3set import (
    DEGREES,
    Dims,
    Features,
    GaussianRadial,
    Hypergraph,
    HypergraphAttention,
    MemberPairs,
    SE3SetBlock,
    SE3SetOptions,
    State,
    spherical_harmonics,
    three_j,
)
from hemenet_lab.nn import safe_norm
from hemenet_lab.testing.checks.fixture import Comparison, Fixture

_TYPES = ("0e", "1o", "2e")
_FIXED = {"irreps_sh": "1x0e+1x1o+1x2e", "norm_layer": "layer", "rescale_degree": False}
_FIXED_IN_BLOCKS = {"use_he_as_message": False, "use_he_scalar": False}
_FACTORS = ("silu", "sigmoid", "smooth_leaky_relu_0p2")


def check(fixture: Fixture) -> Iterator[Comparison]:
    """3j symbols, spherical harmonics, Gaussians, attention to hyperedges, and the whole block."""
    _require(fixture.hyper, _FIXED)
    for key in fixture.keys("extra/w3j/"):
        l1, l2, l3 = (int(degree) for degree in key.rsplit("/", 1)[1].split("_"))
        yield fixture.compare(key, three_j(l1, l2, l3))
    step = _steps(fixture)
    yield fixture.compare("output/edge_sh", pack(spherical_harmonics(step)))
    gaussians = _radial(fixture)(safe_norm(step))
    graph = _hypergraph(fixture, step, gaussians)
    for variant, options in fixture.variants.items():
        if options["kind"] == "rbf":
            yield fixture.compare(f"output/{variant}/edge_scalar", gaussians)
        elif options["kind"] == "att":
            yield _check_attention(fixture, variant, options, graph.pairs)
        elif options["kind"] == "block":
            yield from _check_block(fixture, variant, options, graph)
        else:
            raise ValueError(
                f"variant {variant} is of kind {options['kind']!r}; known: rbf, att, block"
            )


def _require(found: dict[str, Any], wanted: dict[str, Any]) -> None:
    """Refuses options of the original that the layer does not have."""
    for name, value in wanted.items():
        if found[name] != value:
            raise ValueError(f"{name} is {found[name]!r}; the layer has {value!r} only")


def dims_of(irreps: str) -> Dims:
    """``8x0e+4x1o+2x2e`` → (8, 4, 2)."""
    parts = [part.strip().split("x") for part in irreps.split("+")]
    kinds = [kind for _, kind in parts]
    if kinds != [kind for kind in _TYPES if kind in kinds]:
        raise ValueError(f"irreps {irreps}; the layer has {', '.join(_TYPES)}, once and in order")
    numbers = dict.fromkeys(_TYPES, 0) | {kind: int(number) for number, kind in parts}
    return numbers["0e"], numbers["1o"], numbers["2e"]


def unpack(flat: Tensor, dims: Dims) -> Features:
    """[N, Σ dims[l] (2l + 1)] → features of each degree."""
    sizes = [dims[degree] * (2 * degree + 1) for degree in DEGREES]
    scalars, vectors, tensors = (
        part.unflatten(1, (dims[degree], 2 * degree + 1)).transpose(1, 2)
        for degree, part in enumerate(flat.split(sizes, dim=1))
    )
    return scalars, vectors, tensors


def pack(x: Features) -> Tensor:
    """The inverse of `unpack`."""
    return torch.cat([part.transpose(1, 2).flatten(1) for part in x], dim=1)


def _steps(fixture: Fixture) -> Tensor:
    """From the receiving atom of each pair to its source, [P, 3]."""
    pos, (source, membership) = fixture.input("pos"), fixture.input("v2e_index")
    return pos[source] - pos[_atoms(fixture)[membership]]


def _atoms(fixture: Fixture) -> Tensor:
    """The atom of each membership ("node-wise hyperedge"), [M]."""
    membership, atom = fixture.input("e2v_index")
    return torch.empty_like(atom).index_copy(0, membership, atom)


def _radial(fixture: Fixture) -> GaussianRadial:
    hyper = fixture.hyper
    radial = GaussianRadial(hyper["number_of_basis"], hyper["max_radius"]).double()
    radial.load_state_dict(fixture.params("rbf"))
    return radial


def _hypergraph(fixture: Fixture, step: Tensor, gaussians: Tensor) -> Hypergraph:
    """The file's pairs sorted by membership, and its memberships sorted by atom."""
    source, membership = fixture.input("v2e_index")
    order = membership.argsort(stable=True)
    pairs = MemberPairs(source[order], membership[order], step[order], gaussians[order])
    by_atom, atom = fixture.input("e2v_index")
    back = atom.argsort(stable=True)
    return Hypergraph(pairs, by_atom[back], atom[back])


def _options(fixture: Fixture, variant: dict[str, Any]) -> SE3SetOptions:
    hyper, factors = fixture.hyper, fixture.meta["second_moment_factor"]
    silu, sigmoid, leaky = (factors[name] for name in _FACTORS)
    return SE3SetOptions(
        dims_of(hyper["irreps"]),
        hyper["num_heads"],
        dims_of(hyper["irreps_head"]),
        dims_of(hyper["irreps_mlp_mid"]),
        hyper["number_of_basis"],
        tuple(hyper["fc_neurons"]),
        variant["nonlinear_message"],
        (silu, sigmoid, leaky),
    )


def _weights(fixture: Fixture, variant: str) -> dict[str, Tensor]:
    """The published names without e3nn's modules, and without a norm that is never used."""
    return {
        re.sub(r"\.bias\.0$", ".bias", name.replace(".tp.weight", ".weight")): value
        for name, value in fixture.params(variant).items()
        if not name.startswith("norm_he.")
    }


def _features(fixture: Fixture, name: str) -> Features:
    return unpack(fixture.input(name), dims_of(fixture.hyper["irreps"]))


def _check_attention(
    fixture: Fixture, variant: str, options: dict[str, Any], pairs: MemberPairs
) -> Comparison:
    layer = HypergraphAttention(_options(fixture, options), None, with_source=True).double()
    layer.load_state_dict(_weights(fixture, variant))
    receivers, sources = _features(fixture, "he_input"), _features(fixture, "node_input")
    return fixture.compare(f"output/{variant}/he", pack(layer(receivers, sources, pairs)))


def _check_block(
    fixture: Fixture, variant: str, options: dict[str, Any], graph: Hypergraph
) -> Iterator[Comparison]:
    _require(options, _FIXED_IN_BLOCKS)
    block = SE3SetBlock(_options(fixture, options)).double()
    block.load_state_dict(_weights(fixture, variant))
    node, hyperedge = (
        State(_features(fixture, f"{name}_input"), _features(fixture, f"shortcut_{name}"))
        for name in ("node", "he")
    )
    for name, state in zip(("node", "he"), block(node, hyperedge, graph), strict=True):
        yield fixture.compare(f"output/{variant}/{name}", pack(state.features))
        yield fixture.compare(f"output/{variant}/shortcut_{name}", pack(state.shortcut))
