"""What can go wrong, as exceptions: one class for each error code of the protocol."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class CuratedError(Exception):
    """A request that the daemon refused; it has changed nothing.

    Attributes
    ----------
    code : str
        The error's code as in the protocol, such as ``"not_found"``.
    field : str
        The field at fault, or an empty string.
    expected, got : str
        What the daemon expected there, and what came.
    available_usd : float or None
        With `BudgetExhausted`: the money that is available.
    """

    code = "internal"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        field: str = "",
        expected: str = "",
        got: str = "",
        available_usd: float | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code or type(self).code
        self.field = field
        self.expected = expected
        self.got = got
        self.available_usd = available_usd

    def __str__(self) -> str:
        message = str(self.args[0])
        parts = [f"{self.code}: {message}"]
        # The daemon's message has these in it already, unless it was cut.
        for name, text in (("field", self.field), ("expected", self.expected), ("got", self.got)):
            if text and text not in message:
                parts.append(f"{name} {text}")
        return "; ".join(parts)


class BadRequest(CuratedError):
    """Malformed: a missing field, or a wrong type, shape, dtype or value."""

    code = "bad_request"


class NotFound(CuratedError):
    """No such project, sample, batch, model version, space or class."""

    code = "not_found"


class Conflict(CuratedError):
    """Contradicts what exists."""

    code = "conflict"


class BudgetExhausted(CuratedError):
    """Costs more than is available; `available_usd` tells how much that is."""

    code = "budget_exhausted"


class LeaseLost(CuratedError):
    """The lease expired, was released or never was."""

    code = "lease_lost"


class StaleModel(CuratedError):
    """A newer model version is active."""

    code = "stale_model"


class TooLarge(CuratedError):
    """Over a size limit."""

    code = "too_large"


class Busy(CuratedError):
    """A queue of the daemon is full, or it is draining; nothing was done."""

    code = "busy"


class Denied(CuratedError):
    """Not allowed by the daemon's configuration."""

    code = "denied"


class ReadOnly(CuratedError):
    """A write to disk failed earlier: the daemon serves reads only."""

    code = "read_only"


class StorageFull(CuratedError):
    """The disk or the map is full."""

    code = "storage_full"


class InternalError(CuratedError):
    """A fault of the daemon's own."""

    code = "internal"


class Canceled(CuratedError):
    """Somebody stopped the selection; nothing was done."""

    code = "canceled"


class Timeout(CuratedError):
    """No answer in time. Whether the request had its effect is not known."""

    code = "timeout"


_CLASSES: dict[str, type[CuratedError]] = {
    cls.code: cls
    for cls in (
        Canceled,
        BadRequest,
        NotFound,
        Conflict,
        BudgetExhausted,
        LeaseLost,
        StaleModel,
        TooLarge,
        Busy,
        Denied,
        ReadOnly,
        StorageFull,
        InternalError,
    )
}


def from_reply(error: Mapping[str, Any]) -> CuratedError:
    """Return the exception for the ``error`` map of a reply."""
    code = str(error.get("code", "internal"))
    available = error.get("available_microusd")
    return _CLASSES.get(code, CuratedError)(
        str(error.get("message", "")),
        code=code,
        field=str(error.get("field", "")),
        expected=str(error.get("expected", "")),
        got=str(error.get("got", "")),
        available_usd=None if available is None else available / 1_000_000,
    )
