"""Everything that shapes the demo, in one small record."""

from __future__ import annotations

from dataclasses import dataclass

VERSION = 11
"""Raised when the same settings give other files; part of the cache folder's name."""


@dataclass(frozen=True)
class DemoSettings:
    """Size, seed and noise of the demo.

    Args:
        seed: Source of every random choice.
        families: Sequence families, each with a fold of its own.
        ligand_complexes: Protein-ligand complexes over all families.
        protein_complexes: Complexes of two chains of one family.
        single_chains: Single chains; every other one of a family is a protein of a complex, too.
        hidden: Share of chains that each table of annotations leaves out.
        unmapped: Share of chains of complexes that have no UniProt id.
        missing: Share of terms that are left out of an annotated chain.
        affinity_noise: Standard deviation of the noise on affinities, pKd.
        fold_draws: Effort of the search for compact folds.
    """

    seed: int = 7
    families: int = 54
    ligand_complexes: int = 216
    protein_complexes: int = 135
    single_chains: int = 81
    hidden: float = 0.1
    unmapped: float = 0.03
    missing: float = 0.02
    affinity_noise: float = 0.25
    fold_draws: int = 20


SIZES: dict[str, DemoSettings] = {
    "full": DemoSettings(),
    "tiny": DemoSettings(
        families=6, ligand_complexes=8, protein_complexes=8, single_chains=8, fold_draws=16
    ),
}
"""``full`` is what people train on; ``tiny`` has the same six tasks for tests."""


def settings_for(size: str) -> DemoSettings:
    """Settings of a size by name.

    Raises:
        ValueError: No such size.
    """
    if size not in SIZES:
        raise ValueError(f"demo size {size!r} is not known; choose one of {', '.join(SIZES)}")
    return SIZES[size]
