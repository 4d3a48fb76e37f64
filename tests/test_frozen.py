# SPDX-License-Identifier: MIT
"""Classes made by `frozen`, beside the same ones made by `dataclasses`."""

import copy
import dataclasses
import inspect
import pickle
import subprocess
import sys
from typing import Generic, TypeVar, get_args

import pytest

from geartrain import Data, Handle, JobRequest, JobStatus, Priority
from geartrain.frozen import frozen

T = TypeVar("T")


@frozen
class Point:
    """A place."""

    x: int
    y: int = 2

    @property
    def sum(self) -> int:
        """Both."""
        return self.x + self.y


@dataclasses.dataclass(frozen=True, slots=True)
class Model:
    """A place."""

    x: int
    y: int = 2


@frozen
class Named:
    name: str

    def __repr__(self) -> str:
        return f"<{self.name}>"


@frozen
class Box(Generic[T]):
    content: T


class TestAsADataclass:
    def test_values_are_shown(self) -> None:
        assert repr(Point(1)) == repr(Model(1)).replace("Model", "Point") == "Point(x=1, y=2)"
        assert repr(Named("a")) == "<a>"

    def test_equality_is_by_value_and_class(self) -> None:
        assert Point(1) == Point(1, 2)
        assert Point(1) != Point(1, 3)
        assert Named("a") == Named("a")
        assert Point(1) != object()
        assert Point.__eq__(Point(1), Model(1)) is NotImplemented
        assert len({Point(1), Point(1, 2), Point(2)}) == 2
        assert hash(Point(1)) == hash(Model(1))

    @pytest.mark.parametrize("made", [Point, Model])
    def test_arguments_are_checked(self, made: type) -> None:
        with pytest.raises(TypeError, match="missing 1 required positional argument: 'x'"):
            made()
        with pytest.raises(TypeError, match="unexpected keyword argument 'z'"):
            made(1, z=2)

    def test_the_signature_is_the_same(self) -> None:
        assert inspect.signature(Point) == inspect.signature(Model)
        assert Point.__init__.__qualname__ == "Point.__init__"

    @pytest.mark.parametrize("made", [Point, Model])
    def test_no_attribute_changes(self, made: type) -> None:
        instance = made(1)

        with pytest.raises(dataclasses.FrozenInstanceError, match="cannot assign to field 'x'"):
            instance.x = 2
        with pytest.raises(dataclasses.FrozenInstanceError, match="cannot delete field 'x'"):
            del instance.x
        with pytest.raises((AttributeError, TypeError)):  # which of them depends on the Python
            instance.z = 2
        assert not hasattr(instance, "__dict__")

    def test_patterns_match(self) -> None:
        match Point(1, 5):
            case Point(1, y):
                assert y == 5
            case _:
                pytest.fail("no match")

    def test_copies_and_pickles_are_equal(self) -> None:
        point = Point(1, 7)

        assert copy.copy(point) == copy.deepcopy(point) == pickle.loads(pickle.dumps(point)) == point  # noqa: S301

    def test_methods_and_docs_stay(self) -> None:
        assert Point(1).sum == 3
        assert (Point.__doc__, Point.__module__, Point.__qualname__) == ("A place.", __name__, "Point")

    def test_a_class_may_be_generic(self) -> None:
        assert Box[int](3) == Box(3)
        assert get_args(Box[int]) == (int,)

    def test_dataclasses_knows_it(self) -> None:
        @frozen
        class Fresh:
            x: int
            y: int = 2

        fresh = Fresh(1)

        is_known = dataclasses.is_dataclass(Fresh)
        assert is_known
        assert [(f.name, f.type, f.default) for f in dataclasses.fields(Fresh)] == [
            (f.name, f.type, f.default) for f in dataclasses.fields(Model)
        ]
        assert dataclasses.asdict(fresh) == {"x": 1, "y": 2}
        assert dataclasses.replace(fresh, y=5) == Fresh(1, 5)
        assert vars(Fresh)["__replace__"](fresh, x=4) == Fresh(4)  # for copy.replace, in Python 3.13


def test_public_values_are_dataclasses() -> None:
    for made in (JobRequest, Handle, JobStatus, Data):
        assert dataclasses.is_dataclass(made)
    assert dataclasses.asdict(Handle("H:a:1", "a:4730")) == {"name": "H:a:1", "server": "a:4730"}
    assert dataclasses.replace(JobRequest("f"), priority=Priority.HIGH) == JobRequest("f", priority=Priority.HIGH)


def test_no_dataclasses_are_imported_for_it() -> None:
    program = "import sys, geartrain.frozen, geartrain.records; print({'dataclasses', 'inspect'} & set(sys.modules))"

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout == "set()\n"
