# SPDX-License-Identifier: MIT
"""One option, and how a dataclass is made of options.

A field of such a dataclass carries an `Option`, and its name with dashes is the long option. The command line, the
environment, both sorts of configuration file and the help are all read from there, so an option is written down once.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, fields, replace
from typing import TypeVar

from geartrain.server.config.values import Kind

__all__ = ["Option", "option", "options_of", "several"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One option.

    Attributes:
        kind: What its text can mean.
        group: Under which title the help has it.
        help: What it is for.
        short: The letter of its short form.
        many: Whether it may be given several times; its value is then a tuple.
        steps: What the short form stands for, given once, twice and so on; it then takes no value.
        environment: Variables that set it, besides the one that has its name.
        name: Its long form, without the dashes in front.
        default: Its value when nobody gives one.
    """

    kind: Kind[object]
    group: str
    help: str
    short: str = ""
    many: bool = False
    steps: tuple[str, ...] = ()
    environment: tuple[str, ...] = ()
    name: str = ""
    default: object = None

    @property
    def attribute(self) -> str:
        """The name of the field."""
        return self.name.replace("-", "_")

    @property
    def variables(self) -> tuple[str, ...]:
        """The environment variables that set it, the first one that is set wins."""
        return (f"GEARMAND_{self.attribute.upper()}", *self.environment)

    @property
    def is_flag(self) -> bool:
        """Whether it takes no value on the command line."""
        return not self.kind.metavar


def option(  # each argument is one of `Option`
    default: T,
    kind: Kind[T],
    group: str,
    text: str,
    *,
    short: str = "",
    steps: tuple[str, ...] = (),
    environment: tuple[str, ...] = (),
) -> T:
    """Return the field of an option that is given once at most."""
    made = Option(kind=kind, group=group, help=text, short=short, steps=steps, environment=environment)
    return field(default=default, metadata={"option": made})


def several(kind: Kind[T], group: str, text: str, *, short: str = "") -> tuple[T, ...]:
    """Return the field of an option that may be given several times."""
    made = Option(kind=kind, group=group, help=text, short=short, many=True)
    return field(default=(), metadata={"option": made})


def options_of(owner: type) -> Iterator[Option]:
    """Yield the options of a dataclass in the order of its fields, without the fields that are none."""
    for found in fields(owner):
        made: Option | None = found.metadata.get("option")
        if made is not None:
            yield replace(made, name=found.name.replace("_", "-"), default=found.default)
