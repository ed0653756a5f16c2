"""The published arithmetic in the benchmark gives what the encoder beside it gives."""

from __future__ import annotations

import pytest

from tests.bench_script import bench_script


@pytest.fixture(scope="module")
def benchmark_module():
    with bench_script("bench_hemenet") as module:
        yield module


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
