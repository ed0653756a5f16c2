"""Published implementations in the clones of whoever runs this, beside ours."""

from originals import egnn, gvp
from originals.clone import Original, Sides, checked, commit_of, opened

ORIGINALS: dict[str, Original] = {
    "egnn": egnn.ORIGINAL,
    "gvp": gvp.ORIGINAL,
}

__all__ = ["ORIGINALS", "Original", "Sides", "checked", "commit_of", "opened"]
