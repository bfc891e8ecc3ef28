"""Client of curated, the daemon that decides which samples to pay to have labelled next."""

from .client import Client
from .engine import SelectionCanceled, SelectResult, select, strategies
from .errors import (
    BadRequest,
    BudgetExhausted,
    Busy,
    Canceled,
    Conflict,
    CuratedError,
    Denied,
    InternalError,
    LeaseLost,
    NotFound,
    ReadOnly,
    StaleModel,
    StorageFull,
    Timeout,
    TooLarge,
)
from .local import LocalDaemon
from .nearest import Neighbors, neighbors
from .selection import BatchItem, Selection
from .training import LabelPage
from .working import WorkItem

__version__ = "0.1.0"

__all__ = [
    "BadRequest",
    "BatchItem",
    "BudgetExhausted",
    "Busy",
    "Canceled",
    "Client",
    "Conflict",
    "CuratedError",
    "Denied",
    "InternalError",
    "LabelPage",
    "LeaseLost",
    "LocalDaemon",
    "Neighbors",
    "NotFound",
    "ReadOnly",
    "SelectResult",
    "Selection",
    "SelectionCanceled",
    "StaleModel",
    "StorageFull",
    "Timeout",
    "TooLarge",
    "WorkItem",
    "neighbors",
    "select",
    "strategies",
]
