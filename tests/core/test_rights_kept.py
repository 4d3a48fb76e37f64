# SPDX-License-Identifier: MIT
"""Authorization under random packets and changes of rules: peers get exactly the jobs that they may run."""

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from geartrain.core import JobServerOptions
from geartrain.core.access import SUBMIT, WORK, AccessRules, Rule, digest_of
from geartrain.protocol import Command
from geartrain.protocol.commands import LONG_POLL
from geartrain.testing.wire import Wire, WirePeer

FUNCTIONS = [b"a", b"ab", b"b"]
TOKENS = [b"one", b"two"]
PEERS = 3

peers = st.integers(0, PEERS - 1)
functions = st.sampled_from(FUNCTIONS)
rules = st.lists(
    st.builds(
        Rule,
        rights=st.sampled_from([SUBMIT, WORK, SUBMIT | WORK]),
        functions=st.sampled_from([(b"*",), (b"a*",), (b"a",), (b"b",)]),
        tokens=st.sampled_from([(), (digest_of(TOKENS[0]),), (digest_of(TOKENS[1]),)]),
    ),
    max_size=3,
)


class Rights(RuleBasedStateMachine):
    """Peers that register at random, and rules that are replaced at random."""

    def __init__(self) -> None:
        super().__init__()
        self.wire = Wire()
        self.peers: list[WirePeer] = [self.wire.connect() for _ in range(PEERS)]
        self.wanted: list[set[bytes]] = [set() for _ in range(PEERS)]
        self.tokens: list[bytes] = [b""] * PEERS
        self.in_force: list[Rule] | None = None

    def may(self, number: int, right: int, function: bytes) -> bool:
        """Evaluate the rules in the simplest way."""
        if self.in_force is None:
            return True
        return any(
            each.rights & right
            and (not each.tokens or digest_of(self.tokens[number]) in each.tokens)
            and any(
                name in (b"*", function) or (name == b"a*" and function in (b"a", b"ab")) for name in each.functions
            )
            for each in self.in_force
        )

    @rule(rules=st.none() | rules)
    def change(self, rules: list[Rule] | None) -> None:
        self.in_force = rules
        access = AccessRules(tuple(rules)) if rules is not None else None
        self.wire.server.change_options(JobServerOptions(access=access))

    @rule(number=peers, token=st.sampled_from(TOKENS))
    def show(self, number: int, token: bytes) -> None:
        known = {digest for each in self.in_force or [] for digest in each.tokens}
        peer = self.peers[number]
        if known and digest_of(token) not in known:
            return  # the connection would be closed after a few
        peer.send(Command.OPTION_REQ, b"token=" + token)
        self.tokens[number] = token

    @rule(number=peers, function=functions)
    def can_do(self, number: int, function: bytes) -> None:
        self.peers[number].send(Command.CAN_DO, function)
        self.wanted[number].add(function)

    @rule(number=peers, function=functions)
    def cant_do(self, number: int, function: bytes) -> None:
        self.peers[number].send(Command.CANT_DO, function)
        self.wanted[number].discard(function)

    @rule(number=peers)
    def reset(self, number: int) -> None:
        self.peers[number].send(Command.RESET_ABILITIES)
        self.wanted[number].clear()

    @rule(number=peers)
    def sleep(self, number: int) -> None:
        self.peers[number].send(Command.PRE_SLEEP)

    @rule(number=peers, function=functions)
    def submit(self, number: int, function: bytes) -> None:
        self.peers[number].send(Command.SUBMIT_JOB_BG, function, b"", b"")

        answers = {packet[0] for packet in self.hear(number)} & {Command.JOB_CREATED, Command.ERROR}
        assert answers == {Command.JOB_CREATED if self.may(number, SUBMIT, function) else Command.ERROR}

    @rule(number=peers)
    def let_grabs_last(self, number: int) -> None:
        self.peers[number].send(Command.OPTION_REQ, LONG_POLL)

    @rule(number=peers, how=st.sampled_from([Command.GRAB_JOB, Command.GRAB_JOB_UNIQ, Command.GRAB_JOB_ALL]))
    def grab(self, number: int, how: Command) -> None:
        self.peers[number].send(how)

    def hear(self, number: int) -> list[tuple[Command | bytes, ...]]:
        """Return the packets to a peer; each job among them is checked against the rules, and completed."""
        peer = self.peers[number]
        packets = peer.packets()
        for packet in packets:
            if packet[0] in (Command.JOB_ASSIGN, Command.JOB_ASSIGN_UNIQ, Command.JOB_ASSIGN_ALL):
                handle, function = packet[1:3]
                assert isinstance(handle, bytes)
                assert isinstance(function, bytes)
                assert self.may(number, WORK, function)
                peer.send(Command.WORK_COMPLETE, handle, b"")
        return packets

    @invariant()
    def no_worker_gets_a_denied_job(self) -> None:
        self.wire.tick()
        for number in range(PEERS):
            self.hear(number)

    @invariant()
    def workers_have_what_they_want_and_may(self) -> None:
        for number, peer in enumerate(self.peers):
            allowed = {function for function in self.wanted[number] if self.may(number, WORK, function)}
            assert set(peer.peer.abilities) == allowed
            assert set(peer.peer.identity.denied) == self.wanted[number] - allowed


TestRights = Rights.TestCase


def test_new_rules_reach_many_workers_in_portions(caplog: pytest.LogCaptureFixture) -> None:
    wire = Wire()
    workers = [wire.connect() for _ in range(3)]
    for worker in workers:
        for number in range(1500):
            worker.send(Command.CAN_DO, b"f%d" % number)

    rules = AccessRules((Rule(rights=SUBMIT),))
    wire.server.change_options(JobServerOptions(access=rules))
    assert 0 < sum(len(worker.peer.abilities) for worker in workers) < 4500
    assert workers[-1].ask(Command.CAN_DO, b"g")[:2] == (Command.ERROR, b"NOT_ALLOWED")
    wire.settle()

    assert not any(worker.peer.abilities for worker in workers)
    assert "The rules deny 4500 functions to 3 workers" in caplog.text
