"""Each fact about a metric stands in the registry, and agrees with what the metric does."""

from __future__ import annotations

import pytest
import torch

from hemenet_lab.metrics import (
    MAIN_METRICS,
    METRICS,
    PAPER_METRICS,
    bootstrap,
    main_metric,
    task_metrics,
)
from hemenet_lab.tasks import EC, LBA

EC3 = EC.with_terms(["1", "2", "3"])


def test_what_tables_and_figures_show() -> None:
    assert PAPER_METRICS == ("rmse", "mae", "fmax")
    assert MAIN_METRICS == ("rmse", "fmax")
    assert [main_metric(kind).name for kind in ("regression", "multilabel")] == ["rmse", "fmax"]
    assert METRICS["rmse"].heading == "RMSE ↓"
    assert METRICS["fmax"].axis_label("pKd") == "Fmax ↑"
    assert METRICS["mae"].axis_label("pKd") == "MAE (pKd) ↓"
    assert METRICS["mae"].axis_label() == "MAE ↓"


@pytest.mark.parametrize("name", METRICS)
def test_direction_is_that_of_the_numbers(name: str) -> None:
    """Perfect predictions against poor ones."""
    info = METRICS[name]
    task = LBA if info.kind == "regression" else EC3
    generator = torch.Generator().manual_seed(2)
    target = torch.rand(30, task.num_outputs, generator=generator)
    noise = torch.rand(30, task.num_outputs, generator=generator)
    if info.kind == "multilabel":
        target = (target < 0.3).float()
    values = []
    for prediction in (target, noise):
        metric = info.make(task)
        metric.update(prediction, target, torch.ones(30, dtype=torch.bool))
        values.append(metric.compute().value)
    perfect, poor = values
    assert (perfect > poor) == info.higher_is_better


@pytest.mark.parametrize("name", [name for name, info in METRICS.items() if info.has_interval])
def test_resampling_knows_the_same_metric(name: str) -> None:
    info = METRICS[name]
    task = LBA if info.kind == "regression" else EC3
    generator = torch.Generator().manual_seed(4)
    prediction = torch.rand(25, task.num_outputs, generator=generator)
    target = (torch.rand(25, task.num_outputs, generator=generator) < 0.4).float()
    metric = task_metrics(task, test=True)[name]
    metric.update(prediction, target, torch.ones(25, dtype=torch.bool))
    found = bootstrap(name, prediction.numpy(), target.numpy(), resamples=50)
    assert found.value == pytest.approx(metric.compute().value, rel=1e-6)
    assert found.low is not None
    assert found.low <= found.value <= found.high


def test_mean_over_terms_has_no_interval() -> None:
    with pytest.raises(ValueError, match="metric 'aupr_macro'; allowed: rmse"):
        bootstrap("aupr_macro", [[0.5]], [[1.0]])
