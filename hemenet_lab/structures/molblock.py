"""Atoms of SDF (V2000, V3000) and mol2 files, read by RDKit or line by line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass
from io import StringIO
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from hemenet_lab.structures.residues import SYMBOLS
from hemenet_lab.structures.structure import LigandError
from hemenet_lab.structures.vocabulary import CHEMISTRY

FileKind = Literal["sdf", "mol2"]
_Row = TypeVar("_Row")

DUMMY = "X"
"""Symbol of what is no atom: dummies, lone pairs, attachment points, query atoms."""
_DUMMY_NAMES = "* X A Q L R R# LP DU DU.C ANY HAL HET HEV AH QH XH MH M"
_DUMMIES = frozenset(_DUMMY_NAMES.split())
_SYBYL_NAMES = (
    "C.3 C.2 C.1 C.AR C.CAT N.3 N.2 N.1 N.AR N.AM N.PL3 N.4 O.3 O.2 O.CO2 O.SPC O.T3P S.3 S.2 S.O "
    "S.O2 P.3 H H.SPC H.T3P CR.TH CR.OH CO.OH"
)
_SYBYL = frozenset(_SYBYL_NAMES.split())
_GAFF_NAMES = (
    "c cs c1 c2 c3 ca cp cq cc cd ce cf cg ch cx cy cu cv cz c5 c6 h1 h2 h3 h4 h5 ha hc hn ho hp "
    "hs hw hx f cl br i n n1 n2 n3 n4 n5 n6 n7 n8 n9 n+ na nb nc nd ne nf nh ni nj nk nl nm nn no "
    "np nq ns nt nu nv nx ny nz o oh op oq os ow p2 p3 p4 p5 pb pc pd pe pf px py s s2 s4 s6 sh "
    "ss sp sq sx sy"
)
_GAFF = frozenset(_GAFF_NAMES.split())
"""Types of GAFF and GAFF2, whose first letter is the element, but for cl and br."""
_VALENCE = {
    "H": 1,
    "F": 1,
    "CL": 1,
    "BR": 1,
    "I": 1,
    "C": 4,
    "N": 4,
    "O": 3,
    "B": 4,
    "S": 6,
    "P": 6,
}
"""Most bonds of the elements that names of ligand atoms begin with."""
_RATHER_TWO = frozenset({"SE", "SI", "PT", "PD"})
"""Read as one element of two letters where the atom has two bonds or more."""
_LARGEST_CHECKED = 1000
"""Atoms; RDKit's chemistry check of larger cages can take hours."""
_SYBYL_HINT = (
    "write it with SYBYL atom types (`antechamber -at sybyl`, Open Babel), or as SDF, whose atoms "
    "name their element"
)


@dataclass(frozen=True)
class AtomBlock:
    """Atoms of a molecule, hydrogens and dummies included; A atoms in file order."""

    element: NDArray[np.str_]
    """[A], symbols in upper case; `DUMMY` for no atom."""
    coords: NDArray[np.float64]
    """[A, 3], Å."""
    note: str = ""
    """How the elements were told, where the file does not say them."""
    chemistry: NDArray[np.uint16] | None = None
    """[A], bits of `CHEMISTRY`; None where RDKit does not accept the molecule."""


@dataclass(frozen=True)
class _BlockAtom:
    """An atom line of a mol2 file."""

    name: str
    type: str
    place: list[str]


def content_kind(text: str) -> FileKind | None:
    """The kind of a file by the marks of its first molecule; None if it has none."""
    mol2 = re.search(r"(?m)^[ \t]*@<TRIPOS>", text)
    sdf = re.search(r"(?m)^M  END|^.{33,34}V[23]000", text)
    if mol2 and sdf:
        return "mol2" if mol2.start() < sdf.start() else "sdf"
    return "mol2" if mol2 else "sdf" if sdf else None


def split_molecules(text: str, kind: FileKind) -> list[str]:
    """The file's text, molecule by molecule; at least one."""
    if kind == "mol2":
        starts = [found.start() for found in re.finditer(r"(?m)^[ \t]*@<TRIPOS>MOLECULE", text)]
        starts = starts or [0]
        return [text[i:j] for i, j in zip(starts, [*starts[1:], None], strict=True)]
    parts = re.split(r"(?m)^[ \t]*\$\$\$\$[ \t]*\r?$\n?", text)
    return parts[:-1] if len(parts) > 1 and not parts[-1].strip() else parts


def count_molecules(text: str, kind: FileKind) -> int:
    """Number of molecules in the file, at least 1."""
    return len(split_molecules(text, kind))


def read_atom_block(text: str, kind: FileKind, source: str) -> AtomBlock:
    """Elements and coordinates of the first molecule, read line by line.

    Raises:
        LigandError: No atom block, fewer atoms than announced, a line that is no atom, or an atom
            whose element cannot be told.
    """
    lines = text.splitlines()
    try:
        if kind == "mol2":
            atoms, degrees = _mol2_rows(lines)
            elements, note = _mol2_elements(atoms, degrees, source)
            places = [atom.place for atom in atoms]
        else:
            rows = _sdf_rows(lines)
            elements, note = [_symbol(symbol) for symbol, _ in rows], ""
            places = [place for _, place in rows]
        coords = np.array([[float(value) for value in place] for place in places], np.float64)
    except LigandError:
        raise
    except (ValueError, IndexError) as error:
        raise LigandError(
            f"{source}: not a whole {kind} file ({error}); fetch or export the file again"
        ) from None
    return AtomBlock(np.array(elements, np.str_), coords.reshape(-1, 3), note)


def _sdf_rows(lines: list[str]) -> list[tuple[str, list[str]]]:
    """Symbol and coordinates as text; columns of the CTfile format (V2000), words in V3000."""
    if len(lines) < 4:
        raise ValueError(f"{len(lines)} lines, no counts line")
    if "V3000" in lines[3]:
        return _v3000_rows(lines)
    try:
        count = int(lines[3][:3])
    except ValueError:
        raise ValueError(f"no counts line but {lines[3]!r}") from None
    rows = [
        (line[31:34].strip(), [line[0:10], line[10:20], line[20:30]])
        for line in lines[4 : 4 + count]
    ]
    return _complete(rows, count)


def _v3000_rows(lines: list[str]) -> list[tuple[str, list[str]]]:
    words = [line.split() for line in lines if line.startswith("M  V30")]
    count = next((int(w[3]) for w in words if w[2] == "COUNTS"), 0)
    start = words.index(["M", "V30", "BEGIN", "ATOM"]) + 1
    return _complete([(w[3], w[4:7]) for w in words[start : start + count]], count)


def _mol2_rows(lines: list[str]) -> tuple[list[_BlockAtom], list[int] | None]:
    """Atoms, and the number of bonds of each; None where the file has no bonds."""
    stripped = [line.strip() for line in lines]
    count = int(stripped[stripped.index("@<TRIPOS>MOLECULE") + 2].split()[0])
    start = stripped.index("@<TRIPOS>ATOM") + 1
    words = [line.split() for line in stripped[start : start + count]]
    atoms = _complete([_BlockAtom(word[1], word[5], word[2:5]) for word in words], count)
    degrees = dict.fromkeys([word[0] for word in words], 0)
    bonds = stripped.index("@<TRIPOS>BOND") + 1 if "@<TRIPOS>BOND" in stripped else len(stripped)
    for line in stripped[bonds:]:
        if line.startswith("@"):
            break
        for end in line.split()[1:3]:
            degrees[end] = degrees.get(end, 0) + 1
    return atoms, [degrees[word[0]] for word in words] if any(degrees.values()) else None


def _complete(rows: list[_Row], count: int) -> list[_Row]:
    if len(rows) < count:
        raise ValueError(f"{count} atoms announced, {len(rows)} found")
    return rows


def _symbol(text: str) -> str:
    """Element of an SDF atom in upper case."""
    symbol = text.upper()
    if symbol in SYMBOLS:
        return symbol
    if symbol == "T":
        return "H"
    if symbol in _DUMMIES or re.fullmatch(r"R\d+", symbol):
        return DUMMY
    raise ValueError(f"{text!r} is not an element")


def _mol2_elements(
    atoms: list[_BlockAtom], degrees: list[int] | None, source: str
) -> tuple[list[str], str]:
    """Elements by SYBYL type where all types are such, else by name; and how, if by name."""
    types = [atom.type for atom in atoms]
    dotted = any("." in kind for kind in types)
    one_case = all(kind == kind.upper() for kind in types) or all(
        kind == kind.lower() for kind in types
    )
    by_type = [_sybyl_element(kind, any_case=dotted and one_case) for kind in types]
    if all(by_type):
        return by_type, ""
    by_name = [
        _named_element(atom, degrees[row] if degrees else None, row, source)
        for row, atom in enumerate(atoms)
    ]
    odd = dict.fromkeys(a.type for a, element in zip(atoms, by_type, strict=True) if not element)
    shown = ", ".join(list(odd)[:3])
    return by_name, f"atom types are not SYBYL's ({shown}): elements are those of the atom names"


def _sybyl_element(kind: str, any_case: bool) -> str:
    """Element of a SYBYL atom type or plain symbol (``C.ar``, ``Cl``); empty if it is neither."""
    upper, symbol = kind.upper(), kind.split(".")[0]
    if upper in _DUMMIES:
        return DUMMY
    known = upper in _SYBYL or ("." not in kind and upper in SYMBOLS)
    cased = symbol == symbol.capitalize() or any_case
    return symbol.upper() if known and cased else ""


def _named_element(atom: _BlockAtom, degree: int | None, row: int, source: str) -> str:
    """Element by the atom's name, checked against its number of bonds and a GAFF type.

    Raises:
        LigandError: Nothing fits, or there are no bonds to tell carbon alpha from calcium.
    """
    if atom.type.upper() in _DUMMIES:
        return DUMMY
    letters = re.sub("[^A-Z].*", "", atom.name.lstrip("0123456789").upper())
    one, two = letters[:1], letters[:2]
    gaff = atom.type if atom.type in _GAFF else ""
    wanted = {"cl": "CL", "br": "BR"}.get(gaff, gaff[:1].upper())
    fitting = []
    for symbol in dict.fromkeys((two, one)):
        if symbol not in SYMBOLS or (wanted and symbol != wanted):
            continue
        if degree is None or degree <= _VALENCE.get(symbol, 12):
            fitting.append(symbol)
    if len(fitting) == 2 and degree is not None:
        organic = one in _VALENCE and degree > 0
        halogen = two in ("CL", "BR")
        rather_two = halogen or not organic or (two in _RATHER_TWO and degree > 1)
        fitting = [two] if rather_two else [one]
    if len(fitting) == 1:
        return fitting[0]
    what = "may be " + " or ".join(fitting) if fitting else "fits no element"
    bonds = f"{degree} bonds" if degree is not None else "no bonds given"
    raise LigandError(
        f"{source}: atom {row + 1} ({atom.name}, type {atom.type}, {bonds}) {what}: the type is "
        f"not SYBYL's, and its element cannot be told; {_SYBYL_HINT}"
    )


def read_with_rdkit(text: str, kind: FileKind) -> tuple[AtomBlock | None, bool, str]:
    """The first molecule of a file's text, hydrogens included.

    Returns:
        Its atoms (None if RDKit cannot read it), whether it passes RDKit's chemistry checks, and
        RDKit's complaint if it does not.
    """
    from rdkit import Chem  # a third of a second that reading a protein need not wait for

    read = Chem.MolFromMol2Block if kind == "mol2" else Chem.MolFromMolBlock
    with _messages() as messages:
        try:
            molecule = read(text, sanitize=False, removeHs=False)
        except (RuntimeError, ValueError) as error:
            return None, False, f"RDKit cannot read it: {_plain(str(error))}"
        if molecule is None or not molecule.GetNumConformers():
            return None, False, f"RDKit cannot read it: {_plain(messages.getvalue())}"
        sanitized, note = True, ""
        if molecule.GetNumAtoms() > _LARGEST_CHECKED:
            sanitized, note = False, f"more than {_LARGEST_CHECKED} atoms: chemistry not checked"
        else:
            try:
                Chem.SanitizeMol(molecule)
            except (RuntimeError, ValueError) as error:  # ValueError: base of its sanitizing errors
                text = _plain(str(error))
                sanitized, note = False, f"RDKit's chemistry check fails: {text}"
    symbols = [
        atom.GetSymbol().upper() if atom.GetAtomicNum() else DUMMY for atom in molecule.GetAtoms()
    ]
    places = molecule.GetConformer().GetPositions()
    chemistry = _chemistry(molecule) if sanitized else None
    return AtomBlock(np.array(symbols, np.str_), places, chemistry=chemistry), sanitized, note


_DONOR = "[$([N;!H0;v3,v4&+1]),$([O,S;H1;+0]),$([n;H1;+0])]"
_ACCEPTOR = (
    "[$([O,S;H1;v2]-[!$(*=[O,N,P,S])]),$([O,S;H0;v2]),$([O,S;-]),"
    "$([N;v3;!$(N-*=!@[O,N,P,S])]),$([nH0,o,s;+0])]"
)
"""SMARTS of Gobbi and Poppinger 1998 (doi 10.1002/(SICI)1097-0290(199824)61:1<47::AID-BIT9>3.0.CO;2
-Z), as RDKit's counts of donors and acceptors use them."""


def _chemistry(molecule: Any) -> NDArray[np.uint16]:
    """[A], bits of `CHEMISTRY` of a sanitized molecule's atoms."""
    from rdkit import Chem

    found: dict[str, set[int]] = {name: set() for name in CHEMISTRY}
    for name, pattern in (("donor", _DONOR), ("acceptor", _ACCEPTOR)):
        matches = molecule.GetSubstructMatches(Chem.MolFromSmarts(pattern), maxMatches=10_000)
        found[name] = {atom for match in matches for atom in match}
    for atom in molecule.GetAtoms():
        charge, kind = atom.GetFormalCharge(), str(atom.GetHybridization()).lower()
        told = {"known", kind} & found.keys()
        facts = {"positive": charge > 0, "negative": charge < 0}
        facts |= {"aromatic": atom.GetIsAromatic(), "ring": atom.IsInRing()}
        for name in told | {name for name, true in facts.items() if true}:
            found[name].add(atom.GetIdx())
    bits = np.zeros(molecule.GetNumAtoms(), np.uint16)
    for bit, name in enumerate(CHEMISTRY):
        bits[sorted(found[name])] |= 1 << bit
    return bits


@contextmanager
def _messages() -> Iterator[StringIO]:
    """RDKit's log goes into the given text, not to the terminal."""
    from rdkit import rdBase

    text = StringIO()
    rdBase.LogToPythonStderr()
    try:
        with redirect_stderr(text):
            yield text
    finally:
        rdBase.LogToCppStreams()


def _plain(message: str) -> str:
    """The lines of RDKit's messages that say something: no times, no stacks of C++ calls."""
    kept: dict[str, None] = {}
    in_stack = False
    for line in message.splitlines():
        line = re.sub(r"^\[[\d:]+\] ", "", line).strip()
        in_stack = line.startswith("Violation occurred") or (in_stack and line != "****")
        if line and line != "****" and not in_stack:
            kept[line] = None
    return "; ".join(kept)[:300] or "no reason"
