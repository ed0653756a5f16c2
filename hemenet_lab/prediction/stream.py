"""Reading structures in parallel, for models that predict batch by batch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

from torch.utils.data import DataLoader, Dataset

from hemenet_lab.basics import run_on_cluster
from hemenet_lab.prediction.complexes import ReadComplex, read_complexes
from hemenet_lab.prediction.formats import ligand_file, structure_file
from hemenet_lab.store import CONTACT

CHUNK = 8
"""Complexes per job of a reading process."""
MAX_ATOMS = 60_000
"""Atoms per batch, at most, unless one structure has more."""
MAX_GRAPHS = 16
Number = int | Literal["all"]


@dataclass(frozen=True)
class Complex:
    """What is to be predicted for: a structure, with a ligand or a partner if it has one.

    Args:
        structure: Path, content of a file (bytes), or a structure of gemmi, Bio.PDB or biotite.
        ligand: Path of an SDF or mol2 file, content of one (bytes), or an RDKit molecule.
        partner_chains: Chains of the second protein.
        id: Name of the entry; that of the file if not given.
        path: What it is called in tables; the path of the structure if not given.
        model: Number of the MODEL, or ``all``; the first, or an assembly whole, if None.
        pose: Number of the pose in the ligand's file, or ``all``.
    """

    structure: Any
    ligand: Any = None
    partner_chains: tuple[str, ...] = ()
    id: str = ""
    path: str = ""
    model: Number | None = None
    pose: Number = 1

    @property
    def shown(self) -> str:
        """What it is called in tables and messages."""
        if self.path:
            return self.path
        if isinstance(self.structure, (str, Path)):
            return str(self.structure)
        return self.id or type(self.structure).__name__


@dataclass(frozen=True)
class Failure:
    """A complex for which nothing is predicted."""

    path: str
    error: str

    def __str__(self) -> str:
        return self.error if self.path in self.error else f"{self.path}: {self.error}"


@dataclass(frozen=True)
class Reading:
    """How complexes are read; it is sent to the reading processes."""

    keep_hetero: bool = False
    contact: float = CONTACT

    def read(self, asked: Complex) -> list[ReadComplex]:
        """The complexes of one request: every chosen model with every chosen pose.

        Raises:
            ValueError: A file that is not readable, or a ligand or partner that is not there.
            OSError: A file that cannot be opened.
        """
        with TemporaryDirectory(prefix="hemenet-predict-") as folder:
            found = list(
                read_complexes(
                    structure_file(asked.structure, Path(folder)),
                    ligand_file(asked.ligand, Path(folder)),
                    asked.partner_chains,
                    model=asked.model,
                    pose=asked.pose,
                    keep_hetero=self.keep_hetero,
                    contact=self.contact,
                )
            )
        if not asked.id:
            return found
        return [replace(each, entry=replace(each.entry, id=asked.id)) for each in found]


Piece = tuple[str, ReadComplex] | Failure


class _Reader(Dataset[list[Piece]]):
    """Reads chunks of requests; what goes wrong with one is its own affair."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading

    def __getitem__(self, chunk: Any) -> list[Piece]:
        found: list[Piece] = []
        for asked in chunk:
            try:
                found += [(asked.shown, each) for each in self._reading.read(asked)]
            except (ValueError, OSError) as error:
                found.append(Failure(asked.shown, str(error)))
            except Exception as error:  # whatever a file does to a library, the others go on
                found.append(Failure(asked.shown, f"{type(error).__name__}: {error}"))
        return found


class _Chunks:
    """Requests in chunks, taken from their iterator as they are needed."""

    def __init__(self, asked: Iterable[Complex], size: int) -> None:
        self._asked, self._size = asked, size

    def __iter__(self) -> Iterator[list[Complex]]:
        waiting = iter(self._asked)
        while chunk := list(islice(waiting, self._size)):
            yield [_sendable(each) for each in chunk]


def _sendable(asked: Complex) -> Complex:
    """The request with contents of files in place of objects of other libraries."""
    with TemporaryDirectory(prefix="hemenet-predict-") as folder:
        changes: dict[str, Any] = {}
        for name, write in (("structure", structure_file), ("ligand", ligand_file)):
            value = getattr(asked, name)
            if value is not None and not isinstance(value, (str, Path, bytes)):
                try:
                    path = write(value, Path(folder))
                except ValueError:
                    continue  # the reader says what is wrong with it
                assert path is not None
                changes[name] = path.read_bytes()
    if "structure" in changes and not asked.path:
        changes["path"] = asked.shown
    return replace(asked, **changes)


def _anywhere(asked: Complex) -> Complex:
    """The request with paths that hold in every folder, and its name as it was."""
    changes: dict[str, Any] = {"path": asked.shown}
    for name in ("structure", "ligand"):
        value = getattr(asked, name)
        if isinstance(value, (str, Path)):
            changes[name] = Path(value).absolute()
    return replace(asked, **changes)


def read_all(
    asked: Iterable[Complex], reading: Reading, workers: int = 0, executor: str = ""
) -> Iterator[Piece]:
    """What is read of each request, or why nothing is, in their order.

    Args:
        asked: Requests; they are taken a little ahead of what is read.
        reading: How to read.
        workers: Processes that read ahead; 0 reads here.
        executor: Address of a dask scheduler whose workers read ahead in place of them.

    Raises:
        ValueError: The executor is of no use.
    """
    if executor:
        chunks = _Chunks((_anywhere(each) for each in asked), 1)
        read = _Reader(reading).__getitem__
        for found in run_on_cluster(read, chunks, executor, name=lambda chunk: chunk[0].shown):
            yield from found
        return
    loader: DataLoader[list[Piece]] = DataLoader(
        _Reader(reading),
        sampler=_Chunks(asked, CHUNK if workers else 1),  # type: ignore[arg-type]  # any iterable
        batch_size=None,
        num_workers=workers,
    )
    for found in loader:
        yield from found


def batches(pieces: Iterable[Piece]) -> Iterator[Sequence[Piece]]:
    """Pieces in groups that a model takes at once, in their order."""
    waiting: list[Piece] = []
    atoms = 0
    for piece in pieces:
        size = 0 if isinstance(piece, Failure) else piece[1].entry.num_atoms
        if waiting and (atoms + size > MAX_ATOMS or len(waiting) == MAX_GRAPHS):
            yield waiting
            waiting, atoms = [], 0
        waiting.append(piece)
        atoms += size
    if waiting:
        yield waiting
