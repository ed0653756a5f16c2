"""Canaries: what is used of other libraries' private names is still there."""

from __future__ import annotations

import pytest

from hemenet_lab.cli import jsonargparse_adapter, lightning_adapter


def test_jsonargparse_is_as_the_adapter_expects() -> None:
    assert jsonargparse_adapter.check_library() == ""


def test_lightning_is_as_the_adapter_expects() -> None:
    assert lightning_adapter.check_library() == ""


def test_a_changed_library_is_told_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jsonargparse_adapter.typehints, jsonargparse_adapter.DISCARD, lambda a: a)
    assert "takes 1 arguments and not 3" in jsonargparse_adapter.check_library()
    monkeypatch.delattr(jsonargparse_adapter.typehints, jsonargparse_adapter.DISCARD)
    assert "find what took its place" in jsonargparse_adapter.check_library()
    monkeypatch.delattr(lightning_adapter.LightningCLI, "_get")
    assert "LightningCLI has no _get any more" in lightning_adapter.check_library()
