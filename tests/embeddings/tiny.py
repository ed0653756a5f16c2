"""Tiny protein language models with random weights, saved as real ones are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

TOKENS = (
    *("<cls>", "<pad>", "<eos>", "<unk>"),
    *"LAGVSERTIDPKQNFYMHWCXBUZO",
    *(".", "-", "<null_1>", "<mask>"),
)
"""ESM2's vocabulary."""
WIDTH = 20


def tiny_esm2(folder: Path, seed: int = 0) -> Path:
    """Save a model of two layers and its tokenizer into a folder."""
    return _tiny_esm(folder, seed, TOKENS)


def _tiny_esm(folder: Path, seed: int, tokens: Sequence[str]) -> Path:
    from transformers import EsmConfig, EsmModel, EsmTokenizer

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.txt").write_text("\n".join(tokens))
    EsmTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)
    config = EsmConfig(
        vocab_size=len(tokens),
        hidden_size=WIDTH,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=40,
        max_position_embeddings=1026,
        position_embedding_type="rotary",
        pad_token_id=tokens.index("<pad>"),
        mask_token_id=tokens.index("<mask>"),
        token_dropout=True,
        emb_layer_norm_before=False,
    )
    return _saved(lambda given: EsmModel(given, add_pooling_layer=False), config, folder, seed)


def tiny_t5(folder: Path, seed: int = 0) -> Path:
    """Save an encoder as ProtT5 is one, with its letters as SentencePiece spells them."""
    from transformers import T5Config, T5EncoderModel, T5Tokenizer

    special = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)]
    letters = [(f"▁{letter}", -1.0) for letter in "ALGVSREDTIPKFQNYMHWCXBOUZ"]
    T5Tokenizer(vocab=[*special, *letters], extra_ids=0).save_pretrained(folder)
    config = T5Config(
        vocab_size=40,
        d_model=WIDTH,
        d_kv=10,
        d_ff=40,
        num_layers=2,
        num_heads=2,
        relative_attention_num_buckets=8,
        relative_attention_max_distance=20,
        dropout_rate=0.1,
    )
    return _saved(T5EncoderModel, config, folder, seed)


def tiny_esmc(folder: Path, seed: int = 0) -> Path:
    """Save an ESM-C, which older versions of transformers do not have."""
    pytest.importorskip("transformers.models.esmc")
    from transformers import EsmcConfig, EsmcModel, EsmcTokenizer

    EsmcTokenizer().save_pretrained(folder)
    config = EsmcConfig(
        hidden_size=WIDTH, intermediate_size=40, num_hidden_layers=2, num_attention_heads=2
    )
    return _saved(EsmcModel, config, folder, seed)


def tiny_saprot(folder: Path, seed: int = 0) -> Path:
    """Save an ESM2 whose tokens are pairs of a residue and a letter of its structure."""
    pairs = [f"{one}{two}" for one in "ACDEFGHIKLMNPQRSTVWY#" for two in "pynwrqhgdlvtmfsaeikc#"]
    return _tiny_esm(folder, seed, ["<cls>", "<pad>", "<eos>", "<unk>", *pairs, "<mask>"])


def _saved(make: Any, config: Any, folder: Path, seed: int) -> Path:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        make(config).save_pretrained(folder)
    return folder
