# SPDX-License-Identifier: MIT
"""Replay of recorded conversations: the job server must still send each peer the same bytes in the same turn.

After a change that is meant to alter the packets to peers, ``python -m tests.core.record update`` writes the new output
to the old input, and ``git diff`` shows the differences. In transcripts that begin with ``reorderable`` the order of
packets to one peer within a turn is not guaranteed: a peer sleeps while it submits or waits for jobs, or several
packets arrive at once that make jobs available to workers with held grabs.
"""

import functools
from pathlib import Path

import pytest

from geartrain.protocol import Command
from geartrain.protocol.text import TextCommand
from tests.core.conversation import Conversation
from tests.core.transcript import FOLDER, load, perform

TRANSCRIPTS = sorted(FOLDER.glob("*.txt"))


@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda path: path.stem)
def test_the_output_of_a_recorded_conversation_is_unchanged(path: Path) -> None:
    options, turns = load(path)
    conversation = Conversation(options)
    for turn in turns:
        output = perform(conversation, turn.input)
        assert output == turn.output, f"{path.name}, line {turn.line}, after\n" + "\n".join(turn.input)


@functools.cache
def recorded_lines() -> list[str]:
    return [line for path in TRANSCRIPTS for turn in load(path)[1] for line in (*turn.input, *turn.output)]


class TestCoverageOfTheProtocol:
    """The transcripts as a whole: together they cover every packet and text command."""

    def test_there_are_enough_conversations(self) -> None:
        assert len(TRANSCRIPTS) >= 60

    @pytest.mark.parametrize("command", [each for each in Command if each > 0], ids=lambda command: command.name)
    def test_every_packet_occurs(self, command: Command) -> None:
        assert any(line.split(" ")[2:3] == [command.name] for line in recorded_lines())

    @pytest.mark.parametrize("command", TextCommand, ids=lambda command: command.value)
    def test_every_text_command_occurs(self, command: TextCommand) -> None:
        assert any(f" > text {command.value}" in line for line in recorded_lines())
