"""Binding data as text (``Ki=400mM``, ``IC50<10nM``) and as pK = -log10(K / mol·L⁻¹)."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from hemenet_lab.protein_mt.textfile import Problem

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
