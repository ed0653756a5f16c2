"""Shapes in annotations are compared with the tensors, in tests and only there."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from jaxtyping import TypeCheckError

from hemenet_lab.encoders import ChannelGraph, channel_graph, normalised_radial
from hemenet_lab.model.readout import Mean
from hemenet_lab.nn import GaussianBasis, segment_sum

INDEX = torch.tensor([0, 1, 1])


def small_graph() -> ChannelGraph:
    mask = torch.ones(3, 2, dtype=torch.bool)
    edges = torch.tensor([[0, 1], [1, 2]])
    return channel_graph(edges, INDEX[:2], 1, torch.ones(3, 2, 4), mask, torch.ones(2, 0))


def test_right_shapes_pass() -> None:
    graph = small_graph()
    for eps in (1, 0.5, torch.tensor(2.0)):
        features, factor = normalised_radial(torch.rand(3, 2, 3), graph, torch.ones(4, 5), eps)
        assert (features.shape, factor.shape) == ((2, 16), (2, 1))
    assert segment_sum(torch.ones(3, 2, 5), INDEX, 2).shape == (2, 2, 5)
    assert GaussianBasis(4, 0.0, 1.0)(torch.ones(2, 3)).shape == (2, 3, 4)


@pytest.mark.parametrize("rows", [2, 4])
def test_another_number_of_rows_is_found(rows: int) -> None:
    with pytest.raises(TypeCheckError, match=r"(?s)segment_sum.*parameter 'index'"):
        segment_sum(torch.ones(rows, 2), INDEX, 2)


def test_another_type_is_found() -> None:
    with pytest.raises(TypeCheckError, match=r"(?s)segment_sum.*parameter 'index'"):
        segment_sum(torch.ones(3, 2), INDEX.int(), 2)


def test_another_width_than_the_module_s_is_found() -> None:
    with pytest.raises(TypeCheckError, match=r"(?s)Mean.forward.*parameter 'h'"):
        Mean(8, 2)(torch.ones(3, 7), INDEX, 2)


def test_a_wrong_result_is_found() -> None:
    basis = GaussianBasis(4, 0.0, 1.0)
    basis.num = 5
    with pytest.raises(TypeCheckError, match=r"(?s)return value.*GaussianBasis.forward"):
        basis(torch.ones(2))


def test_shapes_of_different_arguments_are_compared() -> None:
    mask = torch.ones(3, 2, dtype=torch.bool)
    edges = torch.tensor([[0, 1], [1, 2]])
    with pytest.raises(TypeCheckError, match="relation"):
        channel_graph(edges, INDEX, 1, torch.ones(3, 2, 4), mask, torch.ones(2, 0))


def test_users_run_without_the_checks() -> None:
    code = """
import sys, torch
from hemenet_lab.encoders import HeMeNet
from hemenet_lab.nn import safe_sqrt
assert safe_sqrt(torch.ones(2, dtype=torch.int64)).tolist() == [1, 1]
assert not [name for name in ("beartype", "typeguard") if name in sys.modules]
"""
    subprocess.run([sys.executable, "-c", code], check=True)
