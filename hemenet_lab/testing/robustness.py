"""Checks that an encoder treats each structure on its own, copes with odd ones, and can be trained.

Each takes an encoder made ready by `compare.prepare` and raises AssertionError with what is wrong.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor
from torch_geometric.data import Batch

from hemenet_lab.encoders import Encoder
from hemenet_lab.graphs import ProteinGraph, node_batch
from hemenet_lab.testing.compare import (
    assert_close,
    assert_finite,
    assert_finite_gradients,
    equivariant,
    features,
    map_equivariant,
)
from hemenet_lab.testing.invariance import TOLERANCE
from hemenet_lab.testing.random_graphs import cast

Prediction = Tensor | Mapping[str, Tensor]


def assert_batch_independent(
    predict: Callable[[Sequence[ProteinGraph]], Prediction],
    graphs: Sequence[ProteinGraph],
    tolerance: float = TOLERANCE,
) -> None:
    """Predictions for several structures are those for each of them alone, one after the other.

    Args:
        predict: From graphs to a tensor, or named tensors, whose rows come graph by graph.
        graphs: Two or more structures.
        tolerance: Largest relative error.
    """
    together = _named(predict(graphs))
    alone = [_named(predict([graph])) for graph in graphs]
    for name, values in together.items():
        parts = torch.cat([single[name] for single in alone])
        assert_close(values, parts, tolerance, f"{name} in a batch against alone")


def _named(prediction: Prediction) -> Mapping[str, Tensor]:
    return {"prediction": prediction} if isinstance(prediction, Tensor) else prediction


def assert_batch_equals_singles(encoder: Encoder, graphs: Sequence[ProteinGraph]) -> None:
    """A structure has the same node features and equivariant outputs alone and in a batch."""

    def predict(chosen: Sequence[ProteinGraph]) -> dict[str, Tensor]:
        batch = Batch.from_data_list(list(chosen))
        outputs = map_equivariant(equivariant(encoder, batch), lambda x: x, lambda x: x)
        return {"node features": features(encoder, batch), **outputs}

    assert_batch_independent(predict, graphs)


def assert_no_leak(encoder: Encoder, batch: ProteinGraph) -> None:
    """Node features of the first structure have no gradient from atoms of the others."""
    batch = _with_input_gradient(batch)
    owner = node_batch(batch)
    total = encoder(batch)[owner == 0].sum()
    if not total.requires_grad:
        return
    inputs = (batch.pos, batch.coords)
    gradients = torch.autograd.grad(total, inputs, allow_unused=True)
    for gradient in gradients:
        if gradient is not None and bool(gradient[owner > 0].any()):
            raise AssertionError("features of one structure have a gradient from another's atoms")


def _with_input_gradient(graph: ProteinGraph) -> ProteinGraph:
    graph = graph.clone()
    graph.pos, graph.coords = graph.pos.clone(), graph.coords.clone()
    graph.pos.requires_grad_()
    graph.coords.requires_grad_()
    return graph


def assert_trainable(encoder: Encoder, graph: ProteinGraph) -> None:
    """In training mode, gradients of all parameters and of the coordinates are finite."""
    graph = _with_input_gradient(graph)
    loss = _training_loss(encoder, graph)
    assert_finite(loss, "training loss")
    loss.backward()
    assert_finite_gradients(encoder, "training")
    for name in ("pos", "coords"):
        assert_finite(graph[name].grad, f"gradient of {name}")


def assert_all_parameters_used(encoder: Encoder, graph: ProteinGraph) -> None:
    """Every parameter gets a gradient from the node features; DDP needs that."""
    _training_loss(encoder, graph).backward()
    unused = [name for name, p in encoder.named_parameters() if p.requires_grad and p.grad is None]
    if unused:
        raise AssertionError(
            f"no gradient reaches {', '.join(unused)}; leave unused parameters out of the encoder"
        )


def _training_loss(encoder: Encoder, graph: ProteinGraph) -> Tensor:
    """A loss in training mode that weights every node feature differently."""
    encoder.train()
    encoder.zero_grad()
    output = encoder(graph)
    generator = torch.Generator().manual_seed(0)
    weights = torch.randn(output.shape, generator=generator).to(output)
    encoder.eval()
    return (weights * output).mean()


def assert_runs_in(encoder: Encoder, graph: ProteinGraph, dtype: torch.dtype) -> None:
    """Training in float32, or with autocast to a half precision, works and stays finite."""
    encoder.float()
    autocast = torch.autocast(graph.pos.device.type, dtype=dtype, enabled=dtype != torch.float32)
    with autocast:
        loss = _training_loss(encoder, cast(graph, torch.float32)).float()
    loss.backward()
    encoder.double()
    assert_finite(loss, f"training loss in {dtype}")
    assert_finite_gradients(encoder, f"training in {dtype}")


def assert_handles(encoder: Encoder, graph: ProteinGraph, others: Sequence[ProteinGraph]) -> None:
    """An odd structure gives finite features, alone and in a batch alike, and trains in a batch."""
    assert_finite(features(encoder, graph), "node features")
    assert_batch_equals_singles(encoder, [others[0], graph, *others[1:]])
    assert_trainable(encoder, Batch.from_data_list([graph, *others]))


def assert_declared_width(encoder: Encoder, graph: ProteinGraph) -> None:
    """Node features are [N, out_dim], in the type of the weights."""
    output = features(encoder, graph)
    want = (len(graph.pos), encoder.out_dim)
    if tuple(output.shape) != want or output.dtype != torch.float64:
        raise AssertionError(
            f"node features are {output.dtype} {tuple(output.shape)}; declared are "
            f"{torch.float64} {want}"
        )


def assert_input_unchanged(encoder: Encoder, graph: ProteinGraph) -> None:
    """The encoder leaves the graph as it was."""
    given = graph.clone()
    with torch.no_grad():
        encoder(given)
    for name, before in graph.to_dict().items():
        after = given[name]
        same = torch.equal(before, after) if isinstance(before, Tensor) else before == after
        if not same:
            raise AssertionError(f"the encoder has changed {name} of its input")


def assert_state_dict_round_trip(encoder: Encoder, other: Encoder, graph: ProteinGraph) -> None:
    """Weights saved from one encoder make another one of the same settings give the same output."""
    file = io.BytesIO()
    torch.save(encoder.state_dict(), file)
    file.seek(0)
    other.load_state_dict(torch.load(file, weights_only=True))
    want = features(encoder, graph)
    assert_close(features(other, graph), want, 0.0, "node features after loading the weights")
