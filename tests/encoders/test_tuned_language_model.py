"""A language model tuned by LoRA in the fit: what learns, what is kept, what it gives."""

from __future__ import annotations

import builtins
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hemenet_lab.embeddings import LanguageModel, chain_texts
from hemenet_lab.embeddings.network import FAMILIES
from hemenet_lab.encoders import (
    ResidueEmbedding,
    SequenceOnly,
    TunedLanguageModel,
    tuned_language_model,
)
from hemenet_lab.graphs import GraphView, ProteinGraph
from hemenet_lab.loading import ProteinMTDataModule, collate
from hemenet_lab.model import MultiTaskModule, entry_graphs
from tests.embeddings.tiny import tiny_esmc, tiny_saprot, tiny_t5
from tests.store.entries import TASKS, random_entry
from tests.store.small_store import small_store, trainer

pytest.importorskip("peft")


def built(esm2: Path, **settings: Any) -> tuple[MultiTaskModule, TunedLanguageModel]:
    torch.manual_seed(0)
    node_input = TunedLanguageModel(str(esm2), **settings)
    module = MultiTaskModule(SequenceOnly(8), node_input=node_input, lr_scheduler=None)
    module.build(TASKS)
    module.eval()
    return module, node_input


def shaken(esm2: Path, **settings: Any) -> tuple[MultiTaskModule, TunedLanguageModel]:
    """With adapters that change something, which fresh ones do not."""
    module, node_input = built(esm2, **settings)
    with torch.no_grad():
        for name, parameter in node_input.named_parameters():
            if "lora_B" in name:
                parameter.normal_()
    return module, node_input


def graphs_of(module: MultiTaskModule, count: int = 3) -> list[ProteinGraph]:
    entries = [random_entry(seed, chains=(9 + seed, 4), ligand=seed) for seed in range(count)]
    return entry_graphs(module, entries)


@pytest.mark.parametrize("window", [1022, 6])
def test_it_begins_as_the_frozen_model(
    window: int, esm2: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    family = replace(FAMILIES["esm"], longest=window)
    monkeypatch.setitem(FAMILIES, "esm", family)
    module, node_input = built(esm2)
    entry = random_entry(3, chains=(20, 7), ligand=2)
    known = replace(entry, chain_sequence=("mk" + entry.sequences[0] + "gwx", ""))
    texts = [*chain_texts(entry), *chain_texts(known)]
    assert [len(text.text) for text in texts] == [20, 13, 25, 13]
    rows = LanguageModel(node_input.name).embed([each.text for each in texts])
    want = [each[text.letter] for each, text in zip(rows, texts, strict=True)]
    graph = collate(entry_graphs(module, [entry, known]))
    got = node_input.residues(graph)[graph.polymer_residue]
    torch.testing.assert_close(got, torch.from_numpy(np.concatenate(want)), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("make", [tiny_t5, tiny_esmc, tiny_saprot])
def test_other_families_are_tuned_too(make: Callable[[Path], Path], tmp_path: Path) -> None:
    folder = make(tmp_path)
    module, node_input = built(folder)
    entry = random_entry(3, chains=(20, 7), ligand=2)
    graph = collate(entry_graphs(module, [entry]))
    [want] = LanguageModel(node_input.name).of_entries([entry])
    got = node_input.residues(graph)[graph.polymer_residue]
    torch.testing.assert_close(got, torch.from_numpy(want).float(), atol=2e-3, rtol=1e-3)
    module.train()
    sum(output.square().sum() for output in module(graph).values()).backward()
    reached = {name for name, p in node_input.network.named_parameters() if p.grad is not None}
    assert len(reached) == 8
    assert all("lora_" in name for name in reached)


def test_batch_mates_and_padding_do_not_matter(esm2: Path) -> None:
    module, node_input = shaken(esm2)
    graphs = graphs_of(module)
    alone = torch.cat([module.encoder(graph) for graph in graphs])
    torch.testing.assert_close(module.encoder(collate(graphs)), alone, atol=1e-5, rtol=1e-5)
    node_input.letters = 12  # a chain at a time
    torch.testing.assert_close(module.encoder(collate(graphs)), alone, atol=1e-5, rtol=1e-5)


def test_gradients_reach_the_adapters_alone(esm2: Path) -> None:
    module, node_input = shaken(esm2, lora_rank=2)
    module.train()
    loss = sum(output.square().sum() for output in module(collate(graphs_of(module))).values())
    loss.backward()
    reached = {name for name, p in node_input.network.named_parameters() if p.grad is not None}
    assert reached == {name for name, _ in node_input.network.named_parameters() if "lora_" in name}
    assert len(reached) == 8  # two layers, queries and values, A and B
    for name, parameter in node_input.network.named_parameters():
        assert parameter.grad is None or parameter.grad.any(), name


def test_a_fit_tunes_it_and_its_checkpoint_holds_the_adapters_alone(
    tmp_path: Path, esm2: Path
) -> None:
    store = small_store(tmp_path / "store", 20)
    module, node_input = built(esm2)
    before = {name: value.clone() for name, value in node_input.network.named_parameters()}
    run = trainer(tmp_path, max_steps=2, limit_val_batches=0)
    run.fit(module, ProteinMTDataModule(str(store.path), batch_graphs=4))
    now = dict(node_input.network.named_parameters())
    moved = {name for name, old in before.items() if not now[name].equal(old)}
    assert moved == {name for name in before if "lora_" in name}
    file = tmp_path / "a.ckpt"
    run.save_checkpoint(file)
    content = torch.load(file, weights_only=True)
    kept = {name for name in content["state_dict"] if ".network." in name}
    assert kept == {f"node_input.network.{name}" for name in moved}
    # going on from it, in a new module: the same adapters, and the same predictions
    other, _ = built(esm2)
    on = trainer(tmp_path, max_steps=3, limit_val_batches=0)
    on.fit(other, ProteinMTDataModule(str(store.path), batch_graphs=4), ckpt_path=file)
    assert on.global_step == 3
    again, _ = built(esm2)
    again.load_state_dict(content["state_dict"])
    graph = collate(graphs_of(again))
    module.eval()
    torch.testing.assert_close(again.encoder(graph), module.encoder(graph))
    for word in ("ligand", "lora_A"):
        left = {k: v for k, v in content["state_dict"].items() if word not in k}
        with pytest.raises(RuntimeError, match=rf"Missing key.*{word}"):
            again.load_state_dict(left)


def test_what_does_not_fit_is_told(esm2: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match=r"650M.* has 1280 numbers per residue, and models up to"):
        TunedLanguageModel("facebook/esm2_t33_650M_UR50D")
    with pytest.raises(ValueError, match="lora_rank is 0; it must be 1 or more"):
        TunedLanguageModel(str(esm2), lora_rank=0)
    with pytest.raises(ValueError, match=r"reads whole chains, .* view.crop is 6 Å"):
        TunedLanguageModel(str(esm2)).attach(SequenceOnly(8, view=GraphView(crop=6.0)))
    module, _ = built(esm2)
    frozen = MultiTaskModule(SequenceOnly(8), node_input=ResidueEmbedding(str(esm2)))
    frozen.build(TASKS)
    [graph] = entry_graphs(frozen, [random_entry(0)])
    with pytest.raises(ValueError, match="has no letters for"):
        module.encoder(graph)
    monkeypatch.setattr(tuned_language_model, "LARGEST", 100)
    with pytest.raises(ValueError, match=r"has [0-9,]+ parameters, and models up to 150M"):
        TunedLanguageModel(str(esm2))
    monkeypatch.undo()
    real = builtins.__import__

    def without(name: str, *rest: Any, **more: Any) -> Any:
        if name == "peft":
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ValueError, match=r"peft, .*pip install 'hemenet-lab\[plm\]'"):
        TunedLanguageModel(str(esm2))
