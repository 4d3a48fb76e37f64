# SPDX-License-Identifier: MIT
"""Options as words: ``--name=value``, ``--name value``, ``-n value``, ``-nvalue``, flags together as in ``-dR``."""

from collections.abc import Callable, Iterable, Sequence
from typing import NoReturn

from geartrain.server.config.compatibility import unknown_option
from geartrain.server.config.kinds import UsageError
from geartrain.server.config.option import Option
from geartrain.wording import did_you_mean

__all__ = ["WordReader", "refuse_stray"]


def refuse_stray(word: str) -> NoReturn:
    """Raise the error for a word that belongs to no option."""
    hint = did_you_mean(word, ["store"]) or "; an option begins with a dash, as in --port 4731"
    raise UsageError(f"'{word}' is not an option{hint}")


class WordReader:
    """Reads a list of words, once.

    Args:
        words: The words.
        options: The options that may occur.
        stray: Called with each word that belongs to no option.

    Attributes:
        taken: The number of words read so far: after an error, the last of them is the wrong one.
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
            UsageError: An option is unknown, lacks its value, has one that it does not take, or is there twice.
            OptionError: A value is wrong.
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
            raise unknown_option(name, f"--{name}", self._by_name)
        if not option.is_flag:
            self._add(option, option.parse(value if equals else self._take_value(option)))
        elif equals:
            raise UsageError(f"option '--{name}' does not take any arguments")
        else:
            self._add(option, True)

    def _read_letters(self, word: str) -> None:
        for position, letter in enumerate(word[1:], 2):
            option = self._by_letter.get(letter)
            if option is None:
                place = f" in '{word}'" if len(word) > 2 else ""
                raise UsageError(f"unknown option '-{letter}'{place}")
            if option.steps:
                self._step(option)
            elif option.is_flag:
                self._add(option, True)
            else:
                self._add(option, option.parse(word[position:] or self._take_value(option)))
                return

    def _take_value(self, option: Option) -> str:
        """Take the next word. If that is an option, the value was forgotten; ``-1`` is not an option."""
        following = self._words[self.taken] if self.taken < len(self._words) else "--"
        if following.startswith("--") or (following.startswith("-") and following[1:2] in self._by_letter):
            raise UsageError(f"the required argument for option '--{option.name}' is missing")
        return self._take()

    def _add(self, option: Option, value: object) -> None:
        if option.many:
            self._lists.setdefault(option.attribute, []).append(value)
        elif option.attribute in self._values:
            raise UsageError(f"option '--{option.name}' cannot be specified more than once")
        else:
            self._values[option.attribute] = value

    def _step(self, option: Option) -> None:
        """Read the short form of an option that counts: each time is one step further."""
        taken = self._steps.get(option.attribute, 0)
        if taken:
            del self._values[option.attribute]
        self._add(option, option.parse(option.steps[min(taken, len(option.steps) - 1)]))
        self._steps[option.attribute] = taken + 1
