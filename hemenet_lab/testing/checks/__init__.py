"""One checker per kind of fixture: ``check(fixture)`` yields a `Comparison` for each target array.

A checker takes every size and option from the file, so that files with other seeds, sizes and
hyperparameters can be checked too.
"""

from hemenet_lab.testing.checks.fixture import Comparison, Fixture, FixtureError

__all__ = [
    "Comparison",
    "Fixture",
    "FixtureError",
]
