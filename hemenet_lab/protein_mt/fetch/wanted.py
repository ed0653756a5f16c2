"""Which entries and chains are wanted: those of DeepFRI's lists, or of the user's."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from hemenet_lab.protein_mt import TABLES
from hemenet_lab.protein_mt.labels import read_ec, read_go
from hemenet_lab.protein_mt.raw import read_lines, split_chain_name

_CODE = re.compile(r"[0-9][A-Za-z0-9]{3}")
_ITEM = re.compile(rf"({_CODE.pattern})(-\S+)?")


@dataclass(frozen=True)
class Wanted:
    """What is to be there in the end."""

    codes: tuple[str, ...]
    """PDB codes, small letters, sorted."""
    chains: tuple[str, ...]
    """Chains such as ``1ABC-A``, sorted."""
    problems: tuple[str, ...] = ()
    """Names in the lists that are no chains."""


def read_ids(path: str | Path) -> tuple[str, ...]:
    """PDB codes and chains from a text file, one or more per line; ``#`` begins a comment.

    Raises:
        ValueError: A word that is neither, or no word.
    """
    words = [
        word
        for _, line in read_lines(path)
        for word in line.split("#")[0].replace(",", " ").split()
    ]
    wrong = [word for word in words if not _ITEM.fullmatch(word)]
    if wrong or not words:
        raise ValueError(
            f"{path}: {f'found {wrong[0]!r}' if wrong else 'it names nothing'}; expected PDB codes "
            "such as 1abc or chains such as 1ABC-A"
        )
    return tuple(words)


def wanted_items(raw: Path, only: Iterable[str] | None = None) -> Wanted:
    """All chains of DeepFRI's annotation tables and split lists in a raw folder.

    Args:
        raw: The raw folder, with the tables in place; a missing one adds nothing.
        only: Keep to these PDB codes (all their listed chains) and chains; codes that no list
            names are wanted as entries.
    """
    listed, problems = set(), []
    for name in _listed_chains(raw):
        if _ITEM.fullmatch(name) and "-" in name:
            listed.add(name)
        else:
            problems.append(f"{name!r} in DeepFRI's lists is not a PDB code, a hyphen and a chain")
    codes: set[str] = set()
    if only is not None:
        given = {name if "-" not in name else _chain(name) for name in only}
        codes = {name[:4].lower() for name in given}
        whole = {name.lower() for name in given if "-" not in name}
        chains = {name for name in given if "-" in name}
        listed = chains | {name for name in listed if split_chain_name(name)[0] in whole}
    codes |= {split_chain_name(name)[0] for name in listed}
    return Wanted(tuple(sorted(codes)), tuple(sorted(listed)), tuple(sorted(problems)))


def _chain(name: str) -> str:
    """The chain as DeepFRI writes it: the PDB code in capitals."""
    return name[:4].upper() + name[4:]


def _listed_chains(raw: Path) -> set[str]:
    names: set[str] = set()
    for table in TABLES:
        path = raw / table.place()
        if not path.is_file():
            continue
        if table.check in ("ec", "go"):
            names |= (read_ec if table.check == "ec" else read_go)(path).chains.keys()
        elif table.check == "chains":
            names |= {line.strip() for _, line in read_lines(path) if line.strip()}
    return names
