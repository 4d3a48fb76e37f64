# SPDX-License-Identifier: MIT
"""SQLite files that others delete, replace, cut, link or damage."""

import asyncio
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from geartrain.core.record import JobRecord
from geartrain.storage import CommitOutcome, StoreError
from geartrain.storage.sqlite import SQLiteStore
from geartrain.testing.stores import put_new

Act = Callable[[SQLiteStore], Awaitable[None]]


def job(number: int) -> JobRecord:
    return JobRecord(number, b"H:%d" % number, b"f", b"", 1, b"w" * 100)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "jobs.db"


def use(path: Path, act: Act | None = None) -> None:
    """Open a store, act with it, and close it."""

    async def run() -> None:
        store = SQLiteStore(path)
        await store.open()
        try:
            if act is not None:
                await act(store)
        finally:
            await store.close()

    asyncio.run(run())


def fill(path: Path, count: int = 10) -> None:
    async def put(store: SQLiteStore) -> None:
        await store.commit([put_new(map(job, range(1, count + 1)))])

    use(path, put)


def kept(path: Path) -> list[int]:
    found: list[int] = []

    async def read(store: SQLiteStore) -> None:
        found.extend([record.number async for records in store.replay() for record in records])

    use(path, read)
    return found


async def refused(store: SQLiteStore, number: int) -> str:
    """Return the reason why a job is not stored."""
    with pytest.raises(StoreError) as caught:
        await store.commit([put_new([job(number)])])
    assert caught.value.outcome is CommitOutcome.NOT_STORED
    return str(caught.value)


def beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def unlink(path: Path) -> None:
    path.unlink()


def rename(path: Path) -> None:
    path.rename(beside(path, ".away"))


def replace(path: Path) -> None:
    copy = beside(path, ".copy")
    shutil.copyfile(path, copy)
    copy.replace(path)


class TestWhileItIsOpen:
    @pytest.mark.parametrize("suffix", ["", "-wal", "-shm"])
    @pytest.mark.parametrize(
        ("change", "said"), [(unlink, "deleted or moved"), (rename, "deleted or moved"), (replace, "replaced")]
    )
    def test_a_file_that_is_not_in_its_place_any_more_is_noticed(
        self, path: Path, suffix: str, change: Callable[[Path], None], said: str
    ) -> None:
        async def act(store: SQLiteStore) -> None:
            await store.commit([put_new([job(1)])])
            change(beside(path, suffix))
            for number in (2, 3):
                reason = await refused(store, number)
                assert reason.startswith(f"{beside(path, suffix)} was {said}")

        use(path, act)

    def test_a_store_whose_file_was_moved_back_goes_on(self, path: Path) -> None:
        async def act(store: SQLiteStore) -> None:
            await store.commit([put_new([job(1)])])
            rename(path)
            await refused(store, 2)
            beside(path, ".away").rename(path)
            await store.commit([put_new([job(3)])])

        use(path, act)

        assert kept(path) == [1, 3]

    @pytest.mark.parametrize("size", [0, 4096])
    def test_a_file_that_was_cut_is_noticed_and_not_used_any_more(self, path: Path, size: int) -> None:
        fill(path)
        whole = path.stat().st_size

        async def act(store: SQLiteStore) -> None:
            os.truncate(path, size)
            assert await refused(store, 11) == (
                f"{path} was cut from {whole} to {size} bytes. Its jobs are still in the server's memory: let "
                "workers finish them, and restart the server with a file from a backup"
            )
            os.truncate(path, whole)
            assert "was cut" in await refused(store, 12)

        use(path, act)

    @pytest.mark.parametrize("commits", [1, 3])
    def test_a_log_that_was_cut_is_noticed(self, path: Path, commits: int) -> None:
        fill(path)

        async def act(store: SQLiteStore) -> None:
            for number in range(commits):
                await store.commit([put_new([job(11 + number)])])
            os.truncate(beside(path, "-wal"), 0)
            assert await refused(store, 20)
            assert await refused(store, 21)

        use(path, act)

    def test_an_index_of_the_log_that_was_cut_is_made_again(self, path: Path, caplog: pytest.LogCaptureFixture) -> None:
        """A process that reads behind the end of a mapped file is killed."""
        program = f"""
import asyncio, os, sys
from pathlib import Path
from geartrain.storage.sqlite import SQLiteStore
from tests.storage.test_sqlite_file import job, put_new

async def run():
    store = SQLiteStore(Path({str(path)!r}))
    await store.open()
    await store.commit([put_new([job(1)])])
    os.truncate({str(path) + "-shm"!r}, 0)
    await store.commit([put_new([job(2)])])
    os.truncate({str(path) + "-shm"!r}, 0)
    await store.close()

asyncio.run(run())
"""
        run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)

        said = f"{beside(path, '-shm')} was cut from 32768 to 0 bytes; it is made again"
        assert (run.returncode, run.stderr.count(said)) == (0, 2), run.stderr
        assert kept(path) == [1, 2]

    @pytest.mark.parametrize("statement", ["VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)"])
    def test_a_file_that_became_smaller_by_another_user_of_sqlite_is_used_on(self, path: Path, statement: str) -> None:
        fill(path, 10_000)

        async def act(store: SQLiteStore) -> None:
            await store.commit([put_new([job(20_000)])])
            other = sqlite3.connect(path)
            other.execute("CREATE TABLE waste AS SELECT randomblob(1000000)")
            other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            await store.commit([put_new([job(20_001)])])
            other.execute("DROP TABLE waste")
            other.commit()
            other.execute(statement)
            other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            other.close()
            await store.commit([put_new([job(20_002)])])
            await store.commit([put_new([job(20_003)])])

        use(path, act)

        assert kept(path)[-4:] == [20_000, 20_001, 20_002, 20_003]


class TestSecondServer:
    @pytest.mark.parametrize("link", ["symbolic", "hard", "folder"])
    @pytest.mark.parametrize("in_process", [True, False])
    def test_another_name_of_the_file_is_refused(self, tmp_path: Path, link: str, in_process: bool) -> None:
        path = tmp_path / "first" / "jobs.db"
        fill(path)
        other = tmp_path / "second" / "other.db"
        if link == "folder":
            other.parent.symlink_to(path.parent)
            other = other.with_name("jobs.db")
        else:
            other.parent.mkdir()
            other.symlink_to(path) if link == "symbolic" else other.hardlink_to(path)
        said = "under another name" if link == "hard" else f"process {os.getpid()}"

        async def act(store: SQLiteStore) -> None:
            for _ in range(2):
                assert (
                    await asyncio.to_thread(refusal, other, in_process)
                    == f"{other}: another server uses this file ({said})"
                )
                await store.commit([put_new([job(11)])])

        def refusal(other: Path, in_process: bool) -> str:
            if in_process:
                with pytest.raises(StoreError) as caught:
                    use(other)
                return str(caught.value)
            command = (sys.executable, "-m", "geartrain.cli.gearmand", "store", "import", f"sqlite:{other}", "-")
            run = subprocess.run(command, input="", capture_output=True, text=True, check=False)
            assert run.returncode == 1
            return run.stderr.splitlines()[0].partition(": ")[2]

        use(path, act)

        assert kept(path) == [*range(1, 12)]

    def test_a_refused_server_does_not_release_the_locks_of_sqlite(self, tmp_path: Path) -> None:
        """They belong to the process, and closing a descriptor of the file drops them."""
        path, other = tmp_path / "jobs.db", tmp_path / "other.db"
        fill(path)
        other.hardlink_to(path)
        program = f"import sqlite3; c = sqlite3.connect({str(path)!r}); c.execute('PRAGMA page_count'); c.close()"

        async def act(store: SQLiteStore) -> None:
            await store.commit([put_new([job(11)])])
            with pytest.raises(StoreError):
                await SQLiteStore(other).open()
            await asyncio.to_thread(
                subprocess.run, [sys.executable, "-c", program], check=True
            )  # the last user of a log deletes it
            assert beside(path, "-wal").exists()

        use(path, act)

    def test_a_file_is_free_again_when_its_server_was_killed(self, path: Path) -> None:
        program = f"""
import asyncio, os, signal
from pathlib import Path
from geartrain.storage.sqlite import SQLiteStore

asyncio.run(SQLiteStore(Path({str(path)!r})).open())
os.kill(os.getpid(), signal.SIGKILL)
"""
        run = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)

        assert run.returncode == -signal.SIGKILL
        assert kept(path) == []


class TestLock:
    @pytest.mark.parametrize("content", [b"my letters to the editor\n", b"1234 5678\n", b"1" * 40])
    def test_a_file_of_another_program_is_left_as_it_is(self, path: Path, content: bytes) -> None:
        lock = beside(path, ".lock")
        lock.write_bytes(content)

        with pytest.raises(StoreError, match="this is not the lock of a server"):
            use(path)
        assert lock.read_bytes() == content
        assert not path.exists()

    def test_a_symbolic_link_is_not_followed(self, path: Path, tmp_path: Path) -> None:
        victim = tmp_path / "victim"
        victim.write_text("1234\n")
        beside(path, ".lock").symlink_to(victim)

        with pytest.raises(StoreError, match=r"jobs\.db\.lock: this is a symbolic link"):
            use(path)
        assert victim.read_text() == "1234\n"

    def test_a_hard_link_to_another_file_is_not_written(self, path: Path, tmp_path: Path) -> None:
        victim = tmp_path / "victim"
        victim.write_text("1234\n")
        beside(path, ".lock").hardlink_to(victim)

        with pytest.raises(StoreError, match="this is not the lock of a server"):
            use(path)
        assert victim.read_text() == "1234\n"

    def test_a_pipe_does_not_stop_the_start(self, path: Path) -> None:
        os.mkfifo(beside(path, ".lock"))

        with pytest.raises(StoreError, match=r"jobs\.db"):
            use(path)


class TestDamageAtTheStart:
    def test_an_empty_file_beside_the_lock_of_a_server_is_no_empty_queue(self, path: Path) -> None:
        fill(path)
        os.truncate(path, 0)

        with pytest.raises(StoreError) as caught:
            use(path)

        assert str(caught.value) == (
            f"{path}: the file is empty, but {path}.lock shows that it had a queue. Restore it from a backup; for an "
            f"empty queue, delete {path}.lock"
        )
        beside(path, ".lock").unlink()
        assert kept(path) == []

    @pytest.mark.parametrize(("suffix", "content"), [("-wal", b"log"), ("-shm", b"")])
    def test_an_empty_file_beside_a_log_is_no_empty_queue(self, path: Path, suffix: str, content: bytes) -> None:
        path.touch()
        beside(path, suffix).write_bytes(content)

        with pytest.raises(StoreError, match=f"the file is empty, but .*{suffix} shows that it had a queue"):
            use(path)
        assert beside(path, suffix).read_bytes() == content

    def test_a_log_without_its_file_is_no_empty_queue(self, path: Path) -> None:
        beside(path, "-wal").write_bytes(b"log")

        with pytest.raises(StoreError, match=r"the file does not exist, but .*-wal shows that it had a queue"):
            use(path)
        assert not path.exists()

    def test_a_lock_that_is_left_of_a_deleted_file_does_not_stop_a_new_one(self, path: Path) -> None:
        fill(path)
        path.unlink()

        assert kept(path) == []

    def test_an_empty_file_of_a_server_that_was_killed_at_its_first_start_is_an_empty_queue(self, path: Path) -> None:
        path.touch()
        beside(path, ".lock").touch()

        assert kept(path) == []

    @pytest.mark.parametrize("missing", [1, 4096, 5000])
    def test_a_file_that_was_cut_is_damaged(self, path: Path, missing: int) -> None:
        fill(path, 1000)
        whole = path.stat().st_size
        os.truncate(path, whole - missing)

        with pytest.raises(StoreError, match=f"the file is damaged: it has {whole - missing} of {whole} bytes"):
            use(path)

    def test_a_page_that_was_overwritten_is_damaged(self, path: Path) -> None:
        fill(path, 1000)
        with path.open("r+b") as file:
            file.seek(4096)
            file.write(bytes(4096))

        with pytest.raises(StoreError, match=r"the file is damaged: .*Restore it from a backup|malformed"):
            use(path)

    def test_a_file_that_is_no_database_keeps_its_mode(self, path: Path) -> None:
        path.write_text("my letters to the editor\n" * 100)
        path.chmod(0o644)

        with pytest.raises(StoreError, match="file is not a database"):
            use(path)
        assert path.stat().st_mode & 0o777 == 0o644
