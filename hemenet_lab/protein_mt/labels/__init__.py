"""Labels from public tables: affinities, EC numbers, GO terms, and their transfer by UniProt id."""

from hemenet_lab.protein_mt.labels.affinity import (
    MEASURES,
    UNITS,
    Affinity,
    Binding,
    parse_binding,
    read_pdbbind_index,
    split_chains,
)
from hemenet_lab.protein_mt.labels.deepfri import (
    DeepfriLists,
    read_ec,
    read_go,
    read_identity_flags,
)
from hemenet_lab.protein_mt.labels.own import OwnLabels, read_own
from hemenet_lab.protein_mt.labels.read import Labels, read_labels
from hemenet_lab.protein_mt.labels.transfer import LabelOrigin, is_full_label

__all__ = [
    "MEASURES",
    "UNITS",
    "Affinity",
    "Binding",
    "DeepfriLists",
    "LabelOrigin",
    "Labels",
    "OwnLabels",
    "is_full_label",
    "parse_binding",
    "read_ec",
    "read_go",
    "read_identity_flags",
    "read_labels",
    "read_own",
    "read_pdbbind_index",
    "split_chains",
]
