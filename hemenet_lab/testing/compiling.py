"""Checks that `torch.compile` takes a module whole: no graph breaks, one graph for all sizes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.fx.experimental.symbolic_shapes import free_unbacked_symbols

from hemenet_lab.encoders import Encoder
from hemenet_lab.graphs import ProteinGraph
from hemenet_lab.testing.compare import assert_close
from hemenet_lab.testing.invariance import TOLERANCE

MOST_GRAPHS = 2
"""A graph for a first batch, and one for every other size."""


def assert_compiles(
    encoder: Encoder,
    batches: Sequence[ProteinGraph],
    tolerance: float = TOLERANCE,
    backend: str = "eager",
) -> None:
    """Compiled as a whole, an encoder gives the features and gradients that it gives without.

    Batches are prepared first, as the loaders do it (`Encoder.preparation`).

    Args:
        encoder: A prepared encoder.
        batches: Batches of different sizes.
        tolerance: Largest relative error.
        backend: Runs the traced graphs: ``eager`` is quick, ``aot_eager`` traces the backward pass
            too, ``inductor`` makes the code that users run.

    Raises:
        AssertionError: There are graph breaks (each is named with its line), batches of other sizes
            are compiled again, or numbers differ.
    """
    ready = [encoder.prepare(batch.clone()) for batch in batches]
    assert_module_compiles(encoder, [(batch,) for batch in ready], tolerance, backend)


def assert_module_compiles(
    module: nn.Module,
    inputs: Sequence[tuple[Any, ...]],
    tolerance: float = TOLERANCE,
    backend: str = "eager",
) -> None:
    """As `assert_compiles`, for a module whose result is a tensor, and its inputs."""
    torch._dynamo.reset()
    graphs = _Counting(backend)
    compiled = torch.compile(module, fullgraph=True, dynamic=True, backend=graphs)
    try:
        for number, each in enumerate(inputs):
            want, wanted_gradients = _values_and_gradients(module, module, each)
            got, gradients = _values_and_gradients(module, compiled, each)
            what = f"compiled, batch {number}"
            assert_close(got, want, tolerance, f"output {what}")
            for name, gradient in wanted_gradients.items():
                assert_close(gradients[name], gradient, tolerance, f"gradient of {name} {what}")
        if graphs.waits:
            raise AssertionError(
                "sizes or numbers are read from tensors, a GPU's queue stops there:\n"
                + "\n".join(dict.fromkeys(graphs.waits))
            )
        if graphs.count > MOST_GRAPHS:
            raise AssertionError(
                f"{len(inputs)} batches of different sizes were compiled {graphs.count} times; "
                "a size or a value of the batch is used as a Python number"
            )
        _trace_training(module, inputs[0])
    except torch._dynamo.exc.TorchDynamoException as error:
        raise AssertionError(_describe(module, inputs[0], error)) from error
    finally:
        torch._dynamo.reset()


class _Counting:
    """A backend that counts the graphs it gets, and looks for sizes that only values tell."""

    def __init__(self, backend: str) -> None:
        self.count = 0
        self.waits: list[str] = []
        self._compile: Callable[..., Any] = torch._dynamo.lookup_backend(backend)

    def __call__(self, graph: torch.fx.GraphModule, inputs: list[Tensor]) -> Any:
        self.count += 1
        for node in graph.graph.nodes:
            value = node.meta.get("example_value")
            if node.op != "placeholder" and free_unbacked_symbols(value):
                lines = (node.stack_trace or "").strip().splitlines()
                code = [line.strip() for line in lines if line.strip(" ^~")]
                self.waits.append(code[-1] if code else str(node.target))
        return self._compile(graph, inputs)


def _values_and_gradients(
    module: nn.Module, call: Callable[..., Tensor], inputs: tuple[Any, ...]
) -> tuple[Tensor, dict[str, Tensor]]:
    module.zero_grad()
    output = call(*inputs)
    generator = torch.Generator().manual_seed(0)
    weights = torch.randn(output.shape, generator=generator).to(output)
    if output.requires_grad:
        (weights * output).sum().backward()
    found = {name: p.grad for name, p in module.named_parameters() if p.grad is not None}
    module.zero_grad()
    return output.detach(), found


def _trace_training(module: nn.Module, inputs: tuple[Any, ...]) -> None:
    """Dropout and batch norms take other ways in training; their random numbers may differ."""
    was_training = module.training
    state = {name: value.clone() for name, value in module.state_dict().items()}
    try:
        torch.compile(module.train(), fullgraph=True, dynamic=True, backend="eager")(*inputs)
    finally:
        module.train(was_training)
        module.load_state_dict(state)


def _describe(module: nn.Module, inputs: tuple[Any, ...], error: Exception) -> str:
    """Every graph break with its line, or else the compiler's own message."""
    torch._dynamo.reset()
    found = torch._dynamo.explain(module)(*inputs)
    lines = []
    for broken in found.break_reasons:
        at = broken.user_stack[-1] if broken.user_stack else None
        where = f"{at.filename}:{at.lineno}: {at.line}: " if at else ""
        lines.append(f"{where}{broken.reason.strip().splitlines()[0]}")
    if not lines:
        return f"torch.compile cannot take the module whole: {error}"
    return (
        f"{len(lines)} graph breaks; sizes that depend on values belong into the encoder's "
        "Preparation:\n" + "\n".join(dict.fromkeys(lines))
    )
