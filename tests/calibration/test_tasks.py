"""Calibration of tasks: known temperatures come back, intervals cover what they say."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.special import expit

from hemenet_lab.calibration.tasks import (
    MOST_RESIDUALS,
    TermCalibration,
    ValueCalibration,
    fit_terms,
    fit_values,
    reliability,
)
from hemenet_lab.metrics import exact_fmax


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_a_known_temperature_is_found(temperature: float) -> None:
    rng = np.random.default_rng(0)
    true = rng.normal(-1, 2, (3000, 8))
    target = (rng.random(true.shape) < expit(true)).astype(float)
    found = fit_terms(true * temperature, target)
    assert found is not None
    assert found.temperature == pytest.approx(temperature, rel=0.05)
    assert found.ece < 0.01
    assert found.ece_before == pytest.approx(found.ece, abs=0.01) or temperature != 1
    assert found.probabilities(true * temperature) == pytest.approx(expit(true), abs=0.02)


def test_overconfident_probabilities_have_a_larger_error_before() -> None:
    rng = np.random.default_rng(1)
    true = rng.normal(0, 1, (500, 6))
    target = (rng.random(true.shape) < expit(true)).astype(float)
    found = fit_terms(true * 5, target)
    assert found is not None
    assert found.ece < 0.05 < found.ece_before


def test_threshold_gives_the_fmax_with_its_precision_and_recall() -> None:
    logits = np.array([[2.0, -1.0, 0.5], [0.3, 1.5, -2.0]])
    target = np.array([[1.0, 0.0, 1.0], [0.0, 1.0, 0.0]])
    found = fit_terms(logits, target)
    assert found is not None
    assert found.temperature == 1  # two rows are too few to fit one
    called = expit(logits) >= found.threshold
    pairs = [*zip(called, target > 0, strict=True)]
    precision = np.mean([(c & t).sum() / c.sum() for c, t in pairs])
    recall = np.mean([(c & t).sum() / t.sum() for c, t in pairs])
    assert (found.precision, found.recall) == pytest.approx((precision, recall))
    assert found.fmax == pytest.approx(2 * precision * recall / (precision + recall))
    exact = exact_fmax(torch.tensor(expit(logits)), torch.tensor(target))
    assert found.fmax == pytest.approx(exact)


@pytest.mark.parametrize("target", [np.zeros((30, 4)), np.ones((30, 4))])
def test_labels_of_one_kind_leave_probabilities_alone(target: np.ndarray) -> None:
    found = fit_terms(np.random.default_rng(0).normal(size=(30, 4)), target)
    assert found is not None
    assert found.temperature == 1


def test_nothing_comes_of_nothing() -> None:
    assert fit_terms(np.zeros((0, 4)), np.zeros((0, 4))) is None
    assert fit_terms(np.full((30, 1), np.nan), np.zeros((30, 1))) is None
    assert fit_values(np.zeros((0, 1)), np.zeros((0, 1))) is None


@pytest.mark.parametrize(("n", "level"), [(19, 0.9), (40, 0.9), (200, 0.8)])
def test_intervals_cover_new_labels(n: int, level: float) -> None:
    rng = np.random.default_rng(n)
    covered = []
    for _ in range(600):  # over many validation sets: that is what split conformal promises
        errors = rng.standard_t(3, n + 20)  # no normal distribution
        found = fit_values(np.zeros(n), errors[:n])
        assert found is not None
        half = found.half_width(level)
        assert half is not None
        covered.append((np.abs(errors[n:]) <= half).mean())
    expected = math.ceil((n + 1) * level) / (n + 1)
    assert np.mean(covered) == pytest.approx(expected, abs=0.015)
    assert np.mean(covered) >= level - 0.01


def test_too_few_residuals_give_no_interval() -> None:
    found = ValueCalibration(8, tuple(np.linspace(0, 1, 8).tolist()))
    assert found.half_width(0.9) is None
    assert found.half_width(0.5) == pytest.approx(4 / 7)
    with pytest.raises(ValueError, match="no probability"):
        found.half_width(1.0)


def test_many_residuals_are_thinned_out_and_never_narrower() -> None:
    errors = np.random.default_rng(0).exponential(size=3 * MOST_RESIDUALS)
    found = fit_values(errors, np.zeros_like(errors))
    assert found is not None
    assert len(found.residuals) == MOST_RESIDUALS
    exact = np.sort(errors)[math.ceil((len(errors) + 1) * 0.9) - 1]
    half = found.half_width(0.9)
    assert half is not None
    assert exact <= half <= exact * 1.01


def test_reliability_counts_every_prediction_once() -> None:
    curve = reliability(np.array([0.05, 0.07, 1.0, 0.55]), np.array([0.0, 1.0, 1.0, 0.0]))
    assert [each.count for each in curve] == [2, 1, 1]
    assert curve[0].found == 0.5
    assert curve[-1].predicted == 1.0


def test_records_come_back_as_they_were() -> None:
    rng = np.random.default_rng(3)
    terms = fit_terms(rng.normal(size=(40, 3)), (rng.random((40, 3)) < 0.4).astype(float))
    assert terms is not None
    assert TermCalibration.from_dict(terms.to_dict()) == terms
    values = fit_values(rng.normal(size=30), rng.normal(size=30))
    assert values is not None
    assert ValueCalibration.from_dict(values.to_dict()) == values
