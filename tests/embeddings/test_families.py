"""Other families than ESM2 by the same door: each as `transformers` itself runs it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hemenet_lab.embeddings import LanguageModel, ModelName, embed_store, network, store_texts
from hemenet_lab.embeddings.language_model import windows
from hemenet_lab.encoders import ResidueEmbedding
from hemenet_lab.store import Store, StoreWriter
from tests.embeddings.tiny import WIDTH, tiny_esm2, tiny_esmc, tiny_saprot, tiny_t5
from tests.store.entries import TASKS, random_entry

transformers = pytest.importorskip("transformers")

FAMILIES: dict[str, tuple[Callable[[Path], Path], str, str, int, int]] = {
    # its class, how its authors write a chain, special tokens before and after
    "t5": (tiny_t5, "T5EncoderModel", "{} ", 0, 1),
    "esmc": (tiny_esmc, "EsmcModel", "{}", 1, 1),
    "saprot": (tiny_saprot, "EsmModel", "{}#", 1, 1),
}
LETTERS = np.array(list("ACDEFGHIKLMNPQRSTVWYX"))


def sequence(length: int) -> str:
    return "".join(np.random.default_rng(length).choice(LETTERS, length))


@pytest.fixture(scope="module", params=FAMILIES)
def family(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def folder(family: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return FAMILIES[family][0](tmp_path_factory.mktemp(family))


@pytest.fixture(scope="module")
def model(folder: Path) -> LanguageModel:
    return LanguageModel(ModelName(str(folder)))


def forward(family: str, folder: Path, text: str) -> np.ndarray[Any, Any]:
    """`transformers` on a single chain, with its own tokenizer."""
    _, kind, spelled, before, after = FAMILIES[family]
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    written = "".join(spelled.format(letter) for letter in text)
    if family == "saprot":
        written = written.replace("X#", "##")
    given = tokenizer(written, return_tensors="pt")
    reference = getattr(transformers, kind).from_pretrained(folder).eval()
    with torch.no_grad():
        found = reference(**given).last_hidden_state[0]
    assert len(found) == before + len(text) + after
    return found[before : len(found) - after].numpy()


@pytest.mark.parametrize("length", [1, 2, 60, 1022])
def test_single_chains_are_those_of_transformers(
    family: str, folder: Path, model: LanguageModel, length: int
) -> None:
    text = sequence(length)
    [found] = model.embed([text])
    assert found.shape == (length, WIDTH)
    np.testing.assert_allclose(found, forward(family, folder, text), atol=1e-5)


def test_batch_length_and_padding_do_not_matter(model: LanguageModel) -> None:
    texts = [sequence(length) for length in (5, 200, 1, 40, 41)]
    alone = [model.embed([text])[0] for text in texts]
    for batch in (1, 100, 10_000):
        for found, want in zip(model.embed(texts, batch), alone, strict=True):
            np.testing.assert_allclose(found, want, atol=1e-5)


def test_rare_residues_are_x(model: LanguageModel) -> None:
    found = [model.embed([text])[0] for text in ("KUZOBJ*", "KXXXXXX")]
    np.testing.assert_array_equal(*found)


def test_windows_are_as_long_as_the_family_allows(
    family: str, folder: Path, tmp_path: Path
) -> None:
    longest = {"t5": 4096, "esmc": 2046, "saprot": 1022}[family]
    assert LanguageModel(ModelName(str(folder))).window == longest
    copy = shutil.copytree(folder, tmp_path / "copy")
    config = json.loads((copy / "config.json").read_text())
    if family == "esmc":
        (copy / "config.json").write_text(json.dumps(config | {"max_position_embeddings": 32}))
        short = LanguageModel(ModelName(str(copy)))
        assert short.window == 30
        text = sequence(70)
        [found], (_, first) = short.embed([text]), windows(70, 30)[0]
        assert first == 30
        [left] = short.embed([text[:30]])
        np.testing.assert_allclose(found[:20], left[:20], atol=1e-5)
        np.testing.assert_allclose(found[-20:], short.embed([text[-30:]])[0][-20:], atol=1e-5)


def test_a_store_is_embedded(model: LanguageModel, tmp_path: Path) -> None:
    with StoreWriter(tmp_path / "store", TASKS) as writer:
        writer.add(random_entry(1, ligand=2))
        writer.close()
    store = Store(tmp_path / "store")
    place = embed_store(store, model, store_texts(store))
    manifest = json.loads((place / "manifest.json").read_text())
    assert (manifest["window"], manifest["width"]) == (model.window, WIDTH)
    node_input = ResidueEmbedding(model.name.name)
    assert node_input.width == WIDTH
    found = node_input.stored(store).of(store[0])
    [want] = model.of_entries([store[0]])
    np.testing.assert_allclose(found.astype(float), want.astype(float), atol=2e-3)


def test_tokens_of_a_folder_are_part_of_its_digest(folder: Path, tmp_path: Path) -> None:
    name = ModelName(str(folder))
    copy = shutil.copytree(folder, tmp_path / "copy")
    assert ModelName(str(copy)).identity == name.identity
    file = next(copy / file for file in ("tokenizer.json", "vocab.txt") if (copy / file).is_file())
    file.write_text(file.read_text() + "\n")
    assert ModelName(str(copy)).identity != name.identity


def test_the_encoder_of_a_whole_t5(tmp_path: Path) -> None:
    """What is saved with a decoder gives what the encoder alone gives."""
    folder = tiny_t5(tmp_path)
    config = transformers.T5Config.from_pretrained(folder, num_decoder_layers=1)
    with torch.random.fork_rng():
        torch.manual_seed(1)
        transformers.T5ForConditionalGeneration(config).save_pretrained(folder)
    [found] = LanguageModel(ModelName(str(folder))).embed(["ACDX"])
    np.testing.assert_allclose(found, forward("t5", folder, "ACDX"), atol=1e-5)


def test_absolute_positions_bound_the_window(tmp_path: Path) -> None:
    from transformers import EsmConfig, EsmModel

    folder = tiny_esm2(tmp_path)
    config = EsmConfig.from_pretrained(
        folder, position_embedding_type="absolute", max_position_embeddings=34
    )
    EsmModel(config, add_pooling_layer=False).save_pretrained(folder)
    found = LanguageModel(ModelName(str(folder)))
    assert found.window == 30
    assert np.isfinite(found.embed([sequence(100)])[0]).all()


def test_what_needs_code_of_its_own_is_refused(tmp_path: Path) -> None:
    folder = tiny_esmc(tmp_path)
    ran = tmp_path / "ran"
    (folder / "own.py").write_text(f"open({str(ran)!r}, 'w')\nclass C: pass\n")
    config = json.loads((folder / "config.json").read_text())
    own = {"AutoConfig": "own.C", "AutoModel": "own.C"}
    (folder / "config.json").write_text(
        json.dumps(config | {"model_type": "mine", "auto_map": own})
    )
    message = "of the kind 'mine' that needs code of its own, which is never run; allowed: esm "
    with pytest.raises(ValueError, match=message):
        LanguageModel(ModelName(str(folder)))
    # of a kind that is known, its own code is not looked at
    (folder / "config.json").write_text(json.dumps(config | {"auto_map": own}))
    LanguageModel(ModelName(str(folder)))
    assert not ran.exists()


def test_tokens_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tiny_t5(tmp_path)
    (folder / "tokenizer.json").rename(folder / "spiece.model")
    monkeypatch.setattr(network, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"pip install sentencepiece protobuf; or save"):
        LanguageModel(ModelName(str(folder)))
    (folder / "spiece.model").unlink()
    with pytest.raises(ValueError, match=r"has no vocab.txt \(or tokenizer.json\): a language"):
        LanguageModel(ModelName(str(folder)))
    vocabulary = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁A", -1.0), ("▁CD", -1.0)]
    transformers.T5Tokenizer(vocab=vocabulary, extra_ids=0).save_pretrained(folder)
    with pytest.raises(ValueError, match=r"has no tokens ▁R, ▁N, .* does not read plain"):
        LanguageModel(ModelName(str(folder)))


def test_a_family_that_an_older_transformers_lacks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tiny_esmc(tmp_path)
    family = network.FAMILIES["esmc"]
    monkeypatch.setitem(network.FAMILIES, "esmc", replace(family, model="NoSuchModel"))
    with pytest.raises(ValueError, match=r"needs NoSuchModel, which transformers 5.* a newer one"):
        LanguageModel(ModelName(str(folder)))
