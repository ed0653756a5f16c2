"""Starting from weights: what is taken, what is frozen, and rates by part."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback
from torch import Tensor

from hemenet_lab.encoders import HeMeNet
from hemenet_lab.model import DoesNotFit, MultiTaskModule
from hemenet_lab.model.finetuning import parameter_groups
from hemenet_lab.model.heads import Head
from hemenet_lab.model.starting import take_weights
from hemenet_lab.saved import read_checkpoint
from hemenet_lab.store import Store
from hemenet_lab.tasks import EC, LBA, MF, PPA, Task
from tests.store.small_store import small_store
from tests.training.runs import fitted, small_module

EC3, MF2 = EC.with_terms(["1.1", "2.2", "3.3"]), MF.with_terms(["a", "b"])


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return small_store(tmp_path_factory.mktemp("finetuning") / "store")


def built(*tasks: Task, seed: int = 0, dim: int = 8, **options: Any) -> MultiTaskModule:
    torch.manual_seed(seed)
    encoder = HeMeNet(hidden_dim=dim, num_layers=1, channel_dim=4, relation_dim=4)
    module = MultiTaskModule(encoder, **options)
    module.build(tasks)
    return module


def saved(module: MultiTaskModule, **more: Any) -> dict[str, Any]:
    tasks = [task.to_dict() for task in module.tasks]
    return {"state_dict": module.state_dict(), "tasks": tasks, **more}


def copies(module: MultiTaskModule) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in module.state_dict().items()}


def test_a_seventh_task_takes_all_but_its_head() -> None:
    source = built(LBA, EC3, MF2)
    own = Task("own", "chain", "multilabel", terms=("x", "y"))
    model = built(EC3, own, seed=1)
    before = copies(model)
    lines = take_weights(model, model.tasks, saved(source), "other.ckpt").lines()
    after, theirs = model.state_dict(), source.state_dict()
    for name in after:
        if name.startswith("heads.own."):
            assert torch.equal(after[name], before[name])
        elif not name.endswith("prompt"):
            assert torch.equal(after[name], theirs[name]), name
    prompt = "readouts.chain.prompt"  # tasks there: ec, mf; here: ec, own
    assert torch.equal(after[prompt][0], theirs[prompt][0])
    assert torch.equal(after[prompt][1], before[prompt][1])
    text = "\n".join(lines)
    assert "Weights from other.ckpt" in text
    assert "heads.own: 0 of 4 taken; heads.own.hidden.weight" in text
    assert "the checkpoint has no task own" in text
    assert "readouts.chain.prompt: 1 of 2 rows taken" in text
    assert "not used, no place here: readouts.complex" in text


def test_outputs_go_by_term_and_not_by_place() -> None:
    source = built(EC3)
    model = built(EC.with_terms(["3.3", "9.9", "1.1"]), seed=1)
    before = copies(model)
    take_weights(model, model.tasks, saved(source), "c")
    name = "heads.ec.output.weight"
    here, there = model.state_dict()[name], source.state_dict()[name]
    assert torch.equal(here[0], there[2])
    assert torch.equal(here[1], before[name][1])
    assert torch.equal(here[2], there[0])


def test_a_task_of_the_same_name_and_another_kind_is_new() -> None:
    model = built(Task("ec", "complex", "regression"), seed=1)
    before = copies(model)
    report = take_weights(model, model.tasks, saved(built(EC3)), "c")
    assert all(torch.equal(model.state_dict()[n], before[n]) for n in before if "heads" in n)
    assert "is another task there (chain, multilabel, )" in "\n".join(report.lines())


def test_affinities_are_the_same_in_another_scale() -> None:
    source, model = built(LBA), built(LBA, seed=1)
    head, mine = (m.heads["lba"] for m in (source, model))
    assert isinstance(head, Head)
    assert isinstance(mine, Head)
    head.set_scale(6.0, 2.0)
    mine.set_scale(5.0, 1.5)
    take_weights(model, model.tasks, saved(source, target_scales={"lba": [6.0, 2.0]}), "c")
    features = torch.randn(4, 8)
    assert torch.allclose(mine(features), head(features), atol=1e-5)


def test_another_encoder_is_refused_with_the_reason() -> None:
    model = built(LBA, dim=16)
    content = saved(built(LBA), hyper_parameters={"encoder": {"class_path": "HeMeNet"}})
    with pytest.raises(DoesNotFit, match=r"does not fit this encoder.*shape \(8.*'HeMeNet'"):
        take_weights(model, model.tasks, content, "c")
    with pytest.raises(DoesNotFit, match="no weights with their tasks"):
        take_weights(model, model.tasks, {"state_dict": {}}, "c")
    short = saved(built(EC3))
    short["state_dict"]["heads.ec.output.weight"] = torch.zeros(1, 8)
    model = built(EC3)
    with pytest.raises(DoesNotFit, match="1 rows"):
        take_weights(model, model.tasks, short, "c")


def test_rates_go_to_the_longest_name() -> None:
    module = built(LBA, EC3)
    rates = {"encoder": 0.1, "heads": 0.2, "heads.ec": 0.3}
    groups = parameter_groups(module, rates)
    assert [group.get("lr") for group in groups] == [None, 0.1, 0.2, 0.3]
    assert sum(len(group["params"]) for group in groups) == len([*module.parameters()])
    assert {*map(id, groups[3]["params"])} == {*map(id, module.heads["ec"].parameters())}
    assert len([*parameter_groups(module, {})]) == len([*module.parameters()])
    with pytest.raises(ValueError, match=r"names 'head', which is no part.*'encoder'"):
        parameter_groups(module, {"head": 0.1})
    with pytest.raises(ValueError, match="must be 0 or more"):
        parameter_groups(module, {"heads": -0.1})


class Watch(Callback):
    """Keeps how far the encoder has moved at the end of each epoch."""

    def __init__(self) -> None:
        self.moved: list[bool] = []
        self.last: list[Tensor] = []

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        self.last = [p.detach().clone() for p in pl_module.encoder.parameters()]

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        now = [p.detach() for p in pl_module.encoder.parameters()]
        self.moved.append(not all(map(torch.equal, now, self.last)))


def test_frozen_until_the_epoch_and_after_a_resume(store: Store, tmp_path: Path) -> None:
    def thawing() -> MultiTaskModule:
        return small_module(freeze=["encoder"], unfreeze_at_epoch=2, learning_rates={"heads": 0.01})

    watch = Watch()
    run = fitted(store.path, tmp_path / "a", watch, module=thawing(), max_epochs=4)
    assert watch.moved == [False, False, True, True]
    checkpoint = tmp_path / "middle.ckpt"
    run = fitted(store.path, tmp_path / "b", watch := Watch(), module=thawing(), max_epochs=1)
    run.save_checkpoint(checkpoint)
    assert watch.moved == [False]
    read_checkpoint(checkpoint)  # the callback's state is plain data
    run = fitted(
        store.path,
        tmp_path / "c",
        watch := Watch(),
        module=thawing(),
        max_epochs=4,
        ckpt_path=checkpoint,
    )
    assert watch.moved == [False, True, True]
    assert [group["lr"] for group in run.optimizers[0].param_groups] == [1e-4, 0.01]


def test_frozen_for_good_and_wrong_parts(store: Store, tmp_path: Path) -> None:
    module = small_module(freeze=["encoder"])
    fitted(store.path, tmp_path / "a", watch := Watch(), module=module)
    assert watch.moved == [False, False]
    with pytest.raises(ValueError, match=r"model.freeze names 'encodr'"):
        fitted(store.path, tmp_path / "b", module=small_module(freeze=["encodr"]))
    parts = ["encoder", "readouts", "heads"]
    with pytest.raises(ValueError, match="leaves nothing to learn"):
        fitted(store.path, tmp_path / "c", module=small_module(freeze=parts))
    with pytest.raises(ValueError, match="epochs count from 0"):
        small_module(freeze=["encoder"], unfreeze_at_epoch=0)


def test_a_fit_starts_from_weights(store: Store, tmp_path: Path) -> None:
    """PPA, which the first model has never seen, beside EC, which it has."""
    run = fitted(store.path, tmp_path / "a", module=small_module(tasks=["lba", "ec"]))
    run.save_checkpoint(path := tmp_path / "first.ckpt")
    content = read_checkpoint(path)
    module = small_module(tasks=["ppa", "ec"], freeze=["encoder", "heads.ec.hidden"])
    module.start_from(content, "first.ckpt")
    fitted(store.path, tmp_path / "b", module=module)
    here, there = module.state_dict(), content["state_dict"]
    for name, value in here.items():
        if name.startswith(("encoder.", "heads.ec.hidden")) and "running" not in name:
            assert torch.equal(value, there[name]), name
    assert {task.name for task in module.tasks} == {EC.name, PPA.name}
