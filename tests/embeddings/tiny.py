"""A tiny ESM2 with random weights, saved as a real one is."""

from __future__ import annotations

from pathlib import Path

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
    from transformers import EsmConfig, EsmModel, EsmTokenizer

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.txt").write_text("\n".join(TOKENS))
    EsmTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)
    config = EsmConfig(
        vocab_size=len(TOKENS),
        hidden_size=WIDTH,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=40,
        max_position_embeddings=1026,
        position_embedding_type="rotary",
        pad_token_id=TOKENS.index("<pad>"),
        mask_token_id=TOKENS.index("<mask>"),
        token_dropout=True,
        emb_layer_norm_before=False,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        EsmModel(config, add_pooling_layer=False).save_pretrained(folder)
    return folder
