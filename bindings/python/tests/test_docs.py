"""The examples of the manual and of the docstrings run as they are printed."""

from __future__ import annotations

import doctest
import inspect
import os
import re
from pathlib import Path

import fustor
import pytest

MANUAL = Path(__file__).parents[3] / "docs" / "bindings.md"


def examples() -> list[str]:
    return re.findall(r"```python\n(.*?)```", MANUAL.read_text(), re.S)


@pytest.mark.parametrize("example", examples())
def test_the_manual(example: str, planted: Path, server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(planted.parent)
    example = example.replace("/srv/shared", str(planted)).replace("http://127.0.0.1:8101", server)
    exec(compile(example, str(MANUAL), "exec"), {"__name__": "example"})


def test_the_docstrings() -> None:
    assert doctest.testmod(fustor).failed == 0


def test_everything_is_described() -> None:
    for name in fustor.__all__:
        thing = getattr(fustor, name)
        assert inspect.getdoc(thing), name
        for part, member in vars(thing).items() if inspect.isclass(thing) else ():
            if not part.startswith("_"):
                assert inspect.getdoc(member), f"{name}.{part}"


def test_nothing_is_missing_from_all() -> None:
    public = {name for name in vars(fustor) if not name.startswith("_") and name[0].isupper()}
    assert public <= set(fustor.__all__)
    assert os.path.exists(Path(fustor.__file__).parent / "py.typed")
