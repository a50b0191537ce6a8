"""The client for asyncio: the questions of `Client`, each on a thread of the loop's executor."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from itertools import islice
from typing import TYPE_CHECKING

from fustor._fustor import Client, ClientView

if TYPE_CHECKING:
    from fustor._fustor import Changes, Entries, Entry, Follow, Settled, Stats
    from fustor._types import StrOrBytesPath

_BATCH = 256


async def _drain(entries: Entries) -> AsyncIterator[Entry]:
    while batch := await asyncio.to_thread(lambda: list(islice(entries, _BATCH))):
        for entry in batch:
            yield entry


class AsyncClient:
    """As `Client`, for programs with an event loop."""

    def __init__(self, url: str, key: str | None = None, *, timeout: float = 30.0) -> None:
        self._client = Client(url, key, timeout=timeout)

    def view(self, name: str) -> AsyncClientView:
        """A view by its name."""
        return AsyncClientView(self._client.view(name))

    async def is_ready(self) -> bool:
        """Whether no route answers that it is too early."""
        return await asyncio.to_thread(self._client.is_ready)


class AsyncClientView:
    """As `ClientView`, for programs with an event loop."""

    def __init__(self, view: ClientView) -> None:
        self._view = view

    async def stats(self, path: StrOrBytesPath | None = None) -> Stats:
        """The totals of a path and everything below it."""
        return await asyncio.to_thread(self._view.stats, path)

    async def entry(self, path: StrOrBytesPath) -> Entry:
        """The entry at a path."""
        return await asyncio.to_thread(self._view.entry, path)

    def list(self, path: StrOrBytesPath | None = None, *, trusted: bool = False) -> AsyncIterator[Entry]:
        """The entries of one directory, by name."""
        return _drain(self._view.list(path, trusted=trusted))

    def find(
        self,
        path: StrOrBytesPath | None = None,
        *,
        name: str | bytes | None = None,
        contains: str | bytes | None = None,
        regex: str | None = None,
        type: str | None = None,
        min_size: int | None = None,
        max_size: int | None = None,
        newer_ns: int | None = None,
        older_ns: int | None = None,
        depth: int | None = None,
    ) -> AsyncIterator[Entry]:
        """The entries below a directory that satisfy every condition."""
        found = self._view.find(
            path,
            name=name,
            contains=contains,
            regex=regex,
            type=type,
            min_size=min_size,
            max_size=max_size,
            newer_ns=newer_ns,
            older_ns=older_ns,
            depth=depth,
        )
        return _drain(found)

    async def settled(
        self,
        path: StrOrBytesPath | None = None,
        *,
        quiet_sec: int | None = None,
        wait_sec: int = 0,
    ) -> Settled:
        """Whether nothing below a path changed for `quiet_sec` seconds; waits up to `wait_sec` until it is so."""
        return await asyncio.to_thread(
            lambda: self._view.settled(path, quiet_sec=quiet_sec, wait_sec=wait_sec)
        )

    async def changes(self, since: str, *, limit: int | None = None) -> Changes:
        """What differs since a revision."""
        return await asyncio.to_thread(lambda: self._view.changes(since, limit=limit))

    async def follow(self, *, every: float = 1.0) -> AsyncIterator[Changes]:
        """Changes from now on, asked for `every` so many seconds; only answers that hold some."""
        follow: Follow = await asyncio.to_thread(self._view.follow)
        while True:
            changes = await asyncio.to_thread(follow.next_changes)
            if len(changes) or changes.next:
                yield changes
            else:
                await asyncio.sleep(every)
