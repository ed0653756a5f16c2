"""Pretraining as a fit: it learns, counts exactly, resumes exactly, and a fit begins with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning.pytorch import Callback, Trainer

from hemenet_lab.encoders import HeMeNet
from hemenet_lab.model import TASKS_KEY, MultiTaskModule, take_weights
from hemenet_lab.pretraining import MaskedResidues, PretrainingDataModule
from hemenet_lab.pretraining.module import TypeScores
from hemenet_lab.store.reader import StoreWriter
from hemenet_lab.tasks import LBA
from hemenet_lab.training import ReproducibleSteps, RunCheckpoint, RunRecord
from tests.store.entries import make_entry
from tests.store.small_store import trainer

BACKBONE = ([-1.2, 0.8, 0.0], [0.0, 0.0, 0.0], [1.2, 0.8, 0.0])
OXYGEN = ([1.2, 2.8, 0.0], [3.2, 0.8, 0.0], [-0.8, 0.8, 0.0])


def told_by_geometry(folder: Path) -> Path:
    """Twelve stretched chains of three types, which say to which side a residue's O lies."""
    parts = {}
    with StoreWriter(folder, [LBA]) as writer:
        for seed in range(12):
            rng = np.random.default_rng(seed)
            kinds = rng.integers(0, 3, size=12)
            centre = 3.8 * np.arange(12)[:, None] * [1, 0, 0] + rng.normal(scale=0.1, size=(12, 3))
            around = np.array([[*BACKBONE, OXYGEN[kind], [0.0, -1.0, 1.0]] for kind in kinds])
            coords = [*(around + centre[:, None])]
            lists = (kinds.tolist(), [0] * 12, [*range(12)], [np.arange(5)] * 12, coords)
            entry = make_entry(*lists, entry_id=f"g{seed:02d}")
            writer.add(entry)
            parts[entry.id] = "val" if seed >= 9 else "train"
        writer.set_split("default", parts)
        writer.close()
    return folder


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return told_by_geometry(tmp_path_factory.mktemp("geometry") / "store")


def small_module(dropout: float = 0.0, lr: float = 1e-2) -> MaskedResidues:
    torch.manual_seed(0)
    encoder = HeMeNet(16, 1, 8, 8, dropout=dropout)
    return MaskedResidues(encoder, lambda parameters: torch.optim.Adam(parameters, lr=lr))


def data(store: Path, batch_graphs: int = 3, share: float = 0.15) -> PretrainingDataModule:
    return PretrainingDataModule(str(store), batch_graphs=batch_graphs, masked_share=share)


class Losses(Callback):
    """Keeps the training losses."""

    def __init__(self) -> None:
        self.found: list[float] = []

    def on_train_batch_end(self, trainer: Trainer, *args: Any) -> None:
        self.found.append(float(trainer.callback_metrics["train/loss"]))


def test_types_that_follow_from_geometry_are_learned(store: Path, tmp_path: Path) -> None:
    losses = Losses()
    run = trainer(tmp_path, max_epochs=20, check_val_every_n_epoch=20, callbacks=[losses])
    run.fit(small_module(), data(store, share=0.3))
    assert np.mean(losses.found[-6:]) < 0.5 * np.mean(losses.found[:3])
    scores = {name: float(value) for name, value in run.callback_metrics.items()}
    assert scores["val/n"] == 3 * 4
    assert scores["val/accuracy"] >= scores["val/constant_accuracy"] + 0.3
    assert scores["val/score"] > 0.5
    assert scores["val/perplexity"] < scores["val/constant_perplexity"] <= 3.01
    assert scores["val/perplexity"] == pytest.approx(np.exp(scores["val/loss"]))


def test_batches_do_not_matter_to_the_scores(store: Path, tmp_path: Path) -> None:
    module = small_module()
    one, three = (
        trainer(tmp_path).validate(module, data(store, size), verbose=False)[0] for size in (1, 3)
    )
    assert one.keys() == three.keys()
    for name in ("val/n", "val/accuracy", "val/constant_accuracy", "val/score"):
        assert one[name] == three[name]
    assert one["val/loss"] == pytest.approx(three["val/loss"], rel=1e-5)


def test_scores_by_hand() -> None:
    scores = TypeScores()
    logits = torch.nn.functional.one_hot(torch.tensor([3, 3, 5, 7, 7, 0]), 20).float()
    scores.update(logits, torch.tensor([3, -1, 5, 3, 3, -1]))
    scores.update(logits[:1], torch.tensor([-1]))
    found = {name: float(value) for name, value in scores.compute().items()}
    assert found["n"] == 4
    assert found["accuracy"] == 0.5
    assert found["constant_accuracy"] == 0.75
    assert found["score"] == pytest.approx(-1.0)
    assert found["constant_perplexity"] == pytest.approx(0.75**-0.75 * 0.25**-0.25)
    scores.reset()
    assert scores.compute()["n"] == 0


def test_a_batch_without_masked_residues_teaches_nothing() -> None:
    module = small_module()
    logits = torch.randn(5, 20, requires_grad=True)
    loss, count = module.loss(logits, torch.full((5,), -1))
    loss.backward()
    assert (float(loss.detach()), int(count)) == (0.0, 0)
    assert torch.equal(logits.grad, torch.zeros(5, 20))


class StopAt(Callback):
    """Ends the fit after a step, as a kill would."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_train_batch_start(self, trainer: Trainer, *args: Any) -> None:
        if trainer.global_step == self.step:
            raise RuntimeError("killed")


def test_a_resumed_fit_gives_the_same_weights_bit_for_bit(store: Path, tmp_path: Path) -> None:
    def fitted(name: str, *callbacks: Callback, ckpt_path: str | None = None) -> MaskedResidues:
        module = small_module(dropout=0.2)
        checkpoint = RunCheckpoint("val/loss", "min", every_n_train_steps=1)
        saved = [RunRecord(), ReproducibleSteps(0), checkpoint, *callbacks]
        run = trainer(tmp_path / name, max_epochs=3, enable_checkpointing=True, callbacks=saved)
        run.fit(module, data(store, 4), ckpt_path=ckpt_path, weights_only=True)
        return module

    straight = fitted("straight").state_dict()
    with pytest.raises(RuntimeError, match="killed"):
        fitted("broken", StopAt(4))  # three batches an epoch: in the second one
    (last,) = (tmp_path / "broken").glob("runs/*/checkpoints/last.ckpt")
    resumed = fitted("resumed", ckpt_path=str(last)).state_dict()
    assert all(torch.equal(straight[name], resumed[name]) for name in straight)
    assert torch.load(last, weights_only=True)["global_step"] == 4
    assert not torch.equal(straight["output.weight"], small_module().output.weight)


def test_a_fit_takes_all_of_the_encoder(store: Path, tmp_path: Path) -> None:
    path = tmp_path / "pretrained.ckpt"
    run = trainer(tmp_path, max_epochs=1)
    run.fit(pretrained := small_module(), data(store))
    run.save_checkpoint(path)
    content = torch.load(path, weights_only=True)
    assert content[TASKS_KEY] == []
    torch.manual_seed(5)
    module = MultiTaskModule(HeMeNet(16, 1, 8, 8), tasks=["lba"])
    module.build([LBA])
    head = module.heads["lba"].output.weight.clone()
    report = take_weights(module, [LBA], content, "it")
    for name, value in pretrained.encoder.state_dict().items():
        assert torch.equal(module.encoder.state_dict()[name], value), name
    assert torch.equal(module.heads["lba"].output.weight, head)
    of_encoder = [name for name in module.state_dict() if name.startswith("encoder.")]
    assert sorted(report.taken) == sorted(of_encoder)
    assert "not used, no place here: output (2)" in report.lines()[-1]
    again = small_module()
    again.start_from(content, "it")  # and pretraining itself goes on from it
    assert torch.equal(again.output.weight, pretrained.output.weight)
