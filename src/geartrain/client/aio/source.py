# SPDX-License-Identifier: MIT
"""Inputs that are iterated over with ``for`` or ``async for``, no faster than they are used."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Iterable
from contextlib import aclosing
from typing import TypeVar

__all__ = ["feed", "items_of"]

Item = TypeVar("Item")


async def items_of(source: Iterable[Item] | AsyncIterable[Item]) -> AsyncGenerator[Item, None]:
    """Yield the items of an iterable of either kind."""
    if isinstance(source, AsyncIterable):
        async for item in source:
            yield item
    else:
        for item in source:
            yield item


async def feed(
    source: Iterable[Item] | AsyncIterable[Item], room: asyncio.Semaphore, use: Callable[[Item], Awaitable[None]]
) -> None:
    """Call a function with every item of a source; each item is taken only once there is room for it."""
    async with aclosing(items_of(source)) as items:  # or the event loop would close it in a task of its own
        while True:
            await room.acquire()
            try:
                item = await anext(items)
            except StopAsyncIteration:
                return
            await use(item)
