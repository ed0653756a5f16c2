"""Published implementations in the clones of whoever runs this, beside ours."""

from originals import cdconv, egnn, gearnet, get, gvp, multichannel, proteinmpnn, schnet, se3set
from originals.clone import Original, Sides, checked, commit_of, opened

ORIGINALS: dict[str, Original] = {
    "hemenet": multichannel.HEMENET,
    "schnet": schnet.ORIGINAL,
    "egnn": egnn.ORIGINAL,
    "gvp": gvp.ORIGINAL,
    "torchdrug": gearnet.TORCHDRUG,
    "gearnet": gearnet.GEARNET,
    "dymean": multichannel.DYMEAN,
    "cdconv": cdconv.ORIGINAL,
    "se3set": se3set.ORIGINAL,
    "get": get.ORIGINAL,
    "proteinmpnn": proteinmpnn.ORIGINAL,
}

__all__ = ["ORIGINALS", "Original", "Sides", "checked", "commit_of", "opened"]
