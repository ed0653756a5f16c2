"""How many made-up inputs a test of readers tries: some in the suite, many in the long checks."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

VARIABLE = "HEMENET_EXAMPLES"
"""Environment variable: inputs per test, newly drawn, instead of the suite's fixed ones."""


def tries(fixed: int) -> settings:
    """Settings of a test of a reader.

    Args:
        fixed: Inputs in the suite, the same in every run.
    """
    asked = os.environ.get(VARIABLE)
    return settings(
        max_examples=int(asked) if asked else fixed,
        derandomize=not asked,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
