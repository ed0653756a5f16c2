"""Clusters, splits and leakage reports."""

from hemenet_lab.protein_mt.splits.clusters import (
    LEVELS,
    MOSTLY,
    Clusters,
    Item,
    chain_sequences,
    cluster_items,
    item_of,
)
from hemenet_lab.protein_mt.splits.given import GivenSplits, read_split_file
from hemenet_lab.protein_mt.splits.inputs import SplitInputs, copy_sets
from hemenet_lab.protein_mt.splits.leakage import leakage_reports, ligand_report
from hemenet_lab.protein_mt.splits.mmseqs import Hits, find_mmseqs, mmseqs_version, search
from hemenet_lab.protein_mt.splits.schemes import make_splits
from hemenet_lab.protein_mt.splits.unlike import unlike_chains

__all__ = [
    "LEVELS",
    "MOSTLY",
    "Clusters",
    "GivenSplits",
    "Hits",
    "Item",
    "SplitInputs",
    "chain_sequences",
    "cluster_items",
    "copy_sets",
    "find_mmseqs",
    "item_of",
    "leakage_reports",
    "ligand_report",
    "make_splits",
    "mmseqs_version",
    "read_split_file",
    "search",
    "unlike_chains",
]
