"""The task-aware readout against the released one (one group)."""

from __future__ import annotations

from collections.abc import Iterator

from hemenet_lab.model import TaskAware
from hemenet_lab.testing.checks.fixture import Comparison, Fixture


def check(fixture: Fixture) -> Iterator[Comparison]:
    """Compares a ``task_aware_readout`` fixture."""
    prompt = fixture.input("task_prompt")[0]
    index = fixture.input("index")
    readout = TaskAware(
        fixture.hyper["in_features"], len(prompt), fixture.hyper["num_attention_heads"]
    ).double()
    readout.load_state_dict(fixture.params() | {"prompt": prompt})
    for norm in (readout.layernorm1, readout.layernorm2):
        norm.eps = fixture.hyper["layernorm_eps"]
    got = readout.eval()(fixture.input("x"), index, int(index.max()) + 1)
    yield fixture.compare("output/task_features", got)
