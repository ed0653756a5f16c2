"""Shared parts of the encoder checks: shaken weights, outputs, and their comparison."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from hemenet_lab.encoders import Encoder, Equivariant
from hemenet_lab.graphs import ProteinGraph


def prepare(encoder: Encoder, seed: int = 0) -> Encoder:
    """The encoder itself in float64 and eval mode, with every weight and running mean shaken.

    Fresh weights hide errors: zero biases, unit scales and last layers of nearly 0 make wrong terms
    vanish.
    """
    encoder.double().eval()
    generator = torch.Generator().manual_seed(seed)

    def noise(like: Tensor, scale: float) -> Tensor:
        return scale * torch.randn(like.shape, generator=generator, dtype=torch.float64).to(like)

    with torch.no_grad():
        for parameter in encoder.parameters():
            if parameter.is_floating_point():
                width = parameter.shape[-1] if parameter.ndim > 1 else 10
                parameter.add_(noise(parameter, 0.3 * max(1, width) ** -0.5))
        for name, buffer in encoder.named_buffers():
            if name.endswith("running_mean"):
                buffer.add_(noise(buffer, 0.1))
            elif name.endswith("running_var"):
                buffer.mul_(noise(buffer, 0.2).exp())
    return encoder


def features(encoder: Encoder, graph: ProteinGraph) -> Tensor:
    """Node features [N, out_dim] of a copy of the graph, without gradient."""
    with torch.no_grad():
        return encoder(graph.clone())


def equivariant(encoder: Encoder, graph: ProteinGraph) -> Equivariant:
    """Equivariant outputs of a copy of the graph, without gradient."""
    with torch.no_grad():
        return encoder.equivariant(graph.clone())


def map_equivariant(
    output: Equivariant,
    position: Callable[[Tensor], Tensor],
    vector: Callable[[Tensor], Tensor],
) -> dict[str, Tensor]:
    """Kind and name → output, with a function applied to all positions and one to all vectors."""
    return {
        **{f"position {name}": position(value) for name, value in output.positions.items()},
        **{f"vector {name}": vector(value) for name, value in output.vectors.items()},
    }


def assert_close(got: Tensor, want: Tensor, tolerance: float, what: str) -> None:
    """Raises AssertionError unless ``max |got - want| <= tolerance · max(1, max |want|)``."""
    if got.shape != want.shape:
        raise AssertionError(f"{what}: shape {tuple(got.shape)} instead of {tuple(want.shape)}")
    if not got.numel():
        return
    error = float((got - want).detach().abs().max() / want.detach().abs().max().clamp(min=1.0))
    if not error <= tolerance:
        raise AssertionError(f"{what}: relative error {error:.1e}, allowed {tolerance:.0e}")


def assert_finite(values: Tensor | None, what: str) -> None:
    """Raises AssertionError for NaN or infinity."""
    if values is not None and not bool(torch.isfinite(values).all()):
        count = int((~torch.isfinite(values)).sum())
        raise AssertionError(f"{what}: {count} of {values.numel()} values are not finite")


def assert_finite_gradients(module: nn.Module, what: str) -> None:
    """Raises AssertionError for a parameter whose gradient is NaN or infinite."""
    for name, parameter in module.named_parameters():
        assert_finite(parameter.grad, f"{what}: gradient of {name}")
