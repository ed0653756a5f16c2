"""ENZYME's files: names over several lines, transferred numbers, classes."""

from __future__ import annotations

from pathlib import Path

from hemenet_lab.protein_mt.labels.ontology import read_enzyme_names

DATA = """CC   -----------------------------------------------------------------------
CC   DE   a comment that looks like a name
CC   -----------------------------------------------------------------------
//
ID   1.1.1.1
DE   Alcohol dehydrogenase.
AN   Aldehyde reductase.
//
ID   1.1.1.5
DE   Transferred entry: 1.1.1.303 and 1.1.1.1.
//
ID   1.1.1.74
DE   Deleted entry.
//
ID   3.4.21.75
DE   Transferred entry: 9.9.9.9.
//
ID   2.1.1.n1
DE   A very long name
DE   over two lines.
//
ID   1.1.1.303
DE   Diacetyl reductase ((R)-acetoin forming).
//
"""
CLASSES = """---------------------------------------------------------------------------
        ENZYME nomenclature database
---------------------------------------------------------------------------

1. -. -.-  Oxidoreductases.
1. 1. -.-   Acting on the CH-OH group of donors.
1. 1. 1.-    With NAD(+) or NADP(+) as acceptor.
1.14.11.-    With 2-oxoglutarate as one donor, and incorporation of one atom
             each of oxygen into both donors.

---------------------------------------------------------------------------
      Copyrighted
"""


def files(folder: Path) -> tuple[Path, Path]:
    data, classes = folder / "enzyme.dat", folder / "enzclass.txt"
    data.write_text(DATA)
    classes.write_text(CLASSES)
    return data, classes


def test_names(tmp_path: Path) -> None:
    names = read_enzyme_names(*files(tmp_path))
    assert names == {
        "1.1.1.1": "Alcohol dehydrogenase",
        "1.1.1.5": "Diacetyl reductase ((R)-acetoin forming) (now 1.1.1.303); "
        "Alcohol dehydrogenase (now 1.1.1.1)",
        "1.1.1.74": "Deleted entry",
        "3.4.21.75": "Transferred entry: 9.9.9.9",
        "2.1.1.n1": "A very long name over two lines",
        "1.1.1.303": "Diacetyl reductase ((R)-acetoin forming)",
        "1.-.-.-": "Oxidoreductases",
        "1.1.-.-": "Oxidoreductases: Acting on the CH-OH group of donors",
        "1.1.1.-": "Oxidoreductases: Acting on the CH-OH group of donors: "
        "With NAD(+) or NADP(+) as acceptor",
        "1.14.11.-": "Oxidoreductases: With 2-oxoglutarate as one donor, and incorporation of "
        "one atom each of oxygen into both donors",
    }


def test_each_file_alone(tmp_path: Path) -> None:
    data, classes = files(tmp_path)
    assert "1.1.1.-" not in read_enzyme_names(data, None)
    assert set(read_enzyme_names(None, classes)) == {"1.-.-.-", "1.1.-.-", "1.1.1.-", "1.14.11.-"}
    assert read_enzyme_names(None, None) == {}
