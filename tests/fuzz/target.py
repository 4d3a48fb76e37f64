# SPDX-License-Identifier: MIT
"""A server under attack, and what must not be seen of it.

1. It lives, and its log has nothing but what it says of peers and of itself: no error of its own, no traceback.
2. Each line of its log is one line, whatever names are in it, and nothing in it moves a terminal's cursor.
3. Its listings have the columns that they should have, whatever names are in them.
4. When all who came have left and all jobs are cancelled, it has the descriptors that it had, and hardly more memory,
   knows of no job and no peer but who asks, and rests.
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
from tests.fuzz.bystanders import Bystanders

__all__ = ["BAND_MIB", "Target"]

BAND_MIB = 64.0  # that memory may be above what it was after the first round: a TLS handshake has a buffer of 256 KiB
_PATIENCE = 30.0
_LOOK_AGAIN = 0.05  # seconds
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
    "show schedules": re.compile(rb"H:[^\t]+:\d+\t[^\t]*\t[^\t]+\t\d+\t[^\t]*"),
    "show stalls": re.compile(rb"[^\t]*(\t\d+){3}\t[a-z-]+"),
    "show limits": re.compile(rb"[a-z-]+\t\d+"),
}
_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")


@dataclass(slots=True, kw_only=True)
class Target:
    """One server.

    Attributes:
        server: Its process.
        port: Where it listens.
        tls: How our own programs speak with it, if not in clear text.
        bystanders: Those who use it for what it is meant for.
        memory_mib: What it took after each round.
    """

    server: ServerProcess
    port: int
    tls: TLS | None
    bystanders: Bystanders
    memory_mib: list[float] = field(default_factory=list)
    _descriptors: int = 0

    def begin(self) -> None:
        """Remember what it is like before the attacks. A first peer has been there: something is opened for it."""
        with AdminClient(f"localhost:{self.port}", tls=self.tls) as admin:
            admin.version()
            self._descriptors = self._count_descriptors() - 1

    def check_log(self) -> None:
        """See that it lives, and what it has logged since the last time.

        Raises:
            AssertionError: There is what must not be.
        """
        lines = self.server.lines[:]
        del self.server.lines[: len(lines)]
        check_lines(lines)
        code = self.server.process.poll()
        assert code is None, f"the server has ended with status {code}"

    async def check_listings(self) -> None:
        """Read all listings, as bytes and with our own administrator.

        Raises:
            AssertionError: One of them is broken.
        """
        for command, row in _ROWS.items():
            check_rows(command, row, await self._ask(command))
        async with self._admin() as admin:
            ours = [each for each in await admin.workers() if each.client_id == "bystander"]
            assert len(ours) == 1, f"the worker that does nothing wrong is there {len(ours)} times"
            await admin.status()
            await admin.priority_status()
            await admin.jobs()
            await admin.schedules()
            await admin.stalls()
            await admin.limits()

    async def tidy_up(self) -> None:
        """Cancel what is left when all have gone, and see that nothing is.

        Raises:
            AssertionError: Something stays.
        """
        async with self._admin() as admin:
            await _until("jobs that cannot be cancelled", lambda: self._cancel_all(admin))
            await _until("connections", lambda: _alone(admin))
        await _until("descriptors", self._has_its_descriptors)
        await _until("unrest", self._rests)
        self.memory_mib.append(self._measure_memory())
        grown = self.memory_mib[-1] - self.memory_mib[0]
        assert grown < BAND_MIB, f"memory has grown by {grown:.1f} MiB: {self.memory_mib}"

    async def _cancel_all(self, admin: AsyncAdminClient) -> bool:
        rows: list[JobRow | ScheduleRow] = [*await admin.schedules(), *await admin.jobs()]
        for row in rows[:_AT_ONCE]:
            try:
                await admin.cancel(row.handle)
            except ServerError:
                continue  # a schedule's run may have ended meanwhile
        return not rows

    def _admin(self) -> AsyncAdminClient:
        return AsyncAdminClient(f"localhost:{self.port}", tls=self.tls, timeout=_PATIENCE)

    async def _ask(self, command: str) -> bytes:
        context = self.tls.context() if self.tls is not None else None
        reader, writer = await asyncio.open_connection("localhost", self.port, ssl=context, limit=2**26)
        try:
            writer.write(command.encode() + b"\n")
            answer = b""
            # A unique may be a dot, which is written otherwise: so this is the end of the listing.
            while not (answer.endswith(b"\n.\n") or answer == b".\n"):
                data = await asyncio.wait_for(reader.read(2**20), _PATIENCE)
                assert data, f"{command}: the connection has ended after {answer[-200:]!r}"
                answer += data
        finally:
            writer.transport.abort()
        return answer

    async def _has_its_descriptors(self) -> bool:
        return self._count_descriptors() <= self._descriptors

    async def _rests(self) -> bool:
        """Tell whether it uses less than half of a processor while nobody wants anything."""
        used, begun = self._processor_seconds(), time.monotonic()
        await asyncio.sleep(_LOOK_AGAIN * 4)
        return self._processor_seconds() - used < (time.monotonic() - begun) / 2

    def _count_descriptors(self) -> int:
        return len(os.listdir(self._proc / "fd"))  # noqa: PTH208  # names are enough

    def _measure_memory(self) -> float:
        pages = int((self._proc / "statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20

    def _processor_seconds(self) -> float:
        fields = (self._proc / "stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    @property
    def _proc(self) -> Path:
        return Path("/proc", str(self.server.process.pid))


def check_lines(lines: Iterable[str]) -> None:
    """See that lines of a log are what they should be; raises `AssertionError`."""
    for place, line in enumerate(lines := list(lines)):
        found = _LINE.fullmatch(line)
        assert found is not None, "not a line of the log:\n" + "\n".join(lines[max(place - 3, 0) : place + 30])
        assert not _NOT_PRINTED.search(line), f"a control character in the log: {line!r}"
        is_ours = found["level"] not in ("ERROR", "CRITICAL", "ALERT", "FATAL")
        assert is_ours or _ABOUT_PEERS.match(found["text"]), "an error of the server:\n" + "\n".join(lines[place:][:30])


def check_rows(command: str, row: re.Pattern[bytes], answer: bytes) -> None:
    """See that a listing is what it should be; raises `AssertionError`."""
    *rows, dot, rest = answer.split(b"\n")
    assert (dot, rest) == (b".", b""), f"{command} does not end: {answer[-200:]!r}"
    for each in rows:
        assert row.fullmatch(each), f"a row of {command} is broken: {each!r}"
        assert each != b".", f"a row of {command} looks like its end"
        assert not _CONTROL.search(each), f"a control character in {command}: {each!r}"


async def _alone(admin: AsyncAdminClient) -> bool:
    return len(await admin.workers()) == 1


async def _until(what: str, question: Callable[[], Awaitable[bool]]) -> None:
    """Ask until the answer is yes."""
    deadline = time.monotonic() + _PATIENCE
    while not await question():
        assert time.monotonic() < deadline, f"there are still {what} after {_PATIENCE:g} s"
        await asyncio.sleep(_LOOK_AGAIN)
