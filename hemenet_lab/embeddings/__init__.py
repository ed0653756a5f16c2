"""Residue embeddings of protein language models: made once per store, or as they are needed.

Importing this package loads neither torch nor transformers.
"""

from hemenet_lab.embeddings.files import StoredEmbeddings, embed_store, planned_size, store_texts
from hemenet_lab.embeddings.language_model import (
    LanguageModel,
    blend_weights,
    load_language_model,
    window_groups,
)
from hemenet_lab.embeddings.names import REVISIONS, ModelName, own_digest
from hemenet_lab.embeddings.network import adapted_modules, load_network
from hemenet_lab.embeddings.texts import (
    ChainText,
    chain_letters,
    chain_texts,
    residue_rows,
    text_key,
)

__all__ = [
    "REVISIONS",
    "ChainText",
    "LanguageModel",
    "ModelName",
    "StoredEmbeddings",
    "adapted_modules",
    "blend_weights",
    "chain_letters",
    "chain_texts",
    "embed_store",
    "load_language_model",
    "load_network",
    "own_digest",
    "planned_size",
    "residue_rows",
    "store_texts",
    "text_key",
    "window_groups",
]
