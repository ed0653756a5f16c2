"""Names of the ways to split a store."""

from __future__ import annotations

SCHEMES = ("taskwise", "published", "time", "deepfri_ec", "deepfri_go")
"""Ours (by task and sequence), the paper's, by release date, and DeepFRI's two lists."""
