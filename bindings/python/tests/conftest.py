"""A planted directory, and a running server that watches one."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import fustor
import pytest
from hypothesis import HealthCheck, settings

DEADLINE = 120.0

# A busy machine is no fault, and a failure must come again.
settings.register_profile(
    "fustor", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("fustor")


def wait_for(what: str, done: Callable[[], bool]) -> None:
    late = time.monotonic() + DEADLINE
    while not done():
        assert time.monotonic() < late, f"timed out: {what}"
        time.sleep(0.01)


@pytest.fixture
def planted(tmp_path: Path) -> Path:
    """`/a` with 2000 files of 0 to 1999 bytes, `/a/b` with nothing, `/top.txt`, a name that is not UTF-8."""
    root = tmp_path / "planted"
    (root / "a" / "b").mkdir(parents=True)
    for n in range(2000):
        (root / "a" / f"f{n:04}.csv").write_bytes(b"x" * n)
    (root / "top.txt").write_text("hello")
    (root / os.fsdecode(b"odd \xff")).write_text("")
    os.symlink("top.txt", root / "link")
    return root


@pytest.fixture
def server(planted: Path) -> Iterator[str]:
    """The address of a server that watches the planted directory."""
    command = os.environ.get("FUSTOR_FUSION")
    if command is None:
        pytest.fail("FUSTOR_FUSION must name the program fustor-fusion")
    log = planted.parent / "server.log"
    with (
        log.open("wb") as stderr,
        subprocess.Popen([command, "watch", str(planted), "--port", "0"], stderr=stderr) as child,
    ):
        try:
            wait_for("an address", lambda: b"listening on http://" in log.read_bytes())
            found = re.search(r"listening on (http://\S+)", log.read_text())
            assert found is not None
            view = fustor.Client(found[1]).view("view-1")
            wait_for("the first scan", lambda: view.trust().state != "syncing")
            yield found[1]
        finally:
            child.terminate()
            child.wait(DEADLINE)
