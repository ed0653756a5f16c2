"""Multi-task learning on protein structures."""

from hemenet_lab.basics import install

__all__: list[str] = []

install()
