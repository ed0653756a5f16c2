"""mmCIF (gemmi) and BinaryCIF (biotite): the columns of the ``_atom_site`` category."""

from __future__ import annotations

from contextlib import suppress
from io import BytesIO
from typing import Any

import gemmi
import numpy as np
from numpy.typing import NDArray

from hemenet_lab.structures.residues import residue_class
from hemenet_lab.structures.table import (
    NAMELESS_CHAIN,
    AtomTable,
    PolymerHint,
    StructureError,
    Text,
    check_coords,
)

Columns = dict[str, NDArray]
"""Tag without the category's name → values; text columns have ``""`` for null."""

_COORDS = ("Cartn_x", "Cartn_y", "Cartn_z")
_NUMBERS = frozenset({*_COORDS, "occupancy", "B_iso_or_equiv", "auth_seq_id"})
_WORDS = frozenset(
    {"group_PDB", "type_symbol", "label_alt_id", "pdbx_PDB_ins_code", "pdbx_PDB_model_num"}
    | {"label_atom_id", "label_comp_id", "label_asym_id", "label_seq_id"}
    | {"auth_atom_id", "auth_comp_id", "auth_asym_id"}
)


def read_mmcif(data: bytes, source: str) -> AtomTable:
    """Atoms of the first model of the first block that has atoms.

    Raises:
        StructureError: Broken syntax (also a cut file), no ``_atom_site``, or bad values in it.
    """
    try:
        document = gemmi.cif.read_string(data.decode("utf-8", errors="replace"))
    except (ValueError, RuntimeError) as error:
        raise StructureError(
            f"{source}: not a whole mmCIF file ({error}); fetch the file again"
        ) from None
    _check_closed(data, source)
    for block in document:
        category = block.find_mmcif_category("_atom_site.")
        if len(category):
            tags = [tag.removeprefix("_atom_site.") for tag in category.tags]
            columns = {
                tag: _values(list(category.column(index)), tag in _NUMBERS)
                for index, tag in enumerate(tags)
                if tag in _NUMBERS | _WORDS
            }
            return _table(columns, source)
    raise StructureError(_no_atom_site(source, "mmCIF"))


def read_binary_cif(data: bytes, source: str) -> AtomTable:
    """As `read_mmcif`, for BinaryCIF.

    Raises:
        StructureError: The file cannot be decoded, has no ``_atom_site``, or bad values in it.
    """
    from biotite.structure.io import pdbx  # takes a second, and nothing else needs it

    try:
        for block in pdbx.BinaryCIFFile.read(BytesIO(data)).values():
            if "atom_site" in block:
                category = block["atom_site"]
                tags = [tag for tag in category if tag in _NUMBERS | _WORDS]
                return _table({tag: _decoded(category[tag]) for tag in tags}, source)
    except StructureError:
        raise
    except Exception as error:  # msgpack, the decoders and biotite each have errors of their own
        raise StructureError(
            f"{source}: not a whole BinaryCIF file ({type(error).__name__}: {error}); "
            "fetch the file again"
        ) from error
    raise StructureError(_no_atom_site(source, "BinaryCIF"))


def _no_atom_site(source: str, kind: str) -> str:
    return (
        f"{source}: a {kind} file without atoms (no _atom_site category); "
        "coordinates are needed: fetch the entry's coordinate file"
    )


def _check_closed(data: bytes, source: str) -> None:
    """A file whose categories end with ``#`` lines must not end in the middle of the atoms."""
    last_line = data.rstrip().rsplit(b"\n", 1)[-1]
    if last_line.startswith((b"ATOM ", b"HETATM ")) and b"\n#" in data:
        raise StructureError(
            f"{source}: the file ends with an atom, while its other categories are closed by '#'; "
            "it is cut: fetch it again"
        )


def _values(values: list[str], are_numbers: bool) -> NDArray:
    """Numbers where all values are such, else text."""
    if are_numbers:
        with suppress(ValueError):
            return np.array(list(map(float, values)))
    return _unquoted(values)


def _unquoted(values: list[str]) -> NDArray[np.str_]:
    """Values without their quotes; unquoted ``.`` and ``?`` (null) become empty."""
    place = {raw: index for index, raw in enumerate(dict.fromkeys(values))}
    plain = ["" if gemmi.cif.is_null(raw) else gemmi.cif.as_string(raw) for raw in place]
    return np.array(plain)[np.fromiter(map(place.__getitem__, values), np.int64, len(values))]


def _decoded(column: Any) -> NDArray:
    values = column.as_array()
    if column.mask is None:
        return values
    masked = column.mask.array != 0
    return np.where(masked, "", values.astype(np.str_)) if masked.any() else values


def _table(columns: Columns, source: str) -> AtomTable:
    columns = _first_model(columns)
    missing = [tag for tag in _COORDS if tag not in columns]
    if missing:
        raise StructureError(f"{source}: _atom_site has no column {missing}; fetch the file again")
    coords = np.stack([_numbers(columns, tag, np.nan, source) for tag in _COORDS], axis=1)
    check_coords(coords, source)
    residue_name = _text(columns, ("label_comp_id", "auth_comp_id"), source)
    chain = _text(columns, ("auth_asym_id", "label_asym_id"), source)
    label = _text(columns, ("label_asym_id", "auth_asym_id"), source)
    blank = np.full(len(coords), "")
    table = AtomTable(
        source=source,
        name=_text(columns, ("label_atom_id", "auth_atom_id"), source),
        element=_upper(_text(columns, ("type_symbol",), source)),
        altloc=Text.of(columns.get("label_alt_id", blank)),
        residue_name=residue_name,
        chain=chain.replaced("", NAMELESS_CHAIN),
        label=label.replaced("", NAMELESS_CHAIN),
        number=_residue_numbers(columns, source),
        insertion=Text.of(columns.get("pdbx_PDB_ins_code", blank)),
        hetero=Text.of(columns.get("group_PDB", blank)).equals("HETATM"),
        hint=_hint(columns, residue_name),
        coords=coords.astype(np.float32),
        occupancy=_numbers(columns, "occupancy", 1.0, source).astype(np.float32),
        b_factor=_numbers(columns, "B_iso_or_equiv", 0.0, source).astype(np.float32),
    )
    return table.note("model", "not in the first model", columns["later_models"].item())


def _first_model(columns: Columns) -> Columns:
    model = columns.get("pdbx_PDB_model_num")
    if model is None:
        return {**columns, "later_models": np.array(0)}
    first = model == model[0]
    kept = {tag: values[first] for tag, values in columns.items()}
    return {**kept, "later_models": np.array((~first).sum())}


def _text(columns: Columns, tags: tuple[str, ...], source: str) -> Text:
    """First of the columns ``tags`` that exists; its nulls are filled from the next ones."""
    found = [columns[tag].astype(np.str_) for tag in tags if tag in columns]
    if not found:
        raise StructureError(
            f"{source}: _atom_site has none of the columns {list(tags)}; fetch the file again"
        )
    result = found[0]
    for other in found[1:]:
        result = np.where(result == "", other, result)
    return Text.of(result)


def _upper(text: Text) -> Text:
    return Text.merged(np.strings.upper(text.values), text.codes)


def _numbers(columns: Columns, tag: str, default: float, source: str) -> NDArray[np.float64]:
    if tag not in columns:
        return np.full(len(columns["Cartn_x"]), default)
    values = columns[tag]
    if values.dtype.kind in "iuf":
        return values.astype(np.float64)
    try:
        return np.where(values == "", str(default), values).astype(np.float64)
    except ValueError as error:
        raise StructureError(
            f"{source}: _atom_site.{tag} holds a value that is not a number ({error}); "
            "repair or fetch the file again"
        ) from None


def _residue_numbers(columns: Columns, source: str) -> NDArray[np.int32]:
    numbers = _numbers(columns, "auth_seq_id", np.nan, source)
    if np.isnan(numbers).any():
        numbers = np.where(
            np.isnan(numbers), _numbers(columns, "label_seq_id", np.nan, source), numbers
        )
    if np.isnan(numbers).any():
        raise StructureError(
            f"{source}: {int(np.isnan(numbers).sum())} atoms have neither auth_seq_id nor "
            "label_seq_id; residue numbers are needed"
        )
    if (numbers != np.round(numbers)).any():
        raise StructureError(f"{source}: residue numbers that are not whole; repair the file")
    return numbers.astype(np.int32)


def _hint(columns: Columns, residue_name: Text) -> NDArray[np.int8]:
    """Polymer or not, by ``label_seq_id``; unknown where the file numbers waters or every atom."""
    position = columns.get("label_seq_id", np.full(len(residue_name), "")).astype(np.str_)
    placed = position != ""
    water = residue_name.map(lambda name: residue_class(name) == "water")
    if not placed.any() or placed.all() or placed[water].any():
        return np.full(len(residue_name), PolymerHint.UNKNOWN, np.int8)
    return np.where(placed, PolymerHint.YES, PolymerHint.NO).astype(np.int8)
