"""The module with its data: numbers that no batching changes, precision, refusals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Trainer
from torch_geometric.data import Batch

from hemenet_lab.encoders import HeMeNet
from hemenet_lab.loading.datamodule import ProteinMTDataModule
from hemenet_lab.model.checkpoint_notes import training_data_note
from hemenet_lab.model.module import MultiTaskModule
from hemenet_lab.nn.norm import Norm
from hemenet_lab.store.reader import Store
from tests.store.small_store import small_store, trainer

SMALL: dict[str, Any] = {"hidden_dim": 16, "num_layers": 2, "channel_dim": 8, "relation_dim": 8}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return small_store(tmp_path_factory.mktemp("module") / "store")


def small_module(norm: Norm = "batch", **options: Any) -> MultiTaskModule:
    torch.manual_seed(0)
    return MultiTaskModule(HeMeNet(**SMALL, dropout=0.0, norm=norm), **options)


def data(store: Store, **options: Any) -> ProteinMTDataModule:
    return ProteinMTDataModule(str(store.path), **options)


def validated(store: Store, folder: Path, **options: Any) -> dict[str, float]:
    """Metrics of a module that is not trained, of which each run gets the same."""
    run: Trainer = trainer(folder)
    run.validate(small_module(), datamodule=data(store, **options), verbose=False)
    return {name: float(value) for name, value in run.callback_metrics.items()}


def test_metrics_do_not_depend_on_the_batches(store: Store, tmp_path: Path) -> None:
    want = validated(store, tmp_path, batch_graphs=8)
    assert {"val/loss", "val/score", "val/ppa/rmse", "val/ec/fmax", "val/ec/n"} <= set(want)
    for size in (1, 3):
        assert validated(store, tmp_path, batch_graphs=size) == pytest.approx(want, rel=1e-6)


def test_loss_is_the_weighted_sum_of_means_over_items(store: Store, tmp_path: Path) -> None:
    run: Trainer = trainer(tmp_path)
    module, loaded = small_module(loss_weights={"ppa": 3.0}), data(store, batch_graphs=2)
    run.validate(module, datamodule=loaded, verbose=False)
    graphs = [loaded.dataset[i] for i in range(len(store)) if store.split()[i] == 1]
    batch = Batch.from_data_list(graphs)
    with torch.no_grad():
        losses = module.eval().losses(batch, module(batch))
    weights = {"ppa": 3.0}
    want = sum(weights.get(name, 10.0) * float(loss) for name, (loss, n) in losses.items() if n)
    assert float(run.callback_metrics["val/loss"]) == pytest.approx(want, rel=1e-5)


def test_training_loss_of_an_epoch_is_the_mean_over_items(store: Store, tmp_path: Path) -> None:
    module = small_module(
        norm="layer",
        tasks=["lba", "ec"],
        lr_scheduler=None,
        optimizer=lambda parameters: torch.optim.SGD(parameters, lr=0.0),
    )
    run: Trainer = trainer(tmp_path, max_epochs=1, limit_val_batches=0)
    loaded = data(store, batch_graphs=3, tasks=["lba", "ec"], balanced=False)
    run.fit(module, datamodule=loaded)
    batch = Batch.from_data_list([loaded.dataset[i] for i in range(50) if store.split()[i] == 0])
    with torch.no_grad():
        losses = module.eval().losses(batch, module(batch))
    for name, (loss, _) in losses.items():
        assert float(run.callback_metrics[f"train/{name}/loss"]) == pytest.approx(
            float(loss), rel=1e-4
        )


def test_predictions_are_not_rounded_to_half_precision(store: Store) -> None:
    loaded, module = data(store), small_module()
    module.build(loaded.tasks)
    batch = Batch.from_data_list([loaded.dataset[index] for index in range(6)])
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        outputs = module.eval()(batch)
    for output in outputs.values():
        assert output.dtype == torch.float32
        assert not torch.equal(output, output.bfloat16().float())


def test_only_training_decides_what_a_model_learned_from(store: Store, tmp_path: Path) -> None:
    loaded = data(store)
    loaded.store.manifest["synthetic"] = True
    module = small_module()
    trainer(tmp_path).validate(module, datamodule=loaded, verbose=False)
    assert training_data_note(module) == ""
    module = small_module()
    run = trainer(tmp_path, max_epochs=1, limit_train_batches=1, limit_val_batches=1)
    run.fit(module, datamodule=loaded)
    assert training_data_note(module) == "SYNTHETIC demo data"


def test_schedule_without_validation_is_refused_before_training(
    store: Store, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=r"follows val/loss, but trainer.limit_val_batches is 0"):
        trainer(tmp_path, limit_val_batches=0).fit(small_module(), data(store))
    assert data(store, tasks=["lba"]).counts["val"] == {"lba": 0}
    with pytest.raises(ValueError, match=r"'default' has no labelled validation item of .'lba'"):
        trainer(tmp_path).fit(small_module(tasks=["lba"]), data(store))


def test_training_goes_without_validation(store: Store, tmp_path: Path) -> None:
    module = small_module(tasks=["lba"], lr_scheduler=None)
    run: Trainer = trainer(tmp_path, max_epochs=1)
    run.fit(module, data(store))
    assert torch.isfinite(run.callback_metrics["train/lba/loss"])
