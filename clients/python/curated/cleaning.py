"""What deserves no money: near-duplicates and outliers among numpy arrays, by the library that the daemon's planner runs."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from . import native
from .engine import run_on_rows, thread_count
from .pool import Pool


@dataclass(frozen=True)
class Duplicates:
    """What `duplicates` found.

    Attributes
    ----------
    groups : ndarray of int64, shape (n,)
        The number of each row's group, from 1 on in the order of the groups' first rows; 0 where a row is alone.
    count : int
        The number of groups.
    radius : float
        The distance up to which two rows are near-duplicates.
    """

    groups: npt.NDArray[np.int64]
    count: int
    radius: float

    def extra(self) -> npt.NDArray[np.int64]:
        """Return the rows that repeat an earlier one: all of each group but its first."""
        _, first = np.unique(self.groups, return_index=True)
        repeats = self.groups > 0
        repeats[first] = False
        return np.flatnonzero(repeats)


@dataclass(frozen=True)
class Outliers:
    """How far out rows lie.

    Attributes
    ----------
    scores : ndarray of float32, shape (n,)
        The squared distance to the second nearest of a sample of some 3,000 rows, over what is usual in that sample: 1 is
        usual.
    bound : float
        What is above it `select` keeps out where `junk` is on; infinite where nothing is.
    radius : float
        The distance whose score is 1.
    """

    scores: npt.NDArray[np.float32]
    bound: float
    radius: float

    @property
    def junk(self) -> npt.NDArray[np.bool_]:
        """Which rows are above the bound."""
        return self.scores > self.bound


def duplicates(
    embeddings: npt.ArrayLike,
    *,
    radius: float | None = None,
    threads: int | None = None,
    progress: bool | Callable[[float], bool | None] = False,
) -> Duplicates:
    """Find groups of near-duplicates: rows that hang together by pairs within a radius.

    The search is exact; two ends of a chain of near pairs are in one group however far apart they are.

    Parameters
    ----------
    embeddings : array, shape (n, d)
        Float16 and float32 with rows in one piece are read where they are.
    radius : float, optional
        By default found from the data: that within which `select` keeps rows from each other where `duplicates` is on.
    threads : int, optional
        By default one a processor. The result does not depend on it.
    progress : bool or callable
        True shows a bar. A callable is told how far the call is, from 0 to 1, and stops it by returning True.

    Returns
    -------
    Duplicates

    Raises
    ------
    ValueError
        Where an argument is wrong.
    SelectionCanceled
        Where `progress` asked for it. Ctrl-C raises KeyboardInterrupt as ever.
    """
    if radius is not None and not radius > 0:
        raise ValueError(f"radius: expected more than 0, got {radius}")
    pool = Pool()
    pool.column("embeddings", embeddings, "embeddings")
    rows = pool.input.embeddings[0]
    call = native.Duplicates(radius=radius or 0, threads=thread_count(threads))
    group = np.zeros(rows.count, np.uint32)
    call.group = group.ctypes.data_as(ctypes.POINTER(ctypes.c_uint32))
    run_on_rows("duplicates", pool, call, progress)
    return Duplicates(group.astype(np.int64), call.groups, call.radius)


def outliers(
    embeddings: npt.ArrayLike,
    *,
    threads: int | None = None,
    progress: bool | Callable[[float], bool | None] = False,
) -> Outliers:
    """Score rows by how far they are from others.

    Parameters
    ----------
    embeddings : array, shape (n, d)
        Float16 and float32 with rows in one piece are read where they are.
    threads : int, optional
        By default one a processor. The result does not depend on it.
    progress : bool or callable
        True shows a bar. A callable is told how far the call is, from 0 to 1, and stops it by returning True.

    Returns
    -------
    Outliers

    Raises
    ------
    ValueError
        Where an argument is wrong.
    SelectionCanceled
        Where `progress` asked for it. Ctrl-C raises KeyboardInterrupt as ever.
    """
    pool = Pool()
    pool.column("embeddings", embeddings, "embeddings")
    rows = pool.input.embeddings[0]
    call = native.Outliers(threads=thread_count(threads))
    scores = np.zeros(rows.count, np.float32)
    call.score = scores.ctypes.data_as(ctypes.POINTER(ctypes.c_float))
    run_on_rows("outliers", pool, call, progress)
    return Outliers(scores, call.bound, call.radius)
