"""SchNet against schnetpack's equations, written out atom by atom."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from baselines.schnet import SchNet, ShiftedSoftplus
from hemenet_lab.graphs.graph import ProteinGraph
from hemenet_lab.graphs.view import GraphView
from hemenet_lab.structures import ELEMENT_CLASSES
from hemenet_lab.testing.symmetry import EncoderSuite
from tests.baselines.graphs import (
    check_bf16,
    from_config,
    hand_graph,
    parameters_without_gradient,
    protein,
    triangle,
)

NUMBERS = {"H": 1, "C": 6, "N": 7, "O": 8, "S": 16, "P": 15, "halogen": 17}
NUMBERS |= {"metal": 30, "other": 34}

State = dict[str, Tensor]


class TestSchNet(EncoderSuite):
    def encoder(self) -> SchNet:
        return SchNet(16, num_filters=12)


def made_state(dim: int, filters: int, gaussians: int, depth: int, cutoff: float) -> State:
    """State dict with the names and shapes of schnetpack 2.x, random weights (float64)."""
    shapes = {"embedding.weight": (100, dim)}
    for block in range(depth):
        head = f"interactions.{block}"
        shapes |= {
            f"{head}.in2f.weight": (filters, dim),
            f"{head}.filter_network.0.weight": (filters, gaussians),
            f"{head}.filter_network.0.bias": (filters,),
            f"{head}.filter_network.1.weight": (filters, filters),
            f"{head}.filter_network.1.bias": (filters,),
            f"{head}.f2out.0.weight": (dim, filters),
            f"{head}.f2out.0.bias": (dim,),
            f"{head}.f2out.1.weight": (dim, dim),
            f"{head}.f2out.1.bias": (dim,),
        }
    generator = torch.Generator().manual_seed(5)
    draw = {"generator": generator, "dtype": torch.float64}
    state = {name: 0.4 * torch.randn(shape, **draw) for name, shape in shapes.items()}
    # A trained basis: neither evenly spaced nor of one width.
    state["radial_basis.offsets"] = cutoff * torch.rand(gaussians, **draw)
    state["radial_basis.widths"] = 0.3 + torch.rand(gaussians, **draw)
    state["cutoff_fn.cutoff"] = torch.tensor([cutoff])
    return state


def dense(state: State, name: str, x: Tensor) -> Tensor:
    bias = state.get(f"{name}.bias")
    product = state[f"{name}.weight"] @ x
    return product if bias is None else product + bias


def softplus(x: Tensor) -> Tensor:
    return torch.log(0.5 * torch.exp(x) + 0.5)


def slow_schnet(state: State, graph: ProteinGraph, depth: int) -> Tensor:
    """schnetpack's `SchNet` (Schütt et al. 2017), one pair of atoms after the other."""
    cutoff = float(state["cutoff_fn.cutoff"])
    numbers = [NUMBERS[ELEMENT_CLASSES[element]] for element in graph.element.tolist()]
    x = [state["embedding.weight"][number] for number in numbers]
    for block in range(depth):
        head = f"interactions.{block}"
        y = [dense(state, f"{head}.in2f", row) for row in x]
        total = [torch.zeros_like(y[0]) for _ in x]
        for j, i in graph.edge_index.T.tolist():
            d = math.dist(graph.pos[i].tolist(), graph.pos[j].tolist())
            if d >= cutoff:
                continue
            offset = d - state["radial_basis.offsets"]
            basis = torch.exp(-(offset**2) / (2 * state["radial_basis.widths"] ** 2))
            inner = softplus(dense(state, f"{head}.filter_network.0", basis))
            filters = dense(state, f"{head}.filter_network.1", inner)
            total[i] = total[i] + y[j] * filters * 0.5 * (math.cos(math.pi * d / cutoff) + 1)
        for i, row in enumerate(total):
            inner = softplus(dense(state, f"{head}.f2out.0", row))
            x[i] = x[i] + dense(state, f"{head}.f2out.1", inner)
    return torch.stack(x)


def loaded(state: State, element_only: bool = False) -> SchNet:
    encoder = SchNet(6, 2, 4, num_gaussians=5, cutoff=3.0, element_only=element_only).double()
    encoder.load_schnetpack(state)
    return encoder


@pytest.fixture
def state() -> State:
    return made_state(dim=6, filters=4, gaussians=5, depth=2, cutoff=3.0)


@pytest.mark.parametrize("element_only", [False, True])
def test_equals_schnetpack(state: State, element_only: bool) -> None:
    encoder = loaded(state, element_only)
    for graph in (triangle(), protein(encoder.view, dtype=torch.float64)):
        want = slow_schnet(state, graph, depth=2)
        torch.testing.assert_close(encoder(graph), want, rtol=0, atol=1e-12)


def test_loads_a_whole_model(state: State) -> None:
    model = {f"representation.{name}": value for name, value in state.items()}
    model["output_modules.0.outnet.0.weight"] = torch.ones(1)
    assert torch.equal(loaded(model)(triangle()), loaded(state)(triangle()))


def test_own_basis_is_schnetpacks() -> None:
    """Centres 0, 1, 2 and 3 Å, widths 1 Å."""
    basis = SchNet(4, num_gaussians=4, cutoff=3.0).radial_basis
    got = basis(torch.tensor([1.0]))[0]
    want = torch.tensor([-0.5, 0.0, -0.5, -2.0]).exp()
    torch.testing.assert_close(got, want)


def test_load_refuses_what_does_not_fit(state: State) -> None:
    for change, match in (
        ({"electronic_embeddings.0.weight": torch.ones(1)}, "not known here: electronic_emb"),
        ({"embedding.weight": torch.ones(100, 7)}, "of another shape: embedding.element.weight"),
        ({"embedding.weight": torch.ones(20, 6)}, "has 20 rows, atomic number 34"),
        ({"cutoff_fn.cutoff": torch.tensor([5.0])}, "the weights have cutoff 5 Å"),
    ):
        with pytest.raises(ValueError, match=match):
            loaded({**state, **change})
    del state["interactions.1.in2f.weight"]
    with pytest.raises(ValueError, match=r"missing: interactions\.1\.in2f\.weight"):
        loaded(state)


def test_other_atomic_numbers(state: State) -> None:
    encoder = loaded(state)
    encoder.load_schnetpack(state, {**NUMBERS, "halogen": 9})
    row = ELEMENT_CLASSES.index("halogen")
    assert torch.equal(encoder.embedding.element.weight[row], state["embedding.weight"][9])


def test_two_gaussians_at_least() -> None:
    with pytest.raises(ValueError, match="num_gaussians is 1"):
        SchNet(4, num_gaussians=1)


def test_shifted_softplus() -> None:
    x = torch.linspace(-3, 3, 7, dtype=torch.float64)
    torch.testing.assert_close(ShiftedSoftplus()(x), softplus(x))
    assert ShiftedSoftplus()(torch.zeros(1)).abs() < 1e-7


def test_nothing_beyond_the_cutoff() -> None:
    encoder = SchNet(8, cutoff=3.0).double()
    far = hand_graph([[0, 0, 0], [3.0, 0, 0]], [(0, 1), (1, 0)])
    near = hand_graph([[0, 0, 0], [2.9, 0, 0]], [(0, 1), (1, 0)])
    alone = hand_graph([[0, 0, 0], [3.0, 0, 0]], [])
    assert torch.equal(encoder(far), encoder(alone))
    assert not torch.allclose(encoder(near), encoder(alone))


def test_gradient() -> None:
    torch.manual_seed(6)
    encoder = SchNet(3, num_layers=2, num_gaussians=4).double()
    graph = triangle()

    def features(pos: Tensor) -> Tensor:
        graph.pos = pos
        return encoder(graph)

    torch.autograd.gradcheck(features, graph.pos.clone().requires_grad_())


def test_atoms_only() -> None:
    with pytest.raises(ValueError, match="SchNet works on nodes atom"):
        SchNet(view=GraphView(nodes="alpha"))


def test_every_parameter_learns_and_bf16() -> None:
    encoder = SchNet(32)
    graph = protein(encoder.view)
    assert parameters_without_gradient(encoder, graph) == []
    check_bf16(encoder, graph)


def test_published_config() -> None:
    published = from_config("schnet.yaml")
    assert (published.out_dim, len(published.interactions)) == (256, 3)
