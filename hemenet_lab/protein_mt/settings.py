"""Settings of a build: everything apart from the raw files that decides what the store holds."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

SCHEMES = (
    *("taskwise", "taskwise_30", "balanced", "scaffold", "within_targets"),
    *("published", "time", "deepfri_ec", "deepfri_go"),
)
"""Ours (by sequence, stable; at 30 % identity; by quotas; by ligand scaffold, over all or
in each target), the paper's, by release date, and DeepFRI's two lists."""


EVIDENCE = ("all", "curated", "experimental")
"""All but ND (no data); without IEA (electronic) also; or DeepFRI's experimental codes only."""
RELATIONS = {
    "is_a": ("is_a",),
    "is_a+part_of": ("is_a", "part_of"),
    "all": (),
}
"""Over which relations of the ontology a chain gets the ancestors of its terms; none is every."""
ROUTES = ("deepfri", "sifts")
"""Where EC numbers and GO terms come from: DeepFRI's annotation files, or SIFTS's tables."""


@dataclass(frozen=True)
class BuildSettings:
    """Settings of a build.

    Args:
        scheme: Split that is the store's default, one of `schemes.SCHEMES`.
        seed: Seed of the splits.
        min_seq_id: Identity, 0 to 1, from which on two chains belong to one cluster.
        coverage: Least share of both chains that their alignment covers, 0 to 1.
        max_atoms: Entries with more heavy atoms (ligand included) are dropped.
        keep_hetero: Keep ions and cofactors as nodes of single atoms.
        keep_censored: Keep affinities that are bounds (``<``, ``>``) as if they were values.
        labels: Source of EC numbers and GO terms, one of `ROUTES`.
        transfer: Chains share the labels of chains with the same UniProt id.
        evidence: Evidence codes of GO terms that count (SIFTS's tables only).
        relations: Relations over which GO terms give their ancestors (SIFTS's tables only).
        min_ec_chains: Fewest chains of an EC number (SIFTS's tables only).
        min_go_chains: Fewest chains of a GO term (SIFTS's tables only).
        max_go_chains: Most chains of a GO term (SIFTS's tables only).
        max_copies: Most near-copies of one protein (with one ligand) in a validation or test set of
            ``taskwise``.
        val_year: First year of the validation set of ``time``; 0 takes it by share.
        test_year: First year of the test set of ``time``; 0 takes it by share.
        contact: Å within which a ligand or partner must have a heavy atom of the protein.
        min_plddt: Residues of predicted models with a lower pLDDT (in the B-factor column, 0 to 100
            or 0 to 1) are left out; 0 keeps all.
        b_factors: Keep each residue's mean B-factor, which is the pLDDT of a predicted model.
        ligand_chemistry: Keep hybridisation, charge, aromaticity, rings, donors and acceptors of
            ligand atoms, for models with node_input LigandChemistry.
    """

    scheme: str = "taskwise"
    seed: int = 0
    min_seq_id: float = 0.9
    coverage: float = 0.3
    max_atoms: int = 15_000
    keep_hetero: bool = False
    keep_censored: bool = False
    labels: str = "deepfri"
    transfer: bool = True
    evidence: str = "all"
    relations: str = "is_a"
    min_ec_chains: int = 11
    min_go_chains: int = 50
    max_go_chains: int = 5_000
    max_copies: int = 10
    val_year: int = 0
    test_year: int = 0
    contact: float = 8.0
    min_plddt: float = 0.0
    b_factors: bool = False
    ligand_chemistry: bool = False

    def __post_init__(self) -> None:
        if self.scheme not in SCHEMES:
            raise ValueError(f"split scheme {self.scheme!r}; allowed: {', '.join(SCHEMES)}")
        for name, allowed in (
            ("labels", ROUTES),
            ("evidence", EVIDENCE),
            ("relations", tuple(RELATIONS)),
        ):
            if getattr(self, name) not in allowed:
                raise ValueError(
                    f"{name} is {getattr(self, name)!r}; allowed: {', '.join(allowed)}"
                )
        for name in ("min_seq_id", "coverage"):
            if not 0 < getattr(self, name) <= 1:
                raise ValueError(
                    f"{name} is {getattr(self, name)}; it is a share above 0 and up to 1, "
                    "such as 0.9 for 90 %"
                )
        if not self.contact > 0:
            raise ValueError(f"contact is {self.contact}; it is a distance in Å above 0, or inf")
        if not 0 <= self.min_plddt <= 100:
            raise ValueError(f"min_plddt is {self.min_plddt}; it is 0 to 100, such as 70")
        if self.max_atoms < 1 or self.seed < 0:
            raise ValueError(
                f"max_atoms is {self.max_atoms} and seed {self.seed}; "
                "max_atoms must be 1 or more, seed 0 or more"
            )
        self._check_counts()

    def _check_counts(self) -> None:
        for name in ("min_ec_chains", "min_go_chains", "max_copies"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be 1 or more")
        if self.max_go_chains < self.min_go_chains:
            raise ValueError(
                f"max_go_chains is {self.max_go_chains}, below min_go_chains {self.min_go_chains}"
            )
        if (self.val_year, self.test_year) != (0, 0) and not 0 < self.val_year < self.test_year:
            raise ValueError(
                f"val_year is {self.val_year} and test_year {self.test_year}; give both, and the "
                "later one for the test set, such as 2018 and 2019"
            )

    def to_dict(self) -> dict[str, Any]:
        """Plain types only, for the manifest."""
        return asdict(self)
