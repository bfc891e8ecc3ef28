"""Picks by distance to the k-th nearest neighbour, against the definition."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from curated import select

Array = npt.NDArray[Any]


def kth_distance(points: Array, k: int) -> Array:
    wide = points.astype(np.float64)
    distance = np.sqrt(((wide[:, None] - wide[None]) ** 2).sum(2))
    np.fill_diagonal(distance, np.inf)
    return np.sort(distance, axis=1)[:, min(k, len(points) - 1) - 1]


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize("neighbors", [1, 5, 128])
def test_the_farthest_from_their_kth_neighbour_are_picked(dtype: type, neighbors: int) -> None:
    points = np.random.default_rng(3).normal(size=(500, 9)).astype(dtype)
    result = select("outlier", 50, embeddings=points, neighbors=neighbors)
    distance = kth_distance(points, neighbors)
    assert result.indices.tolist() == np.argsort(-distance, kind="stable")[:50].tolist()
    np.testing.assert_allclose(result.gains, distance[result.indices], rtol=1e-5)


def test_neighbours_are_samples_of_any_state() -> None:
    points = np.random.default_rng(4).integers(0, 4, (300, 3)).astype(np.float32)
    labeled, excluded = np.arange(0, 300, 3), np.arange(1, 300, 3)
    result = select("outlier", 20, embeddings=points, labeled=labeled, excluded=excluded, prices=np.arange(300) % 5 + 1.0)
    worth = kth_distance(points, 5) / (np.arange(300) % 5 + 1)
    worth[np.concatenate([labeled, excluded])] = -1
    assert result.indices.tolist() == np.argsort(-worth, kind="stable")[:20].tolist()


@pytest.mark.parametrize("n", [1, 2, 5])
def test_where_there_are_fewer_neighbours_the_last_counts(n: int) -> None:
    points = np.arange(n, dtype=np.float32)[:, None] ** 2
    result = select("outlier", n, embeddings=points, neighbors=9)
    expected = kth_distance(points, n - 1) if n > 1 else np.zeros(1)
    assert result.indices.tolist() == np.argsort(-expected, kind="stable").tolist()
    np.testing.assert_allclose(result.gains, expected[result.indices])


def test_a_large_pool_is_searched_approximately() -> None:
    """Past the exact limit the lone rows still come first."""
    points = np.random.default_rng(6).normal(size=(210_000, 3)).astype(np.float32)
    alone = np.arange(1000, 210_000, 20_000)
    points[alone] *= 200 / np.linalg.norm(points[alone], axis=1, keepdims=True)
    result = select("outlier", len(alone), embeddings=points)
    assert sorted(result.indices) == alone.tolist()
