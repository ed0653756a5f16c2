"""Makes encoders known by their short names: ours, the baselines, and installed packages'."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from importlib.metadata import entry_points

from hemenet_lab.encoders import Encoder

ENTRY_POINT_GROUP = "hemenet_lab.encoders"


def load_encoders() -> None:
    """Import every module or class that packages declare in the entry-point group.

    Raises:
        ValueError: An entry point cannot be imported; names the package that declares it.
    """
    import hemenet_lab.encoders  # noqa: F401  (registers our own classes by importing them)

    for entry in sorted(entry_points(group=ENTRY_POINT_GROUP), key=lambda entry: entry.value):
        try:
            entry.load()
        except Exception as error:
            package = entry.dist.name if entry.dist else "unknown package"
            raise ValueError(
                f"encoder entry point {entry.name} = {entry.value} of {package} cannot be "
                f"imported ({error}); repair or uninstall that package"
            ) from error


def encoder_classes() -> dict[str, type[Encoder]]:
    """Every concrete encoder imported so far: name → class, sorted by name.

    The name is the short one, or ``module.Class`` where two classes have the same short name.
    """
    found = dict.fromkeys(cls for cls in _descendants(Encoder) if _is_concrete(cls))
    count = Counter(cls.__name__ for cls in found)
    return dict(
        sorted(
            (cls.__name__ if count[cls.__name__] == 1 else f"{cls.__module__}.{cls.__name__}", cls)
            for cls in found
        )
    )


def _descendants(cls: type) -> Iterator[type]:
    children: list[type] = cls.__subclasses__()
    for subclass in children:
        yield subclass
        yield from _descendants(subclass)


def _is_concrete(cls: type) -> bool:
    return not getattr(cls, "__abstractmethods__", None)
