# SPDX-License-Identifier: MIT
"""Conversion of arguments and results of functions to JSON and back."""

import dataclasses
import datetime
import enum
import functools
import json
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from decimal import Decimal
from typing import Annotated, Any, Literal, NamedTuple, NewType, Optional, TypedDict

import msgspec
import pydantic
import pytest

from geartrain import ArgumentError, CodecError
from geartrain.typed import Signature

MSGSPEC, STANDARD = "msgspec", "the standard library"

UTC = datetime.UTC
MOMENT = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
KEY = uuid.UUID("12345678-1234-5678-1234-567812345678")


@pytest.fixture(params=[MSGSPEC, STANDARD], autouse=True)
def library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The library that reads and writes JSON: an installation without msgspec uses the standard library."""
    if request.param == STANDARD:
        monkeypatch.setattr("geartrain.typed.library.load_msgspec", lambda: None)
    name: str = request.param
    return name


class Job:
    """A stand-in for the class of jobs, which is an argument of `Signature`."""


class Colour(enum.Enum):
    RED = "red"
    GREEN = "green"


@dataclasses.dataclass
class Point:
    x: int
    y: int = 0


class Options(TypedDict, total=False):
    sharp: bool


class Size(NamedTuple):
    width: int
    height: int = 0


class Level(enum.IntEnum):
    LOW = 1


Number = NewType("Number", int)


class Order(pydantic.BaseModel):
    number: int
    when: datetime.datetime


@dataclasses.dataclass
class Tree:
    leaves: list["Tree"]


def resize(image_id: int, width: int = 200) -> str:
    raise AssertionError("a signature calls nothing")


def named(*, image_id: int, width: int = 200) -> None: ...


def placed(image_id: int, width: int = 200, /, crop: bool = False) -> None: ...


def tick() -> None: ...


def with_job(job: Job, image_id: int) -> str:
    raise AssertionError("a signature calls nothing")


@pytest.fixture
def resizing(library: str) -> Signature:
    return Signature(resize, "resize")


@pytest.mark.parametrize(
    ("function", "arguments", "by_name", "workload"),
    [
        (resize, (7,), {}, b'{"image_id":7}'),
        (resize, (7, 100), {}, b'{"image_id":7,"width":100}'),
        (resize, (), {"width": 100, "image_id": 7}, b'{"image_id":7,"width":100}'),
        (named, (), {"image_id": 7}, b'{"image_id":7}'),
        (placed, (7,), {"crop": True}, b'{"image_id":7,"crop":true}'),
        (tick, (), {}, b"{}"),
        (with_job, (7,), {}, b'{"image_id":7}'),
    ],
)
def test_arguments_travel_by_name_and_defaults_stay_at_home(
    function: Callable[..., object], arguments: tuple[object, ...], by_name: dict[str, object], workload: bytes
) -> None:
    signature = Signature(function, function.__name__, job_type=Job)

    assert signature.encode_arguments(arguments, by_name) == workload


@pytest.mark.parametrize(
    ("function", "workload", "by_place", "by_name"),
    [
        (resize, b'{"image_id":7}', [], {"image_id": 7}),
        (resize, b' { "width" : 100 , "image_id" : 7 } ', [], {"image_id": 7, "width": 100}),
        (resize, b"[7, 100]", [], {"image_id": 7, "width": 100}),
        (named, b'{"image_id":7}', [], {"image_id": 7}),
        (placed, b'{"image_id":7,"crop":true}', [7, 200], {"crop": True}),
        (placed, b"[7, 100, true]", [7, 100], {"crop": True}),
        (tick, b"", [], {}),
        (tick, b"[]", [], {}),
        (with_job, b"[7]", [], {"image_id": 7}),
    ],
)
def test_they_are_taken_by_name_and_in_order(
    function: Callable[..., object], workload: bytes, by_place: list[object], by_name: dict[str, object]
) -> None:
    signature = Signature(function, function.__name__, job_type=Job)

    assert signature.decode_arguments(workload) == (by_place, by_name)


@pytest.mark.parametrize(
    ("annotation", "value", "data"),
    [
        (int, 7, "7"),
        (Optional[int], None, "null"),  # noqa: UP045  # people write it
        (int | None, 7, "7"),
        (float, 3.0, "3.0"),
        (bytes, b"hi", '"aGk="'),
        (list[Point], [Point(1, 2), Point(3)], '[{"x":1,"y":2},{"x":3,"y":0}]'),
        (Options, {"sharp": True}, '{"sharp":true}'),
        (Colour, Colour.RED, '"red"'),
        (Literal["a", "b"], "a", '"a"'),
        (datetime.datetime, MOMENT, '"2026-01-02T03:04:05Z"'),
        (list[uuid.UUID], [KEY], f'["{KEY}"]'),
        (dict[str, tuple[int, str]], {"a": (1, "b")}, '{"a":[1,"b"]}'),
        (Any, {"a": [1, None]}, '{"a":[1,null]}'),
        (int | float, 7, "7"),
        (float | None, 7.5, "7.5"),
        (set[int], {7}, "[7]"),
        (tuple[int, ...], (7, 8), "[7,8]"),
        (list, [7, "a"], '[7,"a"]'),
        (dict[int, str], {7: "a"}, '{"7":"a"}'),
        (Size, Size(7, 8), "[7,8]"),
        (Level, Level.LOW, "1"),
        (Number, 7, "7"),
        (Decimal, Decimal("7.10"), '"7.10"'),
        (datetime.date, datetime.date(2026, 1, 2), '"2026-01-02"'),
        (datetime.time, datetime.time(3, 4, 5), '"03:04:05"'),
        (Point | None, Point(1, 2), '{"x":1,"y":2}'),
        (Tree, Tree([Tree([])]), '{"leaves":[{"leaves":[]}]}'),
        (list[Order], [Order(number=1, when=MOMENT)], '[{"number":1,"when":"2026-01-02T03:04:05Z"}]'),
        (Order | None, None, "null"),
        (None, None, "null"),
    ],
)
def test_values_of_many_types_travel_as_arguments_and_as_results(annotation: Any, value: object, data: str) -> None:
    def function(value: Any) -> Any: ...

    function.__annotations__ = {"value": annotation, "return": annotation}
    signature = Signature(function, "f")

    workload = signature.encode_arguments((value,), {})
    result = signature.encode_result(value)

    assert json.loads(workload) == {"value": json.loads(data)}
    assert json.loads(result) == json.loads(data)
    assert signature.decode_arguments(workload) == ([], {"value": value})
    assert signature.decode_result(result) == value


@pytest.mark.parametrize(
    ("workload", "words"),
    [
        (b'{"image_id":"7"}', ["image_id (int)", "Expected `int`, got `str`"]),
        (b'{"image_id":true}', ["image_id (int)", "got `bool`"]),
        (b'{"image_id":null}', ["image_id (int)", "got `null`"]),
        (b'{"image_id":7.5}', ["image_id (int)", "got `float`"]),
        (b'["7"]', ["image_id (int)", "got `str`"]),
        (b'{"width":100}', ["image_id (int) is missing"]),
        (b"", ["image_id (int) is missing"]),
        (b'{"image_id":7,"height":1}', ["no argument 'height'", "(image_id: int, width: int = 200)"]),
        (b"[7,100,3]", ["3 arguments", "(image_id: int, width: int = 200)"]),
        (b"7", ["JSON object or array", "got `int`"]),
        (b"hello", ["JSON object or array", "hello"]),
        (b'{"image_id":7} {}', ["JSON object or array"]),
        (b"\xff", ["JSON object or array"]),
        (b"[NaN]", ["JSON object or array"]),
    ],
)
def test_wrong_arguments_are_named_with_what_was_allowed(
    workload: bytes, words: list[str], resizing: Signature
) -> None:
    with pytest.raises(ArgumentError) as caught:
        resizing.decode_arguments(workload)

    assert str(caught.value).startswith("resize()")
    for word in words:
        assert word in str(caught.value)


def test_a_function_without_a_parameter_gets_no_workload_and_the_error_says_how_it_would() -> None:
    def tick() -> None: ...

    with pytest.raises(ArgumentError, match=r"tick\(\) takes .*; a function that takes the job itself has a parameter"):
        Signature(tick, "tick").decode_arguments(b"workload")


def test_the_place_inside_of_an_argument_is_named() -> None:
    def draw(points: list[Point], colour: Colour, orders: list[Order]) -> None: ...

    signature = Signature(draw, "draw")

    with pytest.raises(ArgumentError, match=r"points \(.*Point\]\) at points\[1\].x: Expected `int`, got `str`"):
        signature.decode_arguments(b'[[{"x":1},{"x":"2"}],"red",[]]')
    with pytest.raises(ArgumentError, match=r"colour \(.*Colour: 'red', 'green'\): Invalid enum value 'blue'"):
        signature.decode_arguments(b'[[],"blue",[]]')
    with pytest.raises(ArgumentError, match=r"(?s)at orders\[0\]: .*number\n.*valid integer"):
        signature.decode_arguments(b'[[],"red",[{"number":"x","when":"2026-01-02T03:04:05Z"}]]')


@pytest.mark.parametrize(
    ("arguments", "by_name", "words"),
    [
        ((), {}, ["missing a required argument: 'image_id'", "(image_id: int, width: int = 200)"]),
        ((1, 2, 3), {}, ["too many positional arguments"]),
        ((1,), {"height": 2}, ["unexpected keyword argument 'height'"]),
        (("7",), {}, ["image_id (int)", "got `str`"]),
        ((7,), {"width": 1.5}, ["width (int)", "got `float`"]),
        ((object(),), {}, ["image_id (int)", "object has no form in JSON"]),
    ],
)
def test_wrong_arguments_are_an_error_for_the_caller_too(
    arguments: tuple[object, ...], by_name: dict[str, object], words: list[str], resizing: Signature
) -> None:
    with pytest.raises(ArgumentError) as caught:
        resizing.encode_arguments(arguments, by_name)

    for word in words:
        assert word in str(caught.value)


def test_an_argument_error_is_a_type_error(resizing: Signature) -> None:
    with pytest.raises(TypeError):
        resizing.encode_arguments((), {})


def test_a_result_is_held_to_its_annotation(resizing: Signature) -> None:
    with pytest.raises(CodecError, match=r"the result of resize\(\) \(str\): Expected `str`, got `int`"):
        resizing.decode_result(b"7")


def test_nothing_at_all_is_none(resizing: Signature) -> None:
    assert Signature(tick, "tick").decode_result(b"") is None
    with pytest.raises(CodecError):
        resizing.decode_result(b"")


def test_a_result_that_json_cannot_write_is_an_error(resizing: Signature) -> None:
    with pytest.raises(TypeError):
        resizing.encode_result(object())


def variadic(*numbers: int) -> None: ...
def keywords(**numbers: int) -> None: ...
def silent(a, b): ...  # type: ignore[no-untyped-def]  # which is the point
def half(a: int, b) -> None: ...  # type: ignore[no-untyped-def]
def foreign(connection: list[Job]) -> None: ...
def anything(value: object, other: int) -> None: ...
def returning() -> Job:
    raise AssertionError


def late(image_id: int, job: Job) -> None: ...
def yielding(a: int) -> Iterator[int]:
    yield a


async def yielding_later(a: int) -> AsyncIterator[int]:
    yield a


def unknown(a: "Nowhere") -> None: ...  # type: ignore[name-defined]  # noqa: F821


class Shop:
    def order(self, number: int) -> str:
        raise AssertionError


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (variadic, "has the parameter \\*numbers: int"),
        (keywords, "has the parameter \\*\\*numbers: int"),
        (silent, "the parameter a has no annotation"),
        (half, "the parameter b has no annotation"),
        (foreign, r"wrong\(\): connection: Job has no form in JSON"),
        (anything, r"wrong\(\): value: object has no form in JSON; write Any"),
        (returning, r"the result of wrong\(\): Job has no form in JSON"),
        (late, "is the job, which has to be the first parameter"),
        (yielding, "yields parts of a result"),
        (yielding_later, "yields parts of a result"),
        (unknown, "'Nowhere' is not defined"),
        (Shop.order, "self has no annotation.*method of an object"),
    ],
)
def test_an_incomplete_signature_is_rejected_at_once(function: Callable[..., object], words: str) -> None:
    with pytest.raises(TypeError, match=words):
        Signature(function, "wrong", job_type=Job)


def test_methods_partials_and_wrappers_have_the_signature_that_is_left() -> None:
    @functools.wraps(resize)
    def wrapper(*args: Any, **kwargs: Any) -> str:
        raise AssertionError

    assert Signature(Shop().order, "f").encode_arguments((1,), {}) == b'{"number":1}'
    assert Signature(wrapper, "f").encode_arguments((1,), {}) == b'{"image_id":1}'
    assert Signature(functools.partial(resize, width=9), "f").encode_arguments((1,), {}) == b'{"image_id":1}'


def test_annotations_may_carry_bounds_which_msgspec_checks(library: str) -> None:
    def scale(percent: Annotated[int, msgspec.Meta(gt=0, le=100)]) -> None: ...

    signature = Signature(scale, "scale")

    assert signature.decode_arguments(b"[100]") == ([], {"percent": 100})
    if library == MSGSPEC:
        with pytest.raises(ArgumentError, match=r"percent .* <= 100"):
            signature.decode_arguments(b"[101]")


def test_a_result_without_an_annotation_may_be_anything() -> None:
    def loose(a: int): ...  # type: ignore[no-untyped-def]

    assert Signature(loose, "loose").decode_result(b'[1,"a"]') == [1, "a"]


@pytest.mark.parametrize(
    ("annotation", "data", "words"),
    [
        (list[int], '[1,"2"]', r"value \(list\[int\]\) at value\[1\]: Expected `int`, got `str`"),
        (dict[str, int], '{"a":"2"}', r"at value\[.*\]: Expected `int`, got `str`"),
        (dict[int, str], '{"a":"b"}', "Expected `int`"),
        (tuple[int, str], "[1]", "length 2"),
        (Point, "{}", "Object missing required field `x`"),
        (Point, "[]", "Expected `object`, got `array`"),
        (Point | None, '{"x":null}', r"at value\.x: Expected `int`, got `null`"),
        (int | None, '"7"', r"Expected `int \| null`, got `str`"),
        (bool, "1", "Expected `bool`, got `int`"),
        (str, "null", "Expected `str`, got `null`"),
        (Literal["a", "b"], '"c"', "Invalid enum value 'c'"),
        (Level, "true", "(?i)enum value|expected `int`, got `bool`"),
        (uuid.UUID, '"7"', "(?i)invalid uuid"),
        (datetime.datetime, '"noon"', "(?i)invalid .*datetime"),
        (bytes, '"?"', "(?i)invalid base64"),
        (Size, "[]", "length"),
    ],
)
def test_a_value_of_another_type_is_named_with_its_place(annotation: Any, data: str, words: str) -> None:
    def function(value: Any) -> None: ...

    function.__annotations__["value"] = annotation

    with pytest.raises(ArgumentError, match=words):
        Signature(function, "f").decode_arguments(f'{{"value":{data}}}'.encode())


def test_types_that_the_standard_library_cannot_read_are_refused_with_the_name_of_the_package(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("geartrain.typed.library.load_msgspec", lambda: None)

    def wait(time: datetime.timedelta) -> None: ...
    def paint(pixels: dict[tuple[int, int], str]) -> None: ...

    with pytest.raises(TypeError, match=r"time: timedelta has no form in JSON.*msgspec supports more types"):
        Signature(wait, "wait")
    with pytest.raises(TypeError, match=r"pixels: keys of the type array have no form in JSON without .* msgspec"):
        Signature(paint, "paint")


def test_json_that_is_nested_too_deeply_is_a_wrong_argument(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("geartrain.typed.library.load_msgspec", lambda: None)

    def anything(value: Any, other: int = 0) -> None: ...

    with pytest.raises(ArgumentError, match="nested too deeply"):
        Signature(anything, "anything").decode_arguments(b"[" * 100_000)


def test_it_shows_itself_as_it_is_written(resizing: Signature) -> None:
    assert repr(resizing) == "<Signature resize(image_id: int, width: int = 200) -> str>"
