"""A small raw folder in the public layouts, written by the tests, with known traps in it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from hemenet_lab.structures import ONE_LETTER, RESIDUES

THREE = dict(zip(ONE_LETTER, RESIDUES[:20], strict=False))
SDF = """lig

 comment
  3  2  0  0  0  0  0  0  0  0999 V2000
    1.0000    1.0000   30.0000 C   0  0
    2.5000    1.0000   30.0000 C   0  0
    3.2000    2.2000   30.0000 O   0  0
  1  2  1  0
  2  3  1  0
M  END
$$$$
"""
MOL2 = """@<TRIPOS>MOLECULE
lig
 2 1 0 0 0
SMALL
NO_CHARGES

@<TRIPOS>ATOM
      1 C1          1.0000    1.0000   30.0000 C.3     1 LIG     0.0000
      2 O1          2.4000    1.0000   30.0000 O.3     1 LIG     0.0000
@<TRIPOS>BOND
     1    1    2 1
"""


def sequence(seed: int, length: int = 80) -> str:
    """A random sequence; each seed is a family of its own."""
    return "".join(np.random.default_rng(seed).choice(list(THREE), length))


def mutated(text: str, changes: int) -> str:
    """The sequence with evenly spread changes."""
    letters = list(text)
    for place in np.linspace(2, len(text) - 3, changes).astype(int):
        letters[place] = "W" if letters[place] != "W" else "A"
    return "".join(letters)


def pdb_text(chains: dict[str, str]) -> str:
    """Backbones of helices, one per chain, in PDB format."""
    lines: list[str] = []
    for number, (chain, text) in enumerate(chains.items()):
        for index, letter in enumerate(text):
            for name, radius, turn, rise in (("N", 1.5, 0.0, 0.0), ("CA", 2.3, 28.0, 0.9)):
                angle = np.deg2rad(100 * index + turn)
                x, y = radius * np.cos(angle) + 8 * number, radius * np.sin(angle)
                place = f"{x:8.3f}{y:8.3f}{1.5 * index + rise:8.3f}"
                head = f"ATOM  {len(lines) % 99999 + 1:5d}  {name:<3s} {THREE[letter]} {chain}"
                lines.append(f"{head}{index + 1:4d}    {place}  1.00 10.00           {name[0]}")
        lines.append("TER")
    return "\n".join([*lines, "END", ""])


def write_raw(folder: Path) -> Path:
    """Writes the raw folder.

    Protein-ligand 1aaa-1aah (1aag unreadable, 1aah without a ligand file), protein-protein
    2aaa-2aaf and 1aaa again, chains 3AAA-A to 3AAH-A. 1aaa, 2aaa and 3AAA-A are near-copies of
    one protein; 1aab and 3AAB-A share a UniProt id only.
    """
    for number, code in enumerate("abcdef"):
        chains = {"A": sequence(number), "B": sequence(100 + number, 60)}
        _complex(folder / "refined-set" / f"1aa{code}", f"1aa{code}", {"A": sequence(number)})
        _write(folder / "PP" / f"2aa{code}.ent.pdb", pdb_text(chains))
    _write(folder / "PP" / "1aaa.ent.pdb", pdb_text({"X": sequence(200), "Y": "ACDEF"}))
    _complex(folder / "refined-set" / "1aag", "1aag", {})
    _complex(folder / "refined-set" / "1aah", "1aah", {"A": sequence(8)})
    (folder / "refined-set" / "1aah" / "1aah_ligand.sdf").unlink()
    (folder / "refined-set" / "1aab" / "1aab_ligand.sdf").write_text("not a molecule\n")
    _write(folder / "refined-set" / "1aab" / "1aab_ligand.mol2", MOL2)
    for number, code in enumerate("ABCDEFGH"):
        text = mutated(sequence(number), 3) if code == "A" else sequence(300 + number)
        _write(folder / "EnzymeCommission" / "all" / f"3AA{code}-A.pdb", pdb_text({"A": text}))
    copy = (folder / "EnzymeCommission" / "all" / "3AAC-A.pdb").read_text()
    _write(folder / "GeneOntology" / "all" / "3AAC-A.pdb", copy)
    _write(folder / "GeneOntology" / "all" / "3AAD-A.pdb", pdb_text({"A": sequence(99)}))
    _labels(folder)
    return folder


def _labels(folder: Path) -> None:
    index = "# comment\n" + "".join(
        f"1aa{code}  2.00  2000   7.00  Kd=100nM   // 1aa{code}.pdf (LIG)\n" for code in "abcg"
    )
    index += "1aad  2.00  2000   6.00  Ki<1uM    // 1aad.pdf (LIG)\n"
    index += "1aae  2.00  2000   6.00  Ki~1uM    // 1aae.pdf (LIG)\n"
    index += "1aaf  2.00  2000   Ki=unknown      // 1aaf.pdf (LIG)\n"
    index += "9zzz  2.00  2000   6.00  Ki=1uM    // 9zzz.pdf (LIG)\n"
    _write(folder / "index" / "INDEX_general_PL_data.2020", index)
    _write(folder / "index" / "INDEX_general_PL_data.2016", "# older\n")
    pairs = "".join(f"2aa{code},{5 + n}.5,A,B\n" for n, code in enumerate("abcde"))
    _write(folder / "pp_affinity.csv", f"id,pKd,receptor_chains,partner_chains\n{pairs}")
    index = "2aaa  2.00  2000  Kd=1nM  // x\n2aaf  2.00  2000  Kd=1nM  // x\n"
    index += "1aaa  2.00  2000  Kd=1nM  // (X|Q) x\n"
    _write(folder / "index" / "INDEX_general_PP.2020", index)
    rows = "".join(f"3AA{code}-A\t1.1.1.{number % 3}\r\n" for number, code in enumerate("ABCDEF"))
    _write(
        folder / "EnzymeCommission" / "nrPDB-EC_2020.04_annot.tsv",
        f"### EC-numbers\r\n1.1.1.0\t1.1.1.1\t1.1.1.2\r\n### PDB-chain\tEC-numbers\r\n{rows}",
    )
    heads = "".join(
        f"### GO-terms ({name})\nGO:{name}1\tGO:{name}2\n### GO-names ({name})\none\ttwo\n"
        for name in ("m", "b", "c")
    )
    rows = "".join(f"3AA{code}-A\tGO:m1\tGO:b2\tGO:c1,GO:c2\n" for code in "ABC")
    rows += "3AAG-A\tGO:m2\n"
    path = folder / "GeneOntology" / "nrPDB-GO_2019.06.18_annot.tsv"
    _write(path, f"{heads}### PDB-chain\tGO-terms\n{rows}")
    rows = "1aaa,A,P1\n3aaa,A,P1\n2aaa,A,P1\n1aab,A,P2\n3aab,A,P2\n2aab,A,P3\n2aab,B,P4\n"
    rows += "3aac,A,P5\n3aac,A,P6\n9xxx,A,None\n"
    _write(folder / "sifts" / "pdb_chain_uniprot.csv", f"# date\nPDB,CHAIN,SP_PRIMARY\n{rows}")


def _complex(folder: Path, code: str, chains: dict[str, str]) -> None:
    _write(folder / f"{code}_protein.pdb", pdb_text(chains))
    _write(folder / f"{code}_ligand.sdf", SDF)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="")
