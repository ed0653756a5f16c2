"""Public sources of the benchmark: one table of them, and the place of each file."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from hemenet_lab.protein_mt.templates import check_template, fill_template

HOSTS = {
    "rcsb": "https://files.rcsb.org",
    "rcsb-models": "https://models.rcsb.org",
    "wwpdb": "https://files.wwpdb.org/pub/pdb",
    "sifts": "https://ftp.ebi.ac.uk/pub/databases/msd/sifts/flatfiles/csv",
    # a commit, so that the files stay what they are
    "deepfri": "https://raw.githubusercontent.com/flatironinstitute/DeepFRI/"
    "3bd6c7eae67894ccedbe1117e33b3abe544bca71/preprocessing/data",
    "go-release": "https://release.geneontology.org",
    "go-current": "https://current.geneontology.org",
    "enzyme": "https://ftp.expasy.org/databases/enzyme",
}
"""Name → address that the paths below are joined to; ``--mirror NAME=URL`` replaces one."""
MIRRORS_VARIABLE = "HEMENET_MIRRORS"
"""Environment variable with mirrors, such as ``rcsb=https://pdb.example.org,sifts=…``."""
GO_RELEASE = "2019-07-01"
"""The first dated release of the Gene Ontology after DeepFRI's GO annotation (2019.06.18)."""
MB = 1_000_000
PDB_LICENCE = "CC0 1.0"
DEEPFRI_LICENCE = "BSD-3-Clause"
EBI_LICENCE = "EMBL-EBI terms of use"


@dataclass(frozen=True)
class PublicSource:
    """One file, or one kind of file, that the benchmark is made from."""

    name: str
    what: str
    host: str
    """Key of `HOSTS`; empty for what cannot be fetched."""
    path: str
    """Path below the host's address; see `fill_template` for ``{id}``."""
    target: str
    """Place in the raw folder."""
    licence: str
    size: str
    """Rough size of everything that is fetched."""
    check: str = ""
    """Name of the test that a fetched file must pass (see `fetch.checks.CHECKS`)."""
    registration: bool = False
    sha256: str = ""
    """Checksum of a file that never changes."""
    git_blob: str = ""
    """The same as git names the content, where only that is known (SHA-1 with the size)."""
    most: int = 0
    """Bytes; a larger file is not taken. At least four times what the source has today."""

    def url(
        self, hosts: Mapping[str, str], item: str = "", paths: Mapping[str, str] | None = None
    ) -> str:
        """Address of the file of one item.

        Args:
            hosts: Address of each name of `HOSTS`.
            item: The item; empty for a single file.
            paths: Other path templates, or whole addresses, by the source's name.

        Raises:
            ValueError: The item is not a plain id; it could lead to another place.
        """
        path = fill_template((paths or {}).get(self.name, self.path), item)
        return path if "://" in path else f"{hosts[self.host].rstrip('/')}/{path}"

    def place(self, item: str = "") -> str:
        """Place of the file of one item in the raw folder.

        Raises:
            ValueError: The item is not a plain id; it could lead to another place.
        """
        return fill_template(self.target, item)


def _deepfri(
    name: str, what: str, size: str, check: str, sha256: str = "", git_blob: str = ""
) -> PublicSource:
    kind = "EnzymeCommission" if "-EC_" in name else "GeneOntology"
    return PublicSource(
        name,
        what,
        "deepfri",
        name,
        f"{kind}/{name}",
        DEEPFRI_LICENCE,
        size,
        check,
        sha256=sha256,
        git_blob=git_blob,
        most=200 * MB if name.endswith("_annot.tsv") else 10 * MB,
    )


def _sifts(name: str, what: str, size: str) -> PublicSource:
    file = f"{name}.csv.gz"
    return PublicSource(
        name, what, "sifts", file, f"sifts/{file}", EBI_LICENCE, size, name, most=400 * MB
    )


EC, GO = "nrPDB-EC_2020.04", "nrPDB-GO_2019.06.18"
STRUCTURES = {
    "bcif": PublicSource(
        "structures-bcif",
        "structures as BinaryCIF (default), whole entries",
        "rcsb-models",
        "{id}.bcif.gz",
        "structures/{id}.bcif.gz",
        PDB_LICENCE,
        "10 GB (36,300 entries)",
        "structure",
        most=200 * MB,
    ),
    "cif": PublicSource(
        "structures-cif",
        "structures as mmCIF, whole entries",
        "rcsb",
        "download/{ID}.cif.gz",
        "structures/{id}.cif.gz",
        PDB_LICENCE,
        "15 GB (36,300 entries)",
        "structure",
        most=200 * MB,
    ),
}
"""Format → where structures come from."""
COMPONENT = PublicSource(
    "components",
    "chemical components (bond orders of the ligands of an affinity table)",
    "rcsb",
    "ligands/download/{ID}.cif",
    "components/{ID}.cif",
    PDB_LICENCE,
    "10 kB each",
    "component",
    most=5 * MB,
)
OBSOLETE = PublicSource(
    "obsolete",
    "obsolete entries and their successors",
    "wwpdb",
    "data/status/obsolete.dat",
    "structures/obsolete.dat",
    PDB_LICENCE,
    "0.3 MB",
    "obsolete",
    most=10 * MB,
)
TABLES = (
    _deepfri(
        f"{EC}_annot.tsv",
        "EC numbers of 19,201 chains",
        "0.4 MB",
        "ec",
        "79e429e2efe9f8a9ad973ddb27c1ba1425f2b6aa1989fb01fe10f65a84899ed1",
    ),
    _deepfri(
        f"{EC}_train.txt",
        "EC split: training chains",
        "0.1 MB",
        "chains",
        "5b674928876400203c6eb1e96250b951676024f17b2cfecf48de4f822a2606db",
    ),
    _deepfri(
        f"{EC}_valid.txt",
        "EC split: validation chains",
        "12 kB",
        "chains",
        "2630c4d46fc35965979b57bfc1476f5cc3da17ac227c8beca9e12a3d1caf6fc2",
    ),
    _deepfri(
        f"{EC}_test.txt",
        "EC split: test chains",
        "13 kB",
        "chains",
        "e1cfd23416673a9f594ee4c1f01c03f463baeb52ea1310f7d4b87868a28ccafe",
    ),
    _deepfri(
        f"{EC}_test.csv",
        "EC split: identity of test chains to training chains",
        "35 kB",
        "identities",
        "3cbaef7f4c022519c2f57d021ee84b6d2c342459525aec25ed056a7c2b9ad209",
    ),
    _deepfri(
        f"{GO}_annot.tsv",
        "GO terms of 36,641 chains",
        "10.3 MB",
        "go",
        git_blob="95dfaa87015c82e604cee3cbdb799cd63c37b23d",
    ),
    _deepfri(
        f"{GO}_train.txt",
        "GO split: training chains",
        "0.2 MB",
        "chains",
        "a2a42742ce45379f2ac19cde091b29f3c79de9e94c30fd3dbb401c0a252f00fe",
    ),
    _deepfri(
        f"{GO}_valid.txt",
        "GO split: validation chains",
        "23 kB",
        "chains",
        "d72bf584d50ae1dd215fad031ccdada0399a32659ea753c2679756dba3fa1bf1",
    ),
    _deepfri(
        f"{GO}_test.txt",
        "GO split: test chains",
        "24 kB",
        "chains",
        "d164fe100ea90f723dfa39c22c7ea04d93eb949f4fe0866ce93f66c825a0e448",
    ),
    _deepfri(
        f"{GO}_test.csv",
        "GO split: identity of test chains to training chains",
        "62 kB",
        "identities",
        "0040f604ddb7e6cb4b05436e1956d5fe91a1a68067a5dfc13a8932eb4bdf6e49",
    ),
    _sifts("pdb_chain_uniprot", "PDB chain → UniProt", "10 MB"),
    _sifts("pdb_chain_enzyme", "PDB chain → EC number, today's (to renew labels)", "5 MB"),
    _sifts("pdb_chain_go", "PDB chain → GO terms, today's (to renew labels)", "40 MB"),
    PublicSource(
        "go-basic",
        f"Gene Ontology, the release of {GO_RELEASE}, which DeepFRI's terms are compared with",
        "go-release",
        f"{GO_RELEASE}/ontology/go-basic.obo",
        f"ontology/go-basic.{GO_RELEASE}.obo",
        "CC BY 4.0",
        "35 MB",
        "obo",
        most=200 * MB,
    ),
    PublicSource(
        "go-basic-current",
        "Gene Ontology, the release of today (to renew labels)",
        "go-current",
        "ontology/go-basic.obo",
        "ontology/go-basic.current.obo",
        "CC BY 4.0",
        "35 MB",
        "obo",
        most=200 * MB,
    ),
    PublicSource(
        "enzyme",
        "ENZYME: names of EC numbers",
        "enzyme",
        "enzyme.dat",
        "enzyme/enzyme.dat",
        "CC BY 4.0",
        "10 MB",
        "enzyme",
        most=100 * MB,
    ),
    PublicSource(
        "enzclass",
        "ENZYME: names of EC classes such as 1.1.1.-",
        "enzyme",
        "enzclass.txt",
        "enzyme/enzclass.txt",
        "CC BY 4.0",
        "30 kB",
        "enzclass",
        most=1 * MB,
    ),
)
"""Single files, which every fetch gets."""
PDBBIND = PublicSource(
    "pdbbind",
    "PDBbind: protein-ligand and protein-protein complexes with affinities (--pdbbind DIR)",
    "",
    "http://www.pdbbind.org.cn (or its successor, https://www.pdbbind-plus.org.cn)",
    "refined-set/, PP/, index/",
    "PDBbind's own, for registered users",
    "3 GB",
    registration=True,
)
SOURCES = (*STRUCTURES.values(), OBSOLETE, COMPONENT, *TABLES, PDBBIND)


def hosts_with(mirrors: Iterable[str]) -> dict[str, str]:
    """`HOSTS`, with mirrors from the environment and then from ``NAME=URL`` in their place.

    Raises:
        ValueError: Another form, an unknown name, or an address that is not http(s).
    """
    hosts = dict(HOSTS)
    given = [part for part in os.environ.get(MIRRORS_VARIABLE, "").split(",") if part.strip()]
    for text in (*given, *mirrors):
        name, _, url = (part.strip() for part in text.partition("="))
        if name not in HOSTS:
            raise ValueError(
                f"mirror {text!r}: expected NAME=URL with a NAME of {', '.join(HOSTS)}"
            )
        if not re.match(r"https?://[^/]", url):
            raise ValueError(f"mirror {text!r}: the address must begin with http:// or https://")
        hosts[name] = url
    return hosts


def paths_with(given: Iterable[str]) -> dict[str, str]:
    """Path templates by source, from ``SOURCE=TEMPLATE``.

    Raises:
        ValueError: Another form, an unknown source, or a template that `check_template` refuses.
    """
    known = {source.name: source for source in SOURCES if source.host}
    paths: dict[str, str] = {}
    for text in given:
        name, sign, template = (part.strip() for part in text.partition("="))
        if name not in known or not sign or not template:
            raise ValueError(
                f"path {text!r}: expected SOURCE=TEMPLATE with a SOURCE of {', '.join(known)}"
            )
        if "://" in template and not re.match(r"https?://[^/]", template):
            raise ValueError(f"path {text!r}: an address must begin with http:// or https://")
        of_items = "{" in known[name].path
        paths[name] = check_template(template.lstrip("/"), of_items=of_items)
    return paths


def sources_text(
    hosts: Mapping[str, str] | None = None, paths: Mapping[str, str] | None = None
) -> str:
    """The table of sources as text, one block per source."""
    blocks = []
    for source in SOURCES:
        url = source.url(hosts or HOSTS, "<id>", paths) if source.host else source.path
        rows = [
            ("from", url.replace("<ID>", "<id>")),
            ("to", source.place("<id>").replace("<ID>", "<id>")),
            ("licence", source.licence),
            ("size", f"about {source.size}"),
            ("registration", "needed" if source.registration else "none"),
        ]
        lines = [f"{source.name}: {source.what}", *(f"  {name:<13}{text}" for name, text in rows)]
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks)
