"""Fixtures of the comparisons with other packages, which run in an environment of their own (`make test-peers`)."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from pools import Floats, Pool, clustered

BUILD = Path(os.environ.get("CURATED_BUILD", Path(__file__).resolve().parents[2] / "build"))
os.environ.setdefault("CURATED_SELECT_LIBRARY", str(BUILD / "libcurated-select.so"))


@pytest.fixture(scope="session")
def pool() -> Pool:
    """A pool of 600 samples of 6 clusters that touch."""
    return clustered(np.random.default_rng(11), n=600, width=16, classes=6, spread=1.0)


@pytest.fixture(scope="session")
def points(pool: Pool) -> Floats:
    return pool.embeddings


@pytest.fixture(scope="session")
def distances(points: Floats) -> npt.NDArray[np.float64]:
    """The distance between every two samples."""
    wide = points.astype(np.float64)
    return np.sqrt(((wide[:, None] - wide[None]) ** 2).sum(-1))
