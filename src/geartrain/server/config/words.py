# SPDX-License-Identifier: MIT
"""Options as words: ``--name=value``, ``--name value``, ``-n value``, ``-nvalue``, flags together as in ``-dR``."""

from collections.abc import Callable, Iterable, Sequence
from typing import NoReturn

from geartrain.server.config.option import Option
from geartrain.server.config.options import unknown_option
from geartrain.server.config.values import OptionError

__all__ = ["WordReader", "parse", "refuse_stray"]


def parse(option: Option, text: str) -> object:
    """Return the value that a text means for an option; raises `OptionError`."""
    try:
        return option.kind.parse(text)
    except ValueError as error:
        problem = f"the argument ('{text}') for option '--{option.name}' is invalid"
        raise OptionError(f"{problem}: {error} is expected") from None


def refuse_stray(word: str) -> NoReturn:
    """Raise the error for a word that belongs to no option."""
    raise OptionError(f"unrecognised option '{word}'")


class WordReader:
    """Reads words, once.

    Args:
        words: The words.
        options: What they may be.
        stray: What to do with a word that belongs to no option.

    Attributes:
        taken: How many words have been read: after an error, the last of them is the one that was wrong.
    """

    def __init__(self, words: Sequence[str], options: Iterable[Option], stray: Callable[[str], None]) -> None:
        self.taken = 0
        self._words = words
        self._by_name = {option.name: option for option in options}
        self._by_letter = {option.short: option for option in self._by_name.values() if option.short}
        self._stray = stray
        self._values: dict[str, object] = {}
        self._lists: dict[str, list[object]] = {}
        self._steps: dict[str, int] = {}

    def read(self) -> dict[str, object]:
        """Return the values of the options that are named, by attribute.

        Raises:
            OptionError: One is unknown, lacks its value or cannot have the one given.
        """
        while self.taken < len(self._words):
            word = self._take()
            if word.startswith("--") and len(word) > 2:
                self._read_long(word[2:])
            elif word.startswith("-") and len(word) > 1:
                self._read_letters(word)
            else:
                self._stray(word)
        return self._values | {attribute: tuple(values) for attribute, values in self._lists.items()}

    def _take(self) -> str:
        self.taken += 1
        return self._words[self.taken - 1]

    def _read_long(self, text: str) -> None:
        name, equals, value = text.partition("=")
        option = self._by_name.get(name)
        if option is None:
            raise unknown_option(name, f"--{name}")
        if not option.is_flag:
            self._add(option, parse(option, value if equals else self._take_value(option)))
        elif equals:
            raise OptionError(f"option '--{name}' does not take any arguments")
        else:
            self._add(option, True)

    def _read_letters(self, word: str) -> None:
        for position, letter in enumerate(word[1:], 2):
            option = self._by_letter.get(letter)
            if option is None:
                raise OptionError(f"unrecognised option '{word}'")
            if option.steps:
                self._step(option)
            elif option.is_flag:
                self._add(option, True)
            else:
                self._add(option, parse(option, word[position:] or self._take_value(option)))
                return

    def _take_value(self, option: Option) -> str:
        """Take the next word. One that is an option means that the value was forgotten; ``-1`` is none."""
        following = self._words[self.taken] if self.taken < len(self._words) else "--"
        if following.startswith("--") or (following.startswith("-") and following[1:2] in self._by_letter):
            raise OptionError(f"the required argument for option '--{option.name}' is missing")
        return self._take()

    def _add(self, option: Option, value: object) -> None:
        if option.many:
            self._lists.setdefault(option.attribute, []).append(value)
        elif option.attribute in self._values:
            raise OptionError(f"option '--{option.name}' cannot be specified more than once")
        else:
            self._values[option.attribute] = value

    def _step(self, option: Option) -> None:
        """Take the short form of an option that counts: each time leads one step further."""
        taken = self._steps.get(option.attribute, 0)
        if taken:
            del self._values[option.attribute]
        self._add(option, parse(option, option.steps[min(taken, len(option.steps) - 1)]))
        self._steps[option.attribute] = taken + 1
