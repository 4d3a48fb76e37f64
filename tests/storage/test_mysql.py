# SPDX-License-Identifier: MIT
"""MariaDB as a store."""

from geartrain.jobrecord import Batch, JobRecord
from tests.storage.places import mysql
from tests.storage.servers import ExclusiveContract


class TestMySQL(ExclusiveContract):
    kind = "mysql"

    def test_tables_that_were_made_in_part_are_completed(self) -> None:
        """Statements about tables are no part of a transaction, so a server may have died between two of them."""
        job = JobRecord(1, b"H:1", b"f", b"", 1, bytes(3_000_000))
        self.use()
        with mysql(self.engine) as cursor:
            cursor.execute("DELETE FROM geartrain_facts")
            cursor.execute("DROP TABLE geartrain_pieces")

        self.commit(Batch([job]))

        assert self.kept() == [job]
