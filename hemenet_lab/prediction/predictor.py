"""`Predictor`: structures in, named predictions out, from checkpoints alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
import torch

from hemenet_lab.calibration import FAR, TrainingSet
from hemenet_lab.graphs import node_batch
from hemenet_lab.model import TaskAware
from hemenet_lab.nn import segment_mean
from hemenet_lab.prediction.complexes import ReadComplex, structure_files
from hemenet_lab.prediction.members import (
    Floats,
    Member,
    dropout_passes,
    load_members,
    node_features,
    raw_outputs,
    sees_partners,
)
from hemenet_lab.prediction.named import has_partner
from hemenet_lab.prediction.result import Estimate, Result
from hemenet_lab.prediction.stream import Complex, Failure, Reading, batches, read_all
from hemenet_lab.protein_mt.splits import chain_sequences
from hemenet_lab.store import CONTACT, PARTNER, Entry
from hemenet_lab.tasks import Task

if TYPE_CHECKING:
    import pandas as pd

NO_SIDES = (
    "this model does not see which chains are the partner: partner chains decide that ppa is "
    "given, not its value"
)


class Predictor:
    """Predicts with a trained model, or with several as an ensemble.

    >>> from hemenet_lab import Predictor
    >>> predictor = Predictor("runs/1f2e")  # doctest: +SKIP
    >>> result = predictor.predict("1abc.cif.gz", ligand="lig.sdf")  # doctest: +SKIP
    >>> result.affinity["lba"].value, result.terms("A", "mf")  # doctest: +SKIP

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
        self._sees_partners: bool | None = None
        sets = [member.calibration.training for member in self.members]
        known = [each for each in sets if each is not None]
        self._training: list[TrainingSet] = list({each.digest: each for each in known}.values())

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
        [result] = self._results([(asked.shown, found)])
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
        if isinstance(complexes, (str, Path)):
            complexes = structure_files(Path(complexes))
        asked = (each if isinstance(each, Complex) else Complex(each) for each in complexes)
        for group in batches(read_all(asked, self.reading, workers, executor)):
            read = [piece for piece in group if not isinstance(piece, Failure)]
            results = iter(self._results(read))
            for piece in group:
                yield piece if isinstance(piece, Failure) else next(results)

    # --- details --------------------------------------------------------------------------------

    def _results(self, read: Sequence[tuple[str, ReadComplex]]) -> list[Result | Failure]:
        """Predictions of a batch; what the models cannot take together they get one by one."""
        if not read:
            return []
        try:
            outputs = [
                raw_outputs(member, [found.entry for _, found in read], self.device)
                for member in self.members
            ]
        except RuntimeError as error:  # out of memory, above all
            if len(read) > 1:
                return [each for one in read for each in self._results([one])]
            return [Failure(read[0][0], f"the model cannot take it ({_line(error)})")]
        return [
            self._result(path, found, [each[place] for each in outputs])
            for place, (path, found) in enumerate(read)
        ]

    def _result(
        self, path: str, found: ReadComplex, outputs: Sequence[dict[str, Floats]]
    ) -> Result | Failure:
        entry = found.entry
        passes: list[dict[str, Floats]] = []
        owners: list[Member] = []
        if self.mc_dropout:
            for member in self.members:
                passes += dropout_passes(member, entry, self.device, self.mc_dropout, seed=0)
                owners += [member] * self.mc_dropout
        tasks = [task for task in self.tasks if has_partner(entry, task)]
        if not all(np.isfinite(each[task.name]).all() for each in outputs for task in tasks):
            return Failure(path, "the model gives numbers that are not finite for this structure")
        estimates = {}
        for task in tasks:
            values = [
                _calibrated(member, task, each[task.name])
                for member, each in zip(self.members, outputs, strict=True)
            ]
            drawn = [
                _calibrated(member, task, each[task.name])
                for member, each in zip(owners, passes, strict=True)
            ] or values
            spread = np.std(drawn, axis=0, ddof=1) if len(drawn) > 1 else None
            estimates[task.name] = Estimate(
                task,
                np.mean(values, axis=0),
                spread,
                _mean([self._half_width(member, task) for member in self.members]),
                _mean([_threshold(member, task) for member in self.members]),
            )
        identity = tuple(self._identity(text) for text in chain_sequences(entry))
        return Result(
            entry,
            path,
            found.model,
            found.pose,
            found.drops,
            estimates,
            identity,
            self.trained_on,
            self.notes + self._size_note(entry) + self._partner_note(entry),
            tuple(self._chain_notes(entry, identity)),
            partial(_look, self, entry),
        )

    def _half_width(self, member: Member, task: Task) -> float | None:
        known = member.calibration.values.get(task.name)
        return None if known is None else known.half_width(self.level)

    def _identity(self, sequence: str) -> float | None:
        found = [each.identity(sequence) for each in self._training]
        return max((each for each in found if each is not None), default=None)

    def _size_note(self, entry: Entry) -> tuple[str, ...]:
        most = max((each.most_nodes for each in self._training), default=0)
        if not most or entry.num_nodes <= most:
            return ()
        return (
            f"larger than all it was trained on: {entry.num_nodes} residues and ligand atoms, the "
            f"largest training entry has {most}",
        )

    def _partner_note(self, entry: Entry) -> tuple[str, ...]:
        """Say, of a complex with a partner, if no model looks at which chains are the partner's."""
        if not (entry.entity == PARTNER).any():
            return ()
        if self._sees_partners is None:
            self._sees_partners = any(sees_partners(m, entry, self.device) for m in self.members)
        return () if self._sees_partners else (NO_SIDES,)

    def _chain_notes(
        self, entry: Entry, identity: Sequence[float | None]
    ) -> Iterator[tuple[str, ...]]:
        longest = max((each.longest_chain for each in self._training), default=0)
        for name, text, nearest in zip(
            entry.chain_names, chain_sequences(entry), identity, strict=True
        ):
            notes = []
            if nearest is not None and nearest < FAR:
                notes.append(
                    f"chain {name} is far from what the model was trained on: at most "
                    f"{nearest:.0%} identical to a training chain"
                )
            if unknown := text.count("X"):
                notes.append(f"chain {name} has {unknown} unknown residues of {len(text)}")
            if longest and len(text) > longest:
                notes.append(
                    f"chain {name} has {len(text)} residues, the longest training chain {longest}"
                )
            yield tuple(notes)


def _calibrated(member: Member, task: Task, raw: Floats) -> Floats:
    """Values of a regression task as they are, calibrated probabilities of terms."""
    if task.kind == "regression":
        return raw
    known = member.calibration.terms.get(task.name)
    # torch's own sigmoid in float32 for those without: what `lightning predict` writes
    plain = torch.from_numpy(raw).float().sigmoid().double().numpy
    return cast(Floats, plain() if known is None else known.probabilities(raw))


def _threshold(member: Member, task: Task) -> float | None:
    known = member.calibration.terms.get(task.name)
    return None if known is None else known.threshold


def _mean(values: Sequence[float | None]) -> float | None:
    """The mean; None unless all are known."""
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if len(known) == len(values) else None


def _line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]


@torch.inference_mode()
def _look(predictor: Predictor, entry: Entry, what: str, of: Any) -> Any:
    """Node features, or attention as a table, of the first model."""
    member = predictor.members[0]
    features, graph = node_features(member, entry, predictor.device)
    if what == "attention":
        return _attention(member, entry, features, graph, of)
    if of == "complex":
        return features.mean(dim=0).double().cpu().numpy()
    polymer, chain = features[graph.polymer_node], graph.polymer_chain
    if of == "residue":
        if len(polymer) != int((entry.node_chain >= 0).sum()):
            raise ValueError(
                f"the nodes of this model's view ({member.module.encoder.view.nodes}"
                f"{', cropped' if member.module.encoder.view.crop else ''}) are not the residues; "
                "ask for the level chain or complex"
            )
        return polymer.double().cpu().numpy()
    return segment_mean(polymer, chain, entry.num_chains).double().cpu().numpy()


def _attention(member: Member, entry: Entry, features: Any, graph: Any, task: str) -> pd.DataFrame:
    import pandas as pd

    module = member.module
    level: Literal["chain", "complex"] = next(t.level for t in module.tasks if t.name == task)
    readout = module.readouts[level]
    if not isinstance(readout, TaskAware):
        raise ValueError(f"{type(readout).__name__} has no attention; TaskAware has")
    place = [t.name for t in module.tasks if t.level == level].index(task)
    groups = (graph.polymer_chain, entry.num_chains)
    read = features[graph.polymer_node]
    nodes = graph.polymer_node
    if level == "complex":
        read, groups, nodes = features, (node_batch(graph), 1), torch.arange(len(features))
    weights = readout.attention(read, *groups)[place].double().cpu().numpy()
    frame = pd.DataFrame({"node": nodes.cpu().numpy(), "weight": weights.mean(axis=1)})
    if len(features) == entry.num_nodes:
        chain = entry.node_chain[frame["node"]]
        names = np.array([*entry.chain_names, ""])
        frame.insert(1, "chain", names[chain])
        frame.insert(2, "residue_number", entry.residue_number[frame["node"]])
    for head in range(weights.shape[1]):
        frame[f"head{head}"] = weights[:, head]
    return frame
