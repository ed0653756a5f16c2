"""Two processes with unequal numbers of rows give exactly the scores of one."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import distributed
from torch.multiprocessing.spawn import spawn

from hemenet_lab.metrics import MaskedMetric, MeanLoss, Score, task_metrics
from hemenet_lab.tasks import EC, LBA

TASKS = (LBA, EC.with_terms([str(term) for term in range(7)]))


def rows(width: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(11)
    prediction = torch.rand(23, width, generator=generator)
    target = (torch.rand(23, width, generator=generator) < 0.4).float()
    return prediction, target, torch.rand(23, generator=generator) < 0.7


def metrics() -> dict[str, MaskedMetric]:
    return {
        f"{task.name}/{name}": metric
        for task in TASKS
        for name, metric in task_metrics(task, test=True).items()
    }


def scores(start: int, stop: int) -> dict[str, Score]:
    """Scores after batches of 4 of the rows from ``start`` to ``stop``."""
    results = {}
    for name, metric in metrics().items():
        for part in torch.arange(start, stop).split(4):
            metric.update(*(values[part] for values in rows(metric.width)))
        results[name] = metric.compute()
        assert metric.n <= results[name].n
    results["loss"] = mean_loss(start, stop)
    return results


def mean_loss(start: int, stop: int) -> Score:
    """Mean of the numbers from ``start`` to ``stop``, in batches of 4, as if they were losses."""
    metric = MeanLoss()
    for part in torch.arange(start, stop).split(4):
        metric.update(part.double().mean().nan_to_num(), torch.tensor(len(part)))
    value = float(metric.compute())
    return Score(value if value == value else None, 0)


def process(rank: int, shares: list[tuple[int, int]], folder: str) -> None:
    torch.set_num_threads(1)
    distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2
    )
    for number, (first, second) in enumerate(shares):
        got = scores(*((0, first) if rank == 0 else (first, first + second)))
        plain = {name: tuple(score) for name, score in got.items()}
        torch.save(plain, f"{folder}/{number}_{rank}.pt")
    distributed.destroy_process_group()


def test_two_processes_equal_one(tmp_path: Path) -> None:
    shares = [(17, 6), (23, 0), (0, 0)]
    spawn(process, args=(shares, str(tmp_path)), nprocs=2)
    for number, share in enumerate(shares):
        want = {name: tuple(score) for name, score in scores(0, sum(share)).items()}
        assert all((score[0] is not None) == (sum(share) > 0) for score in want.values())
        for rank in range(2):
            assert torch.load(tmp_path / f"{number}_{rank}.pt") == want
