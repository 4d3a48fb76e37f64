# SPDX-License-Identifier: MIT
"""Immutable classes as of ``dataclass(frozen=True, slots=True)``, without the import of `dataclasses`.

That module, with `inspect` behind it, takes 16 ms of CPU to import: more than the interpreter itself, and a third of
the time in which the commands ``gearman`` and ``gearadmin`` may start. So the classes that they use are made here. They
are dataclasses all the same, for `dataclasses.fields`, ``asdict`` and ``replace``, for pattern matching, `copy` and
`pickle`.
"""

from collections.abc import Callable, Iterable, Mapping
from operator import attrgetter
from typing import Any, TypeVar, dataclass_transform

__all__ = ["frozen"]

ClassT = TypeVar("ClassT", bound=type)

_set = object.__setattr__


@dataclass_transform(frozen_default=True)
def frozen(cls: ClassT) -> ClassT:
    """Return an immutable class with the annotated attributes of a class as its fields.

    A class attribute is the default of the field, and is shared by all instances, so it has to be immutable. Methods
    that the class has itself stay. The bases have no fields.
    """
    types: dict[str, object] = dict(cls.__annotations__)
    names = tuple(types)
    defaults = {name: cls.__dict__[name] for name in names if name in cls.__dict__}
    own = {name: value for name, value in cls.__dict__.items() if name not in ("__dict__", "__weakref__", *defaults)}
    methods: dict[str, object] = {
        "__init__": _initializer(cls, types, defaults),
        "__repr__": _repr,
        **_comparison(names),
        "__setattr__": _refuse_to_set,
        "__delattr__": _refuse_to_delete,
        "__getstate__": _state,
        "__setstate__": _set_state,
        "__replace__": _replace,
    }
    facts: dict[str, object] = {
        "__slots__": names,
        "__match_args__": names,
        "__dataclass_fields__": _Described(types, defaults),
        "__dataclass_params__": _Described(types, defaults),
    }
    made: ClassT = type(cls)(cls.__name__, cls.__bases__, methods | own | facts)
    made.__qualname__ = cls.__qualname__
    return made


def _initializer(cls: type, types: Mapping[str, object], defaults: Mapping[str, object]) -> object:
    """Return an ``__init__`` with a parameter for each field; its source is made of their names alone."""
    parameters = ", ".join(f"{name}=_default_{name}" if name in defaults else name for name in types)
    lines = "".join(f"\n    _set(self, {name!r}, {name})" for name in types)
    names = {f"_default_{name}": value for name, value in defaults.items()} | {"_set": _set}
    made: dict[str, Any] = {}
    exec(f"def __init__(self, {parameters}):{lines}", names, made)  # noqa: S102  # a field's name is an identifier
    init = made["__init__"]
    init.__qualname__ = f"{cls.__qualname__}.__init__"
    init.__module__ = cls.__module__
    init.__annotations__ = {**types, "return": None}
    return init


def _comparison(names: tuple[str, ...]) -> dict[str, object]:
    """Return the methods that compare and hash the fields of an instance as a tuple."""
    get: Callable[[Any], object] = attrgetter(*names)  # a tuple, unless there is one field

    def equals(self: object, other: object) -> object:
        if other.__class__ is not self.__class__:
            return NotImplemented
        return get(self) == get(other)

    def hashed(self: object) -> int:
        return hash(get(self))

    return {"__eq__": equals, "__hash__": hashed}


class _Described:
    """An attribute that `dataclasses` looks for, made when it is first asked for."""

    def __init__(self, types: Mapping[str, object], defaults: Mapping[str, object]) -> None:
        self._types = types
        self._defaults = defaults
        self._name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, instance: object, owner: type) -> object:
        from dataclasses import field, make_dataclass

        described: list[tuple[str, Any, Any]] = [
            (name, kind, field(default=self._defaults[name]) if name in self._defaults else field())
            for name, kind in self._types.items()
        ]
        value: object = getattr(make_dataclass(owner.__name__, described, frozen=True), self._name)
        setattr(owner, self._name, value)
        return value


# The methods that need no field by its name.


def _repr(self: Any) -> str:
    fields = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.__match_args__)
    return f"{type(self).__qualname__}({fields})"


def _refuse_to_set(self: object, name: str, value: object) -> None:
    from dataclasses import FrozenInstanceError

    raise FrozenInstanceError(f"cannot assign to field {name!r}")


def _refuse_to_delete(self: object, name: str) -> None:
    from dataclasses import FrozenInstanceError

    raise FrozenInstanceError(f"cannot delete field {name!r}")


def _state(self: Any) -> list[object]:
    return [getattr(self, name) for name in self.__match_args__]


def _set_state(self: Any, state: Iterable[object]) -> None:
    for name, value in zip(self.__match_args__, state, strict=True):
        _set(self, name, value)


def _replace(self: Any, **changes: object) -> Any:
    from dataclasses import replace

    return replace(self, **changes)
