"""Tables of a raw folder beside structures and annotations: names, dates, split lists, SIFTS."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hemenet_lab.protein_mt import GO_RELEASE
from hemenet_lab.protein_mt.raw.layout import RawFolder

LISTS = ("train.txt", "valid.txt", "test.txt")
"""The files of one of DeepFRI's splits; ``test.csv``, with identities, may lie beside them."""
DATES = "dates.csv"


@dataclass(frozen=True)
class FurtherFiles:
    """Paths of the further tables; None where a file is missing."""

    enzyme: Path | None
    """ENZYME's ``enzyme.dat``."""
    enzyme_classes: Path | None
    ontology: Path | None
    """The latest release of the Gene Ontology, for labels from SIFTS."""
    deepfri_ontology: Path | None
    """The release that DeepFRI's annotation is compared with."""
    sifts_ec: Path | None
    sifts_go: Path | None
    dates: Path | None
    """``dates.csv``: PDB code and date."""
    split_lists: dict[str, tuple[Path, str]]
    """``ec`` and ``go`` → folder and prefix of DeepFRI's split lists."""

    def used(self, raw: RawFolder, route: str) -> tuple[Path, ...]:
        """All files that labels, names, dates and splits come from.

        Args:
            raw: The raw folder.
            route: ``deepfri`` or ``sifts``.
        """
        annotations = {raw.ec, raw.go} if route == "sifts" else set()
        found = [path for path in raw.label_files if path not in annotations]
        found += [path for path in (self.enzyme, self.enzyme_classes, self.dates) if path]
        of_sifts = (self.ontology, self.sifts_ec, self.sifts_go)
        of_route = of_sifts if route == "sifts" else (self.deepfri_ontology if raw.go else None,)
        found += [path for path in of_route if path]
        return (*found, *self._list_files())

    def _list_files(self) -> Iterator[Path]:
        for folder, prefix in self.split_lists.values():
            paths = (folder / f"{prefix}_{end}" for end in (*LISTS, "test.csv"))
            yield from (path for path in paths if path.is_file())


def find_further(path: str | Path) -> FurtherFiles:
    """Looks for the further tables where `hemenet data fetch` puts them."""
    path = Path(path)
    lists = {
        "ec": _split_lists((path / "EnzymeCommission", path), "nrPDB-EC"),
        "go": _split_lists((path / "GeneOntology", path), "nrPDB-GO"),
    }
    return FurtherFiles(
        enzyme=_last(path, "enzyme.dat*", "enzyme"),
        enzyme_classes=_last(path, "enzclass.txt*", "enzyme"),
        # the names of dated releases sort before go-basic.current.obo
        ontology=_last(path, "go-basic*.obo*", "ontology"),
        deepfri_ontology=_last(path, f"go-basic.{GO_RELEASE}.obo*", "ontology"),
        sifts_ec=_last(path, "pdb_chain_enzyme.csv*", "sifts"),
        sifts_go=_last(path, "pdb_chain_go.csv*", "sifts"),
        dates=_last(path, DATES, "."),
        split_lists={name: found for name, found in lists.items() if found},
    )


def _last(path: Path, pattern: str, folder: str) -> Path | None:
    files = [*path.glob(pattern), *(path / folder).glob(pattern)]
    return max((file for file in files if file.is_file()), key=lambda file: file.name, default=None)


def _split_lists(folders: tuple[Path, ...], stem: str) -> tuple[Path, str] | None:
    """Folder and prefix of the last split by name of which all lists are there."""
    for folder in folders:
        prefixes = sorted(
            file.name.removesuffix(f"_{LISTS[0]}") for file in folder.glob(f"{stem}_*_{LISTS[0]}")
        )
        for prefix in reversed(prefixes):
            if all((folder / f"{prefix}_{end}").is_file() for end in LISTS):
                return folder, prefix
    return None
