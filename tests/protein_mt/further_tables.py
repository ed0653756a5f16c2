"""Tables beside those of `raw_folder.write_raw`: split lists, dates, names, SIFTS's labels."""

from __future__ import annotations

from pathlib import Path

from tests.protein_mt.labels.test_enzyme_names import CLASSES, DATA
from tests.protein_mt.labels.test_ontology import OBO
from tests.protein_mt.raw_folder import write_raw


def write_full_raw(folder: Path) -> Path:
    """The small raw folder with every further table that a build can use.

    EC lists: 3AAA-A to 3AAD-A train, 3AAE-A validates, 3AAF-A and 3AAG-A test, of which 3AAF-A is
    below 30 % identity. Released in 2010: all single chains but 3AAG-A; 2011: 1aa*; 2012: 2aa*.
    """
    write_raw(folder)
    _write(folder / "EnzymeCommission" / "nrPDB-EC_2020.04_train.txt", _chains("ABCD") + "9ZZZ-A\n")
    _write(folder / "EnzymeCommission" / "nrPDB-EC_2020.04_valid.txt", _chains("E"))
    _write(folder / "EnzymeCommission" / "nrPDB-EC_2020.04_test.txt", _chains("FG"))
    flags = "PDB-chain,<30%,<95%\n3AAF-A,1,1\n3AAG-A,0,1\n"
    _write(folder / "EnzymeCommission" / "nrPDB-EC_2020.04_test.csv", flags)
    dates = "".join(f"3aa{code},2010-0{n + 1}-20\n" for n, code in enumerate("abcdef"))
    dates += "".join(f"1aa{code},2011\n2aa{code},2012-01-01\n" for code in "abcdef")
    _write(folder / "dates.csv", f"id,date\n{dates}9zzz,sometime\n")
    _write(folder / "enzyme" / "enzyme.dat", DATA)
    _write(folder / "enzyme" / "enzclass.txt", CLASSES)
    _write(folder / "ontology" / "go-basic.current.obo", OBO)
    _write(folder / "sifts" / "pdb_chain_enzyme.csv", _sifts_ec())
    _write(folder / "sifts" / "pdb_chain_go.csv", _sifts_go())
    return folder


def _chains(codes: str) -> str:
    return "".join(f"3AA{code}-A\n" for code in codes)


def _sifts_ec() -> str:
    rows = "".join(f"3aa{code},A,P0,1.1.1.1\n" for code in "abch")
    rows += "2aaf,B,P0,1.1.1.303\n9xyz,A,P0,7.7.7.7\n"
    return f"# 2026/01/10 - 12:00 | PDB: 01.26\nPDB,CHAIN,ACCESSION,EC_NUMBER\n{rows}"


def _sifts_go() -> str:
    header = "PDB,CHAIN,SP_PRIMARY,WITH_STRING,EVIDENCE,GO_ID"
    rows = "".join(f"3aa{code},A,P0,,IEA,GO:0000002\n" for code in "abd")
    return f"# 2026/01/10 - 12:00 | PDB: 01.26\n{header}\n{rows}1aac,A,P0,,IDA,GO:0000010\n"


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
