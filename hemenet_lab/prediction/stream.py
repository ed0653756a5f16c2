"""Reading structures in parallel, for models that predict batch by batch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import numpy as np
from torch.utils.data import DataLoader, Dataset

from hemenet_lab.basics import run_on_cluster
from hemenet_lab.graphs import GraphView, view_edges
from hemenet_lab.loading import groups_within
from hemenet_lab.prediction.complexes import ReadComplex, read_complexes
from hemenet_lab.prediction.formats import is_file, ligand_file, structure_file
from hemenet_lab.prediction.members import Edges
from hemenet_lab.prediction.trust import Acquaintance
from hemenet_lab.store import CONTACT

CHUNK = 8
"""Complexes per job of a reading process."""
Number = int | Literal["all"]


@dataclass(frozen=True, slots=True)  # there may be very many
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
        receptor_chains: Chains of the first protein, where others are to be left out; all if empty.
        place: Where it was asked for, such as a line of a table; messages begin with it.
    """

    structure: Any
    ligand: Any = None
    partner_chains: tuple[str, ...] = ()
    id: str = ""
    path: str = ""
    model: Number | None = None
    pose: Number = 1
    receptor_chains: tuple[str, ...] = ()
    place: str = ""

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
    place: str = ""
    """Where it was asked for, such as a line of a table."""

    def __str__(self) -> str:
        text = self.error if self.path in self.error else f"{self.path}: {self.error}"
        return f"{self.place}: {text}" if self.place else text


@dataclass(frozen=True)
class Reading:
    """How complexes are read; it is sent to the reading processes."""

    keep_hetero: bool = False
    contact: float = CONTACT
    views: tuple[GraphView, ...] = ()
    """Views whose edges are computed with the reading, so that other processes can do it."""
    known: Acquaintance | None = None
    """Looks up how like the training chains are, for the same reason."""

    def read(self, asked: Complex) -> list[ReadComplex]:
        """The complexes of one request: every chosen model with every chosen pose.

        Raises:
            ValueError: A file that is not readable, or a ligand or partner that is not there.
            OSError: A file that cannot be opened.
        """
        if is_file(asked.structure) and (asked.ligand is None or is_file(asked.ligand)):
            found = self._read(asked, Path())
        else:
            with TemporaryDirectory(prefix="hemenet-predict-") as folder:
                found = self._read(asked, Path(folder))
        if not asked.id:
            return found
        return [replace(each, entry=replace(each.entry, id=asked.id)) for each in found]

    def _read(self, asked: Complex, folder: Path) -> list[ReadComplex]:
        return list(
            read_complexes(
                structure_file(asked.structure, folder),
                ligand_file(asked.ligand, folder),
                asked.partner_chains,
                receptor_chains=asked.receptor_chains,
                model=asked.model,
                pose=asked.pose,
                keep_hetero=self.keep_hetero,
                contact=self.contact,
            )
        )

    def made(self, found: ReadComplex) -> tuple[Edges, tuple[float | None, ...] | None]:
        """Edges of a complex by view, and the identity of each chain to the training chains.

        The edges are in types as small as they can be: they are sent around.
        """
        edges = {}
        for view in self.views:
            index, kind = view_edges(found.entry, view)
            edges[view.key()] = (index.astype(np.int32), kind.astype(np.int8))
        return edges, self.known.identities(found.entry) if self.known else None


@dataclass(frozen=True)
class Piece:
    """One complex of a request, or why there is none."""

    number: int
    """Of the request, from 0."""
    last: bool
    """Nothing more comes of this request."""
    path: str
    place: str
    found: ReadComplex | None
    error: str = ""
    edges: Edges = field(default_factory=dict)
    """Of the views that were asked for."""
    identity: tuple[float | None, ...] | None = None
    """Of each chain to the training chains, if it was asked for."""

    @property
    def failure(self) -> Failure:
        """For a piece without a complex."""
        return Failure(self.path, self.error, self.place)


class _Reader(Dataset[list[Piece]]):
    """Reads chunks of requests; what goes wrong with one is its own affair."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading

    def __getitem__(self, chunk: Any) -> list[Piece]:
        return [piece for number, asked in chunk for piece in self._pieces(number, asked)]

    def _pieces(self, number: int, asked: Complex | Failure) -> list[Piece]:
        if isinstance(asked, Failure):
            return [Piece(number, True, asked.path, asked.place, None, asked.error)]
        path, place = asked.shown, asked.place
        try:
            found = self._reading.read(asked)
            made = [self._reading.made(each) for each in found]
        except (ValueError, OSError) as error:
            return [Piece(number, True, path, place, None, str(error))]
        except Exception as error:  # whatever a file does to a library, the others go on
            return [Piece(number, True, path, place, None, f"{type(error).__name__}: {error}")]
        final = len(found) - 1
        return [
            Piece(number, k == final, path, place, each, edges=edges, identity=identity)
            for k, (each, (edges, identity)) in enumerate(zip(found, made, strict=True))
        ]


class _Chunks:
    """Requests in chunks, taken from their iterator as they are needed."""

    def __init__(self, asked: Iterable[Complex | Failure], size: int) -> None:
        self._asked, self._size = asked, size

    def __iter__(self) -> Iterator[list[tuple[int, Complex | Failure]]]:
        waiting = enumerate(self._asked)
        while chunk := list(islice(waiting, self._size)):
            yield [(number, _sendable(each)) for number, each in chunk]


def _sendable(asked: Complex | Failure) -> Complex | Failure:
    """The request with contents of files in place of objects of other libraries."""
    if isinstance(asked, Failure):
        return asked
    changes: dict[str, Any] = {}
    for name, write in (("structure", structure_file), ("ligand", ligand_file)):
        value = getattr(asked, name)
        if value is None or is_file(value) or isinstance(value, bytes):
            continue
        with TemporaryDirectory(prefix="hemenet-predict-") as folder:
            try:
                path = write(value, Path(folder))
            except ValueError:
                continue  # the reader says what is wrong with it
            assert path is not None
            changes[name] = path.read_bytes()
    if "structure" in changes and not asked.path:
        changes["path"] = asked.shown
    return replace(asked, **changes)


def _anywhere(asked: Complex | Failure) -> Complex | Failure:
    """The request with paths that hold in every folder, and its name as it was."""
    if isinstance(asked, Failure):
        return asked
    changes: dict[str, Any] = {"path": asked.shown}
    for name in ("structure", "ligand"):
        value = getattr(asked, name)
        if isinstance(value, (str, Path)):
            changes[name] = Path(value).absolute()
    return replace(asked, **changes)


def _name_of(chunk: Sequence[tuple[int, Complex | Failure]]) -> str:
    [(_, asked)] = chunk
    return asked.path if isinstance(asked, Failure) else asked.shown


def read_all(
    asked: Iterable[Complex | Failure], reading: Reading, workers: int = 0, executor: str = ""
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
        for found in run_on_cluster(read, chunks, executor, name=_name_of):
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
    return groups_within(
        pieces, lambda piece: 0 if piece.found is None else piece.found.entry.num_atoms
    )
