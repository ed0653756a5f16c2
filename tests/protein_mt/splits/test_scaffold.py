"""Ligands left out within each target: by scaffold, or one by one, and nowhere else in training."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from hemenet_lab.protein_mt.settings import BuildSettings
from hemenet_lab.protein_mt.splits.inputs import SplitInputs
from hemenet_lab.protein_mt.splits.scaffold import scaffold
from hemenet_lab.protein_mt.splits.schemes import make_splits
from hemenet_lab.protein_mt.verify.splits import NOT_BY_SEQUENCE
from tests.protein_mt.splits.test_splits import item

RINGS = (
    *("c1ccccc1", "c1ccncc1", "C1CCCCC1", "c1ccsc1", "c1ccoc1", "C1CCNCC1"),
    *("C1CCOC1", "c1cc[nH]c1"),
)
HELD = {"val", "test"}


def series(target: str, smiles: list[str]) -> dict[str, tuple[str, str]]:
    """Item → (sequence of its protein, SMILES)."""
    return {f"{target}{n}": (f"{target}SEQUENCE".upper(), text) for n, text in enumerate(smiles)}


def inputs_of(ligands: dict[str, tuple[str, str]], seed: int = 0) -> SplitInputs:
    items = [
        item(name, "lba", kind="lba", sequences=(sequence,))
        for name, (sequence, _) in ligands.items()
    ] + [item("chain", "ec")]
    return SplitInputs(
        items,
        np.zeros(len(items), int),
        np.arange(len(items)),
        BuildSettings(scheme="within_targets", seed=seed),
        smiles={name: text for name, (_, text) in ligands.items()},
    )


MANY = series("many", [f"{'C' * (1 + n // 8)}{RINGS[n % 8]}" for n in range(40)])
ONE_SCAFFOLD = series("one", [f"{'C' * n}c1ccccc1Cl" for n in range(1, 21)])
FEW = series("few", [f"{'N' * n}C1CCCC1" for n in range(1, 6)])
BAD = {"bad": ("MANYSEQUENCE", "")}


@pytest.mark.parametrize("seed", range(4))
def test_whole_scaffolds_within_each_target_and_single_ligands_where_they_are_few(
    seed: int,
) -> None:
    found = make_splits(inputs_of(MANY | ONE_SCAFFOLD | FEW | BAD, seed))["within_targets"]
    of_many = {name: found.parts[name] for name in MANY}
    assert len({(scaffold(MANY[name][1]), part) for name, part in of_many.items()}) == 8
    for target, size in ((MANY, 40), (ONE_SCAFFOLD, 20)):
        parts = Counter(found.parts[name] for name in target)
        assert 0.2 * size <= parts["test"] <= 0.35 * size
        assert 0.1 * size <= parts["val"] <= 0.25 * size
        assert parts["train"] >= 0.4 * size
    assert {found.parts[name] for name in FEW} == {"train"}
    assert found.parts["bad"] == found.parts["chain"] == "unused"
    assert found.about["targets"] == {"scaffold": 1, "ligand": 1, "train": 1}


def test_a_ligand_that_is_held_out_trains_for_no_other_target() -> None:
    alone = make_splits(inputs_of(MANY))["default"].parts
    held = [name for name in MANY if alone[name] in HELD]
    again = series("again", [MANY[name][1] for name in held[:5]] + ["NCCC1CC1"])
    found = make_splits(inputs_of(MANY | again))["default"]
    assert [found.parts[f"again{n}"] for n in range(6)] == ["unused"] * 5 + ["train"]
    assert found.about["unused_held_out_elsewhere"] == 5
    assert {name: found.parts[name] for name in MANY} == {name: alone[name] for name in MANY}


def test_proteins_with_few_ligands_have_no_such_split() -> None:
    inputs = inputs_of(FEW)
    with pytest.raises(ValueError, match=r"5 complexes .* of 1 proteins, none with 10"):
        make_splits(inputs)
    assert "within_targets" not in make_splits(inputs_with(inputs, "taskwise"))


def inputs_with(inputs: SplitInputs, scheme: str) -> SplitInputs:
    return SplitInputs(
        inputs.items, inputs.groups, inputs.copies, BuildSettings(scheme), smiles=inputs.smiles
    )


def test_the_checker_knows_that_proteins_straddle_it() -> None:
    assert "within_targets".startswith(NOT_BY_SEQUENCE)
