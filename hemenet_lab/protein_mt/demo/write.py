"""Files of the demo, in the layouts in which the real data are published, and its store."""

from __future__ import annotations

import gzip
import shutil
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from filelock import FileLock

from hemenet_lab.protein_mt.demo.dataset import DemoItem, make_items
from hemenet_lab.protein_mt.demo.ligands import sdf_block
from hemenet_lab.protein_mt.demo.model import Chain
from hemenet_lab.protein_mt.demo.rules import CHAIN_IDS, TABLES, TERMS, DemoLabels, label_items
from hemenet_lab.protein_mt.demo.settings import VERSION, settings_for
from hemenet_lab.store import cache_folder
from hemenet_lab.structures import RESIDUE_ATOMS

NOTICE = "SYNTHETIC: made by a program, no real protein and no measured value"
_FOLDERS = {"ec": "EnzymeCommission", "go": "GeneOntology"}
_STEMS = {"ec": "nrPDB-EC_2020.04", "go": "nrPDB-GO_2019.06.18"}
_BRANCHES = {"mf": "molecular_function", "bp": "biological_process", "cc": "cellular_component"}
_LISTS = {"train": range(7), "valid": range(7, 8), "test": range(8, 10)}
"""Positions, of every ten chains, that each split list names."""


def write_demo(raw: str | Path, size: str = "full", seed: int | None = None) -> Path:
    """Write the demo's raw files into a folder, the same bytes for the same size and seed.

    Args:
        raw: Folder that is made, or that is empty.
        size: ``full`` or ``tiny`` (24 items, for tests).
        seed: Another demo of the same kind; the size's own seed by default.

    Returns:
        The folder.

    Raises:
        ValueError: The folder holds something, or there is no such size.
    """
    settings = settings_for(size)
    if seed is not None:
        settings = replace(settings, seed=seed)
    raw = Path(raw)
    if raw.exists() and (not raw.is_dir() or any(raw.iterdir())):
        raise ValueError(f"{raw} is not an empty folder; choose another one for the demo's files")
    items = list(make_items(settings))
    labels = label_items(items, settings)
    _write(raw / "SYNTHETIC", f"{NOTICE}\nversion {VERSION}, {settings}\n")
    _write_structures(raw, items, labels)
    _write_affinities(raw, labels, items)
    for table in TABLES:
        _write_annotations(raw / _FOLDERS[table], table, labels)
    _write_sifts(raw / "sifts" / "pdb_chain_uniprot.csv.gz", labels)
    return raw


_FOLDER = "demo-{size}-v{version}"


def demo_store(cache: Path | None = None, size: str = "full") -> Path:
    """Folder of the demo's store, made on the first call (about a minute on one core).

    Two processes that start at once write it once: the second waits for the first.

    Args:
        cache: Where it is kept; `cache_folder` by default.
        size: ``full`` or ``tiny``.
    """
    from hemenet_lab.protein_mt import BuildSettings
    from hemenet_lab.protein_mt.build import build_store

    folder = (cache or cache_folder()) / _FOLDER.format(size=size, version=VERSION)
    raw, store = folder / "raw", folder / "store"
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / "lock"):
        if not (raw / "SYNTHETIC").exists():
            print(f"Making the synthetic demo data in {folder}, once; about a minute", flush=True)
            draft = folder / "raw.draft"
            shutil.rmtree(draft, ignore_errors=True)
            write_demo(draft, size)
            draft.rename(raw)
        # whole families stay together: their members have 55 to 95 % of their residues in common
        # quotas: few families, and test sets that recorded results stand on
        build = BuildSettings(scheme="balanced", min_seq_id=0.5, coverage=0.8)
        # the same raw files, settings and code: nothing is built again
        build_store(raw, store, settings=build, force=True)
    return store


def tiny_store(cache: Path | None = None) -> Path:
    """The store of the tiny demo (24 entries with labels of all six tasks), for tests."""
    return demo_store(cache, size="tiny")


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="\n")


def _write_structures(raw: Path, items: Iterable[DemoItem], labels: DemoLabels) -> None:
    listed = _listed(labels)
    for item in items:
        code, model = item.code, item.model
        text = pdb_text(code, model.chains)
        if item.kind == "ppa":
            _write(raw / "PP" / f"{code}.ent.pdb", text)
        elif item.kind == "lba":
            assert model.ligand is not None
            assert model.ligand_coords is not None
            folder = raw / "refined-set" / code
            _write(folder / f"{code}_protein.pdb", text)
            ligand = sdf_block(model.ligand, model.ligand_coords, f"{code}_ligand SYNTHETIC")
            _write(folder / f"{code}_ligand.sdf", ligand)
        else:
            chain = f"{code.upper()}-A"
            for table in (table for table in TABLES if chain in listed[table]):
                _write(raw / _FOLDERS[table] / "all" / f"{chain}.pdb", text)


def _listed(labels: DemoLabels) -> dict[str, set[str]]:
    """Chains in each annotation table."""
    return {
        table: {row.chain for row in labels.annotations if any(t in row.terms for t in tasks)}
        for table, tasks in TABLES.items()
    }


def pdb_text(code: str, chains: Iterable[Chain]) -> str:
    """A PDB file of chains A, B, … with a remark that it is synthetic."""
    lines = [f"HEADER    SYNTHETIC PROTEIN{'':35}{code.upper()}", f"REMARK 999 {NOTICE}"]
    serial = 0
    for letter, chain in zip(CHAIN_IDS, chains, strict=False):
        pairs = zip(chain.protein.names, chain.residues, strict=True)
        for number, (residue, atoms) in enumerate(pairs, start=1):
            for name, (x, y, z) in zip(RESIDUE_ATOMS[residue], atoms, strict=True):
                serial += 1
                lines.append(
                    f"ATOM  {serial:5d}  {name:<3s} {residue} {letter}{number:4d}    "
                    f"{x:8.3f}{y:8.3f}{z:8.3f}  1.00 20.00          {name[0]:>2s}"
                )
        serial += 1
        lines.append(f"TER   {serial:5d}      {residue} {letter}{number:4d}")
    return "\n".join([*lines, "END", ""])


def _write_affinities(raw: Path, labels: DemoLabels, items: Iterable[DemoItem]) -> None:
    names = {item.code: item.model.ligand.smiles for item in items if item.model.ligand}
    head = f"# {NOTICE}\n# PDB code, resolution, release year, -logKd/Ki, Kd/Ki, reference"
    small = [
        f"{code}  2.00  0000  {pk:5.2f}  {_constant(pk):13s} // {code}.pdf (LIG) {names[code]}"
        for code, pk in sorted(labels.affinities["lba"].items())
    ]
    pairs = sorted(labels.affinities["ppa"].items())
    large = [
        f"{code}  2.00  0000  {pk:5.2f}  {_constant(pk):13s} // {code}.ent.pdb (A|B) synthetic"
        for code, pk in pairs
    ]
    _write(raw / "index" / "INDEX_general_PL_data.2020", "\n".join([head, *small, ""]))
    _write(raw / "index" / "INDEX_general_PP.2020", "\n".join([head, *large, ""]))
    rows = [f"{code},{pk:.2f},A,B,synthetic" for code, pk in pairs]
    header = "id,pKd,receptor_chains,partner_chains,note"
    _write(raw / "pp_affinity.csv", "\n".join([header, *rows, ""]))


_UNITS = (("M", 0), ("mM", 3), ("uM", 6), ("nM", 9), ("pM", 12), ("fM", 15))


def _constant(pk: float) -> str:
    """``Kd=`` in the largest unit that leaves a number of 1 or more."""
    unit, power = next((unit, power) for unit, power in _UNITS if power >= pk)
    return f"Kd={float(f'{10.0 ** (power - pk):.3g}'):g}{unit}"


def _write_annotations(folder: Path, table: str, labels: DemoLabels) -> None:
    tasks = TABLES[table]
    rows = sorted(labels.annotations, key=lambda row: row.chain)
    rows = [row for row in rows if any(task in row.terms for task in tasks)]
    lines = []
    for task in tasks:
        branch = f" ({_BRANCHES[task]})" if task in _BRANCHES else ""
        lines += [f"### {table.upper()}-{'numbers' if table == 'ec' else 'terms'}{branch}"]
        lines += ["\t".join(term.id for term in TERMS[task])]
        if table == "go":
            lines += [f"### GO-names{branch}", "\t".join(term.name for term in TERMS[task])]
    columns = ["EC-numbers"] if table == "ec" else [f"GO-terms ({_BRANCHES[t]})" for t in tasks]
    lines.append("### PDB-chain\t" + "\t".join(columns))
    for row in rows:
        fields = (",".join(row.terms.get(task, ())) for task in tasks)
        lines.append("\t".join([row.chain, *fields]))
    _write(folder / f"{_STEMS[table]}_annot.tsv", "\n".join([*lines, ""]))
    for name, places in _LISTS.items():
        chains = [row.chain for k, row in enumerate(rows) if k % 10 in places]
        _write(folder / f"{_STEMS[table]}_{name}.txt", "\n".join([*chains, ""]))


def _write_sifts(path: Path, labels: DemoLabels) -> None:
    columns = "PDB,CHAIN,SP_PRIMARY,RES_BEG,RES_END,PDB_BEG,PDB_END,SP_BEG,SP_END"
    nothing = ",".join(["None"] * 6)
    rows = [f"{code},{letter},{name},{nothing}" for code, letter, name in sorted(labels.uniprot)]
    text = "\n".join([f"# {NOTICE}", columns, *rows, ""])
    path.parent.mkdir(parents=True, exist_ok=True)
    # neither name nor time in the header: the same bytes every time
    path.write_bytes(gzip.compress(text.encode(), mtime=0))


def demo_stores(cache: Path | None = None) -> list[Path]:
    """Stores of the demo that are in the cache already, of any size and version."""
    pattern = f"{_FOLDER.format(size='*', version='*')}/store"
    return sorted((cache or cache_folder()).glob(pattern))
