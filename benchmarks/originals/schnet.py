"""SchNet of schnetpack."""

from __future__ import annotations

from pathlib import Path
from re import sub

import torch

from baselines import SchNetPack
from hemenet_lab.store import Entry
from originals.clone import Original, Sides, bare, graph_of, published, typed


def make(folder: Path, entry: Entry, exact: bool) -> Sides:
    """Our encoder, and schnetpack's representation behind the same embedding."""
    place = folder / "src" / "schnetpack"
    # its layers need nothing of the training around them, which asks for Python 3.12
    bare("schnetpack", place)
    names = {"as_dtype": None, "required_fields_from_properties": None}
    bare("schnetpack.utils", place / "utils", **names)
    ours = published("schnet")
    wanted = torch.get_default_dtype()
    # it asks for a FloatTensor; what that holds is part of the state that ours takes over
    torch.set_default_dtype(torch.float32)
    theirs = typed(SchNetPack(), exact)
    torch.set_default_dtype(wanted)
    theirs.embedding.load_state_dict(ours.embedding.state_dict())
    state = theirs.representation.state_dict()
    # their second Linear is the third module here
    mine = {sub(r"(filter_network|f2out)\.1\.", r"\1.2.", key): x for key, x in state.items()}
    told = ours.load_state_dict(mine, strict=False)
    assert all(key.startswith("embedding.") for key in told.missing_keys), told
    assert told.unexpected_keys == ["cutoff_fn.cutoff"], told
    graph = graph_of(ours, entry, exact)
    return Sides(typed(ours, exact), typed(theirs, exact), lambda net: (net(graph),))


ORIGINAL = Original(
    repository="atomistic-machine-learning/schnetpack",
    commit="4c967da",
    licence="MIT",
    file="src/schnetpack/representation/schnet.py",
    layers="`SchNet`, three blocks of 256; atoms",
    make=make,
    remark="the package asks for Python 3.12: its network runs without it",
)
