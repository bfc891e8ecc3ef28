"""Bulk arrays to the daemon: cut into requests of a sane size, several under way at a time."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .connection import Session
from .wire import KEYS_PER_REQUEST, MAX_SAMPLES_PER_REQUEST, Request, floats, samples_field

# The daemon stores columns in blocks of 256 rows; a request that covers whole blocks costs no reading back.
BLOCK_ROWS = 256
REQUEST_BYTES = 8 << 20
BLOCK_BYTES_MAX = 48 << 20  # the daemon takes requests of 64 MiB, unless it is configured otherwise
WINDOW = 4

Columns = dict[str, Any]


def prediction_columns(probs: Any, logits: Any, draws: Any, topk: Any, utility: Any) -> Columns:
    """Return the columns of a prediction in the dtypes that the protocol takes."""
    columns: Columns = {}
    if probs is not None:
        columns["probs"] = floats(probs)
    if logits is not None:
        columns["logits"] = floats(logits)
    if draws is not None:
        columns["draws"] = floats(draws)
        if columns["draws"].ndim != 3:
            raise ValueError(f"draws: expected an array of shape (n, draws, classes), got {columns['draws'].shape}")
    if topk is not None:
        classes, values = (topk["classes"], topk["probs"]) if isinstance(topk, dict) else topk
        classes = np.asarray(classes)
        if classes.dtype.kind not in "iu":
            raise TypeError("the classes of topk must be integers")
        if classes.dtype not in (np.dtype("<u2"), np.dtype("<u4")):
            if classes.size and (classes.min() < 0 or classes.max() > 0xFFFFFFFF):
                raise ValueError("the classes of topk must be from 0 to 2^32 - 1")
            classes = classes.astype("<u4")
        columns["topk"] = {"classes": classes, "probs": floats(values)}
    if utility is not None:
        columns["utility"] = floats(utility)
    return columns


def leaf_arrays(columns: Columns) -> Iterator[NDArray[Any]]:
    """Yield every array among the columns."""
    for value in columns.values():
        if isinstance(value, dict):
            yield from leaf_arrays(value)
        elif isinstance(value, np.ndarray):
            yield value


def row_count(columns: Columns) -> int:
    """Return the number of rows, which all columns must share."""
    counts = {len(array) for array in leaf_arrays(columns)}
    if len(counts) != 1:
        raise ValueError(f"the arrays must have the same number of rows, not {sorted(counts)}")
    return counts.pop()


def rows_per_request(columns: Columns, keys: Sequence[str] | None = None) -> int:
    """Return how many rows fill a request: whole blocks, about `REQUEST_BYTES`; a part of one where that is too much."""
    row_bytes = sum(array.nbytes // max(1, len(array)) for array in leaf_arrays(columns)) + 4
    if row_bytes * BLOCK_ROWS > BLOCK_BYTES_MAX:
        return max(1, REQUEST_BYTES // row_bytes)
    blocks = max(1, REQUEST_BYTES // row_bytes // BLOCK_ROWS)
    return min(blocks * BLOCK_ROWS, MAX_SAMPLES_PER_REQUEST if keys is None else KEYS_PER_REQUEST)


def _cut(value: Any, start: int, stop: int) -> Any:
    if isinstance(value, dict):
        return {name: _cut(item, start, stop) for name, item in value.items()}
    return value[start:stop] if isinstance(value, np.ndarray) else value


def requests(
    session: Session, op: str, columns: Columns, keys: Sequence[str] | None, slots: NDArray[Any] | None, **fields: Any
) -> Iterator[Request]:
    """Yield the requests that push `columns`. Rows are named by `keys`, by `slots`, or are slots 0, 1, 2 and on."""
    rows = row_count(columns)
    step = rows_per_request(columns, keys)
    for start in range(0, rows, step):
        stop = min(rows, start + step)
        if keys is not None:
            names = samples_field(keys=keys[start:stop])
        elif slots is not None:
            names = samples_field(slots=slots[start:stop])
        else:
            names = samples_field(first=start)
        yield session.encode(op, **names, **fields, **_cut(columns, start, stop))


def send(session: Session, items: Iterator[Request], total: int, progress: bool | None, what: str) -> None:
    """Send push requests, a small window of them at a time, with a progress bar where one helps."""
    bar = _progress_bar(total, what, progress)
    try:
        for _ in session.connection.pipeline(items, window=WINDOW):
            if bar is not None:
                bar.update(1)
    finally:
        if bar is not None:
            bar.close()


def _progress_bar(total: int, what: str, progress: bool | None) -> Any:
    """Return a bar when asked for one, or when there is more than a moment's work and somebody who watches."""
    wanted = progress if progress is not None else total > WINDOW and sys.stderr.isatty()
    if not wanted:
        return None
    try:
        from tqdm import tqdm
    except ImportError:
        return None
    return tqdm(total=total, desc=what, unit="request", leave=False)
