"""Client of curated, the daemon that decides which samples to pay to have labelled next."""

from .cleaning import Duplicates, Outliers, duplicates, outliers
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
    "Duplicates",
    "InternalError",
    "LabelPage",
    "LeaseLost",
    "LocalDaemon",
    "Neighbors",
    "NotFound",
    "Outliers",
    "ReadOnly",
    "SelectResult",
    "Selection",
    "SelectionCanceled",
    "StaleModel",
    "StorageFull",
    "Timeout",
    "TooLarge",
    "WorkItem",
    "duplicates",
    "neighbors",
    "outliers",
    "select",
    "strategies",
]
