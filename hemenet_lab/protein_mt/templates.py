"""Paths and addresses with the id of an entry in them."""

from __future__ import annotations

import re

_BRACES = re.compile(r"\{(id|ID|mid|MID)\}")
_ITEM = re.compile(r"[A-Za-z0-9_]{1,16}|<id>", re.ASCII)


def fill_template(template: str, item: str) -> str:
    """A template with an item: ``{id}``, ``{ID}`` in capitals, ``{mid}``, ``{MID}``.

    The middle of ``1abc`` and ``pdb_00001abc`` is ``ab``: mirrors of the PDB have a folder of each.

    Args:
        template: The template.
        item: Letters and digits, or the ``<id>`` of a printed table; nothing for a single file.

    Raises:
        ValueError: The item is not a plain id; it could lead to another place.
    """
    if item and not _ITEM.fullmatch(item):
        raise ValueError(f"{item[:40]!r} is not an id; expected up to 16 letters and digits")
    middle = "<mid>" if item == "<id>" else item[-3:-1]
    return template.format(id=item.lower(), ID=item.upper(), mid=middle.lower(), MID=middle.upper())


def check_template(text: str, *, of_items: bool = True) -> str:
    """Checks a path or address that a user gives, and returns it.

    Args:
        text: The template.
        of_items: Whether it stands for many files, and so needs the id of one.

    Raises:
        ValueError: Other names in braces; no id where one is needed, or one where
            none is; a step upwards.
    """
    strange = _BRACES.sub("", text)
    if "{" in strange or "}" in strange:
        raise ValueError(
            f"the path {text!r} has something else in braces than {{id}}, {{ID}} (in capitals), "
            "{mid} (the middle two characters) and {MID}"
        )
    has_id = "{id}" in text or "{ID}" in text
    if of_items and not has_id:
        raise ValueError(f"the path {text!r} names no entry; put {{id}} or {{ID}} in it")
    if not of_items and _BRACES.search(text):
        raise ValueError(f"the path {text!r} has braces, but the source is a single file")
    if ".." in text.split("/"):
        raise ValueError(f"the path {text!r} leads upwards; write it without ..")
    return text
