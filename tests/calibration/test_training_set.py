"""Identity to the training chains: by hand, against MMseqs2's idea, and through a checkpoint."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from hemenet_lab.calibration.training_set import FAR, LETTERS, TrainingSet


def chain(seed: int, length: int = 120) -> str:
    return "".join(np.random.default_rng(seed).choice(list(LETTERS), length))


def mutated(text: str, share: float, seed: int = 0) -> str:
    rng = np.random.default_rng(seed)
    letters = list(text)
    for place in rng.choice(len(text), round(share * len(text)), replace=False):
        letters[place] = rng.choice([x for x in LETTERS if x != letters[place]])
    return "".join(letters)


@pytest.fixture(scope="module")
def training() -> TrainingSet:
    return TrainingSet(tuple(sorted(chain(seed) for seed in range(40))), 120, 120)


def test_a_training_chain_is_itself(training: TrainingSet) -> None:
    assert training.identity(chain(7)) == 1.0


@pytest.mark.parametrize("share", [0.1, 0.3])
def test_a_mutant_has_the_rest_in_common(training: TrainingSet, share: float) -> None:
    assert training.identity(mutated(chain(7), share)) == pytest.approx(1 - share, abs=0.03)


def test_an_insertion_costs_what_it_adds(training: TrainingSet) -> None:
    text = chain(7)
    longer = text[:60] + "GG" * 10 + text[60:]
    assert training.identity(longer) == pytest.approx(120 / 140, abs=0.02)


def test_half_a_chain_in_another_is_half(training: TrainingSet) -> None:
    assert training.identity(chain(7)[:60] + chain(900)[:60]) == pytest.approx(0.5, abs=0.1)


def test_a_stranger_is_far(training: TrainingSet) -> None:
    found = training.identity(chain(1000))
    assert found is not None
    assert found < FAR


def test_unknown_residues_equal_nothing(training: TrainingSet) -> None:
    text = chain(7)
    assert training.identity("X" * 60 + text[60:]) == pytest.approx(0.5, abs=0.02)
    assert training.identity("XXX") == 0.0
    with_x = TrainingSet(("X" * 30 + text,), 150, 150)
    assert with_x.identity("X" * 30 + text) == pytest.approx(120 / 150)


def test_short_and_empty_chains_have_an_answer(training: TrainingSet) -> None:
    assert training.identity("MK") == 0.0
    assert training.identity("") is None
    assert TrainingSet((), 0, 0).identity("MKV") is None


def test_a_checkpoint_keeps_it(training: TrainingSet) -> None:
    record = training.to_dict()
    assert isinstance(record["sequences"], torch.Tensor)
    assert len(record["sequences"]) < sum(map(len, training.sequences))
    assert TrainingSet.from_dict(record) == training
    assert TrainingSet.from_dict(TrainingSet((), 0, 0).to_dict()).sequences == ()


def test_a_damaged_one_is_refused(training: TrainingSet) -> None:
    import zlib

    packed = bytearray(zlib.compress(b"<script>\n"))
    record = training.to_dict() | {"sequences": torch.frombuffer(packed, dtype=torch.uint8)}
    with pytest.raises(ValueError, match="damaged"):
        TrainingSet.from_dict(record)
