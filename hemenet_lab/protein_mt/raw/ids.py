"""Ids of entries and chains in one spelling, whatever the case and form that a file gives them."""

from __future__ import annotations

import re

_SHORT = r"[0-9][A-Za-z0-9]{3}"
_LONG = r"pdb_[0-9A-Za-z]{8}"
_CODE = re.compile(f"{_SHORT}|{_LONG}", re.IGNORECASE)
_EXTENDED = re.compile(rf"pdb_0000({_SHORT})", re.IGNORECASE)
_CHAIN = re.compile(f"({_SHORT}|{_LONG})[-_](.+)", re.IGNORECASE)
_HYPHENATED = re.compile(f"({_SHORT}|{_LONG})-.+", re.IGNORECASE)
_UNDIVIDED = re.compile(f"{_SHORT}[A-Za-z0-9]{{0,2}}", re.IGNORECASE)
"""A PDB id alone, or with a chain right behind it."""
ONLY_CHAIN = "A"
"""Chain of a name that gives none, such as ``P12931`` for a model of one chain."""


def entry_code(text: str) -> str:
    """An entry's id in small letters; a PDB id of twelve characters in its short form.

    ``1ABC``, ``pdb_00001abc`` and ``PDB_00001ABC`` are all ``1abc``; ``pdb_10001abc``, which has no
    short form, stays; so does a name that is no PDB id, such as ``mydimer``.
    """
    text = text.strip()
    match = _EXTENDED.fullmatch(text)
    return (match[1] if match else text).lower()


def is_pdb_code(text: str) -> bool:
    """Whether a text is a PDB id, of four or twelve characters."""
    return _CODE.fullmatch(text) is not None


def is_chain_name(text: str) -> bool:
    """Whether a text is a PDB id, a hyphen and a chain id."""
    return _HYPHENATED.fullmatch(text) is not None


def split_chain_name(name: str) -> tuple[str, str]:
    """Entry (see `entry_code`) and author chain id of a chain such as ``1ABC-A`` or ``1abc_A``.

    A name that does not begin with a PDB id is cut at its last hyphen; one without a hyphen is an
    entry of one chain, which is called ``A``.

    Raises:
        ValueError: The name or one of its parts is empty, or it is a PDB id without a chain, or
            with the chain right behind it, as in ``1abcA``.
    """
    match = _CHAIN.fullmatch(name.strip())
    if match:
        return entry_code(match[1]), match[2]
    code, hyphen, chain = name.strip().rpartition("-")
    if not hyphen:
        code, chain = name.strip(), ONLY_CHAIN
    if not code or not chain or (not hyphen and _UNDIVIDED.fullmatch(code)):
        raise ValueError(f"chain {name!r} is not a PDB code, a hyphen and a chain id")
    return entry_code(code), chain


def chain_name(code: str, chain: str) -> str:
    """The one spelling of a chain: the entry in capitals, a hyphen, and the chain id."""
    return f"{code.upper()}-{chain}"
