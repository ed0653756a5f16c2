"""GearNet's convolutions, line graph and both edge-message models against the published ones."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from baselines import GearNetStack, RelationalConv, RelationalEdges, line_graph
from hemenet_lab.nn import segment_sum
from hemenet_lab.testing.checks.fixture import Comparison, Fixture


def check(fixture: Fixture) -> Iterator[Comparison]:
    """Every variant in eval and in training mode, and the line graph as a set of edges."""
    edges, order = _edges(fixture)
    yield _check_line_graph(fixture, edges, order)
    for variant, options in fixture.variants.items():
        kind = options["kind"]
        if kind not in ("conv", "model"):
            raise ValueError(f"variant {variant} is of kind {kind!r}; known: conv, model")
        module = _conv(fixture, options) if kind == "conv" else _model(fixture, options)
        module.double().load_state_dict(fixture.params(variant))
        run = _run_conv if kind == "conv" else _run_model
        for name, value in run(fixture, module.eval(), options, edges, order).items():
            yield fixture.compare(f"output/{variant}/{name}", value)
        if not fixture.has(f"output/{variant}/train/{next(iter(_names(kind)))}"):
            continue
        for name, value in run(fixture, module.train(), options, edges, order).items():
            yield fixture.compare(f"output/{variant}/train/{name}", value)
        prefix = f"output/{variant}/train/after_step/"
        for key in fixture.keys(prefix):
            yield fixture.compare(key, module.state_dict()[key.removeprefix(prefix)])


def _names(kind: str) -> tuple[str, ...]:
    return ("h",) if kind == "conv" else ("node_feature", "graph_feature")


def _edges(fixture: Fixture) -> tuple[RelationalEdges, Tensor]:
    """The file's edges sorted by target, and that order."""
    source, target, relation = fixture.input("edge_list").unbind(1)
    target, order = target.sort(stable=True)
    edges = RelationalEdges(
        source[order],
        target,
        relation[order],
        len(fixture.input("h")),
        fixture.hyper["num_relation"],
        fixture.input("edge_weights")[order],
    )
    return edges, order


def _check_line_graph(fixture: Fixture, edges: RelationalEdges, order: Tensor) -> Comparison:
    line = line_graph(edges, fixture.input("pos"), fixture.hyper["num_angle_bin"])
    got = torch.stack([order[line.source], order[line.target], line.relation], dim=1)
    key = "output/line_graph/edge_list"
    want = torch.from_numpy(fixture.array(key))
    # the order of the edges is open: both sides are compared as sorted lists
    return Comparison("line_graph", "edge_list", _sorted_rows(got), _sorted_rows(want))


def _sorted_rows(rows: Tensor) -> Tensor:
    ordered: list[list[int]] = sorted(rows.tolist())
    return torch.tensor(ordered)


def _conv(fixture: Fixture, options: dict[str, Any]) -> nn.Module:
    hyper = fixture.hyper
    return RelationalConv(
        hyper["input_dim"],
        hyper["output_dim"],
        hyper["num_relation"],
        self_loop=options["impl"] == "torchdrug",
        batch_norm=options["batch_norm"],
        edge_dim=hyper["edge_input_dim"] if options.get("edge_feature") else 0,
        activation=hyper["activation"],
    )


def _run_conv(
    fixture: Fixture,
    module: nn.Module,
    options: dict[str, Any],
    edges: RelationalEdges,
    order: Tensor,
) -> dict[str, Tensor]:
    term = None
    if options.get("edge_feature"):
        term = fixture.input("edge_feature")[order]
    elif options.get("edge_message"):
        term = fixture.input("edge_message")[order]
    return {"h": module(fixture.input("h"), edges, term)}


def _model(fixture: Fixture, options: dict[str, Any]) -> nn.Module:
    hyper = fixture.hyper
    return GearNetStack(
        hyper["input_dim"],
        options["hidden_dims"],
        hyper["num_relation"],
        implementation="torchdrug" if options["impl"] == "torchdrug" else "gearnet",
        edge_dim=hyper["edge_input_dim"],
        num_angle_bins=hyper["num_angle_bin"],
        batch_norm=options["batch_norm"],
        layer_norm=options.get("layer_norm", False),
        short_cut=options["short_cut"],
        concat_hidden=options["concat_hidden"],
        activation=hyper["activation"],
    )


def _run_model(
    fixture: Fixture,
    module: nn.Module,
    options: dict[str, Any],
    edges: RelationalEdges,
    order: Tensor,
) -> dict[str, Tensor]:
    edge_features = fixture.input("edge_feature")[order]
    h = module(fixture.input("h"), edges, fixture.input("pos"), edge_features)
    batch, graphs = fixture.input("batch"), len(fixture.input("num_nodes"))
    total = segment_sum(h, batch, graphs)
    if options["readout"] == "mean":
        total = total / fixture.input("num_nodes").unsqueeze(1)
    return {"node_feature": h, "graph_feature": total}
