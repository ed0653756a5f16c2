"""Multi-task learning on protein structures."""

from hemenet_lab.former_names import install

__all__: list[str] = []

install()
