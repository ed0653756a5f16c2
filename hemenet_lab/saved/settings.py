"""Checks settings that came from a checkpoint before anything is built from them.

A command line builds whatever class its settings name, wherever a type allows it, and importing a
module runs code already. So nothing here imports: a name is looked up among the classes that are
known, and all other values have to be plain and of the annotated type.
"""

from __future__ import annotations

import collections.abc
import dataclasses
import enum
import inspect
import re
import sys
import types
import typing
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import PurePath
from typing import Any

from torch import nn, optim
from torch.optim import lr_scheduler

from hemenet_lab.basics import present_name
from hemenet_lab.encoders import Encoder
from hemenet_lab.model import Readout
from hemenet_lab.saved.plugins import encoder_classes

OPTIMIZERS = (
    *("SGD", "Adam", "AdamW", "NAdam", "RAdam", "Adamax", "Adagrad", "Adadelta", "Adafactor"),
    *("RMSprop", "Rprop", "ASGD", "LBFGS", "SparseAdam", "Muon"),
)
"""Names in `torch.optim` that a checkpoint may use, with plain arguments."""
SCHEDULERS = (
    *("StepLR", "MultiStepLR", "ConstantLR", "LinearLR", "ExponentialLR", "PolynomialLR"),
    *("CosineAnnealingLR", "CosineAnnealingWarmRestarts", "CyclicLR", "OneCycleLR"),
    "ReduceLROnPlateau",
)
"""Names in `torch.optim.lr_scheduler` that a checkpoint may use, with plain arguments."""
PLAIN_WORD = re.compile(r"[\w /+-]*")
"""Text that no parser takes for a class path, an address or YAML."""
SPEC_KEYS = {"class_path", "init_args", "dict_kwargs"}
LIGHTNINGS_PLATEAU = "lightning.pytorch.cli.ReduceLROnPlateau"
ADVICE = (
    "settings of a checkpoint may name only registered encoders and readouts and torch's own "
    "optimizers, with plain arguments; install the package that registers the class, name it "
    "yourself on the command line, or give --trust if you trust whoever wrote the file"
)


class Refused(ValueError):
    """Something that a file may not ask for."""


def checked_settings(
    cls: type,
    settings: Mapping[str, Any],
    source: str,
    skip: Collection[str] = (),
    named: Mapping[str, Collection[str]] | None = None,
) -> dict[str, Any]:
    """The settings of a class, after every one was found harmless.

    Args:
        cls: What is made from them; its annotations say what each may be.
        settings: Plain values by parameter.
        source: Where they are from, for messages.
        skip: Parameters that are left out, whatever they hold.
        named: By parameter, classes that the user named and that are therefore trusted there.

    Raises:
        Refused: A class that is not known, a value of another type, or a setting that does not
            exist; names the setting and the class.
    """
    parameters = _annotations(cls)
    checked = {}
    for name, value in settings.items():
        if name in skip:
            continue
        where = f"{source}: {name}"
        if name not in parameters:
            raise Refused(f"{where} is not a setting of {cls.__name__}; {ADVICE}")
        trusted = (named or {}).get(name, ())
        checked[name] = _Check(trusted).value(value, parameters[name], where)
    return checked


class _Check:
    """Checks one setting.

    Args:
        trusted: Class paths that are let through at the top of the setting.
    """

    def __init__(self, trusted: Collection[str] = ()) -> None:
        self._trusted = {present_name(path) for path in trusted}

    def value(self, value: Any, annotation: Any, where: str) -> Any:
        """The value, with present class paths.

        Raises:
            Refused: It is not of the annotated type, or not harmless.
        """
        if value is None:
            return None
        origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
        if origin is typing.Annotated:
            return self.value(value, arguments[0], where)
        if origin in (typing.Union, types.UnionType):
            return self._union(value, arguments, where)
        if origin is typing.Literal:
            return _require(value in arguments, value, where, f"one of {arguments}")
        if origin is collections.abc.Callable:
            returned = arguments[-1] if arguments else Any
            bases = typing.get_args(returned) or (returned,)
            return self._spec(value, [base for base in bases if isinstance(base, type)], where)
        kind = origin or annotation
        if not isinstance(kind, type) or kind in (Any, object, type):  # Any is a class
            return _unknown(value, where)
        return self._of_class(value, kind, arguments, where)

    def _of_class(self, value: Any, kind: type, arguments: tuple[Any, ...], where: str) -> Any:
        if issubclass(kind, (bool, str)):
            return _require(isinstance(value, kind), value, where, kind.__name__)
        if issubclass(kind, (int, float)):
            known = int if issubclass(kind, int) else (int, float)
            return _require(isinstance(value, known), value, where, kind.__name__)
        if issubclass(kind, enum.Enum):
            return _require(value in kind.__members__, value, where, f"one of {[*kind]}")
        if issubclass(kind, PurePath):
            return _require(isinstance(value, str), value, where, "a path")
        if dataclasses.is_dataclass(kind):
            _require(isinstance(value, dict), value, where, f"the fields of {kind.__name__}")
            return self._fields(value, kind, where)
        if issubclass(kind, collections.abc.Mapping):
            _require(isinstance(value, dict), value, where, "a mapping")
            inner = arguments[1] if len(arguments) == 2 else Any
            self._keys(value, where)
            return {k: _Check().value(v, inner, f"{where}.{k}") for k, v in value.items()}
        if kind is collections.abc.Iterable or issubclass(kind, collections.abc.Collection):
            _require(isinstance(value, (list, tuple)), value, where, "a list")
            inner = arguments[0] if arguments else Any
            if len(arguments) > 1 and arguments[-1] is not Ellipsis:
                inner = typing.Union[arguments]  # noqa: UP007 - made from a list
            return type(value)(_Check().value(v, inner, where) for v in value)
        return self._spec(value, [kind], where)

    def _union(self, value: Any, options: Iterable[Any], where: str) -> Any:
        kinds = [option for option in options if option is not type(None)]
        if isinstance(value, str) and any(not _holds_text(kind) for kind in kinds):
            # a parser may take text for a class path here, even if it may be plain text as well
            kinds = [kind for kind in kinds if not _holds_text(kind)]
            if PLAIN_WORD.fullmatch(value) and len(kinds) < len([*options]):
                kinds.append(Any)
        problem: Refused | None = None
        for kind in kinds:
            try:
                return self.value(value, kind, where)
            except Refused as error:
                problem = problem or error
        raise problem or Refused(f"{where} is {_shown(value)}; {ADVICE}")

    def _fields(self, value: dict[str, Any], kind: type, where: str) -> dict[str, Any]:
        self._keys(value, where)
        fields = _annotations(kind)
        unknown = [name for name in value if name not in fields]
        if unknown:
            raise Refused(f"{where} has {unknown[0]!r}, no field of {kind.__name__}; {ADVICE}")
        return {k: _Check().value(v, fields[k], f"{where}.{k}") for k, v in value.items()}

    def _keys(self, value: dict[Any, Any], where: str) -> None:
        """Raise Refused for keys that are not plain, or that mark a class to be built."""
        if SPEC_KEYS & {*value}:
            raise Refused(f"{where} names class {_shown(value.get('class_path'))}; {ADVICE}")
        for key in value:
            plain = isinstance(key, (str, int)) and not str(key).startswith("_")
            _require(plain, key, where, "a plain key")

    def _spec(self, value: Any, bases: list[type], where: str) -> dict[str, Any] | str:
        """A class with its arguments, which have to be plain or known classes themselves."""
        short = isinstance(value, str)
        spec = {"class_path": value} if short else value
        if not isinstance(spec, dict) or not isinstance(spec.get("class_path"), str):
            raise Refused(f"{where} is {_shown(value)}, not a class with arguments; {ADVICE}")
        if set(spec) - SPEC_KEYS:
            raise Refused(f"{where} has {sorted(map(str, set(spec) - SPEC_KEYS))}; {ADVICE}")
        cls: type | None = None
        path = present_name(spec["class_path"])
        try:
            cls, path = _known_class(path, bases, where)
        except Refused:
            if path not in self._trusted:
                raise
        result: dict[str, Any] = {"class_path": path}
        plain = cls is None or issubclass(cls, (optim.Optimizer, lr_scheduler.LRScheduler))
        annotations = {} if plain or cls is None else _annotations(cls)
        for group in ("init_args", "dict_kwargs"):
            if spec.get(group) is None:
                continue
            arguments = spec[group]
            _require(isinstance(arguments, dict), arguments, f"{where}.{group}", "a mapping")
            self._keys(arguments, f"{where}.{group}")
            result[group] = {
                name: _Check().value(inner, annotations.get(name, Any), f"{where}.{name}")
                for name, inner in arguments.items()
            }
        return path if short else result


def _holds_text(kind: Any) -> bool:
    """Whether text given for a type stays text or is refused, whatever it says."""
    if typing.get_origin(kind) is typing.Literal:
        return True
    kind = typing.get_origin(kind) or kind
    return isinstance(kind, type) and issubclass(kind, (str, int, float, PurePath, enum.Enum))


def _unknown(value: Any, where: str) -> Any:
    """A value of a type that says nothing: numbers, plain words and lists and mappings of these."""
    if isinstance(value, dict):
        _Check()._keys(value, where)
        return {key: _unknown(inner, f"{where}.{key}") for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_unknown(inner, where) for inner in value)
    if isinstance(value, str):
        return _require(bool(PLAIN_WORD.fullmatch(value)), value, where, "a plain word")
    return _require(isinstance(value, (bool, int, float)), value, where, "a number or a word")


def _require(found: bool, value: Any, where: str, expected: str) -> Any:
    if not found:
        raise Refused(f"{where} is {_shown(value)}, expected {expected}; {ADVICE}")
    return value


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 100 else f"{text[:97]}…"


def _annotations(cls: type) -> dict[str, Any]:
    """Type of each parameter of a class, those that go on to its bases included."""
    found: dict[str, Any] = {}
    for each in reversed(cls.__mro__):
        init = vars(each).get("__init__")
        if init is None or not inspect.isfunction(init):
            continue
        try:
            hints = typing.get_type_hints(init)
        except Exception:  # an annotation that cannot be resolved says nothing
            hints = {}
        for name, parameter in inspect.signature(init).parameters.items():
            if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
                continue
            found[name] = hints.get(name, Any)
    found.pop("self", None)
    return found


def _known_class(path: str, bases: list[type], where: str) -> tuple[type, str]:
    """The class that a path means, and a path that leads to no other one.

    Raises:
        Refused: It is not among the classes that may be named here.
    """
    for short, cls in _candidates(bases):
        if path in (short, cls.__name__) or path in _paths(cls):
            return cls, path if path == short else _canonical(cls, path)
    raise Refused(f"{where} names class {_shown(path)}, which is not registered; {ADVICE}")


def _candidates(bases: list[type]) -> Iterator[tuple[str, type]]:
    """Short name and class of everything that a checkpoint may name where these are expected."""
    for base in bases:
        if issubclass(base, Encoder):
            yield from encoder_classes().items()
        elif issubclass(base, optim.Optimizer):
            yield from ((n, getattr(optim, n)) for n in OPTIMIZERS if hasattr(optim, n))
        elif issubclass(base, lr_scheduler.LRScheduler):
            found = ((name, getattr(lr_scheduler, name)) for name in SCHEDULERS)
            yield from (each for each in found if issubclass(each[1], base))
        elif base is not nn.Module and base.__module__.partition(".")[0] in _packages():
            yield from _subclasses(base)
        elif base is nn.Module:
            yield from ((name, getattr(nn, name)) for name in ("ReLU", "SiLU", "GELU", "Tanh"))
    for base in bases:
        if issubclass(base, (optim.Optimizer, lr_scheduler.LRScheduler)):
            yield from _subclasses(base)


def _subclasses(base: type) -> Iterator[tuple[str, type]]:
    """Imported subclasses of a class, and itself, of packages that register encoders."""
    waiting = [base]
    while waiting:
        cls = waiting.pop()
        waiting += cls.__subclasses__()
        ours = cls.__module__.partition(".")[0] in _packages() or issubclass(cls, Readout)
        lightnings = f"{cls.__module__}.{cls.__name__}" == LIGHTNINGS_PLATEAU
        if (ours or lightnings) and not inspect.isabstract(cls):
            yield cls.__name__, cls


def _packages() -> set[str]:
    """Top-level packages of the registered encoders, and ours."""
    found = {cls.__module__.partition(".")[0] for cls in encoder_classes().values()}
    return found | {"hemenet_lab"}


def _paths(cls: type) -> set[str]:
    """Paths under which a class may be named: where it is defined, and the packages above."""
    parts = cls.__module__.split(".")
    return {".".join([*parts[:length], cls.__qualname__]) for length in range(1, len(parts) + 1)}


def _canonical(cls: type, path: str) -> str:
    """The path if it leads to the class, else where the class is defined."""
    module, _, name = path.rpartition(".")
    if module in sys.modules and vars(sys.modules[module]).get(name) is cls:
        return path
    return f"{cls.__module__}.{cls.__qualname__}"
