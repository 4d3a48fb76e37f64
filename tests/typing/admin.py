# SPDX-License-Identifier: MIT
"""The types of the admin clients, for mypy; test_typing.py describes the test."""

from typing import assert_type

from geartrain import AdminClient, AsyncAdminClient
from geartrain.admin import FunctionStatus, WorkerStatus


def blocking(admin: AdminClient) -> None:
    assert_type(admin.status(), list[FunctionStatus])
    assert_type(admin.workers(), list[WorkerStatus])
    assert_type(admin.unique_jobs(), list[str])
    assert_type(admin.version(), str)
    assert_type(admin.pid(), int)
    admin.cancel("H:1")
    admin.shutdown(graceful=True)

    AdminClient(4730)  # type: ignore[arg-type]
    admin.shutdown(True)  # type: ignore[call-arg]
    admin.cancel()  # type: ignore[call-arg]
    str(admin.status()[0].functions)  # type: ignore[attr-defined]
    admin.pid().upper()  # type: ignore[attr-defined]


async def awaited(admin: AsyncAdminClient) -> None:
    assert_type(await admin.status(), list[FunctionStatus])
    assert_type(await admin.pid(), int)

    str(admin.status()[0])  # type: ignore[index]  # it is to be awaited
    await admin.cancel(7)  # type: ignore[arg-type]
