"""The scanner in one call."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import fustor
import pytest


def walked(root: Path) -> dict[bytes, os.stat_result]:
    """What `os.walk` and `os.lstat` say."""
    found = {}
    for base, dirs, files in os.walk(os.fsencode(root)):
        for name in dirs + files:
            path = os.path.join(base, name)
            found[b"/" + os.path.relpath(path, os.fsencode(root))] = os.lstat(path)
    return found


def test_a_scan_is_what_os_walk_says(planted: Path) -> None:
    looks: list[fustor.ScanProgress] = []
    snapshot = fustor.scan(planted, progress=looks.append).snapshot()
    disk = walked(planted)
    view = {entry.path_bytes: entry.facts for entry in snapshot.walk()}
    assert view == {path: fustor.Facts.from_stat(stat) for path, stat in disk.items()}
    assert looks[-1].entries == len(disk) and looks[-1].directories == 3
    stats = snapshot.stats()
    assert (stats.file_count, stats.dir_count) == (2003, 2)
    assert snapshot.stats("/a").total_size == sum(range(2000))
    # Nobody feeds the view after the scan, and it says so.
    assert stats.trust.state == "stale"
    found = [entry.name for entry in snapshot.find("/a", name="*9.csv", min_size=1900, type="f")]
    assert found == [f"f{n:04}.csv" for n in range(1909, 2000, 10)]


def test_a_second_scan_finds_what_changed(planted: Path) -> None:
    view = fustor.scan(planted)
    before = view.snapshot()
    (planted / "top.txt").unlink()
    (planted / "fresh").write_text("x")
    view.scan(planted)
    changes = view.snapshot().changes(before).changes
    told = {(change.op, change.path) for change in changes}
    # The root changed too: its times did.
    assert told - {("upsert", "/")} == {("remove", "/top.txt"), ("upsert", "/fresh")}
    view.check()


def test_a_scan_can_be_cancelled(planted: Path) -> None:
    cancel = threading.Event()
    cancel.set()
    view = fustor.View()
    # A small tree may be through before anybody looks; then there is nothing to cancel.
    try:
        view.scan(planted, cancel=cancel)
    except fustor.Cancelled:
        pass
    assert isinstance(view.snapshot(), fustor.Snapshot)
    with pytest.raises(TypeError, match="is_set"):
        fustor.scan(planted, cancel=object())  # type: ignore[arg-type]


def test_what_a_callback_raises_ends_the_scan(planted: Path) -> None:
    def fail(progress: fustor.ScanProgress) -> None:
        raise KeyError(progress.entries)

    with pytest.raises(KeyError):
        fustor.scan(planted, progress=fail)


def test_a_view_that_is_scanned_says_so(planted: Path) -> None:
    view = fustor.View()
    said: list[str] = []

    def look(_: fustor.ScanProgress) -> None:
        with pytest.raises(RuntimeError, match="being scanned"):
            view.snapshot()
        said.append("once")

    view.scan(planted, progress=look)
    assert said and view.snapshot().stats().file_count == 2003


def test_a_scan_that_cannot_be_says_why(planted: Path) -> None:
    with pytest.raises(FileNotFoundError) as missing:
        fustor.scan(planted / "none")
    assert Path(missing.value.filename) == planted / "none"
    with pytest.raises(NotADirectoryError):
        fustor.scan(planted / "top.txt")
    with pytest.raises(OSError, match="workers"):
        fustor.scan(planted, workers=0)
    view = fustor.scan(planted)
    with pytest.raises(ValueError, match="another directory"):
        view.scan(planted / "a")
