# SPDX-License-Identifier: MIT
"""Options of the commands: their declaration, and reading a command line by it.

The declarations are also the source of ``--help``, the man pages and the completion of shells; see
`geartrain.cli.pages`. Each start of a command imports this module, so it imports nothing that takes time.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

from geartrain.wording import did_you_mean

__all__ = ["HELP", "MAYBE", "NOTHING", "ONE", "SEVERAL", "VERSION", "Option", "UsageError", "parse"]

# The number of arguments that an option takes.
NOTHING = 0
ONE = 1
MAYBE = 2  # none or one
SEVERAL = 3  # one or more: all words up to the next option


class UsageError(Exception):
    """The command line is not understood; the message says what is wrong, and what is allowed."""


class Option:
    """One option of a command.

    Args:
        names: Its names with their dashes, separated by spaces: ``-p --port``.
        help: Its purpose, for the list in ``--help``.
        argument: The name of its argument in ``--help``; an option without one is a flag.
        key: The key of its value; if left out, the long name with underscores.
        read: Makes the value of the argument; raises ``ValueError`` with what is expected.
        many: The option may be given several times, and the value is a list.
        sets: The values by key that a flag sets, if that is not just True for its own key.
        takes: The number of arguments: `NOTHING`, `ONE`, `MAYBE` or `SEVERAL`.
        words: The words that an argument may be, for the completion of shells.
        files: True if an argument is the name of a file.
        details: Further sentences for the manual.
    """

    __slots__ = ("argument", "details", "files", "help", "key", "many", "names", "read", "sets", "takes", "words")

    def __init__(
        self,
        names: str,
        help: str,  # noqa: A002  # the list in --help
        *,
        argument: str = "",
        key: str = "",
        read: Callable[[str], object] = str,
        many: bool = False,
        sets: Mapping[str, object] | None = None,
        takes: int | None = None,
        words: Sequence[str] = (),
        files: bool = False,
        details: str = "",
    ) -> None:
        self.names = names.split()
        self.help = help
        self.argument = argument
        self.key = key or self.names[-1].lstrip("-").replace("-", "_")
        self.read = read
        self.many = many
        self.sets: Mapping[str, object] = {self.key: True} if sets is None else sets
        self.takes = (ONE if argument else NOTHING) if takes is None else takes
        self.words = words
        self.files = files
        self.details = details


HELP = Option("--help", "show this help and exit")
VERSION = Option("--version", "show the version and exit")


def parse(words: Sequence[str], options: Iterable[Option]) -> tuple[dict[str, object], list[str]]:
    """Return the values of the options by key, and the words that belong to no option.

    Options and other words may be mixed; everything behind ``--`` is a word. Long names may be shortened as long as
    only one option begins so. Letters without arguments may stand together, as in ``-bP``.

    Raises:
        UsageError: An option is unknown, or lacks its argument, or has a wrong one.
    """
    return _Parser(words, options).parse()


class _Parser:
    """Reads one command line, once."""

    def __init__(self, words: Sequence[str], options: Iterable[Option]) -> None:
        self._words = list(words)
        self._place = 0
        self._by_name = {name: option for option in options for name in option.names}
        self._values: dict[str, object] = {}

    def parse(self) -> tuple[dict[str, object], list[str]]:
        others: list[str] = []
        while self._place < len(self._words):
            word = self._next()
            if word == "--":
                others += self._words[self._place :]
                break
            if word.startswith("--"):
                self._long(word)
            elif word.startswith("-") and word != "-":
                self._letters(word)
            else:
                others.append(word)
        return self._values, others

    def _next(self) -> str:
        self._place += 1
        return self._words[self._place - 1]

    def _long(self, word: str) -> None:
        name, equals, value = word.partition("=")
        option = self._by_name.get(name)
        if option is None:
            name, option = self._shortened(name)
        if not option.takes:
            if equals:
                raise UsageError(f"{name} takes no argument")
            self._values.update(option.sets)
        elif equals:
            self._take(option, name, [value])
        else:
            self._take(option, name, self._arguments(option, name))

    def _shortened(self, name: str) -> tuple[str, Option]:
        """Return the option whose long name begins so."""
        found = [known for known in self._by_name if known.startswith(name)]
        if len(found) == 1:
            return found[0], self._by_name[found[0]]
        if found:
            raise UsageError(f"{name} may be {', '.join(found[:-1])} or {found[-1]}")
        raise UsageError(f"unknown option '{name}'{did_you_mean(name, self._by_name)}")

    def _letters(self, word: str) -> None:
        for place, letter in enumerate(word[1:], 2):
            name = f"-{letter}"
            option = self._by_name.get(name)
            if option is None:
                raise UsageError(f"unknown option '{name}'{self._hint(word)}")
            if option.takes:
                self._take(option, name, [word[place:]] if word[place:] else self._arguments(option, name))
                return
            self._values.update(option.sets)

    def _hint(self, word: str) -> str:
        """Return the end of a message about several letters, which may be a long name with one dash."""
        if len(word) == 2:
            return ""
        return f" in '{word}'{did_you_mean(f'-{word}', [name for name in self._by_name if name.startswith('--')])}"

    def _arguments(self, option: Option, name: str) -> list[str]:
        """Take the words that are the arguments of an option."""
        most = len(self._words) if option.takes == SEVERAL else 1
        taken: list[str] = []
        while len(taken) < most and self._place < len(self._words) and self._is_argument(option, name, taken):
            taken.append(self._next())
        if not taken and option.takes != MAYBE:
            raise UsageError(f"{name} needs an argument: {option.argument}")
        return taken

    def _is_argument(self, option: Option, name: str, taken: Sequence[str]) -> bool:
        """Tell whether the next word is an argument; after a letter it always is, as for the C tools."""
        word = self._words[self._place]
        if option.takes == ONE and not name.startswith("--"):
            return True
        if option.takes != ONE and word.startswith("-"):
            return False
        return bool(taken) or not word.startswith("--")

    def _take(self, option: Option, name: str, arguments: Sequence[str]) -> None:
        value: object
        try:
            if option.takes == SEVERAL:
                value = [option.read(argument) for argument in arguments]
            else:
                value = option.read(arguments[0] if arguments else "")
        except ValueError as error:
            raise UsageError(f"{name} takes {error}, not {arguments[0]!r}") from None
        if option.many:
            values = self._values.setdefault(option.key, [])
            assert isinstance(values, list), "each key belongs to one option"
            values.append(value)
        else:
            self._values[option.key] = value
