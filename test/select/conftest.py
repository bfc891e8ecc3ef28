"""Fixtures of the selection's tests: pools of numpy arrays, and the library of this build."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from pools import Pool, clustered

ROOT = Path(__file__).resolve().parents[2]
os.environ.setdefault(
    "CURATED_SELECT_LIBRARY", str(Path(os.environ.get("CURATED_BUILD", ROOT / "build")) / "libcurated-select.so")
)


@pytest.fixture
def pool() -> Pool:
    """A pool of 400 clustered samples with predictions that know the clusters."""
    return clustered(np.random.default_rng(5), n=400)
