"""Every encoder of the zoo: trains through the shared module, memorises, and fits every readout."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, Trainer
from torch_geometric.data import Batch

from hemenet_lab.data.datamodule import ProteinMTDataModule
from hemenet_lab.data.store import Store
from hemenet_lab.encoders.base import Encoder
from hemenet_lab.module import MultiTaskModule
from hemenet_lab.readout import Readout
from hemenet_lab.tasks import EC, LBA, PPA
from hemenet_lab.testing.random_graphs import random_graphs
from tests.baselines.graphs import CONFIGS, count_parameters, from_config
from tests.data.small_store import trainer

WIDTH: dict[str, Any] = {"hidden_dim": 32, "num_layers": 2}
CHANNELS: dict[str, Any] = {"channel_dim": 8, "dropout": 0.0}
SMALL: dict[str, dict[str, Any]] = {
    "hemenet": WIDTH | CHANNELS | {"relation_dim": 8},
    "hemenet_alpha": WIDTH | CHANNELS | {"relation_dim": 8},
    "gcn": WIDTH,
    "gat": WIDTH | {"heads": 2},
    "schnet": WIDTH | {"num_filters": 32},
    "gearnet": WIDTH,
    "gearnet_fullatom": WIDTH | {"hidden_dim": 16},
    "egnn": WIDTH | {"message_dim": 32},
    "gvp": {
        "hidden_dim": 16,
        "num_layers": 1,
        "vector_dim": 4,
        "dropout": 0.0,
        "view": {"k": 10, "k_min_separation": 0, "sequence_offsets": []},
    },
    "dymean": WIDTH | CHANNELS,
    "cdconv": {
        "channels": [16, 32],
        "radii": [8.0, 12.0],
        "kernel_channels": [8],
        "dropout": 0.0,
    },
}
"""Encoder → what makes its config small; dropout is off, so that a loss can reach zero."""

AFFINITIES = ["lba", "ppa"]
NEAR_ZERO = 0.02
"""Sum of both mean squared errors, pKd²: both together are 0.14 pKd off, or less."""


@pytest.fixture(params=SMALL)
def name(request: pytest.FixtureRequest) -> str:
    return request.param


def small(name: str) -> Encoder:
    torch.manual_seed(0)
    return from_config(f"{name}.yaml", **SMALL[name])


def test_no_encoder_of_the_configs_is_left_out() -> None:
    assert {path.stem for path in CONFIGS.glob("*.yaml")} == {*SMALL, "hemenet_small"}
    assert {path.stem for path in CONFIGS.glob("comparable/*.yaml")} == set(SMALL)


# --- training through the shared module ----------------------------------------------------------


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
@pytest.mark.parametrize("tasks", [None, ["ec"]], ids=["multi-task", "single-task"])
def test_trains(
    name: str, tasks: list[str] | None, precision: str, tiny_store: Path, tmp_path: Path
) -> None:
    module = MultiTaskModule(small(name), tasks=tasks)
    data = ProteinMTDataModule(str(tiny_store))
    limits = {"max_steps": 2, "limit_val_batches": 1, "val_check_interval": 1}
    run = trainer(tmp_path, precision=precision, gradient_clip_val=10.0, **limits)
    before = [parameter.clone() for parameter in module.encoder.parameters()]
    run.fit(module, data)
    assert [task.name for task in module.tasks] == (tasks or [t.name for t in data.store.tasks])
    losses = {key: float(value) for key, value in run.callback_metrics.items() if "loss" in key}
    assert {f"train/{task.name}/loss" for task in module.tasks} <= set(losses)
    assert {"train/loss", "val/loss"} <= set(losses)
    assert all(math.isfinite(value) for value in losses.values()), losses
    after = list(module.encoder.parameters())
    assert all(bool(parameter.isfinite().all()) for parameter in module.parameters())
    moved = [not torch.equal(a, b) for a, b in zip(before, after, strict=True)]
    assert sum(moved) > 0.9 * len(moved)


# --- memorising ----------------------------------------------------------------------------------


class StopNearZero(Callback):
    """Keeps the training losses, and stops below `NEAR_ZERO`."""

    def __init__(self) -> None:
        self.losses: list[float] = []

    def on_train_batch_end(self, trainer: Trainer, *args: Any) -> None:
        self.losses.append(float(trainer.callback_metrics["train/loss"]))
        trainer.should_stop = self.losses[-1] < NEAR_ZERO


def memorise(encoder: Encoder, store: Path, folder: Path, epochs: int = 120) -> list[float]:
    """Training losses on the affinities of the store's training complexes, one batch per epoch."""
    module = MultiTaskModule(
        encoder,
        tasks=AFFINITIES,
        optimizer=lambda parameters: torch.optim.Adam(parameters, lr=5e-3),
        lr_scheduler=None,
    )
    stop = StopNearZero()
    run = trainer(folder, max_epochs=epochs, limit_val_batches=0, callbacks=[stop])
    run.fit(module, ProteinMTDataModule(str(store), tasks=AFFINITIES, batch_graphs=8))
    return stop.losses


def test_overfits_8_complexes(name: str, tiny_store: Path, tmp_path: Path) -> None:
    counts = Store(tiny_store).counts()["train"]
    assert counts["lba"] + counts["ppa"] == 8
    losses = memorise(small(name), tiny_store, tmp_path)
    # a constant prediction keeps the variance of the labels, which is the first loss
    assert losses[0] > 1.0
    assert losses[-1] < NEAR_ZERO, losses[::10]


class Constant(Encoder):
    """The same features for whatever structure."""

    def __init__(self) -> None:
        super().__init__(from_config("gearnet.yaml", **SMALL["gearnet"]).view, 8)
        self.features = torch.nn.Parameter(torch.zeros(8))

    def forward(self, graph: Any) -> torch.Tensor:
        return self.features.expand(len(graph.pos), -1)


def test_an_encoder_without_eyes_does_not_overfit(tiny_store: Path, tmp_path: Path) -> None:
    losses = memorise(Constant(), tiny_store, tmp_path, epochs=60)
    assert min(losses) > 0.3 * losses[0]


# --- readouts ------------------------------------------------------------------------------------


def test_every_readout_fits(name: str) -> None:
    encoder = small(name).eval()
    batch = Batch.from_data_list(random_graphs(encoder.view, dtype=torch.float32))
    readouts = Readout.__subclasses__()
    assert len(readouts) >= 4
    for readout in readouts:
        module = MultiTaskModule(encoder, readout=readout)
        module.build([LBA, PPA, EC.with_terms(["1.1.1.1", "2.1.1.1", "3.1.1.1"])])
        with torch.no_grad():
            outputs = module.eval()(batch)
        assert {key: tuple(value.shape) for key, value in outputs.items()} == {
            "lba": (3, 1),
            "ppa": (3, 1),
            "ec": (int(batch.num_chains.sum()), 3),
        }
        assert all(bool(value.isfinite().all()) for value in outputs.values())


# --- sizes ---------------------------------------------------------------------------------------


def test_comparable_sizes(name: str) -> None:
    parameters = count_parameters(from_config(f"comparable/{name}.yaml"))
    assert abs(parameters / 2.0e6 - 1) < 0.15, parameters


def test_comparable_encoders_work_on_the_published_graph(name: str) -> None:
    published, comparable = from_config(f"{name}.yaml"), from_config(f"comparable/{name}.yaml")
    assert type(published) is type(comparable)
    assert published.view == comparable.view
