"""The client against a running server."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import fustor
import pyarrow as pa
import pytest
from conftest import wait_for


def test_the_server_answers_as_a_scan_does(server: str, planted: Path) -> None:
    view = fustor.Client(server).view("view-1")
    local = fustor.scan(planted).snapshot()
    ours, theirs = local.stats(), view.stats()
    assert (ours.file_count, ours.dir_count) == (theirs.file_count, theirs.dir_count)
    # More than two pages, of which each is cut at 1000.
    told = {entry.path_bytes: entry.facts for entry in view.find()}
    assert told == {entry.path_bytes: entry.facts for entry in local.walk()}
    assert [e.name for e in view.list("/")] == [e.name for e in local.list("/")]
    found = [entry.path for entry in view.find("/a", name="*7.csv", min_size=1950, type="f")]
    assert found == [entry.path for entry in local.find("/a", name="*7.csv", min_size=1950, type="f")]
    odd = os.fsdecode(b"/odd \xff")
    assert view.entry(odd).facts == local.entry(odd).facts
    assert view.top(by="files", limit=1)[0].path == "/a"
    assert pa.table(view.find("/a", max_size=9, type="f"))["size"].to_pylist() == list(range(10))


def test_changes_are_followed(server: str, planted: Path) -> None:
    follow = fustor.Client(server).view("view-1").follow()
    (planted / "fresh").write_text("x")
    (planted / "top.txt").unlink()
    told: set[tuple[str, str]] = set()

    def both() -> bool:
        told.update((change.op, change.path) for change in follow.next_changes().changes)
        return {("upsert", "/fresh"), ("remove", "/top.txt")} <= told

    wait_for("both changes", both)


def test_refusals_are_exceptions(server: str) -> None:
    client = fustor.Client(server)
    view = client.view("view-1")
    with pytest.raises(fustor.NotFound):
        view.entry("/none")
    with pytest.raises(fustor.NotFound):
        client.view("none").stats()
    with pytest.raises(fustor.BadRequest):
        next(view.find(name="a", contains="b"))
    with pytest.raises(fustor.Gone):
        view.changes("0-0")
    with pytest.raises(fustor.NotReady) as not_ready:
        view.scan("/")
    assert not_ready.value.retry_after == 10
    with pytest.raises(ValueError, match="address"):
        fustor.Client("ftp://x")
    with pytest.raises(ConnectionError):
        fustor.Client("http://127.0.0.1:1").view("x").stats()
    assert not view.settled("/", quiet_sec=31_000_000)
    assert "fustor" in client.metrics()


def test_asyncio_programs_ask_too(server: str, planted: Path) -> None:
    async def ask() -> None:
        client = fustor.AsyncClient(server)
        view = client.view("view-1")
        assert await client.is_ready()
        assert (await view.stats("/a")).file_count == 2000
        assert (await view.entry("/top.txt")).size == 5
        names = [entry.name async for entry in view.find("/a", min_size=1500, type="f")]
        assert names == [f"f{n}.csv" for n in range(1500, 2000)]
        assert not await view.settled(quiet_sec=31_000_000)
        changes = view.follow(every=0.01)
        told: set[str] = set()

        async def follow() -> None:
            async for some in changes:
                told.update(change.path for change in some.changes)
                if "/later" in told:
                    return

        async def write() -> None:
            # Again and again: following may begin after a write.
            while "/later" not in told:
                (planted / "later").write_text(str(len(told)))
                (planted / "later").unlink()
                (planted / "later").write_text("")
                await asyncio.sleep(0.05)

        await asyncio.wait_for(asyncio.gather(follow(), write()), 120)

    asyncio.run(ask())
