"""Calibration of one task: temperature and threshold of terms, intervals of values."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import expit

from hemenet_lab.metrics import precision_recall

Floats = NDArray[np.float64]

BINS = 10
"""Bins of the reliability curve, equally wide in probability."""
LOG_RANGE = math.log(20.0)
"""Temperatures are sought between 1/20 and 20."""
FEWEST = 20
"""Labelled rows below which a temperature says nothing; probabilities then stay as they are."""
MOST_RESIDUALS = 10_000
"""Residuals that are kept; of more, evenly spaced ones by rank."""


@dataclass(frozen=True)
class Bin:
    """Predictions of similar probability."""

    predicted: float
    """Mean probability."""
    found: float
    """Share of them that are true."""
    count: int


@dataclass(frozen=True)
class TermCalibration:
    """What validation data say of a multi-label task's probabilities.

    Precision and recall are protein-centric, as in Fmax: averaged over chains.
    """

    n: int
    """Labelled chains."""
    temperature: float
    """Logits are divided by it."""
    threshold: float
    """Calibrated probability from which on a term is predicted, where F was largest."""
    fmax: float
    precision: float
    recall: float
    ece_before: float
    """Expected calibration error of the probabilities as the model gives them."""
    ece: float
    """The same after the temperature, on the very data that it was fitted on."""
    reliability: tuple[Bin, ...]
    """Curve after the temperature; bins without predictions are left out."""

    def probabilities(self, logits: Floats) -> Floats:
        """Calibrated probabilities of logits, the same shape."""
        return expit(np.asarray(logits, np.float64) / self.temperature)

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self) | {"reliability": [asdict(each) for each in self.reliability]}

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> TermCalibration:
        """Inverse of `to_dict`."""
        curve = tuple(Bin(**each) for each in record["reliability"])
        return cls(**{**record, "reliability": curve})


@dataclass(frozen=True)
class ValueCalibration:
    """What validation data say of a regression task: sizes of its errors."""

    n: int
    """Labelled items."""
    residuals: tuple[float, ...]
    """|prediction - label|, ascending."""

    def half_width(self, level: float) -> float | None:
        """Half of the interval that holds a new label with probability ``level`` at least.

        Split conformal prediction: the ⌈(n + 1) level⌉-th smallest of n residuals. It holds for
        labels that are exchangeable with those of the validation data, whatever the model.

        Args:
            level: Probability, above 0 and below 1.

        Returns:
            Half width in the task's unit; None where n is too small for the level.

        Source: Vovk et al. 2005; Lei et al., J. Am. Stat. Assoc. 113, 1094 (2018).
        """
        if not 0 < level < 1:
            raise ValueError(f"level {level} is no probability between 0 and 1")
        rank = math.ceil((self.n + 1) * level - 1e-9)
        if rank > self.n:
            return None
        kept = len(self.residuals)
        # of residuals that were thinned out, the next larger one that is there
        place = rank - 1 if kept == self.n else math.ceil((rank - 1) * (kept - 1) / (self.n - 1))
        return self.residuals[place]

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {"n": self.n, "residuals": list(self.residuals)}

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> ValueCalibration:
        """Inverse of `to_dict`."""
        return cls(int(record["n"]), tuple(float(each) for each in record["residuals"]))


def fit_values(prediction: Floats, target: Floats) -> ValueCalibration | None:
    """Residuals of a regression task, [n] each; None without a finite one."""
    residuals = np.sort(np.abs(np.asarray(prediction, np.float64) - target).reshape(-1))
    residuals = residuals[np.isfinite(residuals)]
    n = len(residuals)
    if not n:
        return None
    if n > MOST_RESIDUALS:
        residuals = residuals[np.linspace(0, n - 1, MOST_RESIDUALS).astype(int)]
    return ValueCalibration(n, tuple(residuals.tolist()))


def fit_terms(logits: Floats, target: Floats) -> TermCalibration | None:
    """Temperature, threshold and reliability of a multi-label task.

    Args:
        logits: [n, C], of the labelled rows.
        target: [n, C], 0 or 1.

    Returns:
        None without a row, without a term, or where a logit is not finite.
    """
    logits, target = np.asarray(logits, np.float64), np.asarray(target, np.float64)
    if not logits.size or not np.isfinite(logits).all():
        return None
    temperature = _temperature(logits, target) if len(logits) >= FEWEST else 1.0
    probability = expit(logits / temperature)
    curve = precision_recall(torch.from_numpy(probability), torch.from_numpy(target))
    best = int(curve.f_score().argmax())
    return TermCalibration(
        n=len(logits),
        temperature=temperature,
        threshold=float(curve.thresholds[best]),
        fmax=float(curve.f_score()[best]),
        precision=float(curve.precision[best]),
        recall=float(curve.recall[best]),
        ece_before=expected_error(reliability(expit(logits), target)),
        ece=expected_error(reliability(probability, target)),
        reliability=reliability(probability, target),
    )


def _temperature(logits: Floats, target: Floats) -> float:
    """The temperature of the largest likelihood (Guo et al., ICML 2017), of all terms together."""
    if not 0 < target.sum() < target.size:
        return 1.0  # the likelihood would have no maximum

    def loss(log_temperature: float) -> float:
        scaled = logits * math.exp(-log_temperature)
        return float(np.mean(np.logaddexp(0, scaled) - target * scaled))

    found = minimize_scalar(loss, bounds=(-LOG_RANGE, LOG_RANGE), method="bounded")
    return math.exp(float(found.x))


def reliability(probability: Floats, target: Floats, bins: int = BINS) -> tuple[Bin, ...]:
    """Mean probability and share of true terms of all predictions, by probability."""
    probability, target = probability.reshape(-1), target.reshape(-1)
    place = np.minimum((probability * bins).astype(int), bins - 1)
    count = np.bincount(place, minlength=bins)
    predicted, found = (np.bincount(place, x, minlength=bins) for x in (probability, target))
    return tuple(
        Bin(float(predicted[k] / count[k]), float(found[k] / count[k]), int(count[k]))
        for k in np.flatnonzero(count).tolist()
    )


def expected_error(curve: tuple[Bin, ...]) -> float:
    """Mean of |mean probability - share of true ones| over all predictions."""
    total = sum(each.count for each in curve)
    return sum(each.count * abs(each.predicted - each.found) for each in curve) / total
