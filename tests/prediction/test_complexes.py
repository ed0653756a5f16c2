from __future__ import annotations

from pathlib import Path

from hemenet_lab.prediction.complexes import entry_from_files

GLYCINE_AND_ZINC = """\
ATOM      1  N   GLY A   1       0.000   1.458   0.000  1.00 10.00           N
ATOM      2  CA  GLY A   1       0.000   0.000   0.000  1.00 10.00           C
ATOM      3  C   GLY A   1       1.400  -0.550   0.000  1.00 10.00           C
ATOM      4  O   GLY A   1       2.300   0.200   0.000  1.00 10.00           O
TER
HETATM    5 ZN    ZN A 101       0.000   3.500   0.000  1.00 10.00          ZN
END
"""


def test_ions_are_kept_where_asked(tmp_path: Path) -> None:
    path = tmp_path / "zinc.pdb"
    path.write_text(GLYCINE_AND_ZINC)
    assert entry_from_files(path).num_nodes == 1
    assert entry_from_files(path, keep_hetero=True).num_nodes == 2
