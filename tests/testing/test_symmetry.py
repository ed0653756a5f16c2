"""The suite passes a sound encoder and finds each fault, and nothing else, in the wrong ones."""

from __future__ import annotations

from unittest import SkipTest

import pytest

from hemenet_lab.encoders.base import Encoder
from hemenet_lab.graphs.view import GraphView
from hemenet_lab.testing.symmetry import EncoderSuite
from tests.testing import wrong_encoders as wrong

ODD = {"one_residue_chain", "single_atom_ligand", "isolated_nodes"}
FAULTS: list[tuple[type[Encoder], set[str]]] = [
    (wrong.Directional, {"rotation"}),
    (wrong.QuietlyDirectional, {"rotation"}),
    (wrong.Handed, {"reflection"}),
    (wrong.DeclaredHanded, set()),
    (wrong.Anchored, {"translation"}),
    (wrong.Counting, {"permutation"}),
    # odd structures are also compared alone and in a batch
    (wrong.Coupled, {"batch_equals_singles"} | ODD),
    (wrong.Leaking, {"no_gradient_between_structures"}),
    (wrong.PaddingRead, {"padding"}),
    (wrong.PaddingMoved, {"padding"}),
    # picks rows by a mask, so that sizes are read from the device
    (wrong.ChainSpread, {"one_residue_chain", "compiles"}),
    (wrong.LigandSpread, {"single_atom_ligand", "compiles"}),
    (wrong.Averaging, {"isolated_nodes"}),
    (wrong.CrookedVectors, {"equivariant_outputs"}),
    (wrong.RotatedPositions, {"equivariant_outputs"}),
    (wrong.ReorderedVectors, {"permutation", "batch_equals_singles"} | ODD),
    # a gradient of NaN also counts as one from another structure
    (wrong.RootOfZero, {"finite_gradients", "no_gradient_between_structures"} | ODD),
    (wrong.Overflowing, {"float32", "bfloat16"}),
    (wrong.WrongDtype, {"bfloat16"}),
    (wrong.Unused, {"all_parameters_used"}),
    (wrong.Forgetful, {"state_dict_round_trip"}),
    (wrong.Misdeclared, {"declared_width"}),
    (wrong.Overwriting, {"input_unchanged"}),
    (wrong.Breaking, {"compiles"}),
]
CHECKS = sorted(name for name in dir(EncoderSuite) if name.startswith("test_"))


class TestSound(EncoderSuite):
    def encoder(self) -> Encoder:
        return wrong.Sound()


class TestSoundOnAlphaCarbons(EncoderSuite):
    def encoder(self) -> Encoder:
        return wrong.Sound(GraphView(nodes="alpha"))


class TestSoundOnAtoms(EncoderSuite):
    def encoder(self) -> Encoder:
        return wrong.Sound(GraphView(nodes="atom", k=0, radius=4.5))


def failures(kind: type[Encoder]) -> set[str]:
    """Names of the tests that an encoder fails, without ``test_``."""

    class Suite(EncoderSuite):
        def encoder(self) -> Encoder:
            return kind()  # type: ignore[call-arg]  # the wrong encoders take no arguments

    failed = set()
    for name in CHECKS:
        try:
            getattr(Suite(), name)()
        except SkipTest:
            pass
        except (AssertionError, RuntimeError):
            failed.add(name.removeprefix("test_"))
    return failed


@pytest.mark.parametrize(("kind", "found"), FAULTS, ids=lambda x: getattr(x, "__name__", ""))
def test_finds_the_fault(kind: type[Encoder], found: set[str]) -> None:
    assert failures(kind) == found


def test_every_check_is_seen_failing() -> None:
    assert {f"test_{name}" for _, found in FAULTS for name in found} == set(CHECKS)


def test_chirality_is_skipped_only_where_declared() -> None:
    class Suite(EncoderSuite):
        def encoder(self) -> Encoder:
            return wrong.DeclaredHanded()

    with pytest.raises(SkipTest, match="handedness"):
        Suite().test_reflection()


def test_encoder_must_be_given() -> None:
    with pytest.raises(TypeError, match="encoder"):
        EncoderSuite()  # type: ignore[abstract]  # the mistake to be told
