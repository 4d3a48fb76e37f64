# SPDX-License-Identifier: MIT
"""The embedded store."""

import asyncio
import contextlib
import fcntl
import os
import resource
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from geartrain.core.record import JobRecord
from geartrain.storage import Store, StoreError, open_store
from geartrain.storage.sqlite import SQLiteStore
from geartrain.testing import StoreContract
from geartrain.testing.stores import put_new

FIRST_VERSION = """
CREATE TABLE jobs (
    number INTEGER PRIMARY KEY, handle BLOB NOT NULL, function BLOB NOT NULL, "unique" BLOB NOT NULL,
    priority INTEGER NOT NULL, workload BLOB NOT NULL, run_at INTEGER NOT NULL, retries INTEGER NOT NULL,
    reducer BLOB NOT NULL, schedule BLOB NOT NULL, owner TEXT NOT NULL
);
CREATE TABLE facts (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO facts VALUES ('reserved', 1125899906842624);
PRAGMA user_version = 1;
"""


def job(number: int) -> JobRecord:
    return JobRecord(number, b"H:%d" % number, b"f", b"", 1, b"w" * 100)


@contextlib.contextmanager
def disk_of(size: int) -> Iterator[None]:
    """Let no file of this process grow beyond a size, as if the disk were full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


class TestSQLite(StoreContract):
    @pytest.fixture(autouse=True)
    def place(self, tmp_path: Path) -> None:
        self.path = tmp_path / "folder" / "jobs.db"

    def store(self) -> Store:
        return SQLiteStore(self.path)

    def test_a_second_server_on_the_same_file_is_refused(self) -> None:
        async def again(_: Store) -> None:
            with pytest.raises(StoreError, match=r"jobs\.db: another server uses this file \(process \d+\)"):
                await SQLiteStore(self.path).open()

        self.use(again)

        assert self.kept() == []

    @pytest.mark.parametrize("content", [b"", b"\n", b"1234567890\n", b"\xff\n"])
    def test_a_file_that_is_locked_is_refused_with_what_is_known_of_the_other_server(self, content: bytes) -> None:
        self.path.parent.mkdir()
        lock = self.path.with_name("jobs.db.lock")
        lock.write_bytes(content)
        known = content.decode(errors="replace").strip() or "unknown"

        with lock.open() as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            with pytest.raises(StoreError) as caught:
                self.use()

        assert str(caught.value) == f"{self.path}: another server uses this file (process {known})"

    def test_a_server_writes_its_process_into_the_lock(self) -> None:
        self.path.parent.mkdir()
        lock = self.path.with_name("jobs.db.lock")
        lock.write_text("1234567890\n")

        self.use()

        assert lock.read_text() == f"{os.getpid()}\n"

    def test_folders_are_created(self) -> None:
        self.path = self.path.with_name("further") / "folders" / "jobs.db"
        self.commit([put_new([job(1)])])

        assert self.kept() == [job(1)]

    def test_a_batch_without_changes_fails_if_the_disk_is_full(self) -> None:
        async def commit_nothing(store: Store) -> None:
            with disk_of(0), pytest.raises(StoreError):
                await store.commit([])
            await store.commit([])

        self.use(commit_nothing)

    def test_large_jobs_come_back_a_few_at_a_time(self) -> None:
        for number in range(1, 6):
            self.commit([put_new([job(number).replace(workload=bytes(9_000_000))])])
        portions: list[int] = []

        async def read(store: Store) -> None:
            portions.extend([len(records) async for records in store.replay()])

        self.use(read)

        assert portions == [2, 2, 1]

    def test_only_its_owner_may_read_it(self) -> None:
        self.use()

        assert self.path.stat().st_mode & 0o777 == 0o600
        assert self.path.with_name("jobs.db.lock").stat().st_mode & 0o777 == 0o600

        self.path.chmod(0o644)
        self.use()

        assert self.path.stat().st_mode & 0o777 == 0o600

    def test_a_store_can_be_opened_for_reading(self) -> None:
        self.commit([put_new([job(1)])])

        async def read() -> list[JobRecord]:
            store = SQLiteStore(self.path, only_reads=True)
            await store.open()
            try:
                return [record async for records in store.replay() for record in records]
            finally:
                await store.close()

        assert asyncio.run(read()) == [job(1)]

    def test_an_address_is_opened_for_writing_and_printed(self) -> None:
        address = f"sqlite://{self.path}"

        async def write() -> str:
            store = open_store(address)
            await store.open()
            await store.commit([put_new([job(1)])])
            await store.close()
            return repr(store)

        assert asyncio.run(write()) == f"<SQLiteStore {self.path}>"
        assert self.kept() == [job(1)]

    def test_reading_creates_no_file(self) -> None:
        with pytest.raises(StoreError, match=r"jobs\.db: there is no such file"):
            asyncio.run(SQLiteStore(self.path, only_reads=True).open())

        assert not self.path.parent.exists()

    def test_a_file_of_a_later_version_is_left_alone(self) -> None:
        self.use()
        with sqlite3.connect(self.path) as connection:
            connection.execute("PRAGMA user_version = 99")
        connection.close()

        with pytest.raises(StoreError, match="written by a later version"):
            self.use()

    def test_a_file_that_cannot_be_migrated_stays_as_it_is(self) -> None:
        self.path.parent.mkdir()
        with sqlite3.connect(self.path) as connection:
            connection.executescript(FIRST_VERSION)
            connection.executemany("INSERT INTO jobs VALUES (?,x'',x'',x'',?,x'',0,0,x'',x'','')", [(1, 0), (2, 300)])
        connection.close()

        with pytest.raises(StoreError):
            self.use()
        with sqlite3.connect(self.path) as connection:
            assert connection.execute("PRAGMA user_version").fetchone() == (1,)
            assert connection.execute("SELECT number, priority FROM jobs").fetchall() == [(1, 0), (2, 300)]
        connection.close()

    def test_a_file_that_is_no_database_is_left_alone(self) -> None:
        self.path.parent.mkdir()
        self.path.write_text("my letters to the editor\n" * 100)

        with pytest.raises(StoreError, match="not a database"):
            self.use()
        assert self.path.read_text().startswith("my letters")

    def test_a_file_that_is_not_regular_is_left_alone(self) -> None:
        """Root might name a device, such as /dev/null, which others need as it is."""
        self.path.parent.mkdir()
        os.mkfifo(self.path, 0o666)
        before = self.path.stat()

        with pytest.raises(StoreError, match=r"jobs\.db: this is not a regular file"):
            self.use()
        assert self.path.stat() == before
        assert [*self.path.parent.iterdir()] == [self.path]

    def test_a_folder_that_cannot_be_made_is_named(self) -> None:
        self.path.parent.write_text("")

        with pytest.raises(StoreError, match="folder"):
            self.use()

    @pytest.mark.parametrize(("size", "step"), [(3, 61), (40, 509)], ids=["rows", "bundles"])
    def test_wherever_its_log_is_torn_whole_batches_are_there_or_not(
        self, tmp_path: Path, size: int, step: int
    ) -> None:
        """A loss of power leaves the first n bytes of the write-ahead log."""
        log = self.path.with_name("jobs.db-wal")
        batches = [put_new(job(size * number + part) for part in range(1, size + 1)) for number in range(6)]
        sizes: list[int] = []

        async def write(store: Store) -> None:
            for batch in batches:
                await store.commit([batch])
                sizes.append(log.stat().st_size)
            for name in ("jobs.db", "jobs.db-wal"):
                (tmp_path / name).write_bytes(self.path.with_name(name).read_bytes())

        self.use(write)
        database, whole = (tmp_path / "jobs.db").read_bytes(), (tmp_path / "jobs.db-wal").read_bytes()
        self.path = tmp_path / "torn" / "jobs.db"
        self.path.parent.mkdir()
        for length in range(sizes[0], len(whole) + 1, step):
            for leftover in self.path.parent.iterdir():
                leftover.unlink()
            self.path.write_bytes(database)
            self.path.with_name("jobs.db-wal").write_bytes(whole[:length])
            complete = sum(size <= length for size in sizes)

            assert [record.number for record in self.kept()] == list(range(1, size * complete + 1)), length

    def test_a_full_disk_refuses_a_batch_and_the_next_one_goes_through(self) -> None:
        async def fill(store: Store) -> None:
            await store.commit([put_new([job(1)])])
            with disk_of(200_000), pytest.raises(StoreError, match=r"full|I/O"):
                await store.commit([put_new([job(2).replace(workload=bytes(10**6))])])
            await store.commit([put_new([job(3)])])

        self.use(fill)

        assert self.kept() == [job(1), job(3)]


@pytest.mark.parametrize("url", ["sqlite:", "sqlite://host/file", "nothing://x", "/just/a/path", ""])
def test_a_url_that_names_no_store_is_refused(url: str) -> None:
    with pytest.raises(StoreError):
        open_store(url)


def test_a_store_has_to_be_opened_first(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="not open"):
        asyncio.run(SQLiteStore(tmp_path / "jobs.db").commit([]))


def test_a_url_is_for_writing_unless_it_is_only_read(tmp_path: Path) -> None:
    url = urlsplit(f"sqlite://{tmp_path}/jobs.db")

    async def write() -> None:
        store = SQLiteStore.from_url(url)
        await store.open()
        await store.commit([put_new([job(1)])])
        await store.close()

    asyncio.run(write())

    with pytest.raises(AssertionError, match="opened for reading"):
        asyncio.run(SQLiteStore.from_url(url, only_reads=True).commit([put_new([job(2)])]))
