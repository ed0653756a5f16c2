"""The paper's split: validation and test hold fully labelled complexes only."""

from __future__ import annotations

import numpy as np

from hemenet_lab.protein_mt.split_inputs import Split, SplitInputs

PUBLISHED_SHARES = {"test": 0.35, "val": 0.40}
"""Shares of the fully labelled complexes; the rest of them trains (released code, method 1)."""
SLACK = 0.10
"""How far a part may exceed its share when a large group joins it (released code: 35 to 45 %)."""
MIN_FULL_LABEL = 50
"""Fewest fully labelled complexes, and a tenth as many groups, for the published scheme."""
PUBLISHED_RULE = (
    "fully labelled complexes by whole groups: 35 % test, 40 % val; all else trains; other members "
    "of held-out groups are unused"
)


def published_split(inputs: SplitInputs) -> Split:
    """Splits as the paper does: validation and test hold fully labelled complexes only.

    Groups with such complexes are drawn in a seeded order: 35 % of the complexes for test, then
    40 % for validation; all else trains. The other members of held-out groups are unused.

    Raises:
        ValueError: Too few fully labelled complexes or groups of them.
    """
    items, groups = inputs.items, inputs.groups
    full = np.array([item.full_label for item in items], dtype=bool)
    sizes = np.bincount(groups[full], minlength=int(groups.max(initial=-1)) + 1)
    if full.sum() < MIN_FULL_LABEL or (sizes > 0).sum() < MIN_FULL_LABEL // 10:
        raise ValueError(
            f"{full.sum()} fully labelled complexes in {(sizes > 0).sum()} groups are too few for "
            f"the published scheme (at least {MIN_FULL_LABEL} in {MIN_FULL_LABEL // 10}); "
            "use the scheme taskwise"
        )
    part = np.full(len(sizes), "train", dtype="<U6")
    draw = np.random.default_rng(inputs.settings.seed).permutation(len(sizes))
    order = [group for group in draw if sizes[group]]
    for name, share in PUBLISHED_SHARES.items():
        held = 0
        for group in order:
            room = (share + SLACK) * full.sum() - held
            if part[group] == "train" and held < share * full.sum() and sizes[group] <= room:
                part[group] = name
                held += int(sizes[group])
    parts = {
        item.id: "unused" if part[group] != "train" and not item.full_label else str(part[group])
        for item, group in zip(items, groups, strict=True)
    }
    return Split(parts, {"rule": PUBLISHED_RULE, "fully_labelled": int(full.sum())})
