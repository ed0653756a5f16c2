"""Opens what was stored before the modules moved to where they are now.

Everything in ``data/`` was written at commit 6531e85 and must not be changed: it names classes by
the paths that they had then. It was made so (a few seconds each):

- ``raw.tar.gz``: 8 protein-ligand, 8 protein-protein complexes and 12 chains, made-up helices, with
  label tables in the public layouts; as `tests.protein_mt.raw_folder` writes them, but shorter.
- ``store.tar.gz``: ``hemenet data build`` from it, with the edges that the two fits below cached.
- ``half_built.tar.gz``: ``.partial`` of such a build that was killed after 6 of its 28 items.
- ``hemenet.ckpt``, ``hemenet.yaml``: ``last.ckpt`` and the MLflow artifact ``config.yaml`` of
  ``lightning fit --config experiments/multitask.yaml`` on the store, 2 epochs, hidden_dim 8,
  1 layer, SGD.
- ``egnn.ckpt``, ``egnn.yaml``: the same with the encoder ``baselines.egnn.EGNN``, tasks lba and ec,
  another readout, and every callback and plugin of ours named in the config.
- ``class_paths.yaml``: every class of ours that a config could name, by hand.
- ``expected.json``: what the commands of the tests gave then.
"""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

from hemenet_lab.protein_mt import BuildSettings

CONTACT = BuildSettings(contact=20.0)
"""Settings under which nothing is dropped for being far away, which then was no reason."""
DATA = Path(__file__).parent / "data"
EXPECTED = json.loads((DATA / "expected.json").read_text(encoding="utf-8"))


def unpack(name: str, folder: Path) -> Path:
    """Unpacks a folder of ``data/`` below ``folder``."""
    with tarfile.open(DATA / f"{name}.tar.gz") as archive:
        archive.extractall(folder, filter="data")
    return folder / name
