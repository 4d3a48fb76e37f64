# SPDX-License-Identifier: MIT
"""Declaration of options: a field of a dataclass is an option, for every source and for the help.

Each part of the server declares the options that it reads, in a dataclass of its own::

    @dataclass(frozen=True, kw_only=True)
    class ListenOptions:
        backlog: int = option(1024, number(1, 65535), Group.NETWORK, "connections that may wait", short="b")

`geartrain.server.options` joins these dataclasses. The command line, the environment, both formats of configuration
file, the help and reloading read the declarations, so a new option is written down once.
"""

import enum
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import TypeVar

from geartrain.server.config.kinds import Kind, OptionError

__all__ = ["Group", "Option", "field_names", "reloadable_fields", "option", "options_of", "setting", "several"]

T = TypeVar("T")


class Group(enum.Enum):
    """Titles of the help, in its order."""

    GENERAL = "General"
    NETWORK = "Network"
    LIMITS = "Limits"
    TLS = "TLS"
    ACCESS = "Access control (the rules are in the TOML file)"
    JOBS = "Jobs"
    STORE = "Store"
    QUEUE = "Store, with the options of the C server"
    LOG = "Log"
    PROCESS = "Process"
    COMPATIBLE = "Accepted for compatibility"


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One option.

    Attributes:
        kind: The type of its value.
        group: The title under which the help lists it.
        help: Its purpose.
        short: The letter of its short form.
        many: True if it may be repeated; its value is then a tuple.
        steps: The values of the short form given once, twice and so on; it then takes no argument.
        environment: Further variables that set it, after the one that has its name.
        alias_of: The option that this one is another way to set. The source that wins decides which of the two counts.
        details: Further sentences for the manual.
        example: A value for the manual.
        default_text: The default in words, if the value alone is unclear.
        name: Its long form, without the dashes in front.
        default: Its value if no source sets it.
    """

    kind: Kind[object]
    group: Group
    help: str
    short: str = ""
    many: bool = False
    steps: tuple[str, ...] = ()
    environment: tuple[str, ...] = ()
    alias_of: str = ""
    details: str = ""
    example: str = ""
    default_text: str = ""
    name: str = ""
    default: object = None

    @property
    def attribute(self) -> str:
        """The name of the field."""
        return self.name.replace("-", "_")

    @property
    def variables(self) -> tuple[str, ...]:
        """The environment variables that set it; the first one that is set wins."""
        return (f"GEARMAND_{self.attribute.upper()}", *self.environment)

    @property
    def is_flag(self) -> bool:
        """True if it takes no value on the command line."""
        return not self.kind.metavar

    @property
    def shown_default(self) -> str:
        """The default as the help shows it; empty for none."""
        return self.default_text or self.show(self.default)

    def show(self, value: object) -> str:
        """Return a value as a user would write it; empty for one that is the same as none."""
        if value is None or value is False or value == ():
            return ""
        if isinstance(value, enum.Enum):
            return str(value.value)
        if self.kind.metavar == "BYTES" and isinstance(value, int):
            return _size(value)
        return f"{value:g}" if isinstance(value, float) else str(value)

    def parse(self, text: str) -> object:
        """Return the value of a text.

        Raises:
            OptionError: The text is not a value of this option.
        """
        try:
            return self.kind.parse(text)
        except ValueError as error:
            problem = f"the argument ('{text}') for option '--{self.name}' is invalid"
            raise OptionError(f"{problem}: expected {error}") from None


def _size(value: int) -> str:
    for shift, letter in ((30, "G"), (20, "M"), (10, "K")):
        if value and not value % (1 << shift):
            return f"{value >> shift}{letter}"
    return f"{value >> 20}M" if value > 1 << 30 else str(value)  # such as a part of the machine's memory


def option(  # each argument is one of `Option`
    default: T,
    kind: Kind[T],
    group: Group,
    text: str,
    *,
    short: str = "",
    steps: tuple[str, ...] = (),
    environment: tuple[str, ...] = (),
    alias_of: str = "",
    details: str = "",
    example: str = "",
    default_text: str = "",
    reloadable: bool = False,
) -> T:
    """Return the field of an option that is given once at most; a running server takes over a reloadable one."""
    made = Option(
        kind=kind,
        group=group,
        help=text,
        short=short,
        steps=steps,
        environment=environment,
        alias_of=alias_of,
        details=details,
        example=example,
        default_text=default_text,
    )
    return field(default=default, metadata={"option": made, "reloadable": reloadable})


def several(
    kind: Kind[T],
    group: Group,
    text: str,
    *,
    short: str = "",
    details: str = "",
    example: str = "",
    default_text: str = "",
) -> tuple[T, ...]:
    """Return the field of an option that may be given several times."""
    made = Option(
        kind=kind,
        group=group,
        help=text,
        short=short,
        many=True,
        details=details,
        example=example,
        default_text=default_text,
    )
    return field(default=(), metadata={"option": made})


def setting(default: T, *, reloadable: bool) -> T:
    """Return a field that words and variables cannot express, so that only a TOML file or a program sets it."""
    return field(default=default, metadata={"reloadable": reloadable})


def options_of(owner: type) -> dict[str, Option]:
    """Return the options of a dataclass by name: those of its bases from left to right, then its own."""
    declared = {found.name: found for found in fields(owner)}
    options: dict[str, Option] = {}
    for name in field_names(owner):
        made: Option | None = declared[name].metadata.get("option")
        if made is not None:
            long = name.replace("_", "-")
            options[long] = replace(made, name=long, default=declared[name].default)
    return options


def reloadable_fields(owner: type) -> frozenset[str]:
    """Return the names of the fields that a running server takes over."""
    return frozenset(found.name for found in fields(owner) if found.metadata.get("reloadable"))


def field_names(owner: type) -> list[str]:
    """Return the names of all fields in the order of `options_of`, which is not that of `dataclasses.fields`."""
    names: dict[str, None] = {}
    for base in owner.__bases__:
        if is_dataclass(base):
            names |= dict.fromkeys(field_names(base))
    return [*(names | dict.fromkeys(found.name for found in fields(owner)))]
