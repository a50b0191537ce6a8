"""What may be raised. The extension module makes these."""

from __future__ import annotations


class FustorError(Exception):
    """The base of all that is raised here and nowhere else."""


class NotFound(FustorError, LookupError):
    """Nothing is known at a path."""


class Cancelled(FustorError):
    """A scan was cancelled."""


class ClientError(FustorError):
    """A server has not answered, or not as it was asked to."""


class Unreachable(ClientError, ConnectionError):
    """There was no connection, or it broke."""


class RequestTimeout(ClientError, TimeoutError):
    """No answer came in time."""


class ServerError(ClientError):
    """The answer makes no sense."""


class BadRequest(ClientError, ValueError):
    """The server refuses a parameter."""


class Gone(ClientError):
    """The revision is no longer kept: begin again."""


class AuthError(ClientError, PermissionError):
    """No valid key, or a key for something else."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status
        """401 or 403."""


class LimitExceeded(ClientError):
    """The answer would have more entries than the view allows."""

    def __init__(self, message: str, current_count: int, limit: int) -> None:
        super().__init__(message)
        self.current_count = current_count
        """Entries of the answer, as far as they were counted."""
        self.limit = limit
        """The limit."""


class Busy(ClientError):
    """Too much at once."""

    def __init__(self, message: str, retry_after: int | None) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        """When to come back, in seconds."""


class NotReady(ClientError):
    """Not yet, or less than was required."""

    def __init__(self, message: str, retry_after: int | None) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        """When to come back, in seconds."""
