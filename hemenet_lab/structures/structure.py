"""Structures: the frozen, typed arrays that every reader returns, its errors and its bounds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from time import thread_time

import numpy as np
from numpy.typing import NDArray


class StructureError(ValueError):
    """A structure file that cannot be read: which file, what was found, and what to do."""


class LigandError(ValueError):
    """A ligand that cannot be read: which file, what was found, and what to do."""


@dataclass(frozen=True)
class Drop:
    """Something left out while reading: what, why, and how much of it."""

    kind: str
    """Class of what was dropped, such as ``water`` or ``hydrogen``."""
    reason: str
    count: int
    """Atoms; lines for ``record``, numbers for ``value``, molecules for ``molecule``."""


@dataclass(frozen=True)
class Structure:
    """Heavy atoms of a structure's polymer residues (and kept single-atom groups), in Å.

    Atoms lie grouped by residue in slot order, residues by chain along the sequence, kept
    single-atom groups behind their chain's residues. Arrays of the same level have the same
    length: A atoms, R residues, C chains.
    """

    id: str
    # atoms
    coords: NDArray[np.float32]
    """[A, 3], Å."""
    element: NDArray[np.str_]
    """[A], symbols in upper case."""
    atom_name: NDArray[np.str_]
    """[A], such as ``CA``."""
    slot: NDArray[np.int8]
    """[A], channel of the atom in its residue node, 0-13 (see `vocabulary.RESIDUE_ATOMS`)."""
    occupancy: NDArray[np.float32]
    b_factor: NDArray[np.float32]
    """[A], Å²."""
    atom_residue: NDArray[np.int32]
    """[A], index of the atom's residue, ascending."""
    # residues
    residue_name: NDArray[np.str_]
    """[R], as in the file (``MSE`` stays ``MSE``)."""
    residue_type: NDArray[np.int8]
    """[R], index into `vocabulary.RESIDUES`; modified residues have their parent's."""
    residue_number: NDArray[np.int32]
    """[R], author numbering."""
    insertion_code: NDArray[np.str_]
    """[R], one letter or empty."""
    residue_chain: NDArray[np.int32]
    """[R], index of the residue's chain, ascending."""
    is_polymer: NDArray[np.bool_]
    """[R], False for ions and cofactor atoms kept on request as single-atom nodes."""
    sequence_index: NDArray[np.int32]
    """[R], position along the chain: +1 per bonded neighbour, a larger step over a gap."""
    sequence_place: NDArray[np.int32]
    """[R], place in the chain's ``chain_sequence``; -1 in all of a chain where that is empty, or
    where not each residue is the one that it tells."""
    # chains
    chain_id: tuple[str, ...]
    """[C], author chain ids."""
    chain_label: tuple[str, ...]
    """[C], mmCIF label ids; the author id where the format has only one."""
    chain_sequence: tuple[str, ...]
    """[C], deposited sequence in one-letter code (SEQRES); empty where the file gives none."""
    drops: tuple[Drop, ...] = field(default=())
    notes: tuple[str, ...] = field(default=())
    """Things worth saying that lost nothing, such as which of several models was read."""
    model: int = 0
    """Number of the file's model that this is; 0 where the file has one, or was read whole."""

    @property
    def num_atoms(self) -> int:
        return len(self.coords)

    @property
    def num_residues(self) -> int:
        return len(self.residue_type)

    @property
    def num_chains(self) -> int:
        return len(self.chain_id)


@dataclass(frozen=True)
class Ligand:
    """Heavy atoms of a small molecule, in Å; file order."""

    name: str
    coords: NDArray[np.float32]
    """[A, 3], Å."""
    element: NDArray[np.str_]
    """[A], symbols in upper case."""
    sanitized: bool
    """False when RDKit's chemistry checks failed and the file was read without them."""
    note: str = ""
    drops: tuple[Drop, ...] = field(default=())
    pose: int = 1
    """Number of the molecule in its file, from 1."""
    chemistry: NDArray[np.uint16] | None = None
    """[A], bits of `CHEMISTRY`; None where RDKit does not accept the molecule."""

    @property
    def num_atoms(self) -> int:
        return len(self.coords)


@dataclass(frozen=True)
class ReadLimits:
    """Bounds on one file; a file beyond them is refused with an error that says so.

    The defaults keep a reader under 2 GB of memory and 30 s. A larger file is read with larger
    ones: ``read_structure(path, limits=ReadLimits(atoms=3_000_000, bytes=400 * 2**20))``.
    """

    bytes: int = 100 * 2**20
    """Size, as it is on the disk and after decompression."""
    atoms: int = 1_000_000
    """Atoms of all models together."""
    chains: int = 10_000
    seconds: float = 25.0
    """Processor time of the reading thread."""

    def __post_init__(self) -> None:
        for item in fields(self):
            if not getattr(self, item.name) > 0:
                raise ValueError(
                    f"ReadLimits({item.name}={getattr(self, item.name)}): must be above 0"
                )


class Budget:
    """Remainder of the `ReadLimits` while one file is read.

    Args:
        source: Name of the file, for messages.
        limits: The bounds.
        error: Class of the errors.
    """

    def __init__(
        self,
        source: str,
        limits: ReadLimits | None = None,
        error: type[ValueError] = StructureError,
    ) -> None:
        self.source, self.error, self.limits = source, error, limits or ReadLimits()
        self._start = thread_time()

    def need(self, what: str, count: int) -> None:
        """Refuses a file that has more of ``what`` (a field of `ReadLimits`) than is allowed."""
        allowed = getattr(self.limits, what)
        if count > allowed:
            raise self.error(
                f"{self.source}: {count:,} {what} or more, {allowed:,} are allowed; if the file is "
                f"what it should be, read it with a higher bound: limits=ReadLimits({what}=...)"
            )

    def check_time(self) -> None:
        """Refuses a file that has taken more than its time."""
        if thread_time() - self._start > self.limits.seconds:
            raise self.error(
                f"{self.source}: not read after {self.limits.seconds:g} s; if the file is what it "
                "should be, give it more: limits=ReadLimits(seconds=...)"
            )


@contextmanager
def file_errors(source: str, error: type[ValueError]) -> Iterator[None]:
    """Turns whatever the content of a file makes a library raise into an error of ours.

    gemmi, biotite, msgpack, RDKit and the decompressors each have errors of their own, and broken
    files reach code that expects whole ones. Files that cannot be opened keep their `OSError`.
    """
    try:
        yield
    except (StructureError, LigandError, error, OSError, NameError, ImportError):
        raise
    except Exception as problem:
        text = " ".join(str(problem).split())[:200]
        raise error(
            f"{source}: the file is damaged, or not what its beginning says "
            f"({type(problem).__name__}: {text}); fetch or export it again"
        ) from problem
