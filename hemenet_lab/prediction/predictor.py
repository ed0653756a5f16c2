"""`Predictor`: structures in, named predictions out, from checkpoints alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from hemenet_lab.basics import first_line
from hemenet_lab.prediction.complexes import ReadComplex, structure_files
from hemenet_lab.prediction.members import (
    Floats,
    Member,
    dropout_passes,
    embeddings,
    load_members,
    look,
    raw_outputs,
    sees_partners,
)
from hemenet_lab.prediction.named import has_partner
from hemenet_lab.prediction.result import Level, Result, check_level
from hemenet_lab.prediction.stream import Complex, Failure, Piece, Reading, batches, read_all
from hemenet_lab.prediction.trust import Acquaintance, estimate
from hemenet_lab.store import CONTACT, PARTNER, Entry
from hemenet_lab.tasks import Task


class Answer(NamedTuple):
    """What is found for a request, or a part of it."""

    number: int
    """Of the request, from 0."""
    last: bool
    """Nothing more comes of this request."""
    found: Result | Failure


@dataclass(frozen=True)
class Embedding:
    """What a model makes of a complex."""

    path: str
    """What it was read from, as it was given."""
    read: ReadComplex
    values: Floats
    """[residues, d], [chains, d] or [d]."""


class Embedded(NamedTuple):
    """The embedding for a request, or a part of it."""

    number: int
    last: bool
    """As in `Answer`."""
    found: Embedding | Failure


NO_SIDES = (
    "this model does not see which chains are the partner: partner chains decide that ppa is "
    "given, not its value"
)


class Predictor:
    """Predicts with a trained model, or with several as an ensemble.

    >>> from hemenet_lab import Predictor
    >>> predictor = Predictor("best.ckpt")
    >>> result = predictor.predict("complex.pdb", ligand="ligand.sdf")
    >>> print(f"pKd {result.affinity['lba'].value:.1f}")
    pKd ...
    >>> list(result.terms("A", "mf", top=2)["term"])
    ['GO:...', 'GO:...']
    >>> result.embedding("residue").shape
    (..., ...)

    Args:
        checkpoints: A checkpoint, a run's folder, the id of an MLflow run or
            ``models:/name/version``, or a list of them: an ensemble gives the mean and the spread
            of its models.
        device: Where to compute; a GPU if there is one, unless given.
        level: Probability of the intervals of affinities.
        keep_hetero: Keep ions and cofactors, for models whose store was built with them.
        contact: Distance in Å within which ligand and partner must touch the protein.
        mc_dropout: Passes with dropout for the spread (with one seed, so the same every time); 0
            for none.
        trust: Build any class that a checkpoint names; only for files of people you trust.

    Raises:
        ValueError: No such checkpoint, one that cannot be read or is refused, or several with
            different tasks.
    """

    def __init__(
        self,
        checkpoints: str | Path | Sequence[str | Path],
        *,
        device: str | torch.device | None = None,
        level: float = 0.9,
        keep_hetero: bool = False,
        contact: float = CONTACT,
        mc_dropout: int = 0,
        trust: bool = False,
    ) -> None:
        if not 0 < level < 1:
            raise ValueError(f"level {level} is no probability between 0 and 1")
        if mc_dropout == 1 or mc_dropout < 0:
            raise ValueError(f"mc_dropout {mc_dropout}: a spread needs 2 passes or more, or 0")
        words = [checkpoints] if isinstance(checkpoints, (str, Path)) else list(checkpoints)
        chosen = device or ("cuda" if torch.cuda.is_available() else "cpu")
        self.device = torch.device(chosen)
        self.members: list[Member] = load_members(words, self.device, trust)
        self.level = level
        self.reading = Reading(keep_hetero, contact)
        self.mc_dropout = mc_dropout
        self._known = Acquaintance(self.members)
        self._sees_partners: bool | None = None

    @property
    def tasks(self) -> tuple[Task, ...]:
        """What is predicted."""
        return self.members[0].module.tasks

    @property
    def notes(self) -> tuple[str, ...]:
        """What is to be said with every prediction."""
        told = dict.fromkeys([f"trained on {self.trained_on}"] if self.trained_on else [])
        if not all(m.calibration.terms or m.calibration.values for m in self.members):
            told["not calibrated: the checkpoint holds no calibration"] = None
        return tuple(told)

    @property
    def trained_on(self) -> str:
        """``SYNTHETIC demo data`` where a model learned from a synthetic store, otherwise empty."""
        return "; ".join(dict.fromkeys(m.trained_on for m in self.members if m.trained_on))

    def predict(
        self,
        structure: Any,
        ligand: Any = None,
        partner_chains: Iterable[str] = (),
        *,
        id: str = "",
        model: int | None = None,
        pose: int = 1,
    ) -> Result:
        """Predict for one complex or chain.

        Args:
            structure: Path, content of a file (bytes), or a structure of gemmi, Bio.PDB or biotite.
            ligand: Path of an SDF or mol2 file, its content (bytes), or an RDKit molecule with
                coordinates in the frame of the structure.
            partner_chains: Chains of the second protein.
            id: Name of the entry; that of the file if not given.
            model: Number of the MODEL; the first, or an assembly whole, if None.
            pose: Number of the pose in the ligand's file.

        Raises:
            ValueError: A file that is not readable, or a ligand or partner that is not there.
            OSError: A file that cannot be opened.
        """
        asked = Complex(structure, ligand, tuple(partner_chains), id, "", model, pose)
        [found] = self.reading.read(asked)
        [result] = self._results([Piece(0, True, asked.shown, "", found)])
        if isinstance(result, Failure):
            raise ValueError(str(result))
        return result

    def predict_many(
        self, complexes: Iterable[Any] | str | Path, *, workers: int = 0, executor: str = ""
    ) -> Iterator[Result | Failure]:
        """Predict for many, batch by batch; memory does not grow with their number.

        Args:
            complexes: A folder, or an iterable of `Complex` or of anything that `predict` takes.
            workers: Processes that read ahead.
            executor: Address of a dask scheduler whose workers read ahead in place of them.

        Yields:
            A `Result` per complex in their order (several where all models or poses are asked for),
            or a `Failure` that says why there is none.
        """
        yield from (
            answer.found for answer in self.answers(complexes, workers=workers, executor=executor)
        )

    def answers(
        self, complexes: Iterable[Any] | str | Path, *, workers: int = 0, executor: str = ""
    ) -> Iterator[Answer]:
        """As `predict_many`, with the number of the request that each answer belongs to."""
        for group in batches(self._read(complexes, workers, executor)):
            results = iter(self._results([piece for piece in group if piece.found is not None]))
            for piece in group:
                found = piece.failure if piece.found is None else next(results)
                yield Answer(piece.number, piece.last, found)

    def embed_many(
        self, complexes: Iterable[Any] | str | Path, level: Level, *, workers: int = 0
    ) -> Iterator[Embedded]:
        """Embeddings of the (first) model for many, batch by batch, as `Result.embedding`.

        Args:
            complexes: As `predict_many` takes them.
            level: ``residue``, ``chain`` or ``complex``.
            workers: Processes that read ahead.

        Yields:
            The embedding of each complex, or a `Failure`; with the number of its request.
        """
        check_level(level)
        for group in batches(self._read(complexes, workers)):
            yield from self._embeddings(group, level)

    # --- details --------------------------------------------------------------------------------

    def _read(
        self, complexes: Iterable[Any] | str | Path, workers: int, executor: str = ""
    ) -> Iterator[Piece]:
        if isinstance(complexes, (str, Path)):
            complexes = structure_files(Path(complexes))
        asked = (e if isinstance(e, (Complex, Failure)) else Complex(e) for e in complexes)
        views = tuple(dict.fromkeys(member.module.encoder.view for member in self.members))
        # a reading process looks up likeness too, since the model is what the others wait for
        known = self._known if workers and not executor else None
        reading = replace(self.reading, views=views, known=known)
        return read_all(asked, reading, workers, executor)

    def _results(self, pieces: Sequence[Piece]) -> list[Result | Failure]:
        """Predictions of a batch; what the models cannot take together they get one by one."""
        if not pieces:
            return []
        entries, edges = [_entry(piece) for piece in pieces], [piece.edges for piece in pieces]
        try:
            outputs = [raw_outputs(each, entries, self.device, edges) for each in self.members]
        except RuntimeError as error:  # out of memory, above all
            if len(pieces) > 1:
                return [each for one in pieces for each in self._results([one])]
            return [
                replace(pieces[0].failure, error=f"the model cannot take it ({first_line(error)})")
            ]
        return [
            self._result(piece, [each[place] for each in outputs])
            for place, piece in enumerate(pieces)
        ]

    def _embeddings(self, group: Sequence[Piece], level: Level) -> Iterator[Embedded]:
        pieces = [piece for piece in group if piece.found is not None]
        entries, edges = [_entry(piece) for piece in pieces], [piece.edges for piece in pieces]
        try:
            rows = embeddings(self.members[0], entries, self.device, level, edges) if pieces else []
        except (RuntimeError, ValueError) as error:
            if len(group) > 1:
                for each in group:
                    yield from self._embeddings([each], level)
                return
            text = f"the model cannot take it ({first_line(error)})"
            yield Embedded(group[0].number, group[0].last, replace(group[0].failure, error=text))
            return
        found = iter(rows)
        for piece in group:
            made: Embedding | Failure = piece.failure
            if piece.found is not None:
                made = Embedding(piece.path, piece.found, next(found))
            yield Embedded(piece.number, piece.last, made)

    def _result(self, piece: Piece, outputs: Sequence[dict[str, Floats]]) -> Result | Failure:
        found, entry = piece.found, _entry(piece)
        assert found is not None
        tasks = [task for task in self.tasks if has_partner(entry, task)]
        if not all(np.isfinite(each[task.name]).all() for each in outputs for task in tasks):
            text = "the model gives numbers that are not finite for this structure"
            return replace(piece.failure, error=text)
        passes = [
            (member, each)
            for member in (self.members if self.mc_dropout else ())
            for each in dropout_passes(member, entry, self.device, self.mc_dropout, seed=0)
        ]
        estimates = {}
        for task in tasks:
            values = [each[task.name] for each in outputs]
            drawn = [(member, each[task.name]) for member, each in passes]
            estimates[task.name] = estimate(task, self.members, values, drawn, self.level)
        identity = self._known.identities(entry) if piece.identity is None else piece.identity
        return Result(
            entry,
            piece.path,
            found.model,
            found.pose,
            found.drops,
            estimates,
            identity,
            self.trained_on,
            self.notes + self._known.size_notes(entry) + self._partner_note(entry),
            tuple(self._known.chain_notes(entry, identity)),
            partial(look, self.members[0], self.device, entry),
        )

    def _partner_note(self, entry: Entry) -> tuple[str, ...]:
        """Say, of a complex with a partner, if no model looks at which chains are the partner's."""
        if not (entry.entity == PARTNER).any():
            return ()
        if self._sees_partners is None:
            self._sees_partners = any(sees_partners(m, entry, self.device) for m in self.members)
        return () if self._sees_partners else (NO_SIDES,)


def _entry(piece: Piece) -> Entry:
    assert piece.found is not None
    return piece.found.entry
