"""A local copy of the PDB: where the file of an entry is, in the layouts that mirrors have."""

from __future__ import annotations

from pathlib import Path

from hemenet_lab.protein_mt import check_template, fill_template
from hemenet_lab.protein_mt.raw.ids import entry_code, is_pdb_code

ROOTS = (
    *("", "data/structures", "pub/pdb/data/structures", "structures"),
    *("data/structures/divided", "divided", "data/structures/all", "all"),
    *("pub/pdb/data/structures/divided", "pub/pdb/data/structures/all"),
)
"""Places below the given folder at which the archive may begin."""
DIVIDED = (
    *("mmCIF/{mid}/{id}.cif.gz", "mmCIF/{mid}/{id}.cif", "{mid}/{id}.cif.gz", "{mid}/{id}.cif"),
    *("pdb/{mid}/pdb{id}.ent.gz", "pdb/{mid}/pdb{id}.ent", "{mid}/pdb{id}.ent.gz"),
    *("{mid}/pdb{id}.ent", "{mid}/{id}.bcif.gz", "{mid}/{id}.bcif"),
)
"""As rsync gives it from the wwPDB's servers, PDBj's among them."""
FLAT = (
    *("{id}.cif.gz", "{id}.cif", "{id}.bcif.gz", "{id}.bcif", "mmCIF/{id}.cif.gz"),
    *("pdb{id}.ent.gz", "pdb{id}.ent", "pdb/pdb{id}.ent.gz", "{id}.pdb.gz", "{id}.pdb"),
    *("{ID}.cif.gz", "{ID}.cif", "{ID}.bcif.gz", "{ID}.pdb.gz", "{ID}.pdb"),
)


class Archive:
    """A local archive of entries.

    Args:
        place: Its folder, in the wwPDB's layout (``divided/mmCIF/ab/1abc.cif.gz`` and
            ``divided/pdb/ab/pdb1abc.ent.gz``, below the folder or a few levels above) or flat; or
            a path with ``{id}`` in it, such as ``/pdb/{mid}/{id}.cif.gz``.

    Raises:
        ValueError: No such folder, or a path with something else in braces.
    """

    def __init__(self, place: str | Path) -> None:
        text = str(place)
        self._known: tuple[str, ...] = ()
        if "{" in text:
            self._templates: tuple[str, ...] = (check_template(text),)
            self.path = Path(text[: text.index("{")].rpartition("/")[0] or ".")
        else:
            self.path = Path(text)
            self._templates = tuple(
                "/".join(part for part in (text.rstrip("/"), root, name) if part)
                for root in ROOTS
                for name in (*DIVIDED, *FLAT)
            )
        if not self.path.is_dir():
            raise ValueError(f"the PDB archive {self.path} does not exist; give its folder")

    def find(self, code: str) -> Path | None:
        """File of an entry, in the layout that was found last if it has one; None without one.

        Args:
            code: PDB id, in any case and form.
        """
        code = entry_code(code)
        if not is_pdb_code(code):
            return None
        for template in (*self._known, *self._templates):
            path = Path(fill_template(template, code))
            if path.is_file():
                self._known = (template,)
                return path
        return None
