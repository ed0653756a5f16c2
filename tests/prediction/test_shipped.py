"""Models that come with the package: small, described, and usable by their names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hemenet_lab import Predictor
from hemenet_lab.saved import CARD, read_checkpoint, shipped_models

MODELS = shipped_models()


def test_there_are_some_and_all_together_are_small() -> None:
    assert MODELS
    assert sum(path.stat().st_size for path in MODELS.values()) <= 20e6


@pytest.mark.parametrize("name", MODELS)
def test_the_card_is_complete(name: str) -> None:
    card = (MODELS[name].parent / CARD).read_text()
    for title in ("Intended use", "Data and licences", "Splits and scores", "Limits"):
        assert f"\n## {title}\n" in card
    assert "To be written" not in card
    assert str(read_checkpoint(MODELS[name])["trained_on"]) in card


@pytest.mark.parametrize("name", MODELS)
def test_it_predicts_by_its_name_and_says_what_it_was_trained_on(
    name: str, files: list[Path]
) -> None:
    predictor = Predictor(name, device="cpu")
    result = predictor.predict(files[0])
    assert predictor.trained_on != ""
    assert f"trained on {predictor.trained_on}" in result.notes
    for task in predictor.tasks:
        values = result.estimates[task.name].value
        assert values.shape == (result.entry.num_chains, task.num_outputs)
        assert np.isfinite(values).all()
    assert all(each is not None and 0 <= each <= 1 for each in result.identity)
