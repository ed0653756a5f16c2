"""Compressed files, files of another kind, impossible coordinates, and bounds."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow
import pytest

from hemenet_lab.structures import (
    LigandError,
    Limits,
    StructureError,
    read_ligand,
    read_structure,
)
from tests.structures.files import Atom, pdb_text, peptide, residue, write_cif, write_pdb
from tests.structures.test_ligand import METHANOL

TEXT = pdb_text(peptide(["ALA", "GLY"])).encode()


def _zstd(data: bytes) -> bytes:
    return pyarrow.Codec("zstd").compress(data, asbytes=True)


PACKERS = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress, "zst": _zstd}


@pytest.mark.parametrize("kind", PACKERS)
def test_compressed_files_are_read_whatever_their_name(tmp_path: Path, kind: str) -> None:
    (tmp_path / f"x.pdb.{kind}").write_bytes(PACKERS[kind](TEXT))
    (tmp_path / "y.pdb").write_bytes(PACKERS[kind](TEXT))
    (tmp_path / f"a.sdf.{kind}").write_bytes(PACKERS[kind](METHANOL.encode()))
    assert read_structure(tmp_path / f"x.pdb.{kind}").num_atoms == 9
    assert read_structure(tmp_path / f"x.pdb.{kind}").id == "x"
    assert read_structure(tmp_path / "y.pdb").num_atoms == 9
    assert read_ligand(tmp_path / f"a.sdf.{kind}").num_atoms == 2


@pytest.mark.parametrize("kind", PACKERS)
def test_cut_and_damaged_streams(tmp_path: Path, kind: str) -> None:
    data = PACKERS[kind](np.random.default_rng(0).bytes(4000) + TEXT)
    path = tmp_path / "x.pdb"
    for broken in (data[: len(data) // 2], data[:2000] + b"\x55" * 300 + data[2300:]):
        path.write_bytes(broken)
        with pytest.raises(StructureError, match=r"x\.pdb: "):
            read_structure(path)


def test_gzip_members_are_joined(tmp_path: Path) -> None:
    (tmp_path / "x.pdb").write_bytes(gzip.compress(TEXT[:324]) + gzip.compress(TEXT[324:]))
    assert read_structure(tmp_path / "x.pdb").num_atoms == 9


def test_a_mark_of_byte_order_eats_no_atom(tmp_path: Path) -> None:
    (tmp_path / "x.pdb").write_bytes(b"\xef\xbb\xbf" + TEXT)
    assert read_structure(tmp_path / "x.pdb").num_atoms == 9
    cif = write_cif(tmp_path / "x.cif", peptide(["ALA", "GLY"])).read_bytes()
    (tmp_path / "y.cif").write_bytes(b"\xef\xbb\xbf" + cif)
    assert read_structure(tmp_path / "y.cif").num_atoms == 9


def _tar(kind: int = tarfile.GNU_FORMAT) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=kind) as archive:
        for name in ("a.pdb", "b.pdb"):
            entry = tarfile.TarInfo(name)
            entry.size = len(TEXT)
            archive.addfile(entry, io.BytesIO(TEXT))
    return stream.getvalue()


def _old_tar() -> bytes:
    """Without the word ustar, as programs of 1979 wrote it."""
    head = bytearray(_tar()[:512])
    head[257:265] = bytes(8)
    head[148:156] = b" " * 8
    head[148:156] = f"{sum(head):06o}\0 ".encode()
    return bytes(head) + _tar()[512:]


def _zip() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("a.pdb", TEXT)
    return stream.getvalue()


OTHER_KINDS = {
    "a tar archive": _tar(),
    "tar archive: unpack": _tar(tarfile.PAX_FORMAT),
    "tar archive": _old_tar(),
    "a zip archive": _zip(),
    "a 7z archive": b"7z\xbc\xaf\x27\x1c" + TEXT,
    "a RAR archive": b"Rar!\x1a\x07\x00" + TEXT,
    "by lz4": b"\x04\x22\x4d\x18" + TEXT,
    "text in UTF-16": TEXT.decode().encode("utf-16"),
    "text in UTF-16 or UTF-32": TEXT.decode().encode("utf-16-le"),
    "text in UTF-32": TEXT.decode().encode("utf-32"),
    "binary": TEXT + bytes(10),
    "XML or HTML": b"\n<!DOCTYPE html><title>404</title>",
    "Git LFS": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
    "compressed twice": gzip.compress(TEXT),
    "a PDF": b"%PDF-1.7\n" + TEXT,
}


@pytest.mark.parametrize("what", OTHER_KINDS)
@pytest.mark.parametrize("packed", [False, True])
def test_other_kinds_of_files_are_named(tmp_path: Path, what: str, packed: bool) -> None:
    content = OTHER_KINDS[what]
    if packed or what == "compressed twice":
        content = gzip.compress(content)
    for name, read, error in (
        ("x.pdb", read_structure, StructureError),
        ("x.sdf", read_ligand, LigandError),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(error, match=what):
            read(tmp_path / name)


def _moved(place: tuple[float, float, float], count: int) -> list[Atom]:
    atoms = peptide(["ALA", "GLY", "SER"])
    return [replace(atom, place=place) for atom in atoms[:count]] + atoms[count:]


@pytest.mark.parametrize("ending", ["pdb", "cif", "bcif"])
@pytest.mark.parametrize(
    ("place", "count", "message"),
    [
        ((0.0, 0.0, 0.0), 15, "all 15 atoms of the proteins are at one place"),
        ((5.0, 6.0, 7.0), 15, "all 15 atoms of the proteins are at one place"),
        ((0.0, 0.0, 0.0), 4, r"4 of 15 atoms .* placeholders .* (line|row) 1 at \(0\.000"),
        ((9999.0, 9999.0, 9999.0), 1, "1 of 15 atoms .* placeholders"),
        ((9999.999, 9999.999, 9999.999), 2, "2 of 15 atoms .* placeholders"),
    ],
)
def test_placeholders_for_coordinates(
    tmp_path: Path, ending: str, place: tuple[float, float, float], count: int, message: str
) -> None:
    write = write_pdb if ending == "pdb" else write_cif
    path = write(tmp_path / f"x.{ending}", _moved(place, count))
    with pytest.raises(StructureError, match=message):
        read_structure(path)


@pytest.mark.parametrize("value", ["1e39", "1e30", "1000000", "-100001", "inf", "nan"])
def test_coordinates_that_no_atom_has(tmp_path: Path, value: str) -> None:
    text = write_cif(tmp_path / "x.cif", _moved((7.25, 0.0, 0.0), 1)).read_text()
    assert "7.25" in text
    (tmp_path / "x.cif").write_text(text.replace("7.25", value, 1))
    with pytest.raises(StructureError, match=r"x\.cif: 1 of 15 atoms .* in row 1"):
        read_structure(tmp_path / "x.cif")


@pytest.mark.parametrize("value", ["1e39", "1e30", "200000", "nan"])
def test_ligands_that_no_molecule_has(tmp_path: Path, value: str) -> None:
    (tmp_path / "a.sdf").write_text(METHANOL.replace("    1.4000", f"{value:>10}"))
    with pytest.raises(LigandError, match=r"a\.sdf: "):
        read_ligand(tmp_path / "a.sdf")


def test_ligand_atoms_at_one_place(tmp_path: Path) -> None:
    (tmp_path / "a.sdf").write_text(METHANOL.replace("    1.4000", "    0.0000"))
    with pytest.raises(LigandError, match="several heavy atoms at one place"):
        read_ligand(tmp_path / "a.sdf")


def test_occupancy_that_is_no_number_is_counted(tmp_path: Path) -> None:
    text = pdb_text(peptide(["ALA"])).replace("  1.00 10.00", "   nan   inf", 1)
    (tmp_path / "x.pdb").write_text(text)
    structure = read_structure(tmp_path / "x.pdb")
    assert structure.occupancy.tolist() == [1] * 5
    assert [(drop.kind, drop.count) for drop in structure.drops] == [("value", 2)]


@pytest.mark.parametrize("kind", ["gz", "bz2", "xz", "zst"])
def test_bombs_are_refused_while_they_are_unpacked(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"x.pdb.{kind}"
    path.write_bytes(PACKERS[kind](bytes(30_000_000)))
    with pytest.raises(StructureError, match=r"bytes or more, 5,000,000 are allowed; .*Limits"):
        read_structure(path, limits=Limits(bytes=5_000_000))
    path = tmp_path / f"x.sdf.{kind}"
    path.write_bytes(PACKERS[kind](bytes(30_000_000)))
    with pytest.raises(LigandError, match="bytes or more"):
        read_ligand(path, limits=Limits(bytes=5_000_000))


@pytest.mark.parametrize(
    ("limits", "what"),
    [(Limits(bytes=500), "bytes"), (Limits(atoms=8), "atoms"), (Limits(chains=1), "chains")],
)
@pytest.mark.parametrize("ending", ["pdb", "cif", "bcif"])
def test_bounds(tmp_path: Path, limits: Limits, what: str, ending: str) -> None:
    atoms = peptide(["ALA"]) + peptide(["GLY"], "B", 1, 40.0)
    path = (write_pdb if ending == "pdb" else write_cif)(tmp_path / f"x.{ending}", atoms)
    assert read_structure(path).num_atoms == 9
    with pytest.raises(StructureError, match=f"{what} or more, .* are allowed"):
        read_structure(path, limits=limits)


def test_bound_on_time(tmp_path: Path) -> None:
    path = write_pdb(tmp_path / "x.pdb", peptide(["ALA"]))
    with pytest.raises(StructureError, match=r"x\.pdb: not read after 1e-09 s"):
        read_structure(path, limits=Limits(seconds=1e-9))


def test_bounds_must_be_positive() -> None:
    with pytest.raises(ValueError, match=r"atoms=0.: must be above 0"):
        Limits(atoms=0)


def test_binary_cif_that_claims_more_rows_than_it_has(tmp_path: Path) -> None:
    import msgpack

    path = write_cif(tmp_path / "x.bcif", peptide(["ALA"]))
    content = msgpack.unpackb(path.read_bytes(), raw=False)
    categories = [c for block in content["dataBlocks"] for c in block["categories"]]
    [category] = [category for category in categories if category["name"] == "_atom_site"]
    for column in category["columns"]:
        for step in column["data"]["encoding"]:
            if step["kind"] == "StringArray":
                step["dataEncoding"].insert(
                    0, {"kind": "RunLength", "srcType": 3, "srcSize": 2_000_000_000}
                )
    path.write_bytes(msgpack.packb(content))
    with pytest.raises(StructureError, match="2,000,000,000 atoms or more"):
        read_structure(path)


def test_many_chains_and_alternatives_take_no_quadratic_time(tmp_path: Path) -> None:
    atoms = [
        replace(atom, altloc=letter, occupancy=0.5, place=(atom.place[0], atom.place[1], z))
        for chain in "ABCDEFGHIJ"
        for number in range(1, 60)
        for letter, z in (("A", 0.0), ("B", 1.0))
        for atom in residue("GLY", chain, number, 3.8 * number, 20.0 * ord(chain))
    ]
    path = write_pdb(tmp_path / "x.pdb", atoms)
    structure = read_structure(path, limits=Limits(seconds=5))
    assert structure.num_residues == 590
    assert structure.num_chains == 10


def test_reading_structures_loads_nothing_heavy() -> None:
    code = (
        "import sys, time; start = time.process_time(); import hemenet_lab.structures;"
        "heavy = {'torch', 'mlflow', 'rdkit', 'matplotlib', 'biotite', 'scipy', 'pyarrow'}"
        "& set(sys.modules); print(sorted(heavy)); print(time.process_time() - start)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy, seconds = done.stdout.splitlines()
    assert heavy == "[]"
    assert float(seconds) < 1.0
