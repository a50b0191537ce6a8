"""Names for the types of arguments."""

from __future__ import annotations

import os
from typing import Protocol, Union

StrOrBytesPath = Union[str, bytes, "os.PathLike[str]"]
"""What names a path: text as `os.fsdecode` gives it, bytes, or a `pathlib.Path`."""


class HasIsSet(Protocol):
    """Something like `threading.Event`."""

    def is_set(self) -> bool: ...
