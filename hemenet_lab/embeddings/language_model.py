"""Protein language models of the ESM2 kind, as `transformers` runs them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemenet_lab.basics import first_line
from hemenet_lab.embeddings.names import READ, REVISIONS, ModelName, own_digest
from hemenet_lab.embeddings.texts import chain_texts, residue_rows
from hemenet_lab.store import Entry
from hemenet_lab.structures import ONE_LETTER

WINDOW = 1022
"""Most letters that the model sees at once; ESM2 was trained with this length."""
OVERLAP = 256
"""Letters that neighbouring windows share; their embeddings are blended."""
KEPT = 20_000
"""Letters whose embeddings are kept, for poses and models of the same protein."""
NEEDS = (
    "protein language models need the package transformers, which is not installed: "
    "pip install 'hemenet-lab[plm]'"
)
Floats = NDArray[np.float32]


def windows(length: int) -> list[tuple[int, int]]:
    """First and last + 1 letter of the windows that cover a text."""
    if length <= WINDOW:
        return [(0, length)]
    starts = [*range(0, length - WINDOW, WINDOW - OVERLAP), length - WINDOW]
    return [(start, start + WINDOW) for start in starts]


def blend_weights(length: int, first: bool, last: bool) -> Floats:
    """Weight of each letter of a window: it falls off towards an end that another one covers."""
    weight = np.ones(length, dtype=np.float32)
    ramp = np.arange(1, OVERLAP + 1, dtype=np.float32) / (OVERLAP + 1)
    if not first:
        weight[:OVERLAP] = ramp
    if not last:
        weight[-OVERLAP:] = np.minimum(weight[-OVERLAP:], ramp[::-1])
    return weight


class LanguageModel:
    """An ESM2 model in evaluation mode: letters in, a vector per letter out.

    Args:
        name: Which one; it is loaded from the hub's cache or fetched, or read from its folder.
            Only safetensors are read.
        device: Where to compute.
        fetch: Get a model from the hub that is not in its cache.

    Raises:
        ValueError: `transformers` or the weights are not there, the model is of another kind, or
            its file does not hold all of it.
    """

    def __init__(self, name: ModelName, device: str = "cpu", fetch: bool = True) -> None:
        self.name = name
        self.device = device
        self._model, self._tokens = load_network(name, device, fetch)
        self.width = int(self._model.config.hidden_size)
        self._kept: OrderedDict[str, NDArray[np.float16]] = OrderedDict()

    def embed(self, texts: Sequence[str], batch: int = 8192) -> list[Floats]:
        """Embeddings of each text's letters, [letters, width] float32.

        Args:
            texts: Letters of whole chains; those other than the 20 amino acids are X.
            batch: Most letters (padding counts) that go through the model at once.
        """
        total = [np.zeros((len(text), self.width), dtype=np.float32) for text in texts]
        weights = [np.zeros((len(text), 1), dtype=np.float32) for text in texts]
        for group in window_groups([len(text) for text in texts], batch):
            found = self._forward([texts[number][start:end] for number, start, end in group])
            for (number, start, end), rows in zip(group, found, strict=True):
                ends = start == 0, end == len(texts[number])
                weight = blend_weights(end - start, *ends)[:, None]
                total[number][start:end] += weight * rows
                weights[number][start:end] += weight
        return [rows / weight for rows, weight in zip(total, weights, strict=True)]

    def of_entries(self, entries: Sequence[Entry]) -> list[NDArray[np.float16]]:
        """Embeddings of each entry's residues, [residues, width], as a file would hold them."""
        wanted = {each.text: None for entry in entries for each in chain_texts(entry) if each.text}
        new = [text for text in wanted if text not in self._kept]
        for text, rows in zip(new, self.embed(new), strict=True):
            self._kept[text] = rows.astype(np.float16)
        for text in wanted:
            self._kept.move_to_end(text)
        result = [residue_rows(entry, self._kept, self.width) for entry in entries]
        while len(self._kept) > 1 and sum(map(len, self._kept)) > KEPT:
            self._kept.popitem(last=False)
        return result

    def _forward(self, texts: Sequence[str]) -> Iterator[Floats]:
        import torch

        longest = max(map(len, texts)) + 2
        tokens = np.full((len(texts), longest), self._tokens["<pad>"], dtype=np.int64)
        for row, text in zip(tokens, texts, strict=True):
            letters = [self._tokens.get(letter, self._tokens["X"]) for letter in text]
            row[: len(text) + 2] = [self._tokens["<cls>"], *letters, self._tokens["<eos>"]]
        given = torch.from_numpy(tokens).to(self.device)
        with torch.inference_mode():
            found = self._model(given, attention_mask=given != self._tokens["<pad>"])
        rows = found.last_hidden_state.float().cpu().numpy()
        for each, text in zip(rows, texts, strict=True):
            yield each[1 : len(text) + 1]


def window_groups(lengths: Sequence[int], batch: int) -> Iterator[list[tuple[int, int, int]]]:
    """Windows of similar lengths together, the longest first.

    Args:
        lengths: Letters of each text.
        batch: Most letters (padding counts) of a group, unless it has one window only.

    Yields:
        Text, first and last + 1 letter of each window.
    """
    parts = [
        (number, start, end)
        for number, length in enumerate(lengths)
        for start, end in windows(length)
        if end > start
    ]
    waiting: list[tuple[int, int, int]] = []
    for part in sorted(parts, key=lambda each: each[1] - each[2]):
        longest = waiting[0] if waiting else part
        if waiting and (len(waiting) + 1) * (longest[2] - longest[1] + 2) > batch:
            yield waiting
            waiting = []
        waiting.append(part)
    if waiting:
        yield waiting


def load_network(
    name: ModelName, device: str = "cpu", fetch: bool = True
) -> tuple[Any, dict[str, int]]:
    """The frozen `transformers` model on its device, and the number of each token that it needs.

    Raises:
        ValueError: As `LanguageModel` does.
    """
    try:
        from transformers import AutoConfig, EsmModel, EsmTokenizer
        from transformers.utils import logging
    except ImportError as error:
        raise ValueError(NEEDS) from error
    folder = _folder(name, fetch)
    own_digest(folder)  # says what it lacks
    bars = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()  # of a second's loading; downloads have their own
    try:
        config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
        if config.model_type != "esm":
            raise ValueError(
                f"{name.name} is a model of the kind {config.model_type!r}; allowed: esm (ESM2)"
            )
        read: Any = EsmModel.from_pretrained  # what it gives depends on its options
        model, report = read(
            folder,
            config=config,
            add_pooling_layer=False,
            use_safetensors=True,
            output_loading_info=True,
            dtype="float32",
        )
        vocabulary = EsmTokenizer.from_pretrained(folder).get_vocab()
    except OSError as error:
        raise ValueError(f"{name.name} could not be read ({first_line(error)})") from error
    finally:
        if bars:
            logging.enable_progress_bar()
    missing = sorted(key for key in report["missing_keys"] if "contact_head" not in key)
    if missing:
        raise ValueError(
            f"the file of {name.name} lacks {len(missing)} of the model's weights "
            f"({', '.join(missing[:3])}…); they would be random. Save the whole model"
        )
    needed = ("<cls>", "<pad>", "<eos>", *ONE_LETTER)
    unknown = [token for token in needed if token not in vocabulary]
    if unknown:
        raise ValueError(
            f"{name.name} has no tokens {', '.join(unknown)}; it does not read plain sequences of "
            "amino acids, choose a model such as facebook/esm2_t6_8M_UR50D"
        )
    return model.eval().requires_grad_(False).to(device), {t: vocabulary[t] for t in needed}


def _folder(name: ModelName, fetch: bool) -> Path:
    """The folder of a model; of the hub's files, those that are read and no others."""
    if name.is_folder:
        return Path(name.name)
    from huggingface_hub import snapshot_download

    try:
        found = snapshot_download(
            name.name,
            revision=name.revision,
            allow_patterns=[*READ],
            local_files_only=not fetch,
        )
    except (OSError, ValueError) as error:
        how = f"hf download {name.name} --revision {name.revision} --local-dir FOLDER"
        raise ValueError(
            f"the weights of {name.name} are not here ({first_line(error)}); on a machine without "
            f"a network, fetch them elsewhere with `{how}` and copy them here as --model FOLDER, "
            "or copy the hub's cache"
        ) from error
    return Path(found)


@lru_cache(maxsize=2)
def load_language_model(name: ModelName, device: str = "cpu") -> LanguageModel:
    """A model that is loaded once for all who ask for it.

    Only those with a known revision are fetched: the name may be that of a stranger's checkpoint.
    """
    return LanguageModel(name, device, fetch=name.name in REVISIONS)
