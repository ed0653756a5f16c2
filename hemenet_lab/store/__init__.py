"""Entries, and the memory-mapped store that keeps them."""

from hemenet_lab.store.cache import cache_folder, store_folder
from hemenet_lab.store.convert import CONTACT, ContactError, entry_from_structure
from hemenet_lab.store.entry import LIGAND, PARTNER, PROTEIN, WHOLE, Entry
from hemenet_lab.store.export import FORMATS, export_store
from hemenet_lab.store.fields import (
    ATOM_FIELDS,
    FORMAT,
    FORMAT_VERSION,
    MANIFEST,
    NODE_FIELDS,
    OPTIONAL_NODE_FIELDS,
    SPLIT_NAMES,
    GrowingArray,
    StoreError,
    open_array,
    open_current,
)
from hemenet_lab.store.folds import fold_names
from hemenet_lab.store.reader import Store
from hemenet_lab.store.writer import StoreWriter

__all__ = [
    "ATOM_FIELDS",
    "CONTACT",
    "FORMAT",
    "FORMATS",
    "FORMAT_VERSION",
    "LIGAND",
    "MANIFEST",
    "NODE_FIELDS",
    "OPTIONAL_NODE_FIELDS",
    "PARTNER",
    "PROTEIN",
    "SPLIT_NAMES",
    "WHOLE",
    "ContactError",
    "Entry",
    "GrowingArray",
    "Store",
    "StoreError",
    "StoreWriter",
    "cache_folder",
    "entry_from_structure",
    "export_store",
    "fold_names",
    "open_array",
    "open_current",
    "store_folder",
]
