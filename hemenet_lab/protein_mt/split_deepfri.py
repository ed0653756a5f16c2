"""DeepFRI's own splits of EC and GO chains, with its identity limits on the test set."""

from __future__ import annotations

from collections.abc import Iterator

from hemenet_lab.protein_mt.deepfri_lists import DeepfriLists
from hemenet_lab.protein_mt.split_inputs import Split, SplitInputs

DEEPFRI_RULE = (
    "DeepFRI's train, valid and test lists of {table} chains, which are comparable with published "
    "scores for {table} only; entries that no list names are unused"
)
DEEPFRI_LIMIT = "; test chains with {limit} % or more identity to a training chain are unused"


def deepfri_splits(inputs: SplitInputs) -> Iterator[tuple[str, Split]]:
    """``deepfri_ec`` and ``deepfri_go``, and ``deepfri_ec_30`` … with a limit on test chains.

    The lists of EC and of GO are two splits: a test chain of one may train in the other.
    """
    ids = [item.id for item in inputs.items]
    for table, lists in inputs.lists.items():
        listed = sum(item in lists.parts for item in ids)
        rule = DEEPFRI_RULE.format(table=table.upper())
        about = {
            "rule": rule,
            "listed": len(lists.parts),
            "listed_and_stored": listed,
        }
        parts = {item: lists.parts.get(item, "unused") for item in ids}
        if listed:
            yield f"deepfri_{table}", Split(parts, about)
        for limit in lists.limits if listed else ():
            below = _limited(parts, lists, limit)
            yield (
                f"deepfri_{table}_{limit}",
                Split(below, {**about, "rule": rule + DEEPFRI_LIMIT.format(limit=limit)}),
            )


def _limited(parts: dict[str, str], lists: DeepfriLists, limit: int) -> dict[str, str]:
    return {
        item: "unused" if part == "test" and not lists.flags[item][limit] else part
        for item, part in parts.items()
    }
