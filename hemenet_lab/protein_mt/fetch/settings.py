"""Settings of ``hemenet data fetch``: what is fetched, and how patiently servers are asked."""

from __future__ import annotations

import math
import re
import shlex
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Literal, get_args

from hemenet_lab.protein_mt import STRUCTURES, hosts_with, paths_with

LigandSet = Literal["refined", "general"]
LIGAND_SETS: tuple[LigandSet, ...] = get_args(LigandSet)


@dataclass(frozen=True)
class Policy:
    """Patience with servers: number, pace and timeouts of requests."""

    attempts: int = 5
    """Most requests for one file."""
    timeout: float = 60.0
    """Seconds to wait for a connection, and for the next bytes of a body."""
    slowest: float = 1000.0
    """Bytes per second, over ``timeout`` and more, below which a transfer counts as stuck."""
    first_wait: float = 1.0
    """Seconds before the second attempt; each later wait is about twice as long."""
    longest_wait: float = 120.0
    """Most seconds between attempts, also where a server asks for more."""
    rate: float = 10.0
    """Most requests per second, over all workers."""
    failures_in_a_row: int = 20
    """A run ends after this many files in a row that a server does not deliver."""
    redirects: int = 5
    """Most redirects of one request; they stay on the source's host."""

    def __post_init__(self) -> None:
        for name in ("attempts", "timeout", "rate", "failures_in_a_row"):
            value = getattr(self, name)
            if not value > 0 or math.isnan(value):
                raise ValueError(f"{name} is {value}; it must be above 0")


@dataclass(frozen=True)
class FetchSettings:
    """Everything that a run of ``hemenet data fetch`` is asked to do.

    Args:
        out: Folder for the raw files.
        format: Format of the structure files.
        ids: Text file with the PDB codes and chains (1ABC-A) to keep to; all chains of DeepFRI's
            lists if not given.
        pdbbind: Folder with PDBbind's unpacked archives.
        affinity_table: CSV file of complexes to take from the PDB, with their affinities.
        ligand_set: Which protein-ligand complexes of PDBbind are taken.
        workers: Transfers side by side.
        rate: Most requests per second, over all workers.
        attempts: Most requests for one file.
        timeout: Seconds to wait for a connection, and for the next bytes of a file.
        copy: Copy PDBbind's and the local archive's files instead of linking to them.
        mirror: Other addresses of sources, each as NAME=URL, several with commas between them;
            HEMENET_MIRRORS gives them, too.
        path: Other paths of sources, each as SOURCE=TEMPLATE: a path below the host's address, or
            a whole address, with {id}, {ID}, {mid} or {MID} for entries.
        pdb_dir: Local copy of the PDB, or a path with {id}: entries that it has are linked.
        progress: Show progress bars on the error stream.
    """

    out: Path
    format: Literal["bcif", "cif"] = "bcif"
    ids: Path | None = None
    pdbbind: Path | None = None
    affinity_table: Path | None = None
    ligand_set: LigandSet = "refined"
    workers: int = 8
    rate: float = Policy.rate
    attempts: int = Policy.attempts
    timeout: float = Policy.timeout
    copy: bool = False
    mirror: str | tuple[str, ...] = ()
    path: tuple[str, ...] = ()
    pdb_dir: str = ""
    progress: bool = False

    def __post_init__(self) -> None:
        if self.format not in STRUCTURES:
            raise ValueError(f"format {self.format!r}; expected one of {', '.join(STRUCTURES)}")
        if self.ligand_set not in LIGAND_SETS:
            raise ValueError(f"ligand set {self.ligand_set!r}; expected {' or '.join(LIGAND_SETS)}")
        if self.workers < 1:
            raise ValueError(f"workers is {self.workers}; it must be 1 or more")
        if self.pdbbind and self.affinity_table:
            raise ValueError(
                "both a PDBbind folder and an affinity table; one raw folder holds the complexes "
                "of one of them: use two, or leave one out"
            )
        _ = self.policy, self.hosts, self.paths  # their errors belong to the settings

    @property
    def policy(self) -> Policy:
        """Patience with servers."""
        return Policy(attempts=self.attempts, timeout=self.timeout, rate=self.rate)

    @property
    def hosts(self) -> dict[str, str]:
        """Address of each name in the table of sources, mirrors included."""
        return hosts_with(self._mirrors)

    @property
    def paths(self) -> dict[str, str]:
        """Other path templates, by source."""
        return paths_with(self.path)

    @property
    def _mirrors(self) -> tuple[str, ...]:
        given = (self.mirror,) if isinstance(self.mirror, str) else self.mirror
        return tuple(part for text in given for part in text.split(",") if part.strip())

    @property
    def command(self) -> str:
        """The command line that continues with the same folder and the same settings."""
        words = ["hemenet", "data", "fetch"]
        for field in fields(self):
            value = getattr(self, field.name)
            given = field.default is MISSING or value != field.default
            if field.name == "progress" or not given:
                continue
            option = f"--{field.name.replace('_', '-')}"
            if field.name == "mirror":
                words += [option, ",".join(self._mirrors)]
            elif isinstance(value, tuple):
                words += [option, *value]
            else:
                words += [option] if value is True else [option, str(value)]
        return shlex.join(words)


def check_raw(settings: FetchSettings) -> None:
    """Refuses to mix PDBbind's complexes with those of an affinity table.

    Raises:
        ValueError: The raw folder holds the others already, or is a file.
    """
    raw = settings.out
    if raw.exists() and not raw.is_dir():
        raise ValueError(f"{raw} is a file; --out must be a folder")
    names = [path.name for path in (raw / "index").glob("INDEX_*")]
    ours = [name for name in names if re.search(r"\.open$", name)]
    theirs = [name for name in names if name not in ours]
    if settings.affinity_table and theirs:
        raise ValueError(
            f"{raw}/index holds {theirs[0]} of PDBbind; fetch the affinity table's complexes into "
            "another --out"
        )
    if settings.pdbbind and ours:
        raise ValueError(
            f"{raw}/index holds {ours[0]} of an affinity table; use another --out for PDBbind"
        )
