"""mmCIF (gemmi) and BinaryCIF (biotite): the columns of the ``_atom_site`` category."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import gemmi
import numpy as np
from numpy.typing import NDArray

from hemenet_lab.structures import deposited
from hemenet_lab.structures.residues import residue_class
from hemenet_lab.structures.structure import Budget, StructureError
from hemenet_lab.structures.table import (
    NAMELESS_CHAIN,
    AtomTable,
    PolymerHint,
    Text,
    count_models,
    join_codes,
    map_rows,
    narrow,
    run_starts,
)

Columns = dict[str, Text | NDArray[np.float64]]
"""Tag without the category's name → values; text has ``""`` for null, numbers have nan."""

_COORDS = ("Cartn_x", "Cartn_y", "Cartn_z")
_NUMBERS = frozenset({*_COORDS, "occupancy", "B_iso_or_equiv", "auth_seq_id"})
_WORDS = frozenset(
    {"group_PDB", "type_symbol", "label_alt_id", "pdbx_PDB_ins_code", "pdbx_PDB_model_num"}
    | {"label_atom_id", "label_comp_id", "label_asym_id", "label_seq_id"}
    | {"auth_atom_id", "auth_comp_id", "auth_asym_id"}
)
_TAGS = {tag.casefold(): tag for tag in _NUMBERS | _WORDS}
_READ = frozenset({"_atom_site", *(f"_{name}" for name in deposited.CATEGORIES)})
_LONGEST_WORD = 64
_SHORT_WORD = 3
"""Bytes that each word counts at least, since gemmi takes 40 for it however short it is."""
_CHUNK = 2**24
_LARGEST_NUMBER = 10**9
"""Of residues and models; 32 bits hold it."""


def read_mmcif(data: bytes, source: str, budget: Budget | None = None) -> AtomTable:
    """Atoms of all models of the first block that has atoms.

    Raises:
        StructureError: Broken syntax (also a cut file), no ``_atom_site``, or bad values in it.
    """
    budget = budget or Budget(source)
    budget.need("bytes", _count_words(data) * _SHORT_WORD)
    try:
        document = gemmi.cif.read_string(data.decode("utf-8", errors="replace"))
    except (ValueError, RuntimeError) as error:
        raise StructureError(
            f"{source}: not a whole mmCIF file ({error}); fetch the file again"
        ) from None
    notes = _open_end(data, source)
    for block in document:
        category = block.find_mmcif_category("_atom_site.")
        if len(category):
            budget.need("atoms", len(category))
            columns: Columns = {}
            for index, name in enumerate(category.tags):
                tag = _TAGS.get(name.casefold().removeprefix("_atom_site."), "")
                if tag:
                    budget.check_time()
                    columns[tag] = _values(list(category.column(index)), tag, source)
            table = deposited.with_sequences(_table(columns, source, budget), block)
            others = sum(len(each.find_mmcif_category("_atom_site.")) for each in document)
            table = table.note("block", "not in the first block", others - len(category))
            return replace(table, notes=(*table.notes, *notes))
    raise StructureError(_no_atom_site(source, "mmCIF"))


def _count_words(data: bytes) -> int:
    text, count = np.frombuffer(data, np.uint8), 0
    for start in range(0, len(text), _CHUNK):
        black = text[start : start + _CHUNK] > ord(" ")
        count += int(np.count_nonzero(black[1:] & ~black[:-1])) + 1
    return count


def read_binary_cif(data: bytes, source: str, budget: Budget | None = None) -> AtomTable:
    """As `read_mmcif`, for BinaryCIF.

    Raises:
        StructureError: The file cannot be decoded, has no ``_atom_site``, or bad values in it.
    """
    budget = budget or Budget(source)
    import msgpack  # type: ignore[import-untyped]
    from biotite.structure.io import pdbx  # takes a second, and nothing else needs it

    try:
        content = msgpack.unpackb(data, use_list=True, raw=False)
        _check_sizes(content, budget)
        for block in pdbx.BinaryCIFFile.deserialize(content).values():
            if "atom_site" in block:
                category = block["atom_site"]
                tags = [tag for tag in category if tag in _NUMBERS | _WORDS]
                columns = {tag: _decoded(category[tag], tag, source) for tag in tags}
                sizes = {len(column) for column in columns.values()}
                if len(sizes) > 1:
                    raise ValueError(f"columns of {sorted(sizes)} rows in one category")
                return deposited.with_sequences(_table(columns, source, budget), block)
    except StructureError:
        raise
    except Exception as error:  # msgpack, the decoders and biotite each have errors of their own
        raise StructureError(
            f"{source}: not a whole BinaryCIF file ({type(error).__name__}: {error}); "
            "fetch the file again"
        ) from error
    raise StructureError(_no_atom_site(source, "BinaryCIF"))


def _check_sizes(content: Any, budget: Budget) -> None:
    """Refuses encodings that unpack to more than the budget, before anything is unpacked."""
    for block in content["dataBlocks"]:
        for category in block["categories"]:
            if category["name"] not in _READ:
                continue
            budget.need("atoms", category["rowCount"])
            for column in category["columns"]:
                parts = [column["data"], *([column["mask"]] if column["mask"] else [])]
                for encoding in (step for part in parts for step in part["encoding"]):
                    _check_encoding(encoding, category["rowCount"], budget)


def _check_encoding(encoding: dict[str, Any], rows: int, budget: Budget) -> None:
    if encoding["kind"] in ("RunLength", "IntegerPacking"):
        budget.need("atoms", encoding["srcSize"])
    if encoding["kind"] != "StringArray":
        return
    for step in (*encoding["dataEncoding"], *encoding["offsetEncoding"]):
        _check_encoding(step, rows, budget)
    from biotite.structure.io.pdbx.bcif import deserialize_encoding
    from biotite.structure.io.pdbx.encoding import decode_stepwise

    steps = [deserialize_encoding(step) for step in encoding["offsetEncoding"]]
    longest = int(np.diff(decode_stepwise(encoding["offsets"], steps)).max(initial=0))
    budget.need("bytes", longest * rows * 4 if longest > _LONGEST_WORD else 0)


def _no_atom_site(source: str, kind: str) -> str:
    return (
        f"{source}: a {kind} file without atoms (no _atom_site category); "
        "coordinates are needed: fetch the entry's coordinate file"
    )


def _open_end(data: bytes, source: str) -> tuple[str, ...]:
    """A note where the file may have been cut between two rows, which nothing else can show.

    Programs differ in whether a ``#`` follows the last category; gemmi counts the values of rows.

    Raises:
        StructureError: The last row has no line end and is shorter than all others.
    """
    last = data.rstrip().rpartition(b"\n")[2]
    if not last.startswith((b"ATOM ", b"HETATM ")) or b"\n#" not in data:
        return ()
    what = "the file ends with an atom, while its other categories are closed by '#'"
    if not data.endswith(b"\n"):
        alike = [len(line) for line in data.splitlines()[:-1] if line.startswith(last[:5])]
        if not alike or len(last) < min(alike):
            raise StructureError(
                f"{source}: {what}, and its last line is not closed; it is cut: fetch it again"
            )
    return (f"{what}: see that it is whole",)


def _values(values: list[str], tag: str, source: str) -> Text | NDArray[np.float64]:
    """A column's values: numbers, or text without its quotes, ``.`` and ``?`` becoming empty."""
    if tag in _NUMBERS:
        return _numbers(values, tag, source)
    place = {raw: index for index, raw in enumerate(dict.fromkeys(values))}
    plain = ["" if gemmi.cif.is_null(raw) else gemmi.cif.as_string(raw) for raw in place]
    codes = np.fromiter(map(place.__getitem__, values), np.int64, len(values))
    return _text(plain, codes, tag, source)


def _text(words: list[str], codes: NDArray[np.int64], tag: str, source: str) -> Text:
    long = next((word for word in words if len(word) > _LONGEST_WORD), "")
    if long:
        raise StructureError(
            f"{source}: _atom_site.{tag} holds a value of {len(long)} letters, {long[:20]!r}...; "
            f"{_LONGEST_WORD} are allowed: repair or fetch the file again"
        )
    return Text.merged(np.array(words, np.str_), codes)


def _numbers(values: list[str], tag: str, source: str) -> NDArray[np.float64]:
    """Numbers, nan for ``.`` and ``?``; standard uncertainties as in ``1.23(4)`` are cut off."""
    try:
        numbers = np.array(list(map(float, values)))
    except ValueError:
        numbers = np.array([gemmi.cif.as_number(value) for value in values])
    else:
        if not any("_" in value for value in values):  # Python's 1_000 is no number of a file
            return numbers
    for row in np.flatnonzero(~np.isfinite(numbers) | (np.char.find(values, "_") >= 0)):
        value = values[row]
        if not gemmi.cif.is_null(value) and value.lower().lstrip("+-") not in ("nan", "inf"):
            raise StructureError(
                f"{source}: _atom_site.{tag} holds a value that is not a number "
                f"({value[:20]!r} in row {row + 1}); repair or fetch the file again"
            )
    return numbers


def _decoded(column: Any, tag: str, source: str) -> Text | NDArray[np.float64]:
    values = column.as_array()
    null = np.zeros(len(values), np.bool_) if column.mask is None else column.mask.array != 0
    if tag in _NUMBERS and values.dtype.kind in "iuf":
        return np.where(null, np.nan, values.astype(np.float64))
    words = np.where(null, "?" if tag in _NUMBERS else "", values.astype(np.str_))
    if tag in _NUMBERS:
        return _numbers(words.tolist(), tag, source)
    unique, codes = np.unique(words, return_inverse=True)
    return _text(unique.tolist(), codes, tag, source)


def _table(columns: Columns, source: str, budget: Budget) -> AtomTable:
    missing = [tag for tag in _COORDS if tag not in columns]
    if missing:
        raise StructureError(f"{source}: _atom_site has no column {missing}; fetch the file again")
    coords = np.stack([np.asarray(columns[tag]) for tag in _COORDS], axis=1)
    budget.need("atoms", len(coords))
    chain = _filled(columns, ("auth_asym_id", "label_asym_id"), source)
    label = _filled(columns, ("label_asym_id", "auth_asym_id"), source)
    residue_name = _filled(columns, ("label_comp_id", "auth_comp_id"), source)
    hetero = _column(columns, "group_PDB", len(coords)).equals("HETATM")
    molecule, position = (
        _column(columns, tag, len(coords)) for tag in ("label_asym_id", "label_seq_id")
    )
    element = _filled(columns, ("type_symbol",), source)
    occupancy, bad_occupancies = _or_default(columns, "occupancy", 1.0, len(coords))
    b_factor, bad_b_factors = _or_default(columns, "B_iso_or_equiv", 0.0, len(coords))
    table = AtomTable(
        source=source,
        name=_filled(columns, ("label_atom_id", "auth_atom_id"), source),
        element=Text.merged(np.strings.upper(element.values), element.codes),
        altloc=_column(columns, "label_alt_id", len(coords)),
        residue_name=residue_name,
        chain=chain.replaced("", NAMELESS_CHAIN),
        label=label.replaced("", NAMELESS_CHAIN),
        number=np.zeros(len(coords), np.int32),
        insertion=_column(columns, "pdbx_PDB_ins_code", len(coords)),
        hetero=hetero,
        hint=_hint(position, residue_name),
        segment=molecule,
        part=np.zeros(len(coords), np.int32),
        model=count_models(_column(columns, "pdbx_PDB_model_num", len(coords))),
        molecule=molecule,
        position=deposited.positions(position),
        line=np.arange(1, len(coords) + 1),
        coords=narrow(coords),
        occupancy=narrow(occupancy),
        b_factor=narrow(b_factor),
        line_word="row",
        budget=budget,
    )
    reason = "occupancy or B factor that is not a number; 1 or 0 is used"
    table = table.note("value", reason, bad_occupancies + bad_b_factors)
    return _numbered(table, columns, source)


def _column(columns: Columns, tag: str, length: int) -> Text:
    found = columns.get(tag)
    return found if isinstance(found, Text) else Text.of(np.full(length, ""))


def _filled(columns: Columns, tags: tuple[str, ...], source: str) -> Text:
    """First of the columns ``tags`` that exists; its nulls are filled from the next ones."""
    found = [column for tag in tags if isinstance(column := columns.get(tag), Text)]
    if not found:
        raise StructureError(
            f"{source}: _atom_site has none of the columns {list(tags)}; fetch the file again"
        )
    result = found[0]
    for other in found[1:]:
        if (result.values == "").any():
            words = map_rows(lambda first, second: first or second, result, other)
            result = Text.of(words.astype(np.str_))
    return result


def _or_default(
    columns: Columns, tag: str, default: float, length: int
) -> tuple[NDArray[np.float64], int]:
    """A column's numbers, the default for nulls; and how many are no numbers of 32 bits."""
    numbers = columns.get(tag, np.full(length, default))
    assert isinstance(numbers, np.ndarray)
    bad = np.isinf(narrow(numbers))
    return np.where(bad | np.isnan(numbers), default, numbers), int(bad.sum())


def _numbered(table: AtomTable, columns: Columns, source: str) -> AtomTable:
    """The table with residue numbers.

    Atoms without one get one by themselves, behind all others, if they are no part of a polymer:
    one for each run of a chain and residue name.
    """
    numbers = columns.get("auth_seq_id", np.full(len(table), np.nan))
    assert isinstance(numbers, np.ndarray)
    label = _column(columns, "label_seq_id", len(table))
    if np.isnan(numbers).any():
        words = label.map(lambda word: word or "?").tolist()
        numbers = np.where(np.isnan(numbers), _numbers(words, "label_seq_id", source), numbers)
    missing = np.isnan(numbers)
    polymer = table.residue_name.map(
        lambda name: residue_class(name) in ("amino acid", "nucleic acid")
    ).astype(np.bool_)
    needed = missing & polymer & ~table.hetero
    if needed.any():
        raise StructureError(
            f"{source}: {int(needed.sum())} atoms have neither auth_seq_id nor "
            "label_seq_id; residue numbers are needed"
        )
    known = numbers[~missing]
    if (np.abs(known) > _LARGEST_NUMBER).any():
        raise StructureError(
            f"{source}: residue numbers beyond {_LARGEST_NUMBER:,}; repair the file"
        )
    if (known != np.round(known)).any():
        raise StructureError(f"{source}: residue numbers that are not whole; repair the file")
    if missing.any():
        rows = np.flatnonzero(missing)
        sub = table.take(rows)
        starts = run_starts(join_codes(sub.model, sub.chain, sub.label, sub.residue_name))
        count = np.zeros(len(rows), np.int64)
        count[starts] = 1
        numbers = numbers.copy()
        numbers[rows] = known.max(initial=0) + np.cumsum(count)
        note = f"{len(rows)} atoms without residue numbers were numbered in file order"
        table = replace(table, notes=(*table.notes, note))
    return replace(table, number=numbers.astype(np.int32))


def _hint(position: Text, residue_name: Text) -> NDArray[np.int8]:
    """Polymer or not, by ``label_seq_id``; unknown where the file numbers waters or every atom."""
    placed = ~position.equals("")
    water = residue_name.map(lambda name: residue_class(name) == "water").astype(np.bool_)
    if not placed.any() or placed.all() or placed[water].any():
        return np.full(len(residue_name), PolymerHint.UNKNOWN, np.int8)
    return np.where(placed, PolymerHint.YES, PolymerHint.NO).astype(np.int8)
