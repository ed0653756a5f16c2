"""A small protein language model that learns with the rest: LoRA adapters on its attention."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from hemenet_lab.embeddings import (
    REVISIONS,
    adapted_modules,
    blend_weights,
    chain_letters,
    load_network,
    window_groups,
)
from hemenet_lab.encoders.base import Encoder
from hemenet_lab.encoders.node_input import EntryVectors, ResidueEmbedding
from hemenet_lab.graphs import ProteinGraph, ResidueRows
from hemenet_lab.store import Entry, Store
from hemenet_lab.structures import ONE_LETTER

LARGEST = 155_000_000
"""Parameters; ESM2-150M has 148 million."""
WIDEST = 640
"""Numbers per residue of ESM2-150M: a wider model is refused before it is fetched."""
NETWORK = "network."
ADAPTER = "lora_"


class ResidueLetters:
    """What the language model reads of an entry, instead of vectors made before."""

    path = "letters"

    def of(self, entry: Entry) -> ResidueRows:
        """Letters of all chains, and which of them each residue is."""
        return chain_letters(entry)


class TunedLanguageModel(ResidueEmbedding):
    """Residues as a protein language model sees them that is tuned by LoRA, within the fit.

    At the start the vectors are those of `ResidueEmbedding`, in float32. The model itself stays as
    it is and is not in checkpoints, which hold the adapters alone and name the model; it is read
    again from the hub's cache or its folder. Nothing is embedded beforehand.

    Args:
        model: Name on the Hugging Face hub, such as ``facebook/esm2_t6_8M_UR50D``, or a folder; up
            to 150 million parameters.
        revision: Its commit; known for the ESM2 models. None for a folder.
        width: Numbers per residue, for models of the hub other than those.
        lora_rank: Rank of the adapters.
        lora_alpha: They are scaled by this over the rank.
        lora_dropout: Dropout of what goes into them.
        letters: Most letters (padding counts) that go through the model at once.

    Raises:
        ValueError: `peft`, `transformers` or the weights are not there, or the model is too large.
    """

    def __init__(
        self,
        model: str,
        revision: str | None = None,
        width: int = 0,
        lora_rank: int = 8,
        lora_alpha: int = 16,
        lora_dropout: float = 0.0,
        letters: int = 8192,
    ) -> None:
        super().__init__(model, revision, width)
        if lora_rank < 1:
            raise ValueError(f"lora_rank is {lora_rank}; it must be 1 or more")
        if self.width > WIDEST:
            raise ValueError(_too_large(model, f"{self.width} numbers per residue"))
        network, self._alphabet = load_network(self.name, fetch=self.name.name in REVISIONS)
        size = sum(parameter.numel() for parameter in network.parameters())
        if size > LARGEST:
            raise ValueError(_too_large(model, f"{size:,} parameters"))
        self.letters = letters
        self.network = _with_adapters(network, lora_rank, lora_alpha, lora_dropout)
        self.register_state_dict_post_hook(_leave_out)
        self.register_load_state_dict_post_hook(_not_missing)
        known = [self._alphabet.letters[letter] for letter in ONE_LETTER]
        self.register_buffer("token", torch.tensor(known), persistent=False)

    token: Tensor

    def attach(self, encoder: Encoder) -> None:
        """As `NodeInput.attach`.

        Raises:
            ValueError: The encoder has no table of node types, or its view crops chains.
        """
        if encoder.view.crop:
            raise ValueError(
                "TunedLanguageModel reads whole chains, and the encoder's view.crop is "
                f"{encoder.view.crop:g} Å; set it to 0, or take ResidueEmbedding"
            )
        super().attach(encoder)

    def stored(self, store: Store, shown: str = "") -> EntryVectors:
        """Letters of the entries; nothing has to be made before."""
        return ResidueLetters()

    def computed(self, entries: Sequence[Entry], device: torch.device) -> list[ResidueRows]:
        """Letters of entries that are in no store."""
        return [chain_letters(entry) for entry in entries]

    def residues(self, graph: ProteinGraph) -> Float[Tensor, "letters width"]:
        """Vectors of all letters of the graph's chains, [R, width], by the model as it is now."""
        rows: Tensor | None = getattr(graph, "residue_embedding", None)
        if rows is None or rows.is_floating_point():
            raise ValueError(
                f"the graph has no letters for {self.name.name}; make it with `entry_graphs`, or "
                "load it by the data module"
            )
        if not len(rows):
            return self.ligand.weight.new_zeros(0, self.width)
        kind, begins = rows.long().unbind(1)
        lengths = torch.bincount(begins.cumsum(0) - 1).tolist()
        total, weights = self._blended(self.token[kind].split(lengths), lengths)
        return total / weights

    def _blended(self, texts: Sequence[Tensor], lengths: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Weighted sums of the windows' vectors for all letters, chain after chain, and weights."""
        device = texts[0].device
        first = [0, *accumulate(lengths)]
        vectors, places, weights = [], [], []
        for group in window_groups(lengths, self.letters, self._alphabet.window):
            found = self._forward([texts[chain][low:high] for chain, low, high in group])
            for (chain, low, high), each in zip(group, found, strict=True):
                ends = low == 0, high == lengths[chain]
                weight = torch.from_numpy(blend_weights(high - low, *ends)).to(device)
                vectors.append(each.float() * weight.unsqueeze(1))
                places.append(torch.arange(low, high, device=device) + first[chain])
                weights.append(weight)
        place = torch.cat(places)
        total = torch.zeros(sum(lengths), self.width, device=device)
        total = total.index_add(0, place, torch.cat(vectors))
        weight = torch.zeros(sum(lengths), device=device).index_add(0, place, torch.cat(weights))
        return total, weight.unsqueeze(1)

    def _forward(self, texts: list[Tensor]) -> Iterator[Tensor]:
        """Vectors of each text's letters, [letters, width]."""
        before, after = (
            texts[0].new_tensor(part, dtype=torch.long)
            for part in (self._alphabet.before, self._alphabet.after)
        )
        tokens = pad_sequence(
            [torch.cat([before, text, after]) for text in texts],
            batch_first=True,
            padding_value=self._alphabet.pad,
        )
        found = self.network(tokens, attention_mask=(tokens != self._alphabet.pad).long())
        for each, text in zip(found.last_hidden_state, texts, strict=True):
            yield each[len(before) : len(before) + len(text)]


def _too_large(model: str, size: str) -> str:
    return (
        f"{model} has {size}, and models up to 150M ({WIDEST} numbers per residue) are tuned; "
        "choose a smaller one such as facebook/esm2_t30_150M_UR50D, or take ResidueEmbedding, "
        "which leaves the model as it is"
    )


def _with_adapters(network: Any, rank: int, alpha: int, dropout: float) -> nn.Module:
    """The network with LoRA on queries and values, the only weights that learn."""
    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ImportError as error:
        raise ValueError(
            "TunedLanguageModel needs the package peft, which is not installed: "
            "pip install 'hemenet-lab[plm]'"
        ) from error
    config = LoraConfig(
        r=rank,
        lora_alpha=alpha,
        lora_dropout=dropout,
        target_modules=list(adapted_modules(network)),
    )
    adapted: nn.Module = inject_adapter_in_model(config, network)
    for name, parameter in adapted.named_parameters():
        parameter.requires_grad_(ADAPTER in name)
    return adapted


def _leave_out(module: nn.Module, state: dict[str, Any], prefix: str, _: Any) -> None:
    """Takes the language model's own weights out of a state."""
    for name in [*state]:
        if name.startswith(prefix + NETWORK) and ADAPTER not in name:
            del state[name]


def _not_missing(module: nn.Module, found: Any) -> None:
    """The language model's own weights are not missing in a state that is loaded."""
    found.missing_keys[:] = [
        name for name in found.missing_keys if f".{NETWORK}" not in f".{name}" or ADAPTER in name
    ]
