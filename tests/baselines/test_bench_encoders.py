"""The benchmark of the encoders measures what its table says."""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType

import pytest
import torch

from tests.baselines.small import SMALL
from tests.bench_script import bench_script


@pytest.fixture(scope="module")
def bench() -> Iterator[ModuleType]:
    with bench_script("bench_encoders") as module:
        yield module


def test_every_encoder_is_measured(bench: ModuleType) -> None:
    assert set(bench.encoder_names()) == set(SMALL)


@pytest.mark.parametrize("size", ["published", "comparable"])
def test_measures_time_and_memory(bench: ModuleType, size: str) -> None:
    arguments = ["--worker=gcn", f"--size={size}", "--residues=20", "--repeat=1"]
    result = bench.worker(bench.argument_parser().parse_args(arguments))
    assert result["parameters"] == {"published": 209_664, "comparable": 2_025_216}[size]
    assert result["nodes"] == result["atoms"] > 100
    assert min(result["wall"], result["cpu"], result["largest_mb"]) > 0
    assert f"| {size} | " in bench.row("gcn", size, result)


def test_the_large_protein_is_as_large_as_allowed(bench: ModuleType) -> None:
    assert 14_700 < bench.protein("atoms").num_atoms <= 15_000


def test_more_than_the_limit_stands_out(bench: ModuleType) -> None:
    result = bench.worker(
        bench.argument_parser().parse_args(["--worker=gcn", "--residues=20", "--repeat=1"])
    )
    assert "| **9.00** |" in bench.row("gcn", "published", result | {"peak_gb": 9.0})
    assert "out of memory" in bench.row("gcn", "published", "out of memory")


def test_matrix_products_are_counted_by_hand(bench: ModuleType) -> None:
    """A linear map of 5 rows from 3 to 2 numbers: once forward, twice backward."""
    linear, x = torch.nn.Linear(3, 2), torch.randn(5, 3, requires_grad=True)
    with bench.MatrixProducts() as products:
        (linear(x) * 2).sum().backward()
    assert products.count == 3
    assert products.operations == 3 * 2 * 5 * 3 * 2
    assert products.seconds > 0
    with bench.MatrixProducts() as products:
        torch.zeros(5, 2).addmm_(torch.ones(5, 3), torch.ones(3, 2))
        torch.zeros(4, 5, 2).baddbmm_(torch.ones(4, 5, 3), torch.ones(4, 3, 2))
    assert products.operations == 5 * 2 * 5 * 3 * 2


def test_the_best_of_several_processes_counts(bench: ModuleType) -> None:
    one = {"wall": 3.0, "cpu": 2.0, "products": 1.0, "peak_gb": 1.0}
    assert bench.best([one, one | {"wall": 4.0, "cpu": 1.5}]) == one | {"cpu": 1.5}
    assert bench.best([one, "killed"]) == "killed"
