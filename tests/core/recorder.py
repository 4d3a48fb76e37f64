# SPDX-License-Identifier: MIT
"""Random but reproducible conversations, of peers that keep to the protocol."""

import random
from collections.abc import Callable

from geartrain.protocol import Command
from tests.core.actors import (
    ASSIGNMENTS,
    BAD_BYTES,
    BAD_LINES,
    COMMANDS,
    CRON_LINES,
    FUNCTIONS,
    GRABS,
    LAST_RESULTS,
    ODD_BYTES,
    QUESTIONS,
    SUBMISSIONS,
    UNIQUES,
    WORKLOADS,
    Actor,
)
from tests.core.conversation import Conversation
from tests.core.plans import Plan
from tests.core.transcript import Turn, packet_line, perform, quote, text_line, unquote

__all__ = ["Recorder"]


class Recorder:
    """Generates a conversation, one turn after another.

    Args:
        plan: The kind of conversation.
        seed: The same seed makes the same conversation with the same server.
    """

    def __init__(self, plan: Plan, seed: str) -> None:
        self._random = random.Random(seed)
        self._plan = plan
        self.options = self._random.choice(plan.options).split()
        self._conversation = Conversation(self.options)
        self._actors: dict[int, Actor] = {}
        self._connected = 0
        self._handles: list[bytes] = []
        self._now = 1_000_000_000.0
        self._is_writing = False
        self._is_draining = False
        self._input: list[str] = []
        self.turns: list[Turn] = []
        self._actions: dict[str, Callable[[], None]] = {
            "submit": self._submit,
            "epoch": self._submit_epoch,
            "schedule": self._submit_schedule,
            "question": self._ask_status,
            "work": self._work,
            "register": self._register,
            "disconnect": self._disconnect,
            "connect": self._connect,
            "advance": self._advance,
            "set_clock": self._set_clock,
            "text": self._text,
            "change": self._change,
            "bad": self._send_bad,
            "odd": self._send_odd,
            "pieces": self._send_pieces,
            "store": self._store,
            "fail": self._fail_store,
            "reload": self._reload,
        }

    def record(self) -> None:
        """Generate the whole conversation."""
        if self._plan.restores:
            self._restore()
        for _ in range(sum(self._plan.roles.values())):
            self._connect()
        names, weights = list(self._plan.weights), list(self._plan.weights.values())
        last = self._random.randint(110, 150)
        while len(self.turns) < last:
            if self._plan.drains and len(self.turns) == last - 30:
                self._is_draining = True
                self._input.append("drain")
                self._end_turn()
            for _ in range(self._random.choice(self._plan.together)):
                self._actions[self._random.choices(names, weights)[0]]()
            self._end_turn()
        self._finish()

    def _finish(self) -> None:
        """Let the store catch up, and list its content."""
        if self._plan.stores:
            for _ in range(2):
                self._input.append("take-batch" if not self._is_writing else "commit-batch")
                self._is_writing = not self._is_writing
                self._end_turn()
            while self._is_writing:
                self._store()
                self._end_turn()
            self._input.append("list-store")
            self._end_turn()

    def _end_turn(self) -> None:
        if not self._input:
            return
        turn = Turn(input=self._input)
        turn.output = perform(self._conversation, turn.input)
        self.turns.append(turn)
        self._input = []
        for line in turn.output:
            number, verb, *words = line.split(" ")
            if verb == "closes":
                self._actors[int(number)].is_closing = True
            elif verb == "<" and words[0] not in ("text", "bytes"):
                self._hear(self._actors[int(number)], Command[words[0]], [unquote(word) for word in words[1:]])
        for actor in [actor for actor in self._actors.values() if actor.is_closing]:
            del self._actors[actor.number]
            self._input.append(f"{actor.number} disconnect")
        self._end_turn()

    def _hear(self, actor: Actor, command: Command, fields: list[bytes]) -> None:
        if command is Command.NOOP:
            actor.is_asleep = False
        elif command is Command.NO_JOB:
            actor.is_grabbing = False
        elif command in ASSIGNMENTS:
            actor.is_grabbing = actor.is_asleep = False
            actor.running.append(fields[0])
            if (
                actor.is_long_polling
                and command is not Command.JOB_ASSIGN
                and self._random.random() >= self._plan.silent
            ):
                self._send(actor, Command.ALL_YOURS)
        elif command is Command.JOB_CREATED:
            self._handles.append(fields[0])

    # Input.

    def _pick(self, *roles: str) -> Actor | None:
        fitting = [actor for actor in self._actors.values() if actor.role in roles and not actor.rest]
        return self._random.choice(fitting) if fitting else None

    def _say(self, actor: Actor, described: str) -> None:
        """Send a packet or line, perhaps together with the one before."""
        joined = self._plan.pipelines and self._random.random() < 0.5
        direction = "+" if joined and self._input and self._input[-1].startswith(f"{actor.number} ") else ">"
        self._input.append(f"{actor.number} {direction} {described}")

    def _send(self, actor: Actor, command: Command, *fields: bytes) -> None:
        self._say(actor, packet_line(command, *fields))

    def _connect(self) -> None:
        if len(self._actors) >= sum(self._plan.roles.values()) + 2:
            return
        roles = list(self._plan.roles)
        if self._connected < sum(self._plan.roles.values()):
            role = [role for role, count in self._plan.roles.items() for _ in range(count)][self._connected]
        else:
            role = self._random.choice(roles)
        actor = Actor(self._connected, role)
        self._connected += 1
        self._actors[actor.number] = actor
        host = self._random.choice(["127.0.0.1", "127.0.0.1", "192.0.2.7", "2001:db8::1"])
        self._input.append(f"{actor.number} connect {host} {'local' if host == '127.0.0.1' else 'remote'}")
        self._end_turn()
        if role in ("worker", "both"):
            if self._random.random() < 0.5:
                self._send(actor, Command.SET_CLIENT_ID, b"worker-%d" % actor.number)
            if self._random.random() < self._plan.long_polling:
                actor.is_long_polling = True
                self._send(actor, Command.OPTION_REQ, b"long-poll")
            known = FUNCTIONS[: self._plan.functions]
            for function in self._random.sample(known, self._random.randint(1, min(3, len(known)))):
                self._can_do(actor, function)
        elif self._random.random() < 0.4:
            self._send(actor, Command.OPTION_REQ, self._random.choice([b"exceptions", b"exceptions\0", b"unknown"]))
        self._end_turn()

    def _can_do(self, actor: Actor, function: bytes) -> None:
        if self._random.random() < self._plan.timeouts:
            timeout = self._random.choice([b"1000", b"2500", b"100", b"0", b"30000", b"x"])
            self._send(actor, Command.CAN_DO_TIMEOUT, function, timeout)
        else:
            self._send(actor, Command.CAN_DO, function)

    def _submitter(self) -> Actor | None:
        actor = self._pick("client", "client", "both") if self._random.random() < 0.85 else self._pick("worker", "both")
        return actor if actor is not None and actor.can_submit else None

    def _submit(self) -> None:
        actor = self._submitter()
        if actor is None:
            return
        kind = self._random.choice(self._plan.submissions)
        if actor.role == "worker" and kind == "foreground":
            kind = "background"  # its result and a NOOP could come in one turn
        command = self._random.choice(SUBMISSIONS[kind])
        if actor.role == "worker":
            command = {Command.SUBMIT_REDUCE_JOB: Command.SUBMIT_REDUCE_JOB_BACKGROUND}.get(command, command)
        fields = [self._function(), self._unique()]
        if kind == "reduce":
            fields += [self._random.choice([b"sum", b"sum", b"", b"r" * 65]), b""]
        self._send(actor, command, *fields, self._workload())

    def _submit_epoch(self) -> None:
        actor = self._submitter()
        if actor is not None:
            seconds = self._random.choice([-5, 0, 1, 2, 2, 5, 30])
            epoch = self._random.choice([b"%d" % (self._now + seconds)] * 8 + [b"soon", b"0"])
            fields = (self._function(), self._unique(), epoch, self._workload())
            self._send(actor, Command.SUBMIT_JOB_EPOCH, *fields)

    def _submit_schedule(self) -> None:
        actor = self._submitter()
        if actor is not None:
            cron = self._random.choice(CRON_LINES).split()
            fields = (self._function(), self._unique(), *cron, self._workload())
            self._send(actor, Command.SUBMIT_JOB_SCHED, *fields)

    def _function(self) -> bytes:
        return self._random.choice(FUNCTIONS[: self._plan.functions])

    def _unique(self) -> bytes:
        return b"u" * 65 if self._random.random() < 0.02 else self._random.choice(UNIQUES)

    def _workload(self) -> bytes:
        return b"w" * 20_000 if self._random.random() < 0.05 else self._random.choice(WORKLOADS)

    def _handle(self) -> bytes:
        """Return the handle of a recent job, or one that no job has had."""
        return self._random.choice([*self._handles[-12:], b"H:localhost:9999"])

    def _ask_status(self) -> None:
        actor = self._pick("client", "worker", "both")
        if actor is None:
            return
        end = self._random.choice([b"", b"", b"\0"])
        kind = self._random.randint(0, 9)
        if kind < 5:
            self._send(actor, Command.GET_STATUS, self._handle() + end)
        elif kind < 8:
            self._send(actor, Command.GET_STATUS_UNIQUE, self._random.choice(UNIQUES) + end)
        elif actor.is_waiting:
            self._send(actor, Command.GET_STATUS, self._handle())
        else:
            self._send(actor, Command.ECHO_REQ, self._workload())

    def _work(self) -> None:
        actor = self._pick("worker", "both")
        if actor is None:
            return
        chance = self._random.random()
        if actor.running and chance < (0.4 if self._plan.is_greedy else 0.75):
            self._send_result(actor, self._random.choice(actor.running))
        elif chance > 0.97:
            self._send_result(actor, self._random.choice([*actor.past[-3:], self._handle()]))
        elif (
            not actor.is_asleep
            and not actor.is_grabbing
            and (not actor.running or chance > 0.9 or self._plan.is_greedy)
        ):
            if chance < 0.3 and not actor.running:
                actor.is_asleep = True
                self._send(actor, Command.PRE_SLEEP)
            else:
                actor.is_grabbing = True
                self._send(actor, Command.GRAB_JOB_ALL if actor.is_long_polling else self._random.choice(GRABS))

    def _send_result(self, actor: Actor, handle: bytes) -> None:
        results = [*LAST_RESULTS, Command.WORK_STATUS, Command.WORK_DATA, Command.WORK_WARNING]
        command = self._random.choice([Command.WORK_COMPLETE] * 3 + results)
        if command is Command.WORK_STATUS:
            fields = [self._random.choice([b"1", b"50%", b"x", b"7"]), self._random.choice([b"10", b"100", b""])]
        elif command is Command.WORK_FAIL:
            fields = []
            handle += self._random.choice([b"", b"", b"\0"])
        elif command in (Command.WORK_COMPLETE, Command.WORK_DATA) and self._random.random() < 0.05:
            fields = []  # some workers send a bare handle
        else:
            fields = [self._workload()]
        self._send(actor, command, handle, *fields)
        handle = handle.removesuffix(b"\0")
        if command in LAST_RESULTS and handle in actor.running:
            actor.running.remove(handle)
            actor.past.append(handle)
            if command is Command.WORK_EXCEPTION and self._random.random() < 0.5:
                self._send(actor, Command.WORK_FAIL, handle)

    def _register(self) -> None:
        actor = self._pick("worker", "both")
        if actor is None:
            return
        chance = self._random.random()
        if chance < 0.55:
            self._can_do(actor, self._function())
        elif chance < 0.85:
            self._send(actor, Command.CANT_DO, self._function())
        elif chance < 0.92:
            self._send(actor, Command.RESET_ABILITIES)
        else:
            self._send(actor, Command.SET_CLIENT_ID, self._random.choice([b"renamed", b"two words", b""]))

    def _disconnect(self) -> None:
        actor = self._pick(*self._plan.roles)
        if (
            actor is not None
            and len(self._actors) > 2
            and not any(line.startswith(f"{actor.number} ") for line in self._input)
        ):
            del self._actors[actor.number]
            self._input.append(f"{actor.number} disconnect")

    def _advance(self) -> None:
        seconds = self._random.choice(self._plan.times)
        self._now += seconds
        self._input.append(f"advance {seconds}")

    def _set_clock(self) -> None:
        seconds = self._random.choice([-7200, -60, -2, 5, 90, 4000])
        self._now += seconds
        self._input.append(f"set-clock {seconds}")

    def _text(self) -> None:
        actor = self._pick("admin", "client")
        if actor is not None:
            line = self._random.choice(BAD_LINES if self._random.random() < 0.15 else QUESTIONS)
            self._say(actor, text_line(line))

    def _change(self) -> None:
        actor = self._pick("admin")
        if actor is not None:
            cancel = b"cancel job " + self._handle()
            self._say(actor, text_line(self._random.choice([*COMMANDS, *[cancel] * 4])))

    def _send_bad(self) -> None:
        """Send input that ends a conversation."""
        actor = self._pick(*self._plan.roles)
        if actor is not None:
            self._say(actor, f"bytes {quote(self._random.choice(BAD_BYTES))}")
            self._end_turn()

    def _send_odd(self) -> None:
        """Send input that is answered with an error, or ignored, and changes nothing."""
        actor = self._pick("client", "admin")
        if actor is None:
            return
        if self._random.random() < 0.3:
            command = self._random.choice([Command.UNUSED, Command.NOOP, Command.NO_JOB, Command.ALL_YOURS])
            self._send(actor, command)
        elif self._random.random() < 0.5:
            command = self._random.choice([Command.JOB_CREATED, Command.ECHO_RES, Command.OPTION_RES])
            self._send(actor, command, b"H:localhost:1")
        else:
            self._say(actor, f"bytes {quote(self._random.choice(ODD_BYTES))}")

    def _send_pieces(self) -> None:
        """Send a packet in two pieces, the second of them in a later turn."""
        halves = [actor for actor in self._actors.values() if actor.rest]
        if halves:
            actor = self._random.choice(halves)
            self._input.append(f"{actor.number} > bytes {quote(actor.rest)}")
            actor.rest = b""
            return
        chosen = self._pick("client", "admin")
        if chosen is not None:
            whole = self._random.choice([b"\0REQ\0\0\0\x10\0\0\0\x05pause", b"version\n\0REQ\0\0\0\x10\0\0\0\x01x"])
            cut = self._random.randint(1, len(whole) - 1)
            self._say(chosen, f"bytes {quote(whole[:cut])}")
            chosen.rest = whole[cut:]

    def _store(self) -> None:
        self._input.append("commit-batch" if self._is_writing else "take-batch")
        self._is_writing = not self._is_writing

    def _fail_store(self) -> None:
        if self._is_writing:
            self._input.append("fail-batch")
            self._is_writing = False

    def _reload(self) -> None:
        self._input.append(" ".join(["options", *self._random.choice(self._plan.options).split()]))

    def _restore(self) -> None:
        self._input.append("begin-restoring 40")
        self._end_turn()
        self._connect()
        self._connect()
        for number in range(30, 40):
            handle = self._random.choice([b"H:localhost:%d" % number, b"H:elsewhere:%d" % (number + 100)])
            run_at = self._random.choice([0, 0, 0, int(self._now) - 9, int(self._now) + 20])
            cron = b""
            if self._random.random() < 0.2:
                cron, run_at = b"*/2 * * * *", int(self._now) + 60
            fields = [b"%d" % number, handle, self._function(), self._random.choice([b"", b"a", b"c"])]
            fields += [b"%d" % self._random.choice([0, 1, 1, 2]) if not cron else b"1", self._workload()]
            fields += [b"%d" % run_at, b"%d" % self._random.choice([0, 0, 1])]
            fields += [self._random.choice([b"", b"", b"sum"]) if not cron else b"", cron]
            self._input.append(" ".join(["restore", *map(quote, fields)]))
            self._handles.append(handle)
            for _ in range(2):
                self._random.choice([self._work, self._submit, self._ask_status])()
            self._end_turn()
        self._input.append("end-restoring")
        self._end_turn()
