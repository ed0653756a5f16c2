"""The stack of HeMeNet layers against the released encoder."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor, nn

from hemenet_lab.encoders import HeMeNetStack
from hemenet_lab.testing.checks.fixture import Comparison, Fixture
from hemenet_lab.testing.checks.hemenet_layer import INPUTS, released_layer, shared_arguments
from hemenet_lab.testing.checks.released import batch_norm_names, present_inputs, require_silu


def check(fixture: Fixture) -> Iterator[Comparison]:
    """Compares a ``hemenet_encoder`` fixture, layer by layer and as a whole."""
    require_silu(fixture)
    stack = _stack(fixture)
    uses_edge_attr = bool(fixture.hyper.get("edge_input_dim"))
    inputs = present_inputs(fixture, INPUTS if uses_edge_attr else INPUTS[:-1])
    seen: list[tuple[Tensor, Tensor]] = []
    for layer in stack.layers:
        layer.register_forward_hook(lambda module, args, output: seen.append(output))
    features, coords = _run(fixture, stack.eval(), inputs)
    yield fixture.compare("output/node_feature", features)
    yield fixture.compare("output/coords", coords)
    for number, (h, moved) in enumerate(seen):
        yield fixture.compare(f"output/layer{number}/h_before_norm", h)
        yield fixture.compare(f"output/layer{number}/coords", moved)
    if fixture.keys("output/train/"):
        yield from _train_mode(fixture, stack.train(), inputs)


def _stack(fixture: Fixture) -> HeMeNetStack:
    params, depth = fixture.params(), len(fixture.hyper["hidden_dims"])
    layers = []
    for number in range(depth):
        prefix = f"layers.{number}."
        own = {
            name.removeprefix(prefix): value
            for name, value in params.items()
            if name.startswith(prefix)
        }
        layers.append(released_layer(own, fixture.hyper))
    stack = HeMeNetStack(layers, fixture.hyper["hidden_dims"][0]).double()
    if not fixture.hyper.get("layer_norm", True):
        stack.layer_norms = nn.ModuleList(nn.Identity() for _ in layers)
    stack.load_state_dict(batch_norm_names(params))
    return stack


def _run(fixture: Fixture, stack: HeMeNetStack, inputs: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    shared = shared_arguments(fixture, inputs, fixture.hyper["num_relation"])
    features, coords = stack(inputs["h"], inputs["coords"], *shared)
    if not fixture.hyper.get("concat_hidden", True):
        features = features[:, -fixture.hyper["hidden_dims"][-1] :]
    return features, coords


def _train_mode(
    fixture: Fixture, stack: HeMeNetStack, inputs: dict[str, Tensor]
) -> Iterator[Comparison]:
    features, coords = _run(fixture, stack, inputs)
    yield fixture.compare("output/train/node_feature", features)
    yield fixture.compare("output/train/coords", coords)
    state = stack.state_dict()
    for key in fixture.keys("output/train/after_step/"):
        name = key.removeprefix("output/train/after_step/")
        yield fixture.compare(key, state[name.replace("batch_norm.", "norm.")])
