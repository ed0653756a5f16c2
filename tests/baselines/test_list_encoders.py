"""What `hemenet encoders` says of an encoder, one that it cannot build included."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from baselines import GVP
from hemenet_lab.cli.encoders import describe, encoders
from hemenet_lab.encoders.base import Encoder
from hemenet_lab.graphs.graph import ProteinGraph
from hemenet_lab.graphs.view import GraphView


class NeedsWidth(Encoder):
    """A setting without default."""

    view_nodes = ("alpha", "atom")
    paper = "of a test"

    def __init__(self, width: int, view: GraphView = GraphView(nodes="alpha")) -> None:  # noqa: B008
        super().__init__(view, width)
        self.bias = nn.Parameter(torch.zeros(width))

    def forward(self, graph: ProteinGraph) -> Tensor:
        return self.bias.expand(len(graph.pos), -1)


class NeedsPackage(NeedsWidth):
    """Depends on what is not installed."""

    def __init__(self) -> None:
        raise ImportError("No module named 'e3nn'")


def test_an_encoder_of_ours() -> None:
    assert describe(GVP) == ("residue", "SE(3)", "806,594", GVP.paper)


def test_a_setting_without_default() -> None:
    assert describe(NeedsWidth) == ("alpha, atom", "E(3)", "needs width", "of a test")


def test_a_class_that_cannot_be_built() -> None:
    reason = "cannot be built: ImportError: No module named 'e3nn'"
    assert describe(NeedsPackage) == ("alpha, atom", "E(3)", reason, "of a test")


def test_the_list_fits_80_columns(capsys: pytest.CaptureFixture[str]) -> None:
    encoders()
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    row = next(i for i, line in enumerate(lines) if line.startswith("GVP "))
    assert lines[row].split() == ["GVP", "residue", "SE(3)", "806,594"]
    assert lines[row + 1].startswith("  baselines.gvp.GVP: Jing et al.")
    # NeedsPackage of this file: its reason is long, and is not cut
    assert "No module named 'e3nn'" in " ".join(" ".join(lines).split())
