"""Predictions by a model that reads a language model: embedded on the fly, and never by another."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from hemenet_lab import Predictor
from hemenet_lab.calibration.measure import calibrate
from hemenet_lab.embeddings import embed_store, language_model, store_texts
from hemenet_lab.encoders import ResidueEmbedding, SequenceOnly
from hemenet_lab.explain import explain_entry
from hemenet_lab.graphs import EdgeCache
from hemenet_lab.loading import collate
from hemenet_lab.loading.loader import GraphDataset
from hemenet_lab.model import MultiTaskModule
from hemenet_lab.saved.checkpoint import LIGHTNINGS_INSTANTIATOR, MODEL
from hemenet_lab.store import Store
from hemenet_lab.structures import read_structure
from tests.embeddings.tiny import tiny_esm2
from tests.structures.test_deposited import seqres


@pytest.fixture
def model(esm2: Path, tmp_path: Path) -> Path:
    return shutil.copytree(esm2, tmp_path / "esm2")


@pytest.fixture
def checkpoint(model: Path, tiny_store: Path, tmp_path: Path) -> Path:
    """Of a SequenceOnly, as a fit writes it."""
    torch.manual_seed(0)
    node_input = ResidueEmbedding(str(model))
    module = MultiTaskModule(SequenceOnly(16), node_input=node_input)
    tasks = Store(tiny_store).tasks
    module.build(tasks)
    paths = "hemenet_lab.encoders"
    content = {
        MODEL: {
            "encoder": {"class_path": f"{paths}.SequenceOnly", "init_args": {"hidden_dim": 16}},
            "node_input": {
                "class_path": f"{paths}.ResidueEmbedding",
                "init_args": {"model": str(model), "revision": None, "width": 0},
            },
            "_instantiator": LIGHTNINGS_INSTANTIATOR,
        },
        "tasks": [task.to_dict() for task in tasks],
        "node_input": node_input.identity,
        "state_dict": module.state_dict(),
    }
    torch.save(content, tmp_path / "model.ckpt")
    return tmp_path / "model.ckpt"


def first_complex(tiny_store: Path) -> Path:
    return min(tiny_store.parent.glob("**/*_protein.pdb"))


def test_files_are_embedded_as_the_store_is(checkpoint: Path, tiny_store: Path) -> None:
    predictor = Predictor(checkpoint, device="cpu")
    module = predictor.members[0].module
    file = first_complex(tiny_store)
    result = predictor.predict(file, ligand=next(file.parent.glob("*_ligand.*")))
    store = Store(tiny_store)
    embed_store(store, module.node_input.language_model(), store_texts(store))
    index = store.index(result.entry.id.removesuffix("_protein"))
    view = module.encoder.view
    embeddings = module.node_input.stored(store)
    data = GraphDataset(store, EdgeCache(store, view), store.tasks, None, embeddings)
    with torch.no_grad():
        want = module(collate([data[index]]))
    assert result.affinity["lba"].value == pytest.approx(float(want["lba"]), abs=1e-3)
    found = calibrate(module, store, max_batches=1)  # of the store's embeddings
    assert found.training is not None
    explained = explain_entry(module, result.entry, ["lba"], methods=["occlusion"])
    assert np.isfinite(explained.maps[0].values).all()


def test_the_sequence_of_the_file_is_read(
    checkpoint: Path, tiny_store: Path, tmp_path: Path
) -> None:
    """As in a store: another deposited sequence gives other numbers, a wrong one none."""
    predictor = Predictor(checkpoint, device="cpu")
    source = first_complex(tiny_store)
    body, ligand = source.read_text(), next(source.parent.glob("*_ligand.*"))
    names = read_structure(source).residue_name.tolist()
    longer, wrong = [*["TRP"] * 9, *names], ["TRP", "TRP", *names[2:], "ALA"]
    found = []
    for declared, size in (([], 0), (names, len(names)), (longer, len(longer)), (wrong, 0)):
        (tmp_path / "a.pdb").write_text(seqres(declared) + body)
        result = predictor.predict(tmp_path / "a.pdb", ligand=ligand)
        found.append(result.affinity["lba"].value)
        assert [len(text) for text in result.entry.chain_sequence] == [size]
    assert found[0] == found[1] == found[3]
    assert abs(found[2] - found[0]) > 1e-4


def test_another_model_in_its_place_is_refused(checkpoint: Path, model: Path) -> None:
    shutil.rmtree(model)
    tiny_esm2(model, seed=1)
    with pytest.raises(ValueError, match="trained with the language model sha256:"):
        Predictor(checkpoint, device="cpu")


def test_a_model_that_is_gone_is_named(checkpoint: Path, model: Path) -> None:
    shutil.rmtree(model)
    with pytest.raises(ValueError, match=r"esm2'?: there is no such folder"):
        Predictor(checkpoint, device="cpu")


def test_without_transformers_the_extra_is_named(
    checkpoint: Path, tiny_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "transformers", None)
    language_model.load_language_model.cache_clear()
    predictor = Predictor(checkpoint, device="cpu")
    with pytest.raises(ValueError, match=r"pip install 'hemenet-lab\[plm\]'"):
        predictor.predict(first_complex(tiny_store))
    with pytest.raises(ValueError, match="which is not installed"):  # not once per file
        list(predictor.predict_many([first_complex(tiny_store)]))
