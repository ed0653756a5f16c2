"""Building a store from a raw folder, and its summary."""

from hemenet_lab.protein_mt.build.build import OwnData, build_store
from hemenet_lab.protein_mt.build.origin import code_version
from hemenet_lab.protein_mt.build.summary import summary_text

__all__ = ["OwnData", "build_store", "code_version", "summary_text"]
