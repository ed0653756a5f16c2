"""Files of a run that are whole or not there, and one line where they cannot be written."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins.io.torch_io import TorchCheckpointIO


class CannotWrite(OSError):
    """A file or folder of a run cannot be written; one line names it and says what to do."""


@contextmanager
def cannot_write(path: Path) -> Iterator[None]:
    """Turn what a full disk or a folder without permission causes into one line.

    Raises:
        CannotWrite: In place of an OSError, or of the RuntimeError that torch makes of it.
    """
    try:
        yield
    except OSError as error:
        raise CannotWrite(_advice(path, error.strerror or str(error))) from error
    except RuntimeError as error:
        if not re.search("PytorchStreamWriter|unexpected pos|iostream", str(error)):
            raise
        raise CannotWrite(_advice(path, "torch could not write all of it")) from error


def _advice(path: Path, reason: str) -> str:
    near = next((place for place in (path, *path.parents) if place.exists()), Path("/"))
    free = shutil.disk_usage(near).free / 2**20
    return (
        f"cannot write {path} ({reason}; {free:.0f} MiB are free there); make room, allow writing "
        "there, or choose another folder (--trainer.logger.folder, --trainer.default_root_dir); "
        "earlier checkpoints of the run are untouched"
    )


def write_whole(path: Path, content: bytes) -> None:
    """Write a file, with its folder, that is there as a whole or not at all.

    Raises:
        CannotWrite: It cannot be written.
    """
    partial = path.with_name(f".{path.name}.partial")
    with cannot_write(path):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            partial.write_bytes(content)
            partial.replace(path)
        except BaseException:
            with suppress(OSError):
                partial.unlink(missing_ok=True)
            raise


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes beside the final place and renames, which a local file system does in one step.

    Lightning writes into the temporary folder and moves the file; from another file system that is
    a copy, and a kill in the middle of it leaves half a checkpoint. Remote addresses
    (``s3://…``) are left to Lightning.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None
    ) -> None:
        """Save ``checkpoint`` at ``path``; an older file there stays until the new one is whole."""
        if storage_options is not None or "://" in str(path):
            super().save_checkpoint(checkpoint, path, storage_options)
            return
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_name(f".{target.name}.partial")
        with partial.open("wb") as stream:
            torch.save(checkpoint, stream)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(partial, target)
