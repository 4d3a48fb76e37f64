# SPDX-License-Identifier: MIT
"""A server under attack, and the checks of it.

1. It runs, and its log has no error of its own and no traceback, only errors of peers.
2. Each line of its log is one line for any names in it, and has no control characters.
3. Its listings have the right columns for any names in them.
4. When all peers have disconnected and all jobs are cancelled, it has its first number of descriptors, hardly more
   memory, no jobs, no other peers, and uses no CPU.
"""

import asyncio
import os
import re
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from geartrain import TLS, AdminClient, AsyncAdminClient
from geartrain.admin import JobRow, ScheduleRow
from geartrain.errors import ServerError
from geartrain.testing import ServerProcess
from tests.fuzz.validpeers import ValidPeers

__all__ = ["BAND_MIB", "Target"]

BAND_MIB = 64.0  # allowed growth of memory after the first round: a TLS handshake has a buffer of 256 KiB
_TIMEOUT = 60.0
_INTERVAL = 0.05  # seconds
_AT_ONCE = 500  # jobs to cancel

_LINE = re.compile(r" *(?P<level>[A-Z]+) \d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6} \[ *(?P<area>\w+) \] (?P<text>.*)")
_NOT_PRINTED = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
_ABOUT_PEERS = re.compile(
    r"GEARMAN_[A-Z_]+:.* to |GEARMAN_[A-Z_]+ to .* times? more within |\d+ errors? more, to many|"
    r".*: \d+ jobs? ha(s|ve) waited for \d+ seconds?"
)

_ROWS = {
    "status": re.compile(rb"[^\t]*(\t\d+){3}"),
    "prioritystatus": re.compile(rb"[^\t]*(\t\d+){4}"),
    "workers": re.compile(rb"\d+ 127\.0\.0\.1 [^ ]+ :( [^ ]*)*"),
    "show jobs": re.compile(rb"H:[^\t]+:\d+(\t\d+){3}"),
    "show unique jobs": re.compile(rb"[^\t]*"),
    "show delayed": re.compile(rb"H:[^\t]+:\d+\t[^\t]*\t\d+\.\d{3}\t[^\t]*\t(high|normal|low)"),
    "show schedules": re.compile(rb"H:[^\t]+:\d+\t[^\t]*\t[^\t]+\t\d+\t[^\t]*\t[^\t]*\t(high|normal|low)"),
    "show stalls": re.compile(rb"[^\t]*(\t\d+){3}\t[a-z-]+"),
    "show limits": re.compile(rb"[a-z-]+\t\d+"),
}
_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")


@dataclass(slots=True, kw_only=True)
class Target:
    """One server.

    Attributes:
        server: Its process.
        port: Its port.
        tls: The TLS settings of our own clients, or None for clear text.
        valid_peers: The valid peers.
        memory_mib: Its memory after each round.
    """

    server: ServerProcess
    port: int
    tls: TLS | None
    valid_peers: ValidPeers
    memory_mib: list[float] = field(default_factory=list)
    _descriptors: int = 0

    def begin(self) -> None:
        """Record the number of descriptors before the attacks, after a first peer, which may open some."""
        with AdminClient(f"localhost:{self.port}", tls=self.tls) as admin:
            admin.version()
            self._descriptors = self._count_descriptors() - 1

    def check_log(self) -> None:
        """Check that it runs, and the lines that it has logged since the last call.

        Raises:
            AssertionError: It has ended, or a line is wrong.
        """
        lines = self.server.lines[:]
        del self.server.lines[: len(lines)]
        check_lines(lines)
        code = self.server.process.poll()
        assert code is None, f"the server has ended with status {code}"

    async def check_listings(self) -> None:
        """Read all listings, as bytes and with our own administrator.

        Raises:
            AssertionError: A listing is broken.
        """
        for command, row in _ROWS.items():
            check_rows(command, row, await self._ask(command))
        async with self._admin() as admin:
            ours = [each for each in await admin.workers() if each.client_id == "valid"]
            assert len(ours) == 1, f"the valid worker is listed {len(ours)} times"
            await admin.status()
            await admin.priority_status()
            await admin.jobs()
            await admin.schedules()
            await admin.stalls()
            await admin.limits()

    async def tidy_up(self) -> None:
        """Cancel the remaining jobs after all peers have disconnected, and check that nothing is left.

        Raises:
            AssertionError: Jobs, connections, descriptors or memory are left, or the server uses CPU.
        """
        async with self._admin() as admin:
            await _until("jobs that cannot be cancelled", lambda: self._cancel_all(admin))
            await _until("connections", lambda: _alone(admin))
        await _until("descriptors", self._has_its_descriptors)
        await _until("CPU used", self._rests)
        self.memory_mib.append(self._measure_memory())
        grown = self.memory_mib[-1] - self.memory_mib[0]
        assert grown < BAND_MIB, f"memory has grown by {grown:.1f} MiB: {self.memory_mib}"

    async def _cancel_all(self, admin: AsyncAdminClient) -> bool:
        rows: list[JobRow | ScheduleRow] = [*await admin.schedules(), *await admin.jobs()]
        for row in rows[:_AT_ONCE]:
            try:
                await admin.cancel(row.handle)
            except ServerError:
                continue  # a run of a schedule may have ended in the meantime
        return not rows

    def _admin(self) -> AsyncAdminClient:
        return AsyncAdminClient(f"localhost:{self.port}", tls=self.tls, timeout=_TIMEOUT)

    async def _ask(self, command: str) -> bytes:
        context = self.tls.context() if self.tls is not None else None
        reader, writer = await asyncio.open_connection("localhost", self.port, ssl=context, limit=2**26)
        try:
            writer.write(command.encode() + b"\n")
            answer = b""
            # A unique that is a dot is escaped, so this is the end of the listing.
            while not (answer.endswith(b"\n.\n") or answer == b".\n"):
                data = await asyncio.wait_for(reader.read(2**20), _TIMEOUT)
                assert data, f"{command}: the connection has ended after {answer[-200:]!r}"
                answer += data
        finally:
            writer.transport.abort()
        return answer

    async def _has_its_descriptors(self) -> bool:
        return self._count_descriptors() <= self._descriptors

    async def _rests(self) -> bool:
        """Tell whether it sleeps without any requests: a process that spins is never asleep, also on a busy machine."""
        for _ in range(4):
            if self._state() != "S":
                return False
            await asyncio.sleep(_INTERVAL)
        return True

    def _count_descriptors(self) -> int:
        return len(os.listdir(self._proc / "fd"))  # noqa: PTH208  # names are enough

    def _measure_memory(self) -> float:
        pages = int((self._proc / "statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20

    def _state(self) -> str:
        return (self._proc / "stat").read_text().rpartition(")")[2].split()[0]

    @property
    def _proc(self) -> Path:
        return Path("/proc", str(self.server.process.pid))


def check_lines(lines: Iterable[str]) -> None:
    """Check lines of a log; raise `AssertionError`."""
    for place, line in enumerate(lines := list(lines)):
        found = _LINE.fullmatch(line)
        assert found is not None, "not a line of the log:\n" + "\n".join(lines[max(place - 3, 0) : place + 30])
        assert not _NOT_PRINTED.search(line), f"a control character in the log: {line!r}"
        is_ours = found["level"] not in ("ERROR", "CRITICAL", "ALERT", "FATAL")
        assert is_ours or _ABOUT_PEERS.match(found["text"]), "an error of the server:\n" + "\n".join(lines[place:][:30])


def check_rows(command: str, row: re.Pattern[bytes], answer: bytes) -> None:
    """Check a listing; raise `AssertionError`."""
    *rows, dot, rest = answer.split(b"\n")
    assert (dot, rest) == (b".", b""), f"{command} does not end: {answer[-200:]!r}"
    for each in rows:
        assert row.fullmatch(each), f"a row of {command} is broken: {each!r}"
        assert each != b".", f"a row of {command} looks like its end"
        assert not _CONTROL.search(each), f"a control character in {command}: {each!r}"


async def _alone(admin: AsyncAdminClient) -> bool:
    return len(await admin.workers()) == 1


async def _until(what: str, question: Callable[[], Awaitable[bool]]) -> None:
    """Repeat a question until the answer is yes."""
    deadline = time.monotonic() + _TIMEOUT
    while not await question():
        assert time.monotonic() < deadline, f"{what} left after {_TIMEOUT:g} s"
        await asyncio.sleep(_INTERVAL)
