"""The recipes of docs/known-sets.md run on tiny files of the published layouts; builds follow."""

from __future__ import annotations

import json
import math
import re
import runpy
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from hemenet_lab.cli import hemenet
from hemenet_lab.protein_mt.complexes import read_affinity_table
from hemenet_lab.protein_mt.labels.affinity import read_affinity_csv
from hemenet_lab.protein_mt.raw.entry import mask_uncertain
from hemenet_lab.protein_mt.settings import BuildSettings
from hemenet_lab.protein_mt.splits import read_split_file
from hemenet_lab.store import Store
from hemenet_lab.structures import StructureError, read_structure
from tests.protein_mt.raw_folder import SDF, pdb_text, sequence

PAGE = (Path(__file__).parents[3] / "docs" / "known-sets.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```\w+\n# (\S+\.\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILES = dict(BLOCK.findall(PAGE))


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(name: str) -> None:
    Path(name).write_text(FILES[name], encoding="utf-8")
    runpy.run_path(name)


def build(end: str) -> Store:
    """The page's command that writes a store of this name, after the files that it names."""
    [line] = [line for line in PAGE.splitlines() if line.endswith(f"--out {end}")]
    words = shlex.split(line)[1:]
    for word in words:
        if word in FILES and not Path(word).exists():
            Path(word).write_text(FILES[word], encoding="utf-8")
    assert hemenet([*words, "--workers", "1"]) == 0
    assert hemenet(["data", "verify", end]) == 0
    return Store(end)


def test_every_recipe_has_a_test() -> None:
    scripts = {name.removesuffix(".py") for name in FILES if name.endswith(".py")}
    tested = {name.removeprefix("test_") for name in globals() if name.startswith("test_")}
    assert scripts <= tested


def test_cleansplit() -> None:
    lists = {"train": ["10gs", "11gs"], "casf2016": ["1a30"], "casf2013": ["1a30"]}
    Path("PDBbind_data_split_cleansplit.json").write_text(json.dumps(lists))
    run("cleansplit.py")
    found = read_split_file("splits.csv").splits
    assert found == {"cleansplit": {"10gs": "train", "11gs": "train", "1a30": "test"}}


def test_lp_pdbbind() -> None:
    head = ",header,smiles,category,seq,resolution,date,type,new_split,CL1,CL2,CL3,"
    head += "remove_for_balancing_val,kd/ki,value,covalent\n"
    rows = "".join(
        f"{id},hydrolase,CC,refined,MKV,2.0,2001-01-01,hydrolase,{part},{level},False,False,"
        f"False,Ki=1uM,6.0,{bond}\n"
        for id, part, level, bond in [
            *(("6r8o", "train", "True", "False"), ("1e66", "val", "True", "False")),
            *(("1a30", "test", "True", "False"), ("2xyz", "", "True", "False")),
            *(("3xyz", "train", "False", "False"), ("4xyz", "train", "True", "True")),
        ]
    )
    Path("LP_PDBBind.csv").write_text(head + rows)
    run("lp_pdbbind.py")
    found = read_split_file("splits.csv").splits
    assert found == {"lp_pdbbind": {"6r8o": "train", "1e66": "val", "1a30": "test"}}


class _Environment:
    """An LMDB folder whose records lie in a JSON file."""

    def __init__(self, path: str) -> None:
        self.records = json.loads((Path(path) / "data.mdb").read_text())

    @contextmanager
    def begin(self) -> Iterator[_Environment]:
        yield self

    def get(self, key: bytes) -> bytes:
        return str(self.records[key.decode()]).encode()


def test_atom3d_lba(monkeypatch: pytest.MonkeyPatch) -> None:
    """The library that reads the files is stood in for: it is no dependency."""
    monkeypatch.setitem(
        sys.modules, "lmdb", SimpleNamespace(open=lambda path, **options: _Environment(path))
    )
    ids = {"train": ["1abc", "2abc"], "val": ["3abc"], "test": ["4abc"]}
    for limit in (30, 60):
        for part, names in ids.items():
            folder = Path(f"split-by-sequence-identity-{limit}/data/{part}")
            folder.mkdir(parents=True)
            index = json.dumps({name: number for number, name in enumerate(names)})
            records = {"num_examples": len(names), "id_to_idx": index}
            (folder / "data.mdb").write_text(json.dumps(records))
    run("atom3d_lba.py")
    found = read_split_file("splits.csv").splits
    assert list(found) == ["atom3d_30", "atom3d_60"]
    assert found["atom3d_30"] == {"1abc": "train", "2abc": "train", "3abc": "val", "4abc": "test"}


def test_plinder() -> None:
    root = Path("2024-06/v2")
    for name in ("index", "splits"):
        (root / name).mkdir(parents=True)
    systems = [f"{number}grt__1__1.A__1.B" for number in range(1, 6)]
    index = pd.DataFrame(
        {
            "system_id": [*systems, "9grt__1__1.A__1.B_1.C", "9grt__1__1.A__1.B_1.C", "8grt__1"],
            "ligand_binding_affinity": [4.5, 5.5, 6.5, 7.5, 8.5, 6.0, None, None],
            "entry_pdb_id": ["1grt"] * 8,
        }
    )
    index.to_parquet(root / "index/annotation_table.parquet")
    split = pd.DataFrame(
        {
            "system_id": [*systems, "9grt__1__1.A__1.B_1.C"],
            "split": ["train", "train", "val", "test", "removed", "train"],
            "cluster": "c0",
            "cluster_for_val_split": "c0",
        }
    )
    split.to_parquet(root / "splits/split.parquet")
    for number, system in enumerate(systems):
        ligands = root / "systems" / system / "ligand_files"
        ligands.mkdir(parents=True)
        (ligands / "1.B.sdf").write_text(SDF)
        (ligands.parent / "receptor.pdb").write_text(pdb_text({"A": sequence(number, 40)}))
    run("plinder.py")
    store = build("plinder")
    assert store.ids == tuple(system.lower() for system in systems)
    assert store.split("plinder").tolist() == store.split().tolist() == [0, 0, 1, 2, 3]
    assert store[0].values == {"affinity": 4.5}
    assert (store[0].entity == 2).sum() == 3


def test_bindingdb() -> None:
    head = ["BindingDB Reactant_set_id", "Ligand SMILES", "Ki (nM)", "IC50 (nM)", "Kd (nM)"]
    head += ["EC50 (nM)", "Article DOI", "Ligand HET ID in PDB"]
    head += ["PDB ID(s) for Ligand-Target Complex"]
    rows = [
        ["1", "CC", "", " 12", "", "", "10.1021/x", "STI", "1IEP,2HYP"],
        ["2", "CC", "37", "", "", "", "", "STI", "1IEP"],
        ["3", "CC", "", "", ">10000", "", "10.1021/y", "BEN", "3PTB"],
        ["4", "CC", "5", "", "", "", "10.1021/y", "", "4PTB"],
    ]
    Path("BindingDB_All.tsv").write_text("\n".join("\t".join(row) for row in [head, *rows]))
    run("bindingdb.py")
    table = read_affinity_table("affinities.csv")
    assert table.problems == ()
    found = {row.id: (row.ligand, row.binding.measure, row.binding.sign) for row in table.rows}
    assert found == {
        "1iep": ("STI", "Ki", "="),
        "2hyp": ("STI", "IC50", "="),
        "3ptb": ("BEN", "Kd", ">"),
    }
    of_id = {row.id: row for row in table.rows}
    assert (of_id["1iep"].source, of_id["2hyp"].source) == ("BindingDB", "10.1021/x")
    assert of_id["1iep"].binding.pk == pytest.approx(-math.log10(37e-9))


SKEMPI = (
    "#Pdb;Mutation(s)_PDB;Mutation(s)_cleaned;iMutation_Location(s);Hold_out_type;"
    "Hold_out_proteins;Affinity_mut (M);Affinity_mut_parsed;Affinity_wt (M);Affinity_wt_parsed;"
    "Reference;Protein 1;Protein 2;Temperature;Notes;Method;SKEMPI version\n"
    "1CSE_A_B;LI45G;LI38G;COR;Pr/PI;Pr/PI;5.26E-11;5.26E-11;1.00E-12;1.00E-12;9048543;x;y;294;;IASP;1\n"
    "1CSE_A_B;LI45S;LI38S;COR;Pr/PI;Pr/PI;8.33E-12;8.33E-12;1.00E-12;1.00E-12;9048543;x;y;294;;IASP;1\n"
    "1E50_AB_C;YC105F;YC5F;RIM;;;>1E-6;1.00E-06;1E-09;1.00E-09;1;x;y;298(assumed);;SPR;2\n"
    "3XYZ_A_B;YC105F;YC5F;RIM;;;n.b;;n.d;;1;x;y;;;SPR;2\n"
)


def test_skempi() -> None:
    Path("skempi_v2.csv").write_text(SKEMPI)
    run("skempi.py")
    found = {row.id: row for row in read_affinity_csv("pp_affinity.csv").records}
    assert {name: row.pk for name, row in found.items()} == {"1cse": 12.0, "1e50": 9.0}
    assert found["1e50"].partner_chains == ("C",)
    assert found["1e50"].receptor_chains == ("A", "B")
    table = pd.read_csv("pp_affinity.csv", dtype={"id": str}).set_index("id")
    assert table.loc["1CSE", "kelvin"] == 294
    assert table.loc["1CSE", "dG"] == pytest.approx(-16.14, abs=0.01)
    # three complexes are the fewest that a split can be made of
    Path("PDBs").mkdir()
    more = "".join(f"{n}ABC,{n},-{n}.5,298,A,B\n" for n in range(2, 7))
    with Path("pp_affinity.csv").open("a") as file:
        file.write(more)
    for number, name in enumerate(["1CSE", *(f"{n}ABC" for n in range(2, 7))]):
        chains = {"A": sequence(number, 40), "B": sequence(50 + number, 30)}
        Path(f"PDBs/{name}.pdb").write_text(pdb_text(chains))
    store = build("skempi")
    entry = store[store.index("1cse")]
    assert entry.values["dG"] == pytest.approx(-16.14, abs=0.01)
    assert [entry.entity[entry.node_chain == chain][0] for chain in (0, 1)] == [0, 1]


def test_ppb_affinity() -> None:
    Path("PPB-Affinity.csv").write_text(
        "Source Data Set,Complex ID,PDB,Mutations,Ligand Chains,Receptor Chains,"
        "dG(kcal/mol),Subgroup\n"
        'SKEMPI v2.0,1,1AHW,,"A, B",C,-11.5525,\n'
        'SKEMPI v2.0,2,1AHW,YC157A,"A, B",C,-9.5,\n'
        "ATLAS,3,1E50,,A,B,-10.714,TCR-pMHC\n"
        "ATLAS,4,2E50,,A,B,,\n"
    )
    run("ppb_affinity.py")
    found = read_affinity_csv("pp_affinity.csv").records
    assert [(row.id, row.partner_chains, row.receptor_chains) for row in found] == [
        ("1ahw", ("A", "B"), ("C",)),
        ("1e50", ("A",), ("B",)),
    ]
    assert found[0].pk == pytest.approx(8.468, abs=0.01)


def with_plddt(text: str, values: list[float]) -> str:
    """The PDB text with a B-factor per residue."""
    lines = []
    for line in text.splitlines():
        if line.startswith("ATOM"):
            line = f"{line[:60]}{values[int(line[22:26]) - 1]:6.2f}{line[66:]}"
        lines.append(line)
    return "\n".join(lines) + "\n"


def test_alphafold_models() -> None:
    Path("models").mkdir()
    names = ["P12931", "Q9Y6K9", "P1", "P2", "P3", "P4"]
    for number, name in enumerate(names):
        values = [95.0] * 30 + [40.0] * 10
        text = with_plddt(pdb_text({"A": sequence(number, 40)}), values)
        Path(f"models/AF-{name}-F1-model_v4.pdb").write_text(text)
    crystal = with_plddt(pdb_text({"A": sequence(9, 40)}), [120.0] * 40)
    Path("models/P5.pdb").write_text(crystal)
    rows = "".join(f"{name},{40 + n}\n" for n, name in enumerate([*names[2:], "P5"]))
    Path("stability.csv").write_text(FILES["stability.csv"] + rows)
    store = build("af")
    assert store.ids == ("p1", "p12931", "p2", "p3", "p4", "q9y6k9")
    assert store.num_nodes.tolist() == [30] * 6
    assert store.array("b_factor").tolist() == [95.0] * 180
    assert store[3].b_factor is not None
    assert set(store.to_pandas("nodes")["b_factor"]) == {95.0}
    drops = Path("af/drops.csv").read_text()
    assert "p12931,user,atoms,uncertain: pLDDT below 70,20" in drops
    assert "B-factors of 120.0 to 120.0 are no pLDDT (0 to 100)" in drops


def test_stores_keep_no_b_factors_unless_asked() -> None:
    Path("models").mkdir()
    for number in range(5):
        Path(f"models/P{number}.pdb").write_text(pdb_text({"A": sequence(number, 40)}))
    rows = "".join(f"P{number},{number}\n" for number in range(5))
    Path("t.csv").write_text(f"id,tm\n{rows}")
    Path("t.yaml").write_text(FILES["stability.yaml"])
    words = "data build --task t.yaml --table t.csv --structures models --out s --workers 1"
    assert hemenet(words.split()) == 0
    assert not Path("s/b_factor.npy").exists()
    assert Store("s")[0].b_factor is None


@pytest.mark.parametrize(
    ("values", "least", "kept"),
    [([0.9, 0.5, 0.8], 70, 2), ([90, 50, 80], 70, 2), ([90, 50, 80], 80, 2), ([70, 70, 70], 70, 3)],
)
def test_mask(values: list[float], least: float, kept: int) -> None:
    Path("x.pdb").write_text(with_plddt(pdb_text({"A": "ACD"}), values))
    structure = mask_uncertain(read_structure("x.pdb"), least)
    assert structure.num_residues == kept
    assert structure.num_atoms == 2 * kept
    assert np.bincount(structure.atom_residue).tolist() == [2] * kept


def test_masks_that_leave_nothing() -> None:
    Path("x.pdb").write_text(with_plddt(pdb_text({"A": "ACD"}), [20, 30, 40]))
    with pytest.raises(StructureError, match="no residue has a pLDDT of 70 or more"):
        mask_uncertain(read_structure("x.pdb"), 70)
    with pytest.raises(ValueError, match="it is 0 to 100, such as 70"):
        BuildSettings(min_plddt=170)
