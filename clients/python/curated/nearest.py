"""Nearest neighbours of numpy arrays, by the library that the daemon's planner runs."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from . import native
from .engine import run_on_rows, thread_count
from .pool import Pool, at_least


@dataclass(frozen=True)
class Neighbors:
    """What `neighbors` found, a row for each row of the embeddings.

    Attributes
    ----------
    indices : ndarray of int64, shape (n, k)
        The nearest other rows, nearest first, then the lowest; -1 where there are fewer than k others.
    distances : ndarray of float32, shape (n, k)
        Their Euclidean distances; infinite where there is no neighbour.
    recall : float
        1 where the search was exact; else the share found of the true neighbours, measured on a sample of rows.
    """

    indices: npt.NDArray[np.int64]
    distances: npt.NDArray[np.float32]
    recall: float


def neighbors(
    embeddings: npt.ArrayLike,
    k: int = 10,
    *,
    mode: Literal["auto", "exact", "approximate"] = "auto",
    recall: float = 0.95,
    seed: int = 0,
    threads: int | None = None,
    progress: bool | Callable[[float], bool | None] = False,
) -> Neighbors:
    """Find the nearest other rows of every row.

    Parameters
    ----------
    embeddings : array, shape (n, d)
        Float16 and float32 with rows in one piece are read where they are.
    k : int
        Neighbours of each row, 1 to 1024.
    mode : str
        "exact" gives what sorting all distances gives; "approximate" looks at the rows of the nearest clusters only. "auto"
        is exact up to 200,000 rows.
    recall : float
        For an approximate search: the share of the true neighbours to find.
    seed : int
        For an approximate search: of the clusters.
    threads : int, optional
        By default one a processor. The result does not depend on it.
    progress : bool or callable
        True shows a bar. A callable is told how far the call is, from 0 to 1, and stops it by returning True.

    Returns
    -------
    Neighbors

    Raises
    ------
    ValueError
        Where an argument is wrong.
    SelectionCanceled
        Where `progress` asked for it. Ctrl-C raises KeyboardInterrupt as ever.
    """
    if mode not in native.NEIGHBORS_MODES:
        raise ValueError(f"mode: expected one of {', '.join(native.NEIGHBORS_MODES)}, got {mode!r}")
    pool = Pool()
    pool.column("embeddings", embeddings, "embeddings")
    rows = pool.input.embeddings[0]
    call = native.Neighbors(
        k=at_least("k", k, 1),
        mode=native.NEIGHBORS_MODES.index(mode),
        recall_wanted=recall,
        seed=seed & (2**64 - 1),
        threads=thread_count(threads),
    )
    if call.k > native.NEIGHBORS_K_MAX:
        raise ValueError(f"k: expected 1..{native.NEIGHBORS_K_MAX}, got {k}")
    slots = np.empty((rows.count, call.k), np.uint32)
    distances = np.empty((rows.count, call.k), np.float32)
    call.slots = slots.ctypes.data_as(ctypes.POINTER(ctypes.c_uint32))
    call.distances2 = distances.ctypes.data_as(ctypes.POINTER(ctypes.c_float))
    run_on_rows("neighbors", pool, call, progress)
    indices = slots.astype(np.int64)
    indices[indices == 2**32 - 1] = -1
    return Neighbors(indices, np.sqrt(distances, out=distances), call.recall)
