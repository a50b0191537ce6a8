"""Views that are fed by hand."""

from __future__ import annotations

import os
import threading

import fustor
import pytest
from fustor import Event, Facts, View
from hypothesis import given
from hypothesis import strategies as st

S = 1_000_000_000


def paths(entries: fustor.Entries) -> list[str]:
    return [entry.path for entry in entries]


def test_verdicts_are_returned() -> None:
    view = View()
    view.attach(1 * S, writers_watched=True)
    applied = view.apply(3 * S, [Event.upsert("/a/b", Facts(size=1), at=2 * S)])
    assert (applied.applied, applied.stale) == (1, 0)
    assert view.apply(4 * S, [Event.upsert("/a/b", Facts(size=9), at=1 * S)]).stale == 1
    assert view.snapshot().entry("/a/b").size == 1
    assert view.apply(6 * S, [Event.delete("/a/b", at=5 * S)]).applied == 1
    assert view.apply(7 * S, [Event.upsert("/a/b", Facts(), at=4 * S)]).buried == 1
    assert "/a/b" not in view.snapshot()
    assert view.apply(8 * S, [Event.delete("/", at=8 * S)]).refused == 1
    view.check()


def test_a_complete_listing_proves_absence() -> None:
    view = View()
    rows = [(f"f{n:03}", Facts(size=n)) for n in range(900)]
    rows.append(("sub", Facts("directory")))
    view.apply(2 * S, [Event.listing("/", rows, at=1 * S)])
    assert (view.snapshot().stats().file_count, view.snapshot().stats().dir_count) == (900, 1)
    view.apply(300 * S, [Event.listing("/", rows[:10], at=200 * S)])
    assert paths(view.snapshot().walk()) == [f"/f{n:03}" for n in range(10)]
    view.apply(400 * S, [Event.listing("/", [], at=399 * S, complete=False)])
    assert view.snapshot().stats().file_count == 10
    view.check()


def test_the_removal_of_most_of_a_large_directory_is_looked_at_twice() -> None:
    view = View()
    rows = [(f"f{n:04}", Facts(size=n)) for n in range(2000)]
    view.apply(2 * S, [Event.listing("/", rows, at=1 * S)])
    applied = view.apply(300 * S, [Event.listing("/", rows[:10], at=200 * S)])
    assert [(d.what, d.path) for d in applied.directives] == [("list", "/")]
    assert view.snapshot().stats().file_count == 2000
    view.apply(500 * S, [Event.listing("/", rows[:10], at=400 * S)])
    assert view.snapshot().stats().file_count == 10


def test_snapshots_do_not_change() -> None:
    view = View()
    view.apply(1, [Event.upsert("/old/x", Facts(), at=1), Event.upsert("/gone", Facts(), at=1)])
    before = view.snapshot()
    view.apply(9, [Event.delete("/gone", at=8), Event.upsert("/new", Facts(size=5), at=8)])
    after = view.snapshot()
    assert paths(before.walk()) == ["/gone", "/old", "/old/x"]
    assert paths(after.walk()) == ["/new", "/old", "/old/x"]
    changes = after.changes(since=before)
    told = {(change.op, change.path) for change in changes.changes}
    assert told == {("upsert", "/new"), ("remove", "/gone")}
    assert (len(changes), changes.next) == (2, None)
    assert changes.from_revision == before.revision != changes.to_revision == after.revision


def test_renames_take_along_what_is_below() -> None:
    view = View()
    directory = Facts("directory", inode=7)
    view.apply(2, [Event.listing("/", [("d", directory)], at=1)])
    view.apply(3, [Event.listing("/d", [("x", Facts(size=4))], at=2, facts=directory)])
    before = view.snapshot()
    view.apply(9, [Event.rename("/d", "/e", directory, at=8)])
    assert paths(view.snapshot().walk()) == ["/e", "/e/x"]
    renames = [c for c in view.snapshot().changes(before).changes if c.op == "rename"]
    assert [(change.path, change.old_path) for change in renames] == [("/e", "/d")]


def test_paths_are_text_bytes_or_pathlike() -> None:
    view = View()
    odd = b"/a\xff"
    view.apply(1, [Event.upsert(odd, Facts(size=2), at=1)])
    [entry] = view.snapshot().walk()
    assert (entry.path_bytes, entry.path, os.fsencode(entry)) == (odd, os.fsdecode(odd), odd)
    for path in (odd, entry, entry.path):
        assert view.snapshot().entry(path) == entry
    assert entry.name == os.fsdecode(b"a\xff") and entry.is_file() and not entry.is_dir()
    view.apply(2, [Event.upsert(odd, Facts(size=2), at=2)])
    again = view.snapshot().entry(odd)
    assert (again, hash(again)) == (entry, hash(entry))


def test_what_makes_no_sense_is_refused() -> None:
    view = View()
    snapshot = view.snapshot()
    with pytest.raises(fustor.NotFound, match="/none"):
        snapshot.entry("/none")
    with pytest.raises(LookupError):
        snapshot.walk("/none")
    with pytest.raises(ValueError, match=r"\.\."):
        snapshot.stats("/../etc")
    with pytest.raises(ValueError, match="exclude"):
        snapshot.find(name="a", contains="b")
    with pytest.raises(ValueError, match="type"):
        snapshot.find(type="x")
    with pytest.raises(ValueError, match="kind"):
        Facts("dir")
    with pytest.raises(ValueError, match="not a name"):
        Event.listing("/", [("a/b", Facts())], at=1)
    with pytest.raises(ValueError, match="tier"):
        Event.upsert("/a", Facts(), at=1, tier="x")
    with pytest.raises(ValueError, match="agent"):
        view.apply(1, [], agent=8192)
    with pytest.raises(TypeError):
        view.apply(1, [1])  # type: ignore[list-item]
    with pytest.raises(ValueError, match="hot_threshold"):
        View(hot_threshold=float("nan"))
    with pytest.raises(ValueError, match="another view"):
        snapshot.changes(since=View().snapshot())
    view.apply(1, [Event.upsert("/f", Facts(), at=1)])
    with pytest.raises(NotADirectoryError):
        view.snapshot().list("/f")


def test_trust_and_rest_follow_the_clock_that_is_given() -> None:
    view = View()
    assert view.snapshot().trust(now=1).state == "syncing"
    view.attach(1 * S, writers_watched=True)
    view.apply(3 * S, [Event.cycle("begin", at=1 * S), Event.listing("/", [("f", Facts())], at=2 * S)])
    view.apply(4 * S, [Event.cycle("end", at=3 * S)])
    assert view.snapshot().trust(now=4 * S).state == "trusted"
    assert not view.snapshot().settled(quiet_sec=60, now=5 * S)
    later = view.snapshot().settled(quiet_sec=60, now=200 * S)
    assert later.settled and later.basis == "realtime", later.reasons
    view.detach(300 * S)
    trust = view.snapshot().trust(now=301 * S)
    assert (trust.state, trust.since_ns) == ("stale", 300 * S)


def test_the_greatest_come_first() -> None:
    view = View()
    events = [Event.upsert(f"/d{n}/f", Facts(size=n), at=1) for n in range(30)]
    view.apply(1, events)
    top = view.snapshot().top(limit=3)
    assert [(size, entry.path) for size, entry in top] == [(29, "/d29"), (28, "/d28"), (27, "/d27")]


def test_an_iteration_may_be_shared_by_threads() -> None:
    view = View()
    view.apply(2, [Event.listing("/", [(f"f{n:05}", Facts()) for n in range(20_000)], at=1)])
    entries = view.snapshot().walk()
    parts: list[list[str]] = [[], [], [], []]

    def take(part: list[str]) -> None:
        part.extend(entry.path for entry in entries)

    threads = [threading.Thread(target=take, args=(part,)) for part in parts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    together = sorted(path for part in parts for path in part)
    assert together == [f"/f{n:05}" for n in range(20_000)]


def test_a_writer_and_readers_do_not_disturb_each_other() -> None:
    view = View()
    wrong: list[str] = []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            snapshot = view.snapshot()
            # Both files of a batch are there, or neither.
            count = len(list(snapshot.walk()))
            if count % 2 or count != snapshot.stats().file_count:
                wrong.append(snapshot.revision)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for n in range(1, 200):
        view.apply(n, [Event.upsert(f"/{n}-{k}", Facts(), at=n) for k in range(2)])
    done.set()
    for reader in readers:
        reader.join()
    assert wrong == []


names = st.binary(min_size=1, max_size=20).filter(
    lambda name: b"/" not in name and b"\0" not in name and name not in (b".", b"..")
)
facts = st.builds(
    Facts,
    size=st.integers(0, 2**64 - 1),
    mtime_ns=st.integers(-(2**63), 2**63 - 1),
    inode=st.integers(0, 2**64 - 1),
    nlink=st.integers(1, 2**32 - 1),
    mode=st.integers(0, 0o7777),
    uid=st.integers(0, 2**32 - 1),
)


@given(st.dictionaries(names, facts, max_size=30))
def test_a_listing_gives_back_what_went_in(rows: dict[bytes, Facts]) -> None:
    view = View()
    view.apply(2, [Event.listing("/", rows.items(), at=1)])
    found = {entry.path_bytes[1:]: entry.facts for entry in view.snapshot().list()}
    assert found == rows
    assert list(found) == sorted(rows)
    view.check()


@given(st.lists(st.tuples(names, st.booleans(), st.integers(1, 1000)), max_size=20), st.randoms())
def test_the_order_of_batches_does_not_matter(history: list[tuple[bytes, bool, int]], random) -> None:  # type: ignore[no-untyped-def]
    events = [
        Event.upsert(b"/" + name, Facts(size=at), at=at) if there else Event.delete(b"/" + name, at=at)
        for name, there, at in history
    ]
    told, shuffled = View(), View()
    for event in events:
        told.apply(2000, [event])
    random.shuffle(events)
    for event in events:
        shuffled.apply(2000, [event])
    assert list(told.snapshot().walk()) == list(shuffled.snapshot().walk())
