"""Fixtures of the tests of recorded runs."""

from __future__ import annotations

from tests.tracking.fake_runs import empty_database, fake_runs

__all__ = ["empty_database", "fake_runs"]
