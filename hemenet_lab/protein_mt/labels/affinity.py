"""Affinities of complexes: texts (``Ki=400mM``, ``IC50<10nM``) as pK = -log10(K / mol·L⁻¹).

They come from a CSV file (id, pKd and, for protein pairs, the two sides) or from PDBbind's INDEX
files, with or without a column for -log10 of the constant.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path

from hemenet_lab.protein_mt.raw import (
    Problem,
    Row,
    entry_code,
    number_text,
    read_lines,
    read_table,
)

UNITS = {
    "fM": 1e-15,
    "pM": 1e-12,
    "nM": 1e-9,
    "uM": 1e-6,
    "µM": 1e-6,
    "μM": 1e-6,
    "mM": 1e-3,
    "M": 1.0,
}
"""mol/L; micro with the letter u, the micro sign or the Greek letter."""
MEASURES = ("Kd", "Ki", "IC50", "Ka")
_MEASURE = {name.lower(): name for name in MEASURES}
_BINDING = re.compile(
    r"(?P<measure>Kd|Ki|IC50|Ka)\s*(?P<sign><=|>=|=|~|<|>|≤|≥)\s*"
    r"(?P<number>\d*\.?\d+(?:[eE][+-]?\d+)?)\s*(?P<unit>[fpnuµμm]?M)(?P<inverse>\^?-1)?",
    re.IGNORECASE,
)
_SIGNS = {"≤": "<=", "≥": ">="}
_TURNED = {"<": ">", ">": "<", "<=": ">=", ">=": "<="}


@dataclass(frozen=True)
class Binding:
    """One measured binding constant."""

    measure: str
    """``Kd``, ``Ki``, ``IC50`` or ``Ka``."""
    sign: str
    """``=``, ``~`` or, for the dissociation constant, ``<``, ``>``, ``<=``, ``>=``."""
    pk: float
    """-log10(K / mol·L⁻¹)."""

    @property
    def censored(self) -> bool:
        """True where only a bound is known."""
        return self.sign in _TURNED


@dataclass(frozen=True)
class Affinity:
    """Affinity of one complex, as an affinity file gives it."""

    id: str
    """PDB code, lower case."""
    pk: float
    """-log10(K / mol·L⁻¹)."""
    measure: str = ""
    """``Kd``, ``Ki``, ``IC50``, ``Ka``; empty where the file does not say."""
    sign: str = "="
    receptor_chains: tuple[str, ...] = ()
    partner_chains: tuple[str, ...] = ()
    """Author chain ids of the two sides; empty where the file does not say."""
    note: str = ""
    """Remarks of the file, such as ``incomplete ligand structure``."""
    year: int = 0
    """Of the structure's release; 0 where the file does not say."""

    @property
    def censored(self) -> bool:
        """True where only a bound is known."""
        return self.sign in _TURNED

    @property
    def approximate(self) -> bool:
        """True for values given with ``~``."""
        return self.sign == "~"


@dataclass(frozen=True)
class AffinityTable:
    """All affinities of one file, and the lines that could not be used."""

    records: tuple[Affinity, ...]
    problems: tuple[Problem, ...] = ()


def parse_binding(text: str) -> Binding:
    """Reads binding data such as ``Kd=1.5nM``, ``IC50~3uM``, ``Ki<10pM`` or ``Ka=1e7M-1``.

    An association constant is turned into the dissociation constant 1/Ka, and its sign with it.

    Raises:
        ValueError: Text of another form, or a constant of zero.
    """
    match = _BINDING.fullmatch(text.strip())
    if match is None:
        raise ValueError(
            f"binding data {text.strip()!r}; expected one of {', '.join(MEASURES)}, a sign "
            "(= ~ < > <= >=), a number and a unit (fM, pM, nM, uM, mM, M)"
        )
    measure = _MEASURE[match["measure"].lower()]
    scale = _unit(match["unit"])
    constant = float(match["number"])
    sign = _SIGNS.get(match["sign"], match["sign"])
    if constant <= 0:
        raise ValueError(f"binding data {text.strip()!r}: the constant must be above zero")
    if measure == "Ka":
        return Binding(measure, _TURNED.get(sign, sign), math.log10(constant / scale))
    if match["inverse"]:
        raise ValueError(f"binding data {text.strip()!r}: {measure} in units of 1/M")
    return Binding(measure, sign, -math.log10(constant * scale))


def split_chains(text: str) -> tuple[str, ...]:
    """Chain ids from ``AB`` (one letter each) or from a list such as ``A,B`` or ``AA;B``."""
    text = text.strip()
    if re.search(r"[,;:/\s]", text):
        return tuple(name for name in re.split(r"[,;:/\s]+", text) if name)
    return tuple(text)


def _unit(text: str) -> float:
    # the case tells mM from MM; only the last letter may be written small
    return UNITS[text[:-1] + "M"] if text[:-1] + "M" in UNITS else UNITS[text[:-1].lower() + "M"]


REQUIRED = ("id", "pKd")
OPTIONAL = ("receptor_chains", "partner_chains", "note")
UNIT_COLUMNS, SIGN_COLUMNS = ("unit", "units"), ("relation", "sign", "qualifier", "operator")
"""Columns whose word on a number is heeded, in small letters."""
NO_UNIT = ("", "-", "pk", "pkd", "-log10(m)", "-log10 m", "log10", "none")
PK_RANGE = (-5.0, 20.0)
"""Values outside are no pK: 20 is 1e-20 mol/L, far below any measured constant."""
MOST_OUTSIDE = 0.1
"""Share of values outside the range above which the whole column is taken for another quantity."""
SMALLEST = 1e-3
"""Values nearer to 0 than this (0 itself aside) look like constants in mol/L."""


def read_affinity_csv(path: str | Path) -> AffinityTable:
    """Reads a table with the columns ``id`` and ``pKd`` (see `read_table` for its forms).

    Further columns: ``receptor_chains`` and ``partner_chains`` (``AB``, or ``A;B``), ``note``, a
    unit (a pKd has none: rows with one are not used) and a sign (``>`` makes a bound); all others
    are ignored.

    Raises:
        ValueError: The header lacks a required column, or the values are not pKd.
    """
    path = Path(path)
    records: list[Affinity] = []
    problems: list[Problem] = []
    expected = (
        f"the first line must name {', '.join(REQUIRED)} and may name {', '.join(OPTIONAL)}; pKd "
        "is -log10(K / mol·L⁻¹), which is 9 - log10(value) of nM and 6 - log10(value) of µM"
    )
    outside = 0
    for row in read_table(path, REQUIRED, OPTIONAL, expected=expected):
        try:
            record = _record(row)
        except ValueError as error:
            problems.append(Problem(path.name, row.line, entry_code(row["id"]), str(error)))
            continue
        hint = unit_hint(record.pk)
        if hint:
            outside += 1
            reason = f"pKd {row['pKd']} is not plausible ({hint})"
            problems.append(Problem(path.name, row.line, record.id, reason))
        else:
            records.append(record)
    if outside > max(1, MOST_OUTSIDE * (len(records) + outside)):
        first = next(problem for problem in problems if "not plausible" in problem.reason)
        raise ValueError(
            f"{path}: {outside} of {len(records) + outside} values of the column pKd are not "
            f"plausible; line {first.line} ({first.id}): {first.reason}. "
            "Since the others may be wrong as well, none is used: write -log10(K / mol·L⁻¹)"
        )
    return AffinityTable(tuple(records), tuple(problems))


def unit_hint(pk: float) -> str:
    """Guess at the unit of a number that is no pK; empty for one that may be a pK.

    The rule is that of `hemenet data verify`: -5 to 20.
    """
    low, high = PK_RANGE
    if pk > high:
        return f"outside {low:g} to {high:g}; if it is in nM, pKd = 9 - log10(value)"
    if pk < low:
        return (
            f"outside {low:g} to {high:g}; if it is a free energy in kcal/mol, "
            "pKd = -value / 1.364 at 298 K"
        )
    if 0 < abs(pk) < SMALLEST:
        return "nearly 0; if it is in mol/L, pKd = -log10(value)"
    return ""


def _record(row: Row) -> Affinity:
    name, value = row["id"], row["pKd"]
    if not name:
        raise ValueError("no id")
    if row.fault:
        raise ValueError(row.fault)
    try:
        pk = float(number_text(value))
    except ValueError:
        raise ValueError(f"pKd {value!r} is not a number") from None
    if not math.isfinite(pk):
        raise ValueError(f"pKd {value!r} is not finite")
    others = {name.casefold(): text.casefold() for name, text in row.cells.items()}
    unit = next((others[name] for name in UNIT_COLUMNS if name in others), "")
    if unit not in NO_UNIT:
        raise ValueError(f"pKd {value} with the unit {unit!r}; a pKd has none")
    sign = next((others[name] for name in SIGN_COLUMNS if others.get(name)), "=")
    sign = _SIGNS.get(sign, sign)
    if sign not in ("=", "~", *_TURNED):
        raise ValueError(f"pKd {value} with the sign {sign!r}; allowed: = ~ < > <= >=")
    return Affinity(
        id=entry_code(name),
        pk=pk,
        measure="Kd",
        sign=_TURNED.get(sign, sign),
        receptor_chains=split_chains(row["receptor_chains"]),
        partner_chains=split_chains(row["partner_chains"]),
        note=row["note"],
    )


ROUNDING = 0.02
"""Largest difference between the -log column (two decimals) and the constant that is rounding."""
_CODE = re.compile(r"pdb_[0-9a-z]{8}|[0-9][a-z0-9]{3}", re.IGNORECASE)
_NUMBER = re.compile(r"[+-]?\d*\.?\d+")
_SIDES = re.compile(r"\((?P<receptor>[^()|]+)\|(?P<partner>[^()|]+)\)")
_START = re.compile(rf"(?:{'|'.join(MEASURES)})\s*[=~<>≤≥]", re.IGNORECASE)


def read_pdbbind_index(path: str | Path) -> AffinityTable:
    """Reads an ``INDEX_general_PL_data``, ``INDEX_general_PL`` or ``INDEX_general_PP`` file.

    Columns: PDB code, resolution, year, in some files -log10 K, binding data, ``//`` and remarks
    (reference, ligand name or chains, notes). Lines that start with ``#`` are comments; a ``#``
    further right is not. The -log column is taken where there is one, as published.

    Returns:
        A record per usable line, in file order, censored ones included; every other line that is
        no comment is a `Problem`.
    """
    path = Path(path)
    records: list[Affinity] = []
    problems: list[Problem] = []
    for number, line in read_lines(path):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            records.append(parse_index_line(line))
        except ValueError as error:
            code = _CODE.match(line.strip())
            found = entry_code(code.group()) if code else ""
            problems.append(Problem(path.name, number, found, str(error)))
    return AffinityTable(tuple(records), tuple(problems))


def parse_index_line(line: str) -> Affinity:
    """One line of an INDEX file.

    Raises:
        ValueError: A line without a PDB code, or with binding data that cannot be read.
    """
    data, _, remarks = line.partition("//")
    fields = data.split(maxsplit=3)
    if len(fields) < 4 or not _CODE.fullmatch(fields[0]):
        raise ValueError("not a line of PDB code, resolution, year and binding data")
    column, binding = _binding(fields[3])
    pk = binding.pk if column is None else column
    if hint := unit_hint(pk):
        raise ValueError(f"pK {pk:g} is not plausible ({hint})")
    sides = _SIDES.search(remarks)
    return Affinity(
        id=entry_code(fields[0]),
        pk=pk,
        measure=binding.measure,
        sign=binding.sign,
        receptor_chains=split_chains(sides["receptor"]) if sides else (),
        partner_chains=split_chains(sides["partner"]) if sides else (),
        note=_note(remarks, column, binding),
        year=int(fields[2]) if re.fullmatch(r"(19|20)\d\d", fields[2]) else 0,
    )


def _binding(text: str) -> tuple[float | None, Binding]:
    """The -log column, None where the layout has none, and the binding data behind it."""
    first, *rest = text.split(maxsplit=1)
    if rest and _NUMBER.fullmatch(first) and _START.match(rest[0]):
        return float(first), parse_binding(rest[0])
    return None, parse_binding(text)


def _note(remarks: str, column: float | None, binding: Binding) -> str:
    note = " ".join(remarks.split())
    if column is not None and abs(column - binding.pk) > ROUNDING:
        note += f" [column -log10 K is {column:.2f}, the constant gives {binding.pk:.2f}]"
    return note.strip()
