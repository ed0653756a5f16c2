"""EncoderSuite: the tests that every encoder passes, for a pytest class of three lines.

::

    class TestMine(EncoderSuite):
        def encoder(self) -> Encoder:
            return Mine(hidden_dim=16)
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from unittest import SkipTest

import torch

from hemenet_lab.encoders import Encoder
from hemenet_lab.testing.compare import equivariant, prepare
from hemenet_lab.testing.compiling import assert_compiles
from hemenet_lab.testing.invariance import (
    assert_equivariant,
    assert_invariant,
    assert_padding_ignored,
    assert_permutation_invariant,
)
from hemenet_lab.testing.moves import INVERSION, random_rotation, without_edges_of
from hemenet_lab.testing.random_graphs import (
    random_batch,
    random_entry,
    random_graph,
    random_graphs,
)
from hemenet_lab.testing.robustness import (
    assert_all_parameters_used,
    assert_batch_equals_singles,
    assert_declared_width,
    assert_handles,
    assert_input_unchanged,
    assert_no_leak,
    assert_runs_in,
    assert_state_dict_round_trip,
    assert_trainable,
)

NEAR = torch.tensor([3.0, -7.0, 5.0], dtype=torch.float64)
FAR = torch.tensor([60.0, -80.0, 0.0], dtype=torch.float64)
"""A shift of 100 Å."""


class EncoderSuite(ABC):
    """Tests of one encoder; inherit, name the class ``Test...`` and implement `encoder`.

    The encoder is tested on graphs of its own view, in float64 and with shaken weights
    (`compare.prepare`). Small widths keep the tests fast.

    Attributes:
        tolerance: Largest relative error of the symmetry tests.
        far_tolerance: The same for a shift of 100 Å, where coordinates have fewer digits.
    """

    tolerance = 1e-9
    far_tolerance = 1e-7

    @abstractmethod
    def encoder(self) -> Encoder:
        """A new encoder; each call makes one of the same settings."""

    def prepared(self, seed: int = 0) -> Encoder:
        """A new encoder, made ready for the checks."""
        torch.manual_seed(seed)
        return prepare(self.encoder(), seed)

    # --- symmetries of space ---------------------------------------------------------------------

    def test_rotation(self) -> None:
        encoder = self.prepared()
        graph = random_batch(encoder.view)
        for seed in range(2):
            assert_invariant(
                encoder, graph, random_rotation(seed), None, self.tolerance, "rotated features"
            )

    def test_reflection(self) -> None:
        encoder = self.prepared()
        self._skip_chiral(encoder)
        graph = random_batch(encoder.view)
        assert_invariant(encoder, graph, INVERSION, None, self.tolerance, "reflected features")

    def test_translation(self) -> None:
        encoder = self.prepared()
        graph = random_batch(encoder.view)
        assert_invariant(encoder, graph, None, NEAR, self.tolerance, "features after a shift")
        assert_invariant(encoder, graph, None, FAR, self.far_tolerance, "features 100 Å away")

    def test_equivariant_outputs(self) -> None:
        encoder = self.prepared()
        graph = random_batch(encoder.view)
        outputs = equivariant(encoder, graph)
        if not outputs.positions and not outputs.vectors:
            raise SkipTest("the encoder has no equivariant outputs")
        assert_equivariant(encoder, graph, random_rotation(1), NEAR, self.tolerance)
        if encoder.symmetry == "E(3)":
            assert_equivariant(encoder, graph, INVERSION, None, self.tolerance)

    def _skip_chiral(self, encoder: Encoder) -> None:
        if encoder.symmetry == "SE(3)":
            raise SkipTest("the encoder is declared to see handedness (SE(3))")

    # --- order, batches and padding --------------------------------------------------------------

    def test_permutation(self) -> None:
        encoder = self.prepared()
        for seed in range(2):
            entry = random_entry(seed, residues=(9, 6, 4))
            assert_permutation_invariant(encoder, entry, seed, self.tolerance)

    def test_batch_equals_singles(self) -> None:
        encoder = self.prepared()
        assert_batch_equals_singles(encoder, random_graphs(encoder.view))

    def test_no_gradient_between_structures(self) -> None:
        encoder = self.prepared()
        assert_no_leak(encoder, random_batch(encoder.view))

    def test_padding(self) -> None:
        encoder = self.prepared()
        graph = random_batch(encoder.view)
        if bool(graph.channel_mask.all()):
            raise SkipTest("the encoder's view has no padding")
        assert_padding_ignored(encoder, graph)

    def test_input_unchanged(self) -> None:
        encoder = self.prepared()
        assert_input_unchanged(encoder, random_batch(encoder.view))

    # --- odd structures --------------------------------------------------------------------------

    def test_one_residue_chain(self) -> None:
        encoder = self.prepared()
        for residues, ligand_atoms in (((8, 1), 3), ((1,), 0)):
            odd = random_graph(
                encoder.view, 3, residues=residues, ligand_atoms=ligand_atoms, missing_atoms=0.0
            )
            assert_handles(encoder, odd, random_graphs(encoder.view)[:2])

    def test_single_atom_ligand(self) -> None:
        encoder = self.prepared()
        odd = random_graph(encoder.view, 4, residues=(7,), ligand_atoms=1)
        assert_handles(encoder, odd, random_graphs(encoder.view)[:2])

    def test_isolated_nodes(self) -> None:
        encoder = self.prepared()
        usual = random_graphs(encoder.view)[:2]
        for node in (4, None):
            assert_handles(encoder, without_edges_of(usual[0], node), usual)

    # --- training and saving ---------------------------------------------------------------------

    def test_declared_width(self) -> None:
        encoder = self.prepared()
        assert_declared_width(encoder, random_batch(encoder.view))

    def test_finite_gradients(self) -> None:
        encoder = self.prepared()
        assert_trainable(encoder, random_batch(encoder.view))

    def test_all_parameters_used(self) -> None:
        encoder = self.prepared()
        assert_all_parameters_used(encoder, random_batch(encoder.view))

    def test_float32(self) -> None:
        encoder = self.prepared()
        assert_runs_in(encoder, random_batch(encoder.view), torch.float32)

    def test_bfloat16(self) -> None:
        encoder = self.prepared()
        assert_runs_in(encoder, random_batch(encoder.view), torch.bfloat16)

    def test_compiles(self) -> None:
        encoder = self.prepared()
        sizes: tuple[tuple[int, ...], ...] = ((0, 1, 2), (1, 2), (3, 4, 5, 6))
        assert_compiles(encoder, [random_batch(encoder.view, seeds) for seeds in sizes])

    def test_state_dict_round_trip(self) -> None:
        encoder, other = self.prepared(0), self.prepared(1)
        assert_state_dict_round_trip(encoder, other, random_batch(encoder.view))
