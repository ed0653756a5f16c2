"""ESM2 as transformers runs it: the same numbers, whatever is in the batch, also in windows."""

from __future__ import annotations

import json
import shutil
import socket
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hemenet_lab.embeddings import LanguageModel, ModelName, load_language_model, own_digest
from hemenet_lab.embeddings.language_model import OVERLAP, WINDOW, blend_weights, windows
from tests.embeddings.tiny import WIDTH, tiny_esm2
from tests.store.entries import random_entry

LETTERS = np.array(list("ACDEFGHIKLMNPQRSTVWYX"))


def sequence(length: int, seed: int = 0) -> str:
    return "".join(np.random.default_rng(seed).choice(LETTERS, length))


@pytest.fixture(scope="module")
def model(esm2: Path) -> LanguageModel:
    return LanguageModel(ModelName(str(esm2)))


def forward(folder: Path, text: str) -> np.ndarray:
    """`transformers` on a single chain, with its own tokenizer."""
    from transformers import AutoTokenizer, EsmModel

    reference = EsmModel.from_pretrained(folder, add_pooling_layer=False).eval()
    given = AutoTokenizer.from_pretrained(folder)(text, return_tensors="pt")
    return reference(**given).last_hidden_state[0, 1:-1].detach().numpy()


@pytest.mark.parametrize("length", [1, 2, 33, WINDOW])
def test_single_chains_are_those_of_transformers(
    model: LanguageModel, esm2: Path, length: int
) -> None:
    text = sequence(length)
    [found] = model.embed([text])
    assert found.shape == (length, WIDTH)
    np.testing.assert_allclose(found, forward(esm2, text), atol=1e-5)


def test_batch_length_and_padding_do_not_matter(model: LanguageModel) -> None:
    texts = [sequence(length, length) for length in (5, 900, 1, 1500, 40, 41)]
    alone = [model.embed([text])[0] for text in texts]
    for batch in (1, 200, 10_000):
        for found, want in zip(model.embed(texts, batch), alone, strict=True):
            np.testing.assert_allclose(found, want, atol=1e-5)
    assert model.embed([]) == []
    assert model.embed([""])[0].shape == (0, WIDTH)


def test_what_is_no_amino_acid_is_x(model: LanguageModel) -> None:
    np.testing.assert_array_equal(*(model.embed([text])[0] for text in ("KUJ*", "KXXX")))


@pytest.mark.parametrize("length", [1, WINDOW, WINDOW + 1, 1500, 2000, 5000])
def test_windows_cover_every_letter_and_overlap(length: int) -> None:
    found = windows(length)
    assert found[0][0] == 0
    assert found[-1][1] == length
    assert all(end - start <= WINDOW for start, end in found)
    assert all(a[1] - b[0] >= OVERLAP for a, b in pairwise(found))


def test_windows_are_blended(model: LanguageModel) -> None:
    text = sequence(1500)
    (_, first), (second, _) = windows(len(text))
    left, right = model.embed([text[:first]])[0], model.embed([text[second:]])[0]
    [whole] = model.embed([text])
    np.testing.assert_allclose(whole[:second], left[:second], atol=1e-5)
    np.testing.assert_allclose(whole[first:], right[first - second :], atol=1e-5)
    shared = slice(second, first)
    weight = blend_weights(WINDOW, True, False)[shared, None]
    other = blend_weights(WINDOW, False, True)[: first - second, None]
    want = (weight * left[shared] + other * right[: first - second]) / (weight + other)
    np.testing.assert_allclose(whole[shared], want, atol=1e-5)
    # no step where a window begins or ends: a letter's weight there is small
    assert weight[-1, 0] < 0.01 > other[0, 0]


def test_entries_get_what_a_file_would_hold(model: LanguageModel) -> None:
    entries = [random_entry(seed, ligand=seed) for seed in range(3)]
    found = model.of_entries(entries)
    for entry, rows in zip(entries, found, strict=True):
        assert rows.shape == (int((entry.node_chain >= 0).sum()), WIDTH)
        assert rows.dtype == np.float16
    again = model.of_entries(entries[1:2])[0]
    np.testing.assert_array_equal(again, found[1])


def test_folders_are_known_by_their_content(esm2: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(esm2, tmp_path / "copy")
    assert ModelName(str(copy)).identity == ModelName(str(esm2)).identity
    other = tiny_esm2(tmp_path / "other", seed=1)
    assert ModelName(str(other)).identity != ModelName(str(esm2)).identity
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps(config | {"layer_norm_eps": 0.1}))
    assert ModelName(str(copy)).identity != ModelName(str(esm2)).identity


def test_a_pickle_is_not_opened(esm2: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(esm2, tmp_path / "pickled")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(ValueError, match=r"has no \*.safetensors: .* never from a pickle"):
        LanguageModel(ModelName(str(folder)))


def test_a_file_without_all_weights_is_refused(esm2: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = shutil.copytree(esm2, tmp_path / "part")
    weights = load_file(folder / "model.safetensors")
    del weights["encoder.layer.1.attention.self.query.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ValueError, match="lacks 1 of the model's weights"):
        LanguageModel(ModelName(str(folder)))


def test_another_kind_of_model_is_refused(esm2: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(esm2, tmp_path / "bert")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"model_type": "bert"}))
    with pytest.raises(ValueError, match="of the kind 'bert'; allowed: esm"):
        LanguageModel(ModelName(str(folder)))
    folder = shutil.copytree(esm2, tmp_path / "letters")
    (folder / "vocab.txt").write_text((folder / "vocab.txt").read_text().replace("\nA\n", "\nA#\n"))
    with pytest.raises(ValueError, match="has no tokens A; it does not read plain sequences"):
        LanguageModel(ModelName(str(folder)))


@pytest.mark.parametrize(
    ("name", "revision", "message"),
    [
        ("nowhere", None, "there is no such folder, and it is no name of the Hugging Face hub"),
        ("/tmp/../x y/z", None, "there is no such folder"),
        ("someone/model", None, "revision None is no full commit"),
        ("someone/model", "main", "revision 'main' is no full commit"),
    ],
)
def test_names_that_mean_nothing_certain(name: str, revision: str | None, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ModelName(name, revision)


def test_known_models_have_revisions_and_widths() -> None:
    name = ModelName("facebook/esm2_t33_650M_UR50D")
    assert name.identity.endswith("@08e4846e537177426273712802403f7ba8261b6c")
    assert name.width == 1280
    assert name.words() == "--model facebook/esm2_t33_650M_UR50D"


def test_a_stranger_s_model_is_not_fetched(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    import huggingface_hub.constants as hub

    asked: list[Any] = []
    monkeypatch.setattr(socket, "getaddrinfo", lambda *where, **_: asked.append(where))
    monkeypatch.setattr(hub, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ValueError, match=r"weights .* are not here .*`hf download stranger/model"):
        load_language_model(ModelName("stranger/model", "a" * 40))
    assert asked == []


def test_the_digest_of_a_folder_stays(tmp_path: Path) -> None:
    """Checkpoints name it: that of config, vocabulary and weights, as it was from the beginning."""
    for name in ("config.json", "vocab.txt", "model.safetensors", "tokenizer_config.json"):
        (tmp_path / name).write_text(name)
    assert own_digest(tmp_path) == (
        "e51ae3bea5adfcf828128a79c1b724dd2227c7a2a783d6a0d2457956d49215a3"
    )
