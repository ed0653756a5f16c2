"""Settings of a build: everything apart from the raw files that decides what the store holds."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from hemenet_lab.protein_mt.splits import SCHEMES


@dataclass(frozen=True)
class BuildSettings:
    """What a build can be told.

    Args:
        scheme: Split that is the store's default: ``taskwise`` or ``published``.
        seed: Seed of the splits.
        min_seq_id: Identity, 0 to 1, from which on two chains belong to one cluster.
        coverage: Least share of both chains that their alignment covers, 0 to 1.
        max_atoms: Entries with more heavy atoms (ligand included) are dropped.
        keep_hetero: Keep ions and cofactors as nodes of single atoms.
        keep_censored: Keep affinities that are bounds (``<``, ``>``) as if they were values.
    """

    scheme: str = "taskwise"
    seed: int = 0
    min_seq_id: float = 0.9
    coverage: float = 0.3
    max_atoms: int = 15_000
    keep_hetero: bool = False
    keep_censored: bool = False

    def __post_init__(self) -> None:
        if self.scheme not in SCHEMES:
            raise ValueError(f"split scheme {self.scheme!r}; allowed: {', '.join(SCHEMES)}")
        for name in ("min_seq_id", "coverage"):
            if not 0 < getattr(self, name) <= 1:
                raise ValueError(
                    f"{name} is {getattr(self, name)}; it is a share above 0 and up to 1, "
                    "such as 0.9 for 90 %"
                )
        if self.max_atoms < 1 or self.seed < 0:
            raise ValueError(
                f"max_atoms is {self.max_atoms} and seed {self.seed}; "
                "max_atoms must be 1 or more, seed 0 or more"
            )

    def to_dict(self) -> dict[str, Any]:
        """Plain types only, for the manifest."""
        return asdict(self)
