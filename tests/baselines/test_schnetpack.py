"""SchNet of schnetpack itself: our numbers are its numbers. Skips where it is not installed."""

from __future__ import annotations

import importlib.util
import sys
from typing import Any

import pytest
import torch

from baselines.schnet import SchNet, _local_name
from baselines.schnetpack import SchNetPack
from hemenet_lab.cli.encoders import describe
from hemenet_lab.testing.compare import prepare
from hemenet_lab.testing.random_graphs import random_batch
from hemenet_lab.testing.symmetry import EncoderSuite
from tests.baselines.graphs import count_parameters, from_config, parameters_without_gradient

installed = pytest.mark.skipif(
    importlib.util.find_spec("schnetpack") is None, reason="schnetpack is not installed"
)


@installed
class TestSchNetPack(EncoderSuite):
    def encoder(self) -> SchNetPack:
        return SchNetPack(8, 2, num_filters=6, num_gaussians=6)


@installed
@pytest.mark.parametrize("element_only", [False, True])
def test_ours_gives_its_numbers(element_only: bool) -> None:
    sizes: dict[str, Any] = {
        "hidden_dim": 12,
        "num_layers": 3,
        "num_filters": 8,
        "num_gaussians": 7,
    }
    torch.manual_seed(0)
    theirs = SchNetPack(**sizes, cutoff=4.0, element_only=element_only)
    prepare(theirs)
    ours = SchNet(**sizes, cutoff=4.0, element_only=element_only).double().eval()
    state = {
        _local_name(name.removeprefix("representation.")): value
        for name, value in theirs.state_dict().items()
        if not name.endswith("cutoff_fn.cutoff")
    }
    ours.load_state_dict(state)
    batch = random_batch(ours.view)
    torch.testing.assert_close(ours(batch), theirs(batch), rtol=0, atol=1e-12)


@installed
def test_its_config_is_schnet_s() -> None:
    theirs, ours = from_config("schnetpack.yaml"), from_config("schnet.yaml")
    assert theirs.view == ours.view
    assert count_parameters(theirs) == count_parameters(ours)
    graph = random_batch(theirs.view, dtype=torch.float32)
    assert parameters_without_gradient(theirs, graph) == []


def test_without_the_package_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [*sys.modules]:
        if name.partition(".")[0] == "schnetpack":
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "schnetpack", None)
    with pytest.raises(ValueError, match=r"\[schnetpack\]', with Python 3.12 or later; or use"):
        SchNetPack()
    view, symmetry, reason, _ = describe(SchNetPack)
    assert (view, symmetry) == ("atom", "E(3)")
    assert reason.startswith("cannot be built: ValueError: SchNetPack is schnetpack's own")
