"""Which language model is meant: a name with a pinned revision, or a folder with its digest."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from hemenet_lab.basics import file_digest

REVISIONS = {
    "facebook/esm2_t6_8M_UR50D": "c731040fcd8d73dceaa04b0a8e6329b345b0f5df",
    "facebook/esm2_t12_35M_UR50D": "6fbf070e65b0b7291e7bbcd451118c216cff79d8",
    "facebook/esm2_t30_150M_UR50D": "a695f6045e2e32885fa60af20c13cb35398ce30c",
    "facebook/esm2_t33_650M_UR50D": "08e4846e537177426273712802403f7ba8261b6c",
}
"""The models that need no revision to be given: names and commits on the Hugging Face hub."""
WIDTHS = dict(zip(REVISIONS, (320, 480, 640, 1280), strict=True))
"""Numbers per residue."""
READ = ("config.json", "vocab.txt", "*.safetensors", "*.safetensors.index.json")
"""Files of a folder that decide what the model computes."""
TOKENIZERS = ("tokenizer.json", "spiece.model")
"""Files that decide it too, in place of ``vocab.txt``."""
SETTINGS = "tokenizer_config.json"
"""Part of the digest beside these, and not beside ``vocab.txt``: folders keep their digests."""
COMMIT = re.compile(r"[0-9a-f]{40}")


def own_digest(folder: Path) -> str:
    """SHA-256 over the names and contents of a model folder's files.

    Raises:
        ValueError: The folder has no config, no vocabulary or no safetensors.
    """
    files = sorted({file for pattern in (*READ, *TOKENIZERS) for file in folder.glob(pattern)})
    names = [file.name for file in files]
    if "vocab.txt" not in names:
        files = sorted({*files, *folder.glob(SETTINGS)})
    missing = [] if "config.json" in names else ["config.json"]
    if not {"vocab.txt", *TOKENIZERS} & {*names}:
        missing.append("vocab.txt (or tokenizer.json)")
    if not any(name.endswith(".safetensors") for name in names):
        missing.append("*.safetensors")
    if missing:
        raise ValueError(
            f"{folder} has no {', '.join(missing)}: a language model is read from these files, "
            "and never from a pickle such as pytorch_model.bin, which can run code; save it with "
            "`model.save_pretrained(FOLDER)` and `tokenizer.save_pretrained(FOLDER)`"
        )
    stats = [(file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    return _digest(tuple(files), tuple(stats))


@cache
def _digest(files: tuple[Path, ...], stats: tuple[tuple[int, int], ...]) -> str:
    whole = hashlib.sha256()
    for file in files:
        whole.update(f"{file.name} {file_digest(file)}\n".encode())
    return whole.hexdigest()


@dataclass(frozen=True)
class ModelName:
    """A language model by its name on the Hugging Face hub or by its folder.

    Args:
        name: Such as ``facebook/esm2_t33_650M_UR50D``, or the path of a folder.
        revision: Commit on the hub; known for the four ESM2 models up to 650M. None for a folder.

    Raises:
        ValueError: No such folder, or a name of the hub without a full commit.
    """

    name: str
    revision: str | None = None

    def __post_init__(self) -> None:
        if self.is_folder:
            if self.revision:
                raise ValueError(
                    f"{self.name} is a folder and has no revisions; leave {self.revision!r} away"
                )
            return
        if not re.fullmatch(r"[\w-][\w.-]*/[\w-][\w.-]*", self.name):
            raise ValueError(
                f"language model {self.name!r}: there is no such folder, and it is no name of the "
                f"Hugging Face hub either; allowed: {', '.join(REVISIONS)}, another "
                "OWNER/NAME of the hub, or a folder"
            )
        if self.revision is None:
            object.__setattr__(self, "revision", REVISIONS.get(self.name))
        if not COMMIT.fullmatch(self.revision or ""):
            raise ValueError(
                f"language model {self.name}: revision {self.revision!r} is no full commit, and a "
                "branch may change under a result; give the 40 digits that the hub shows for it "
                f"(known without: {', '.join(REVISIONS)}), or a folder"
            )

    @property
    def is_folder(self) -> bool:
        """Whether it is read from a folder and not from the hub."""
        return Path(self.name).is_dir()

    @property
    def identity(self) -> str:
        """What decides its numbers: name and commit, or the digest of the folder's files."""
        if self.is_folder:
            return f"sha256:{own_digest(Path(self.name))}"
        return f"{self.name}@{self.revision}"

    @property
    def key(self) -> str:
        """Name of a folder for its embeddings."""
        last = Path(self.name).resolve().name if self.is_folder else self.name.rpartition("/")[2]
        stem = re.sub(r"[^\w.-]", "_", last)
        return f"{stem}-{hashlib.sha256(self.identity.encode()).hexdigest()[:12]}"

    @property
    def width(self) -> int:
        """Numbers per residue; 0 where only the model itself tells."""
        if not self.is_folder:
            return WIDTHS.get(self.name, 0)
        file = Path(self.name) / "config.json"
        try:
            content = json.loads(file.read_text(encoding="utf-8"))
            return int(content["hidden_size" if "hidden_size" in content else "d_model"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{file} does not tell the model's hidden_size ({error!r})") from error

    def words(self) -> str:
        """It as options of ``hemenet data embed``."""
        pinned = self.is_folder or REVISIONS.get(self.name) == self.revision
        return f"--model {self.name}" + ("" if pinned else f" --revision {self.revision}")
