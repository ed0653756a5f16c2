"""All schemes by which a store can be split, under the names of their splits."""

from __future__ import annotations

from hemenet_lab.protein_mt.schemes import SCHEMES
from hemenet_lab.protein_mt.split_deepfri import deepfri_splits
from hemenet_lab.protein_mt.split_inputs import Split, SplitInputs
from hemenet_lab.protein_mt.split_published import published_split
from hemenet_lab.protein_mt.split_taskwise import taskwise_split
from hemenet_lab.protein_mt.split_time import time_split

_SINGLE = {"taskwise": taskwise_split, "published": published_split, "time": time_split}
DEFAULT = "default"


def make_splits(inputs: SplitInputs) -> dict[str, Split]:
    """The chosen scheme's split under its own name and as ``default``; others where they fit.

    Raises:
        ValueError: The chosen scheme does not fit the data; says why.
    """
    chosen = inputs.settings.scheme
    splits: dict[str, Split] = {}
    for scheme, split in _SINGLE.items():
        try:
            splits[scheme] = split(inputs)
        except ValueError:
            if scheme == chosen:
                raise
    splits |= dict(deepfri_splits(inputs))
    if chosen not in splits:
        raise ValueError(
            f"the scheme {chosen} needs DeepFRI's split lists (nrPDB-EC_*_train.txt, _valid.txt, "
            "_test.txt; the same for GO) and structures of their chains in the raw folder; get "
            f"them with `hemenet data fetch`, or use one of {', '.join(SCHEMES)}"
        )
    return {DEFAULT: splits[chosen], **splits}
