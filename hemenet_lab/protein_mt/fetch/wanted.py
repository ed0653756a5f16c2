"""Entries and chains that are wanted, from DeepFRI's lists or the user's, and their successors."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from hemenet_lab.protein_mt import TABLES
from hemenet_lab.protein_mt.labels import read_ec, read_go
from hemenet_lab.protein_mt.raw import read_lines, split_chain_name

_CODE = re.compile(r"[0-9][A-Za-z0-9]{3}")
_CURRENT = re.compile(rf"{_CODE.pattern}|pdb_[0-9a-z]{{8}}")
"""PDB codes of four characters, and the longer ones that will follow them."""
_CHAIN = r"-[^\s/\\]{1,20}"
"""Chain in an item's name; never part of a path, although such names become those of files."""
_ITEM = re.compile(rf"({_CODE.pattern})({_CHAIN})?")
_CHAIN_NAME = re.compile(rf"{_CODE.pattern}{_CHAIN}")
Successors = Mapping[str, tuple[str, ...]]
"""Obsolete PDB code → codes that replace it, none where the entry was withdrawn; small letters."""


@dataclass(frozen=True)
class Wanted:
    """Entries and chains that the raw folder is to have in the end."""

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


def is_chain_name(name: str) -> bool:
    """True for names such as ``1ABC-A``."""
    return _CHAIN_NAME.fullmatch(name) is not None


def wanted_items(raw: Path, only: Iterable[str] | None = None) -> Wanted:
    """All chains of DeepFRI's annotation tables and split lists in a raw folder.

    Args:
        raw: The raw folder, with the tables in place; a missing one adds nothing.
        only: Keep to these PDB codes (all their listed chains) and chains; codes that no list
            names are wanted as entries.
    """
    listed, problems = set(), []
    for name in _listed_chains(raw):
        if is_chain_name(name):
            listed.add(name)
        else:
            problems.append(f"{name[:40]!r} in DeepFRI's lists is no chain such as 1ABC-A")
    codes: set[str] = set()
    if only is not None:
        given = {name if "-" not in name else _in_capitals(name) for name in only}
        codes = {name[:4].lower() for name in given}
        whole = {name.lower() for name in given if "-" not in name}
        chains = {name for name in given if "-" in name}
        listed = chains | {name for name in listed if split_chain_name(name)[0] in whole}
    codes |= {split_chain_name(name)[0] for name in listed}
    return Wanted(tuple(sorted(codes)), tuple(sorted(listed)), tuple(sorted(problems)))


def _in_capitals(name: str) -> str:
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


@dataclass(frozen=True)
class Entry:
    """Entry that is fetched for a PDB code."""

    code: str
    """The code that was asked for."""
    current: str
    """The code to fetch; empty where the entry was withdrawn without a successor."""
    note: str = ""
    """Remark about an obsolete entry."""


def read_obsolete(path: str | Path) -> dict[str, tuple[str, ...]]:
    """Reads ``obsolete.dat``: lines ``OBSLTE  date  code  successors``; others are headings."""
    found = {}
    for _, line in read_lines(path):
        words = line.lower().split()
        if len(words) >= 3 and words[0] == "obslte":
            found[words[2]] = tuple(words[3:])
    return found


def current_entry(code: str, successors: Successors) -> Entry:
    """The entry that stands for a PDB code today: the first successor of each is followed."""
    route, others = [code], []
    while route[-1] in successors:
        first, *rest = successors[route[-1]] or ("",)
        if not first:
            return Entry(code, "", f"{' → '.join(route)} is obsolete, without a successor")
        if not _CURRENT.fullmatch(first):  # it would become part of an address and of a file name
            note = f"{' → '.join(route)} is obsolete; its successor {first[:40]!r} is no PDB code"
            return Entry(code, "", note)
        if first in route:
            return Entry(code, "", f"{' → '.join([*route, first])}: successors go in a circle")
        route.append(first)
        others += rest
    if len(route) == 1:
        return Entry(code, code)
    further = f" (not used: {', '.join(others)[:100]})" if others else ""
    return Entry(code, route[-1], f"obsolete: {' → '.join(route)}{further}")
