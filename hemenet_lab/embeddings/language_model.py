"""Protein language models, as `transformers` runs them: whole chains in windows and batches."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from hemenet_lab.embeddings.names import REVISIONS, ModelName
from hemenet_lab.embeddings.network import WINDOW, load_network
from hemenet_lab.embeddings.texts import chain_texts, residue_rows
from hemenet_lab.store import Entry

OVERLAP = 256
"""Letters that neighbouring windows share, or a third of a window; they are blended."""
KEPT = 20_000
"""Letters whose embeddings are kept, for poses and models of the same protein."""
Floats = NDArray[np.float32]


def windows(length: int, size: int = WINDOW) -> list[tuple[int, int]]:
    """First and last + 1 letter of the windows of a size that cover a text."""
    if length <= size:
        return [(0, length)]
    starts = [*range(0, length - size, size - _overlap(size)), length - size]
    return [(start, start + size) for start in starts]


def _overlap(size: int) -> int:
    return min(OVERLAP, size // 3)


def blend_weights(length: int, first: bool, last: bool) -> Floats:
    """Weight of each letter of a window: it falls off towards an end that another one covers."""
    weight = np.ones(length, dtype=np.float32)
    if first and last:
        return weight
    overlap = _overlap(length)
    ramp = np.arange(1, overlap + 1, dtype=np.float32) / (overlap + 1)
    if not first:
        weight[:overlap] = ramp
    if not last:
        weight[-overlap:] = np.minimum(weight[-overlap:], ramp[::-1])
    return weight


class LanguageModel:
    """A language model in evaluation mode: letters in, a vector per letter out.

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
        self._model, self._alphabet = load_network(name, device, fetch)
        self.window = self._alphabet.window
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
        for group in window_groups([len(text) for text in texts], batch, self.window):
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

        alphabet = self._alphabet
        tokens = [alphabet.tokens(text) for text in texts]
        rows = np.full((len(texts), max(map(len, tokens))), alphabet.pad, dtype=np.int64)
        for row, of_text in zip(rows, tokens, strict=True):
            row[: len(of_text)] = of_text
        given = torch.from_numpy(rows).to(self.device)
        with torch.inference_mode():
            found = self._model(given, attention_mask=(given != alphabet.pad).long())
        first = len(alphabet.before)
        for each, text in zip(found.last_hidden_state.float().cpu().numpy(), texts, strict=True):
            yield each[first : first + len(text)]


def window_groups(
    lengths: Sequence[int], batch: int, size: int = WINDOW
) -> Iterator[list[tuple[int, int, int]]]:
    """Windows of similar lengths together, the longest first.

    Args:
        lengths: Letters of each text.
        batch: Most letters (padding counts) of a group, unless it has one window only.
        size: Most letters of a window.

    Yields:
        Text, first and last + 1 letter of each window.
    """
    parts = [
        (number, start, end)
        for number, length in enumerate(lengths)
        for start, end in windows(length, size)
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


@lru_cache(maxsize=2)
def load_language_model(name: ModelName, device: str = "cpu") -> LanguageModel:
    """A model that is loaded once for all who ask for it.

    Only those with a known revision are fetched: the name may be that of a stranger's checkpoint.
    """
    return LanguageModel(name, device, fetch=name.name in REVISIONS)
