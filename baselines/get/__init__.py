"""GET: attention between atoms and between the blocks that they make."""

from baselines.get.encoder import GET

__all__ = ["GET"]
