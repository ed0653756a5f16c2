"""Tests shipped to users: symmetry checks of encoders, and golden numbers of published layers."""

from hemenet_lab.testing.checks import Comparison, Fixture, FixtureError
from hemenet_lab.testing.compare import features, prepare
from hemenet_lab.testing.compiling import assert_compiles, assert_module_compiles
from hemenet_lab.testing.invariance import assert_equivariant, assert_invariant
from hemenet_lab.testing.largest_tensor import LargestTensor
from hemenet_lab.testing.random_graphs import (
    random_batch,
    random_entry,
    random_graph,
    random_graphs,
)
from hemenet_lab.testing.robustness import assert_batch_independent
from hemenet_lab.testing.symmetry import EncoderSuite

__all__ = [
    "Comparison",
    "EncoderSuite",
    "Fixture",
    "FixtureError",
    "LargestTensor",
    "assert_batch_independent",
    "assert_compiles",
    "assert_equivariant",
    "assert_invariant",
    "assert_module_compiles",
    "features",
    "prepare",
    "random_batch",
    "random_entry",
    "random_graph",
    "random_graphs",
]
