"""The published arithmetic in the benchmark gives what the encoder beside it gives."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest
import torch

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "bench_hemenet.py"


@pytest.fixture(scope="module")
def benchmark_module():
    spec = importlib.util.spec_from_file_location("bench_hemenet", BENCHMARK)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    threads = torch.get_num_threads()
    yield module
    torch.set_num_threads(threads)
    del sys.modules[spec.name]


def test_both_forms_agree(benchmark_module):
    """Coordinates differ by the published centroid's 1e-3 in the atom count."""
    features, coords = benchmark_module.differences(20)
    assert features < 1e-5
    assert 0 < coords < 1e-2


def test_measures_time_and_memory(benchmark_module):
    parser = benchmark_module.argument_parser()
    for kind in ("fast", "published"):
        options = parser.parse_args(["--worker", kind, "--residues=12", "--repeat=1"])
        result = benchmark_module.worker(options)
        assert result["nodes"] == 12
        assert min(result["wall"], result["cpu"]) > 0
        assert result["peak_gb"] >= 0
        assert "| 12 / " in benchmark_module.row("case", 1, kind, result)
